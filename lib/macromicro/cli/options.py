"""Options that several commands of the command line share.

The names of parts, granularities and methods are those of `study.sections`, written again because importing that would
delay `--help`.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

Part = Literal["instruction", "response"]
Granularity = Literal["macro", "meso", "micro"]
Method = Literal["even", "random", "longest", "k-center", "facility-location", "max-coverage"]
Shape = Literal["same", "trl", "alpaca", "messages"]

SOURCES = "Samples: a file, a folder, hub:owner/name, or - for JSON from a pipe."
File = Annotated[str, typer.Argument(metavar="FILE", help=SOURCES)]
Files = Annotated[list[str], typer.Argument(metavar="FILE...", help=SOURCES)]
PART = typer.Option(help="Which side of the samples is annotated.", show_default="response")
GRANULARITY = typer.Option(help="What counts as a type: macro = topics, meso = tags, micro = mid-frequency tokens.")
MethodOption = Annotated[
    Method, typer.Option(help="even = type-aware sampling, the others are its rivals; longest counts words.")
]
TokenizerOption = Annotated[
    str,
    typer.Option(help="bpe = byte-level BPE trained on the file; words; a tokenizer.json, folder or hub id."),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Same file, settings and seed give the same result.")]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="OURS=THEIRS", help="Name of a column in the file, e.g. response=answer."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Setting of params/*.yaml, e.g. tokens.low=5, tags.min_count=10."),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(help="Folder that keeps embeddings and model replies, so that they are computed once."),
]
TurnsOption = Annotated[
    Literal["first", "last", "all"],
    typer.Option(help="Exchanges of a conversation: the first; the last or all, with what was said before."),
]
BadRowsOption = Annotated[
    Literal["fail", "skip"],
    typer.Option(
        help="skip: what cannot be read is left out, and listed with its line in OUTPUT.bad.jsonl; of -o - it is not "
        "listed, but counted on the terminal."
    ),
]
BadRowsCountedOption = Annotated[
    Literal["fail", "skip"],
    typer.Option(
        help="skip: what cannot be read is left out; how much that is, and the first of it, is said on the terminal."
    ),
]
RepeatsOption = Annotated[
    Literal["keep", "drop"],
    typer.Option(help="Whether an instruction may come again with another response; the first by id stays."),
]
ReferenceOption = Annotated[
    str | None,
    typer.Option(help="File among whose samples NovelSum measures density, e.g. the corpus the datasets come from."),
]
VendiOption = Annotated[
    float, typer.Option(min=0, help="Order of the Vendi score: below 1 rare directions count more; inf is allowed.")
]
IntervalsOption = Annotated[
    bool, typer.Option("--intervals", help="Add 95 % intervals of all metrics; takes 50 times as long.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


def check_share(share: str | None) -> str | None:
    """The percentage as it was given. Raises BadParameter if it is none."""
    if share is not None and not share.endswith("%"):
        raise typer.BadParameter(f"{share!r} is no percentage such as 50%")
    try:
        return share and check_size(share)
    except typer.BadParameter:
        raise typer.BadParameter(f"{share!r} must be above 0% and at most 100%, such as 50%") from None


def check_size(size: str) -> str:
    """The size as it was given. Raises BadParameter if it is neither a number of samples nor a percentage."""
    number = size.removesuffix("%")
    good = number.isascii() and (number.isdigit() if number == size else number.replace(".", "", 1).isdigit())
    if not good or not 0 < float(number) <= (100 if number != size else float("inf")):
        raise typer.BadParameter(f"{size!r} is neither a number of samples from 1 on nor a percentage such as 10%")
    return size
