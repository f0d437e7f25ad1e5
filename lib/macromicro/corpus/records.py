"""Records of a file as columns that know where every value came from.

JSON lines, JSON, CSV and Parquet come out alike, so that what follows need not know the format, and an error can name
the file, the line and what was expected there. Nothing is guessed: a file that is not what its name says is refused.
"""

import csv
import json
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

EXAMPLE = '{"instruction": "...", "response": "..."}'
NOTHING = f"no records; expected at least one such as {EXAMPLE}"
HALF_A_PAIR = "holds half of a surrogate pair (such as \\ud800), which is not text"
TURN_KEYS = (("role", "content"), ("from", "value"))
CHUNK = 4096
MISSING = object()
Column: TypeAlias = list[Any] | pa.ChunkedArray
"""A column: a Python list (JSON, CSV; `MISSING` where a record lacks the key), or Arrow."""


@dataclass(frozen=True)
class Records:
    """Columns of equal length.

    `name` is how errors call the file, `unit` what `numbers` count in it (lines, records or rows, from 1).
    """

    name: str
    unit: str
    numbers: NDArray[np.int64]
    columns: dict[str, Column]

    def place(self, row: int) -> str:
        """Where record `row` (from 0) stands, such as `my.jsonl, line 3`."""
        return f"{self.name}, {self.unit} {self.numbers[row]}"

    def texts(self, column: str, *, required: bool = True) -> pa.Array:
        """A column as text, null as ''. Raises ValueError at values that are not text and at NUL characters.

        Parameters: required, whether a record without the key is an error, or counts as ''.
        """
        values = self.columns[column]
        texts = (
            self._listed_texts(values, column, required) if isinstance(values, list) else self._texts(values, column)
        )
        filled = pc.fill_null(texts, "")
        null = pc.index(pc.match_substring(filled, "\0"), True).as_py()
        if null >= 0:
            raise ValueError(f"{self.place(null)}: {column!r} holds a NUL character (U+0000); expected text")
        return filled

    def _listed_texts(self, values: list[Any], column: str, required: bool) -> pa.Array:
        present = [None if value is MISSING and not required else value for value in values]
        for row, value in enumerate(present):
            if value is MISSING:
                raise ValueError(f"{self.place(row)}: no {column!r}; expected a record such as {EXAMPLE}")
            if not isinstance(value, str | None):
                raise ValueError(f"{self.place(row)}: {column!r} must be text, not {_shown(value)}")
        try:
            return pa.array(present, type=pa.large_string())
        except UnicodeEncodeError:
            row = next(row for row, value in enumerate(present) if value and not is_unicode(value))
            raise ValueError(f"{self.place(row)}: {column!r} {HALF_A_PAIR}") from None

    def _texts(self, values: pa.ChunkedArray, column: str) -> pa.Array:
        try:
            values.validate(full=True)
            plain = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
            if not (pa.types.is_null(plain.type) or is_text(plain.type)):
                raise ValueError(f"{self.name}: column {column!r} must hold text, not {values.type}")
            texts = plain.cast(pa.large_string())
        except pa.ArrowException as error:
            raise ValueError(f"{self.name}: column {column!r} is not valid text: {error}") from None
        return pa.concat_arrays(texts.chunks) if texts.num_chunks else pa.array([], pa.large_string())


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


def read_records(path: str | Path) -> Records:
    """Records of a .jsonl, .json, .csv or .parquet file, or of JSON lines from standard input (`-`).

    A .json file holds a list of records, which is read whole, or one record per line. Of JSON lines and CSV only
    `CHUNK` records are Python objects at once: text and conversations are put in Arrow columns.
    Raises FileNotFoundError if the file is not there, and ValueError (file, line, what was expected) if it is empty,
    malformed, or not UTF-8.
    """
    if str(path) == "-":
        return _read_json_lines(sys.stdin.buffer, "standard input")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {str(path)!r}")
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        try:
            return arrow_records(pq.ParquetFile(path).read(), str(path))
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: not a readable Parquet file: {error}") from None
    readers = {".jsonl": _read_json_lines, ".json": _read_json, ".csv": _read_csv}
    if suffix not in readers:
        raise ValueError(f"{path}: expected a file named .jsonl, .json, .csv or .parquet, not {path.suffix!r}")
    with path.open("rb") as file:
        return readers[suffix](file, str(path))


