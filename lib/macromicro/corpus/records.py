"""Records of a file as columns that know where every value came from.

They are alike whatever format the file has (`formats`), so that what follows need not know it, and an error can name
the file, the line and what was expected there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

EXAMPLE = '{"instruction": "...", "response": "..."}'
NOTHING = f"no records; expected at least one such as {EXAMPLE}"
HALF_A_PAIR = "holds half of a surrogate pair (such as \\ud800), which is not text"
TURN_KEYS = (("role", "content"), ("from", "value"))
CHUNK = 4096
MISSING = object()
Column: TypeAlias = list[Any] | pa.ChunkedArray
"""A column: a Python list (JSON, CSV; `MISSING` where a record lacks the key), or Arrow."""


class BadRows:
    """What becomes of records that cannot be used: an error, or a list of them where they are to be skipped.

    `found` holds the reason by name of the file, unit and number.
    """

    def __init__(self, *, skip: bool = False) -> None:
        self.skip = skip
        self.found: dict[tuple[str, str, int], str] = {}

    def add(self, name: str, unit: str, number: int, reason: str) -> None:
        """Note a record. Raises ValueError (file, line, reason) unless bad ones are skipped."""
        if not self.skip:
            raise ValueError(f"{name}, {unit} {number}: {reason}")
        self.found.setdefault((name, unit, int(number)), reason)


@dataclass(frozen=True)
class Records:
    """Columns of equal length.

    `name` is how errors call the file, `unit` what `numbers` count in it (lines, records or rows, from 1).
    """

    name: str
    unit: str
    numbers: NDArray[np.int64]
    columns: dict[str, Column]
    bad: BadRows = field(default_factory=BadRows)

    def place(self, row: int) -> str:
        """Where record `row` (from 0) stands, such as `my.jsonl, line 3`."""
        return f"{self.name}, {self.unit} {self.numbers[row]}"

    def refuse(self, row: int, reason: str) -> None:
        """Say why record `row` cannot be used. Raises ValueError unless bad ones are skipped (`BadRows`)."""
        self.bad.add(self.name, self.unit, self.numbers[row], reason)

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Whether each record cannot be used."""
        numbers = [number for name, unit, number in self.bad.found if (name, unit) == (self.name, self.unit)]
        return np.isin(self.numbers, numbers)

    def texts(self, column: str, *, required: bool = True, numbered: bool = False) -> pa.Array:
        """A column as text, null as ''. Raises ValueError at values that are not text and at NUL characters.

        Parameters: required, whether a record without the key is an error, or counts as ''; numbered, whether a whole
        number is taken as the text that writes it, as in a column of names.
        """
        values = _written(self.columns[column]) if numbered else self.columns[column]
        texts = (
            self._listed_texts(values, column, required) if isinstance(values, list) else self._texts(values, column)
        )
        filled = pc.fill_null(texts, "")
        nulls = pc.match_substring(filled, "\0")
        if pc.any(nulls).as_py():
            for row in np.flatnonzero(nulls.to_numpy(zero_copy_only=False)):
                self.refuse(int(row), f"{column!r} holds a NUL character (U+0000); expected text")
        return filled

    def _listed_texts(self, values: list[Any], column: str, required: bool) -> pa.Array:
        present = [None if value is MISSING and not required else value for value in values]
        for row, value in enumerate(present):
            if value is MISSING:
                self.refuse(row, f"no {column!r}; expected a record such as {EXAMPLE}")
            elif not isinstance(value, str | None):
                self.refuse(row, f"{column!r} must be text, not {_shown(value)}")
            elif value and not value.isascii() and not is_unicode(value):
                self.refuse(row, f"{column!r} {HALF_A_PAIR}")
            else:
                continue
            present[row] = ""
        return pa.array(present, type=pa.large_string())

    def _texts(self, values: pa.ChunkedArray, column: str) -> pa.Array:
        try:
            values.validate(full=True)
            plain = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
            if plain.null_count == len(
                plain
            ):  # nothing there, of whatever type: pandas takes an empty column for numbers
                plain = pa.chunked_array([pa.nulls(len(plain))])
            if not (pa.types.is_null(plain.type) or is_text(plain.type)):
                raise ValueError(f"{self.name}: column {column!r} must hold text, not {values.type}")
            texts = plain.cast(pa.large_string())
        except pa.ArrowException as error:
            raise ValueError(f"{self.name}: column {column!r} is not valid text: {error}") from None
        return pa.concat_arrays(texts.chunks) if texts.num_chunks else pa.array([], pa.large_string())


