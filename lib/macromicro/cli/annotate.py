"""The command `annotate`: which types every sample of a file carries."""

from typing import Annotated

import typer

from macromicro.cli.options import (
    GRANULARITY,
    PART,
    CacheOption,
    ColumnOption,
    File,
    Granularity,
    Part,
    RepeatsOption,
    SeedOption,
    SetOption,
    TokenizerOption,
    TurnsOption,
)


def annotate(
    file: File,
    output: Annotated[str, typer.Option("--output", "-o", help="Where to: .npz, .jsonl, .parquet or - (JSON lines).")],
    part: Annotated[Part, PART] = "response",
    granularity: Annotated[Granularity, GRANULARITY] = "micro",
    tokenizer: TokenizerOption = "bpe",
    turns: TurnsOption = "first",
    repeats: RepeatsOption = "drop",
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
    from macromicro.cli.input import make_types, say
    from macromicro.cli.output import check_output, write_types
    from macromicro.cli.reading import read_all, sift
    from macromicro.cli.settings import read_settings

    check_output(output, (".npz", ".jsonl", ".parquet"), input=file)
    settings = read_settings(set_ or [], tokenizer=tokenizer)
    sieve, _ = sift(read_all([file], column or [], turns=turns), keep_repeats=repeats == "keep")
    types = make_types(sieve.kept, part, granularity, tokenizer=tokenizer, seed=seed, cache=cache, settings=settings)
    write_types(types, output)
    n_untyped = types.report["untyped"]["n"]
    say(f"{types.n_types:,} types; {n_untyped:,} of {types.n_samples:,} {part}s got none")
