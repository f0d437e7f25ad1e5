"""Records of a file as columns that know where every value came from.

JSON lines, JSON, CSV and Parquet come out alike, so that what follows need not know the format, and an error can name
the file, the line and what was expected there. Nothing is guessed: a file that is not what its name says is refused.
"""

import csv
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

EXAMPLE = '{"instruction": "...", "response": "..."}'
MISSING = object()


@dataclass(frozen=True)
class Records:
    """Columns of equal length: Python lists (JSON, CSV; `MISSING` where a record lacks the key) or Arrow columns.

    `name` is how errors call the file, `unit` what `numbers` count in it (lines, records or rows, from 1).
    """

    name: str
    unit: str
    numbers: NDArray[np.int64]
    columns: dict[str, list[Any] | pa.ChunkedArray]

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
            rule = "holds half of a surrogate pair (such as \\ud800), which is not text"
            raise ValueError(f"{self.place(row)}: {column!r} {rule}") from None

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


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow type holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def read_records(path: str | Path) -> Records:
    """Records of a .jsonl, .json, .csv or .parquet file, or of JSON lines from standard input (`-`).

    Raises FileNotFoundError if the file is not there, and ValueError (file, line, what was expected) if it is empty,
    malformed, or not UTF-8. A .json file holds a list of records, or one record per line.
    """
    if str(path) == "-":
        return _read_json_lines(_decoded(sys.stdin.buffer.read(), "standard input"), "standard input")
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
    return readers[suffix](_decoded(path.read_bytes(), str(path)), str(path))


def arrow_records(table: pa.Table, name: str) -> Records:
    """Records of an Arrow table. Raises ValueError if it has no rows, or two columns of one name."""
    if len(set(table.column_names)) < table.num_columns:
        raise ValueError(f"{name}: two columns have the same name: {', '.join(table.column_names)}")
    if not table.num_rows:
        raise ValueError(f"{name}: no rows; expected at least one")
    columns: dict[str, list[Any] | pa.ChunkedArray] = dict(zip(table.column_names, table.columns, strict=True))
    return Records(name, "row", np.arange(1, table.num_rows + 1), columns)


def _decoded(data: bytes, name: str) -> str:
    """Text of a file in UTF-8, a byte order mark aside."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{name}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8; expected UTF-8") from None


def _read_json_lines(text: str, name: str) -> Records:
    """One object per line; blank lines are passed over."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            found.append((number, _parsed(line, f"{name}, line {number}")))
    return _from_objects(found, name, "line")


def _read_json(text: str, name: str) -> Records:
    """A list of objects, or one object per line."""
    if not text.lstrip().startswith("["):
        return _read_json_lines(text, name)
    return _from_objects(list(enumerate(_parsed(text, name), 1)), name, "record")


def _parsed(text: str, place: str) -> Any:
    """The value that JSON text holds; NaN and keys given twice are refused."""
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place}: not valid JSON: {error}; expected a record such as {EXAMPLE}") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError(f"a key is given twice in {sorted(key for key, _ in pairs)}")
    return record


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _from_objects(found: list[tuple[int, Any]], name: str, unit: str) -> Records:
    """Columns of objects, in the order in which keys first appear."""
    if not found:
        raise ValueError(f"{name}: no records; expected at least one such as {EXAMPLE}")
    for number, record in found:
        if not isinstance(record, dict):
            raise ValueError(f"{name}, {unit} {number}: expected a record such as {EXAMPLE}, not {_shown(record)}")
    names = dict.fromkeys(key for _, record in found for key in record)
    columns: dict[str, Any] = {key: [record.get(key, MISSING) for _, record in found] for key in names}
    return Records(name, unit, np.array([number for number, _ in found]), columns)


def _read_csv(text: str, name: str) -> Records:
    """Comma-separated values with a header; every row must have as many fields as the header."""
    rows: list[list[str]] = []
    numbers = []
    limit = csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        start = 1
        for row in reader:
            if row:
                rows.append(row)
                numbers.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: not valid CSV: {error}") from None
    finally:
        csv.field_size_limit(limit)
    if len(rows) < 2:
        raise ValueError(f"{name}: no rows; expected a header and at least one row")
    header = [field.strip() for field in rows[0]]
    if len(set(header)) < len(header) or "" in header:
        raise ValueError(f"{name}, line {numbers[0]}: the header must name every column once, not {header}")
    for row, number in zip(rows, numbers, strict=True):
        if len(row) != len(header):
            raise ValueError(f"{name}, line {number}: {len(row)} fields; expected {len(header)}: {', '.join(header)}")
    columns: dict[str, Any] = {key: [row[i] for row in rows[1:]] for i, key in enumerate(header)}
    return Records(name, "line", np.array(numbers[1:]), columns)


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
