"""The command `report`: one page on what is in a file."""

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
    check_size,
)


def report(
    files: Files,
    output: Annotated[str, typer.Option("--output", "-o", help="Where to: a name that ends in .html, or -.")],
    before: Annotated[
        str | None, typer.Option(metavar="FILE", help="What FILE was chosen from: a random draw of it stands beside.")
    ] = None,
    exclude: Annotated[
        str | None, typer.Option(metavar="FILE", help="Evaluation set; samples that overlap with it are counted.")
    ] = None,
    part: Annotated[Part, PART] = "response",
    granularity: Annotated[
        Granularity | None, typer.Option(help=GRANULARITY.help, show_default="all that the text allows")
    ] = None,
    size: Annotated[
        str, typer.Option("--size", "-n", callback=check_size, help="How many samples `select` would choose, or 10%.")
    ] = "10%",
    tokenizer: TokenizerOption = "bpe",
    turns: TurnsOption = "first",
    repeats: RepeatsOption = "drop",
    bad_rows: BadRowsOption = "fail",
    seed: SeedOption = 0,
    cache: CacheOption = None,
    column: ColumnOption = None,
    set_: SetOption = None,
) -> None:
    """Show what is in a dataset on one page of HTML that needs nothing else: no network, no other file.

    What was read and dropped, sources, licences, lengths and scripts; topics with their map, tags and token bands; all
    metrics, beside a random draw where --before says what FILE was chosen from; near-duplicates, and overlap with
    --exclude; and what `select` would choose at 0, 50 and 100 % diversity. What means nothing for the text, such as
    offline tags of Chinese, is left out, and the page says so.

    Above 10,000 samples topics and metrics are those of a random draw of so many; --granularity macro alone takes the
    topics of all, and `measure` measures all.

    \b
      macromicro report my.jsonl -o report.html
      macromicro report subset.jsonl --before my.jsonl --exclude eval.jsonl --set embed.model=static -o report.html
    """  # noqa: D301
    from macromicro.cli.reporting import Options, report_files

    report_files(
        Options(
            files, output, before, exclude, part, granularity, size, tokenizer, turns, repeats, bad_rows, seed, cache,
            column or [], set_ or [],
        )
    )  # fmt: skip
