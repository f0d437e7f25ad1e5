"""What a run by hand changed, against the study's own outputs."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from macromicro.study.files import digest


def compare_outputs(study: Path, attempt: Path, names: Sequence[str]) -> dict[str, str]:
    """A line in words for every output, by its name: the same, new, or what is different.

    Parameters: study and attempt, the folders that hold the outputs under the same names.
    """
    return {f"changed in {name}": _difference(study / name, attempt / name) for name in names}


def _difference(before: Path, after: Path) -> str:
    if not before.exists():
        return "the study has none"
    if digest(before) == digest(after):
        return "nothing"
    if after.is_dir():
        return "; ".join(_in_folder(before, after)) or "files that are no tables"
    if after.suffix == ".parquet":
        return _in_tables(pd.read_parquet(before), pd.read_parquet(after))
    if after.suffix == ".npz":
        return _in_types(before, after)
    return f"{before.stat().st_size:,} to {after.stat().st_size:,} bytes"


def _in_folder(before: Path, after: Path) -> list[str]:
    tables = [path.relative_to(after) for path in sorted(after.rglob("*.parquet"))]
    found = {name.as_posix(): _difference(before / name, after / name) for name in tables}
    return [f"{name}: {words}" for name, words in found.items() if words != "nothing"]


def _in_tables(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Rows, and the mean of every numeric column that is not the same; of texts, how many rows are shared."""
    words = [] if len(before) == len(after) else [f"{len(before):,} to {len(after):,} rows"]
    if "id" in before and "id" in after:
        words.append(f"{len(set(before['id']) & set(after['id'])):,} samples in both")
    for name in after.columns.intersection(before.columns):
        if pd.api.types.is_numeric_dtype(after[name]) and not before[name].equals(after[name]):
            words.append(f"{name} {_mean(before[name])} to {_mean(after[name])}")
    return ", ".join(words) or "order or texts"


def _mean(values: pd.Series) -> str:
    return f"{values.astype(float).mean():.4g}" + (" (mean)" if len(values) > 1 else "")


def _in_types(before: Path, after: Path) -> str:
    """Types and pairs of sample and type, read without the room that makes them."""
    counts = []
    for path in (before, after):
        with np.load(path) as file:
            counts.append((len(json.loads(file["names"].tobytes())["labels"]), len(file["indices"])))
    (types, pairs), (new_types, new_pairs) = counts
    return f"{types:,} to {new_types:,} types, {pairs:,} to {new_pairs:,} pairs of sample and type"