def _written(values: Column) -> Column:
    """A column with its whole numbers as text."""
    if isinstance(values, list):
        return [str(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in values]
    return values.cast(pa.large_string()) if pa.types.is_integer(values.type) else values


def take_rows(columns: Mapping[str, Column], rows: Sequence[int]) -> dict[str, Column]:
    """Some rows of columns, in the order of `rows`."""
    places = pa.array(rows, pa.int64())
    return {
        name: [values[row] for row in rows] if isinstance(values, list) else values.take(places)
        for name, values in columns.items()
    }


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow type holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def arrow_records(table: pa.Table, name: str, bad: BadRows | None = None) -> Records:
    """Records of an Arrow table. Raises ValueError if it has no rows, or two columns of one name."""
    if len(set(table.column_names)) < table.num_columns:
        raise ValueError(f"{name}: two columns have the same name: {', '.join(table.column_names)}")
    if not table.num_rows:
        raise ValueError(f"{name}: no rows; expected at least one")
    columns: dict[str, Column] = dict(zip(table.column_names, table.columns, strict=True))
    return Records(name, "row", np.arange(1, table.num_rows + 1), columns, bad or BadRows())


def collect_records(
    found: Iterator[tuple[int, Any]], name: str, unit: str, bad: BadRows, *, nothing: str = NOTHING
) -> Records:
    """Columns of numbered objects, in the order in which keys first appear.

    Parameters: bad, for what is no object; nothing, what is wrong where there is none.
    """
    numbers: list[int] = []
    columns: dict[str, list[list[Any] | pa.Array]] = {}
    while batch := list(islice(found, CHUNK)):
        for number, record in batch:
            if not isinstance(record, dict):
                bad.add(name, unit, number, f"expected a record such as {EXAMPLE}, not {_shown(record)}")
        batch = [(number, record) for number, record in batch if isinstance(record, dict)]
        for key in dict.fromkeys(key for _, record in batch for key in record):
            columns.setdefault(key, [[MISSING] * len(numbers)] if numbers else [])
        for key, chunks in columns.items():
            chunks.append(_pack([record.get(key, MISSING) for _, record in batch]))
        numbers += [number for number, _ in batch]
    if not numbers:
        raise ValueError(f"{name}: {nothing}")
    return Records(name, unit, np.array(numbers), {key: _join(chunks) for key, chunks in columns.items()}, bad)


def _pack(values: list[Any]) -> list[Any] | pa.Array:
    """Values as an Arrow array if all are text or null, or all are conversations; else as they are."""
    kind: pa.DataType | None = None
    if all(value is None or isinstance(value, str) for value in values):
        kind = pa.large_string()
    for keys in TURN_KEYS:
        if kind is None and all(_has_turns(value, keys) for value in values):
            kind = pa.large_list(pa.struct([(key, pa.large_string()) for key in keys]))
    try:
        return values if kind is None else pa.array(values, type=kind)
    except UnicodeEncodeError:
        return values


def _has_turns(value: Any, keys: tuple[str, str]) -> bool:
    """Whether a value is a list of objects that have just these two keys, and text there."""
    return isinstance(value, list) and all(
        isinstance(turn, dict) and len(turn) == 2 and all(isinstance(turn.get(key), str) for key in keys)
        for turn in value
    )


def _join(chunks: list[list[Any] | pa.Array]) -> list[Any] | pa.ChunkedArray:
    """One column of the chunks: of Arrow if all are so and alike, else a list."""
    kinds = {chunk.type if isinstance(chunk, pa.Array) else None for chunk in chunks}
    if len(kinds) == 1 and None not in kinds:
        return pa.chunked_array(chunks)
    return [value for chunk in chunks for value in (chunk.to_pylist() if isinstance(chunk, pa.Array) else chunk)]


def is_unicode(text: str) -> bool:
    """Whether a text can be written: JSON may spell half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    """A value and its type, short enough for an error message."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
