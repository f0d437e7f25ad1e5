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

File = Annotated[str, typer.Argument(metavar="FILE", help="Samples, or - for JSON lines from a pipe.")]
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