def arrow_records(table: pa.Table, name: str) -> Records:
    """Records of an Arrow table. Raises ValueError if it has no rows, or two columns of one name."""
    if len(set(table.column_names)) < table.num_columns:
        raise ValueError(f"{name}: two columns have the same name: {', '.join(table.column_names)}")
    if not table.num_rows:
        raise ValueError(f"{name}: no rows; expected at least one")
    columns: dict[str, Column] = dict(zip(table.column_names, table.columns, strict=True))
    return Records(name, "row", np.arange(1, table.num_rows + 1), columns)


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """Number and text of every line of a file in UTF-8, a byte order mark aside."""
    for number, line in enumerate(file, 1):
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            rule = f"byte 0x{line[error.start]:02x} is not UTF-8; expected UTF-8"
            raise ValueError(f"{name}, line {number}: {rule}") from None


def _read_json_lines(file: BinaryIO, name: str) -> Records:
    """One object per line; blank lines are passed over."""
    found = ((number, _parsed(line, f"{name}, line {number}")) for number, line in _lines(file, name) if line.strip())
    return _collect(found, name, "line")


def _read_json(file: BinaryIO, name: str) -> Records:
    """A list of objects, or one object per line."""
    first = next((line for _, line in _lines(file, name) if line.strip()), "")
    file.seek(0)
    if not first.lstrip().startswith("["):
        return _read_json_lines(file, name)
    listed = _parsed("".join(line for _, line in _lines(file, name)), name)
    return _collect(iter(enumerate(listed, 1)), name, "record")


def _parsed(text: str, place: str) -> Any:
    """The value that JSON text holds; NaN and keys given twice are refused."""
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place}: not valid JSON: {error}; expected a record such as {EXAMPLE}") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError(f"a key is given twice in {sorted(key for key, _ in pairs)}")
    return record


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)


def _read_csv(file: BinaryIO, name: str) -> Records:
    """Comma-separated values with a header; every row must have as many fields as the header."""
    rows = _csv_rows(file, name)
    line, header = next(rows, (1, []))
    header = [field.strip() for field in header]
    if header and (len(set(header)) < len(header) or "" in header):
        raise ValueError(f"{name}, line {line}: the header must name every column once, not {header}")

    def records() -> Iterator[tuple[int, dict[str, str]]]:
        for number, row in rows:
            if len(row) != len(header):
                wanted = ", ".join(header)
                raise ValueError(f"{name}, line {number}: {len(row)} fields; expected {len(header)}: {wanted}")
            yield number, dict(zip(header, row, strict=True))

    return _collect(records(), name, "line", nothing="no rows; expected a header and at least one row")


def _csv_rows(file: BinaryIO, name: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, with the line in which each starts."""
    limit = csv.field_size_limit(sys.maxsize)
    reader = csv.reader(TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
    start = 1
    try:
        for row in reader:
            if row:
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: not valid CSV: {error}") from None
    except UnicodeDecodeError:
        file.seek(0)
        deque(_lines(file, name), maxlen=0)  # raises with the line
        raise
    finally:
        csv.field_size_limit(limit)


def _collect(found: Iterator[tuple[int, Any]], name: str, unit: str, *, nothing: str = NOTHING) -> Records:
    """Columns of numbered objects, in the order in which keys first appear; `nothing` is what is wrong with none."""
    numbers: list[int] = []
    columns: dict[str, list[list[Any] | pa.Array]] = {}
    while batch := list(islice(found, CHUNK)):
        for number, record in batch:
            if not isinstance(record, dict):
                raise ValueError(f"{name}, {unit} {number}: expected a record such as {EXAMPLE}, not {_shown(record)}")
        for key in dict.fromkeys(key for _, record in batch for key in record):
            columns.setdefault(key, [[MISSING] * len(numbers)] if numbers else [])
        for key, chunks in columns.items():
            chunks.append(_pack([record.get(key, MISSING) for _, record in batch]))
        numbers += [number for number, _ in batch]
    if not numbers:
        raise ValueError(f"{name}: {nothing}")
    return Records(name, unit, np.array(numbers), {key: _join(chunks) for key, chunks in columns.items()})


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
