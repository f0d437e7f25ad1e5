"""Samples, and rows of a file as they were there, written as JSON lines, JSON, CSV or Parquet, whole or not at all."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from macromicro.corpus.readers import arrow_column
from macromicro.corpus.records import MISSING, Column, is_text
from macromicro.study.files import write_aside

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
CHUNK = 10_000


def save_samples(samples: pd.DataFrame, path: str | Path) -> None:
    """Write samples as `save_columns` does; Parquet says too how pandas had them."""
    table = pa.Table.from_pandas(samples, preserve_index=False)
    if Path(path).suffix == ".parquet":
        with write_aside(path) as aside:
            pq.write_table(table, aside)
        return
    save_columns(dict(zip(table.column_names, table.columns, strict=True)), path)


def save_columns(columns: Mapping[str, Column], path: str | Path) -> None:
    """Write columns of equal length to a .jsonl, .json, .csv or .parquet file.

    JSON has no word for NaN and infinities: they become null there. Where a record lacks a key (`MISSING`), JSON lacks
    it too, Parquet has null and CSV nothing. Raises ValueError at another ending, for a column of bytes in anything but
    Parquet, and for lists and objects in CSV.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: samples are written as {', '.join(SUFFIXES)}, not {path.suffix!r}")
    with write_aside(path) as aside:
        if path.suffix == ".parquet":
            pq.write_table(pa.table({name: arrow_column(values) for name, values in columns.items()}), aside)
            return
        with aside.open("w", encoding="utf-8", newline="\n" if path.suffix != ".csv" else "") as file:
            if path.suffix == ".csv":
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(columns)
                writer.writerows([_field(row.get(name), name) for name in columns] for row in _rows(columns))
                return
            start, between, end = ("", "\n", "\n") if path.suffix == ".jsonl" else ("[\n", ",\n", "\n]\n")
            file.write(start)
            for place, row in enumerate(_rows(columns)):
                file.write((between if place else "") + json.dumps(row, ensure_ascii=False, default=str))
            file.write(end)


def find_json_text(columns: Mapping[str, Column]) -> list[str]:
    """The columns that Parquet holds as JSON text, since their lists and objects are of several types."""
    lists = [name for name, values in columns.items() if isinstance(values, list)]
    nested = [name for name in lists if any(isinstance(value, list | dict) for value in columns[name])]
    return [name for name in nested if is_text(arrow_column(columns[name]).type)]


def _rows(columns: Mapping[str, Column]) -> Iterator[dict[str, Any]]:
    """A row after the other, without the keys that it lacks; only `CHUNK` rows of Arrow are Python objects at once."""
    n_rows = max(map(len, columns.values()), default=0)
    for start in range(0, n_rows, CHUNK):
        parts = [values[start : start + CHUNK] for values in columns.values()]
        listed = [part if isinstance(part, list) else part.to_pylist() for part in parts]
        for values in zip(*listed, strict=True):
            held = zip(columns, values, strict=True)
            yield {name: _plain(value, name) for name, value in held if value is not MISSING}


def _plain(value: Any, column: str) -> Any:
    """A value of a column that JSON can hold, at any depth; dates and the like are left to `str`."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        raise ValueError(f"column {column!r} holds bytes, which JSON and CSV cannot: write .parquet")
    if isinstance(value, list | tuple):
        return [_plain(item, column) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item, column) for name, item in value.items()}
    return value


def _field(value: Any, column: str) -> str:
    """A value as text of a CSV file."""
    if isinstance(value, list | dict):
        raise ValueError(f"column {column!r} holds lists or objects, which CSV cannot: write .jsonl, .json or .parquet")
    if isinstance(value, str) or value is None:
        return value or ""
    return json.dumps(value, default=str)
