"""Samples of one or several sources, of which each is left in, or left out with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import file_digest
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import pandas as pd
from numpy.typing import NDArray

from macromicro.corpus.readers import ROW
from macromicro.corpus.records import BadRows, Column, Records
from macromicro.corpus.shapes import FILE, Shape, shape_rows
from macromicro.corpus.sources import source_name

Repeats: TypeAlias = Literal["keep", "drop"]
Reasons: TypeAlias = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """Samples of one or several sources, and why some of them are left out.

    Attributes
    ----------
    name : what the sources are called together.
    whole : all samples, sorted by id, columns id, instruction, response, source, licence and those of the sources,
        besides `shapes.FILE` and `readers.ROW`, where each stands.
    reasons : shape (n_samples,), why each of `whole` is left out, '' where it is not.
    about : what was left out, name to number.
    records, mapped : the records of each source, and which of its columns are mapped.
    files : the paths among the sources.
    bad : records that cannot be used.
    repeats : whether instructions may be repeated.
    call : what reads them again, without folders of the machine.
    """

    name: str
    whole: pd.DataFrame
    reasons: Reasons
    about: Mapping[str, Any]
    records: Sequence[Records]
    mapped: Sequence[Mapping[str, str]]
    files: Sequence[str]
    bad: BadRows
    repeats: Repeats
    call: str

    def __len__(self) -> int:
        return int((self.reasons == "").sum())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self):,} of the {len(self.whole):,} samples of {self.name}>"

    @cached_property
    def table(self) -> pd.DataFrame:
        """The samples that are left in, sorted by id."""
        return self.whole[self.reasons == ""].reset_index(drop=True)

    @cached_property
    def dropped(self) -> pd.DataFrame:
        """A row per sample that is left out: id, place (such as `my.jsonl, line 3`), reason, instruction."""
        left = self.whole[self.reasons != ""]
        columns = {"id": left["id"], "place": self.places(left), "reason": self.reasons[self.reasons != ""]}
        return pd.DataFrame({**columns, "instruction": left["instruction"]}).reset_index(drop=True)

    def drop(self, reasons: Reasons, **about: Any) -> Self:
        """The samples without those that have a reason. Parameters: reasons, '' for none, a value per row of `table`.

        `about` is added to what is known of them.
        """
        merged = self.reasons.copy()
        merged[merged == ""] = reasons
        return replace(self, reasons=merged, about={**self.about, **about})

    def rows(self, shape: Shape = "same") -> dict[str, Column]:
        """The columns to write, of the samples that are left in, in the shape of a trainer (`shapes.shape_rows`)."""
        return shape_rows(self.table, self.records, shape, columns=self.mapped)

    def places(self, samples: pd.DataFrame) -> list[str]:
        """Where samples stand."""
        rows = zip(samples[FILE], samples[ROW], strict=True)
        found = ((self.records[file], row) for file, row in rows)
        return [place_record(one.name, one.unit, one.numbers[row]) for one, row in found]

    def find_column(self, name: str, argument: str) -> pd.Series:
        """A column of `table`. Raises ValueError that lists the names if there is none, naming the argument."""
        if name not in self.table:
            shown = ", ".join(name for name in map(str, self.table) if not name.startswith("_"))
            raise ValueError(f"{argument} {name}: no such column; there are {shown}")
        return self.table[name]


def describe_files(files: Sequence[str]) -> dict[str, str]:
    """What to recognise files by (a pipe has no digest), and the version of this package."""
    about = {}
    for file in files:
        if Path(file).is_file():
            with Path(file).open("rb") as data:
                name = "sha256" if len(files) == 1 else f"sha256 of {Path(file).name}"
                about[name] = file_digest(data, "sha256").hexdigest()
    return {**about, "macromicro": version("macromicro")}


def place_record(name: str, unit: str, number: int) -> str:
    """Where a record stands, without folders of the machine."""
    return f"{source_name(name)}, {unit} {number}"
