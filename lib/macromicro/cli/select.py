"""The command `select`: a subset of a file, with a dataset card."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from macromicro.cli.options import (
    GRANULARITY,
    PART,
    CacheOption,
    ColumnOption,
    File,
    Granularity,
    MethodOption,
    Part,
    SeedOption,
    SetOption,
    TokenizerOption,
)


def select(
    file: File,
    size: Annotated[int, typer.Option("--size", "-n", min=1, help="How many samples to choose.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Where to: .jsonl, .parquet or - (JSON lines).")],
    part: Annotated[Part | None, PART] = None,
    granularity: Annotated[Granularity | None, GRANULARITY] = None,
    level: Annotated[int, typer.Option(min=0, max=100, help="Diversity in percent: 100 covers most types.")] = 100,
    method: MethodOption = "even",
    tokenizer: TokenizerOption = "bpe",
    types: Annotated[Path | None, typer.Option(help="An .npz file of `annotate`, instead of annotating here.")] = None,
    card: Annotated[Path | None, typer.Option(help="Dataset card; default: OUTPUT.card.md beside the output.")] = None,
    seed: SeedOption = 0,
    cache: CacheOption = None,
    column: ColumnOption = None,
    set_: SetOption = None,
) -> None:
    """Choose SIZE samples of a file, with a dataset card that says how.

    Samples without text and repeated instructions are left out first, and counted. The card is in the format of the
    Hugging Face hub: what was chosen, from what, how, with which coverage, and the licences of the rows. It replaces an
    older card, but no other file.

    \b
      macromicro select my.jsonl --granularity micro --part response --size 10000 -o subset.jsonl
      macromicro select my.parquet -n 1000 --granularity meso --level 50 -o half.parquet --card README.md
      macromicro select my.jsonl -n 1000 --method k-center --cache cache -o spread.jsonl
      cat my.jsonl | macromicro select - -n 500 -o - > subset.jsonl
    """  # noqa: D301
    from macromicro.cli.input import describe_types, embedder, find_types, read_usable, say, say_all
    from macromicro.cli.output import check_output, describe_origin, place_card, shown_command, write_chosen
    from macromicro.cli.settings import describe_choice, read_settings
    from macromicro.select.choose import choose

    check_output(output, (".jsonl", ".parquet"), input=file, types=types)
    place = place_card(card, output, input=file, types=types)
    settings = read_settings(set_ or [], tokenizer=tokenizer)
    samples, about = read_usable(file, column or [])
    if size > len(samples):
        raise ValueError(f"--size {size} must be at most the {len(samples)} usable samples of {about['file']}")
    granularity = granularity or ("micro" if method in ("even", "max-coverage") and not types else None)
    found, part = find_types(
        samples, part, granularity, file=types, tokenizer=tokenizer, seed=seed, cache=cache, settings=settings
    )
    how = {"method": method, "part": part, "size": size, "seed": seed}
    how |= describe_choice(method, level, settings) | describe_types(found, types)
    say(f"choosing {size:,} of {len(samples):,} samples, method {method}")
    embed = embedder(cache, settings)
    choice = choose(samples, part, method=method, size=size, level=level, seed=seed, types=found, embed=embed)
    chosen, about = samples.iloc[choice.rows].reset_index(drop=True), about | describe_origin(file)
    again = shown_command(sys.argv[1:])
    write_chosen(chosen, output, place, made_from=about, made_how=how, coverage=choice.facts, command=again)
    say_all({**choice.facts, **({"card": place} if place else {})})
