"""The command `annotate`: which types every sample of a file carries."""

from typing import Annotated

import typer

from macromicro.cli.options import (
    GRANULARITY,
    PART,
    BadRowsOption,
    CacheOption,
    ColumnOption,
    Files,
    Granularity,
    Part,
    RepeatsOption,
    SeedOption,
    SetOption,
    TokenizerOption,
    TurnsOption,
)


def annotate(
    files: Files,
    output: Annotated[str, typer.Option("--output", "-o", help="Where to: .npz, .jsonl, .parquet or - (JSON lines).")],
    part: Annotated[Part, PART] = "response",
    granularity: Annotated[Granularity, GRANULARITY] = "micro",
    tokenizer: TokenizerOption = "bpe",
    turns: TurnsOption = "first",
    repeats: RepeatsOption = "drop",
    bad_rows: BadRowsOption = "fail",
    seed: SeedOption = 0,
    cache: CacheOption = None,
    column: ColumnOption = None,
    set_: SetOption = None,
) -> None:
    """Say which types (topics, tags or tokens) every sample carries.

    Samples without text and repeated instructions are left out first, and counted: they have no row in the result.
    An .npz file holds the type matrix for `select --types`; .jsonl and .parquet hold a row per sample: id, types.

    \b
      macromicro annotate my.jsonl --granularity meso -o tags.jsonl
      macromicro annotate my.jsonl --granularity meso --set tags.tagger=llm \\
          --set tag_llm.model=MODEL --set tag_llm.base_url=http://localhost:8000/v1 --cache cache -o tags.npz
    """  # noqa: D301
    from macromicro.api.annotation import annotate as find_types
    from macromicro.api.annotation import check_tokenizer
    from macromicro.api.messages import say
    from macromicro.api.reading import read
    from macromicro.cli.output import check_output, name_inputs, parse_columns, write_bad, write_types
    from macromicro.cli.settings import read_settings

    check_output(output, (".npz", ".jsonl", ".parquet"), **name_inputs(files))
    settings = read_settings(set_ or [], tokenizer=tokenizer)
    check_tokenizer(tokenizer, settings)
    samples = read(*files, columns=parse_columns(column), turns=turns, repeats=repeats, bad_rows=bad_rows)
    types = find_types(samples, part, granularity, tokenizer=tokenizer, seed=seed, cache=cache, settings=settings)
    write_types(types, output)
    write_bad(samples.bad, output)
    n_untyped = types.report["untyped"]["n"]
    say(f"{types.n_types:,} types; {n_untyped:,} of {types.n_samples:,} {part}s got none")
