"""The formats of files: JSON lines, JSON, CSV, TSV and Parquet, compressed or not, and what a pipe gives.

Nothing is guessed: a file that is not what its name says is refused.
"""

import csv
import json
import sys
from collections import deque
from collections.abc import Iterator
from io import BufferedReader, TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from macromicro.corpus.records import EXAMPLE, BadRows, Records, arrow_records, collect_records

PIPE = "standard input"
COMPRESSED = (".gz", ".zst")
TEXT = (".jsonl", ".json", ".csv", ".tsv")
SUFFIXES = (*TEXT, ".parquet")
SPLITS = ("train", "test", "validation", "valid", "dev", "eval", "data", "rows", "examples", "instances", "samples")
"""Keys under which a JSON object may hold the list of all records."""


def read_records(path: str | Path, bad: BadRows | None = None) -> Records:
    """Records of a .jsonl, .json, .csv, .tsv or .parquet file, or of JSON from standard input (`-`).

    Text may be compressed (.gz, .zst). JSON is one record per line, a list of records, or an object that holds the list
    under one of `SPLITS`; the latter two are read whole. Of lines only `records.CHUNK` records are Python objects at
    once: text and conversations are put in Arrow columns.
    Parameters: bad, for records that cannot be used; by default they are errors.
    Raises FileNotFoundError if the file is not there, and ValueError (file, line, what was expected) if it is empty,
    malformed, or not UTF-8.
    """
    bad = bad or BadRows()
    if str(path) == "-":
        return _read_json(sys.stdin.buffer, PIPE, bad)
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {str(path)!r}")
    if not is_known(path):
        known = f"{', '.join(SUFFIXES)}, of which text may end in {' or '.join(COMPRESSED)}"
        raise ValueError(f"{path}: expected a file named {known}, not {path.suffix!r}")
    kind = _kind(path)
    if kind == ".parquet":
        try:
            return arrow_records(pq.ParquetFile(path).read(), str(path), bad)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: not a readable Parquet file: {error}") from None
    try:
        with path.open("rb") if kind == path.suffix.lower() else _decompress(path) as file:
            return _READERS[kind](file, str(path), bad)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from None


def is_known(path: Path) -> bool:
    """Whether a file has the name of one that can be read."""
    return _kind(path) in (TEXT if path.suffix.lower() in COMPRESSED else SUFFIXES)


def _kind(path: Path) -> str:
    """The ending of the name, that of the compression aside."""
    return (Path(path.stem) if path.suffix.lower() in COMPRESSED else path).suffix.lower()


def _decompress(path: Path) -> BinaryIO:
    codec = {".gz": "gzip", ".zst": "zstd"}[path.suffix.lower()]
    return cast(BinaryIO, BufferedReader(pa.input_stream(str(path), compression=codec)))


def _lines(file: BinaryIO, name: str, bad: BadRows) -> Iterator[tuple[int, str]]:
    """Number and text of every line of a file in UTF-8, a byte order mark aside."""
    for number, line in enumerate(file, 1):
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            bad.add(name, "line", number, f"byte 0x{line[error.start]:02x} is not UTF-8; expected UTF-8")


def _read_json_lines(file: BinaryIO, name: str, bad: BadRows) -> Records:
    """One object per line; blank lines are passed over."""
    return collect_records(_objects(_lines(file, name, bad), name, bad), name, "line", bad)


def _objects(lines: Iterator[tuple[int, str]], name: str, bad: BadRows) -> Iterator[tuple[int, Any]]:
    """Number and value of every line that is not blank."""
    for number, line in lines:
        if line.strip():
            try:
                yield number, DECODER.decode(line)
            except (ValueError, RecursionError) as error:
                only = "; through a pipe only JSON is read" if name == PIPE else ""
                found = f"not valid JSON: {_in_line(error)}; expected a record such as {EXAMPLE}{only}"
                bad.add(name, "line", number, found)


def _in_line(error: Exception) -> str:
    """What is wrong, without the line that JSON's error counts in the line."""
    return f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else str(error)


def _read_json(file: BinaryIO, name: str, bad: BadRows) -> Records:
    """One object per line, a list of objects, or an object that holds such a list."""
    lines = _lines(file, name, bad)
    before = list(_until_text(lines))
    first = before[-1][1].strip() if before else ""
    if not first.startswith("[") and not _opens_splits(first):
        return collect_records(_objects(chain(before, lines), name, bad), name, "line", bad)
    try:
        listed = DECODER.decode("".join(line for _, line in chain(before, lines)))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: not valid JSON: {error}; expected a record such as {EXAMPLE}") from None
    if isinstance(listed, dict):
        lists = [split for split in SPLITS if isinstance(listed.get(split), list)]
        held = [split for split in lists if any(isinstance(one, dict) for one in listed[split])] or lists[:1]
        if len(held) > 1:
            raise ValueError(f"{name}: holds several lists of records, {', '.join(held)}; give a file with one of them")
        if not held:
            return collect_records(iter([(1, listed)]), name, "record", bad)
        listed = listed[held[0]]
    return collect_records(iter(enumerate(listed, 1)), name, "record", bad)


def _until_text(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The lines up to the first that is not blank."""
    for number, line in lines:
        yield number, line
        if line.strip():
            return


def _opens_splits(line: str) -> bool:
    """Whether a JSON object begins here that ends in a later line, or holds the list of all records."""
    if not line.startswith("{"):
        return False
    try:
        value = DECODER.decode(line)
    except (ValueError, RecursionError):
        opened = line[1:].lstrip()
        return not opened or any(opened.startswith(f'"{key}"') for key in SPLITS)
    listed = [value[key] for key in SPLITS if isinstance(value.get(key), list)]
    return len(listed) > 0 and all(isinstance(one, dict) for one in listed[0])


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError(f"a key is given twice in {sorted(key for key, _ in pairs)}")
    return record


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)


def _read_csv(file: BinaryIO, name: str, bad: BadRows, delimiter: str = ",") -> Records:
    """Values with a header, separated by commas; every row must have as many fields as the header."""
    rows = _csv_rows(file, name, delimiter)
    line, header = next(rows, (1, []))
    header = [field.strip() for field in header]
    if header and (len(set(header)) < len(header) or "" in header):
        raise ValueError(f"{name}, line {line}: the header must name every column once, not {header}")

    def records() -> Iterator[tuple[int, dict[str, str]]]:
        for number, row in rows:
            if len(row) == len(header):
                yield number, dict(zip(header, row, strict=True))
            else:
                bad.add(name, "line", number, f"{len(row)} fields; expected {len(header)}: {', '.join(header)}")

    return collect_records(records(), name, "line", bad, nothing="no rows; expected a header and at least one row")


def _read_tsv(file: BinaryIO, name: str, bad: BadRows) -> Records:
    """Values with a header, separated by tabs."""
    return _read_csv(file, name, bad, "\t")


def _csv_rows(file: BinaryIO, name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, with the line in which each starts."""
    limit = csv.field_size_limit(sys.maxsize)
    text = TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True, delimiter=delimiter)
    start = 1
    try:
        for row in reader:
            if row:
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: not valid CSV: {error}") from None
    except UnicodeDecodeError:
        if not file.seekable():
            raise ValueError(f"{name}, line {reader.line_num} or later: not UTF-8; expected UTF-8") from None
        file.seek(0)
        deque(_lines(file, name, BadRows()), maxlen=0)  # raises with the line
        raise
    finally:
        csv.field_size_limit(limit)


_READERS = {".jsonl": _read_json_lines, ".json": _read_json, ".csv": _read_csv, ".tsv": _read_tsv}
