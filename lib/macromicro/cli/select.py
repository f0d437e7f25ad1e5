"""The command `select`: a subset of a file, with a dataset card."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from macromicro.cli.options import (
    GRANULARITY,
    PART,
    BadRowsOption,
    CacheOption,
    ColumnOption,
    Files,
    Granularity,
    MethodOption,
    Part,
    RepeatsOption,
    SeedOption,
    SetOption,
    Shape,
    TokenizerOption,
    TurnsOption,
    check_share,
    check_size,
)


def select(
    files: Files,
    size: Annotated[
        str,
        typer.Option("--size", "-n", callback=check_size, help="How many samples, or 10% of those that filters leave."),
    ],
    output: Annotated[str, typer.Option("--output", "-o", help="Where to: .jsonl, .json, .csv, .parquet, or -.")],
    part: Annotated[Part | None, PART] = None,
    granularity: Annotated[Granularity | None, GRANULARITY] = None,
    level: Annotated[int, typer.Option(min=0, max=100, help="Diversity in percent: 100 covers most types.")] = 100,
    method: MethodOption = "even",
    tokenizer: TokenizerOption = "bpe",
    types: Annotated[Path | None, typer.Option(help="An .npz file of `annotate`, instead of annotating here.")] = None,
    card: Annotated[Path | None, typer.Option(help="Dataset card; default: OUTPUT.card.md beside the output.")] = None,
    rejected: Annotated[
        str | None, typer.Option(help="File that lists every sample not chosen, with the reason.")
    ] = None,
    format_: Annotated[Shape, typer.Option("--format", help="Shape of the rows; same: as in the file.")] = "same",
    quality: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of numbers, higher is better, or likelihood[:MODEL]; choose among the best samples.",
        ),
    ] = None,
    quality_share: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT", callback=check_share, show_default="50%", help="Share of the samples that are the best."
        ),
    ] = None,
    stratify: Annotated[
        str | None, typer.Option(help="Column, such as source, of which the mix of values is kept.")
    ] = None,
    length: Annotated[
        str | None, typer.Option(metavar="LOW:HIGH", help="Only responses of so many tokens of --tokenizer.")
    ] = None,
    budget: Annotated[
        Literal["samples", "tokens"],
        typer.Option(
            help="tokens: as many samples as reach the response tokens that SIZE with a type have on average."
        ),
    ] = "samples",
    near_duplicates: Annotated[
        Literal["keep", "drop"], typer.Option(help="drop: leave out what says nearly the same as another sample.")
    ] = "keep",
    exclude: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Evaluation set, answered or not; samples that overlap with what its users ask are left out.",
        ),
    ] = None,
    turns: TurnsOption = "first",
    repeats: RepeatsOption = "drop",
    bad_rows: BadRowsOption = "fail",
    seed: SeedOption = 0,
    cache: CacheOption = None,
    column: ColumnOption = None,
    set_: SetOption = None,
) -> None:
    """Choose SIZE samples of a file, with a dataset card that says how.

    Of conversations --turns says which exchanges are samples; with all, one comes out as far as it was read.
    Rows come out with the columns of the file; --format trl (prompt, completion), alpaca (instruction, input, output)
    or messages (one turn of the user, with all that was said before, and one of the assistant) gives them another
    shape. Samples without text and repeated instructions are left out first, and
    counted, and so are those without any type, which cannot be drawn for one. --quality names a column of numbers, such
    as the scores of a reward model, and chooses among the best --quality-share of the samples; what is as good as the
    last of these stays too. Where no column has that name, --quality likelihood asks a small model, SmolLM2-135M, how
    likely it finds each response: a second for three samples on a core, and no sign that a response is right, since it
    agreed with people no more than a coin would. The card is in the format of the Hugging Face hub: what was chosen,
    from what, how, with which coverage, what moved with it, and the licences of the rows. It replaces an older card of
    the same output, but no other file.

    \b
      macromicro select my.jsonl --granularity micro --part response --size 10000 -o subset.jsonl
      macromicro select my.parquet -n 10% --granularity meso --level 50 -o half.parquet --card README.md
      macromicro select my.jsonl -n 1000 --method k-center --cache cache -o spread.jsonl
      macromicro select my.jsonl -n 1000 --quality score --quality-share 30% --rejected left.csv -o good.jsonl
      macromicro select my.jsonl -n 1000 --stratify source --near-duplicates drop --exclude eval.jsonl -o clean.jsonl
      cat my.jsonl | macromicro select - -n 500 -o - > subset.jsonl
    """  # noqa: D301
    from macromicro.cli.selection import Options, select_files

    select_files(
        Options(
            files, size, output, part, granularity, level, method, tokenizer, types, card, rejected, format_, quality,
            quality_share, stratify, length, budget, near_duplicates, exclude, turns, repeats, bad_rows, seed, cache,
            column or [], set_ or [],
        )
    )  # fmt: skip
