"""Metrics of several datasets side by side, such as a corpus before and after a choice."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.corpus import normal_form
from macromicro.embedding_diversity import novelsum, vendi_score
from macromicro.metrics import METRICS, measure, measure_intervals, take
from macromicro.tokens import TokenizedTexts

Rows = NDArray[np.int64]
Embed = Callable[[pd.Series], NDArray[np.float32]]
Tokenize = Callable[[pd.Series], TokenizedTexts]

ALL_METRICS = (*METRICS, "Vendi", "NovelSum")
PARTS = ("instruction", "response")
MAX_NOVELSUM = 50_000  # samples; NovelSum looks at all pairs: 2.65 s at 10,000 samples on one core, and quadratic
ABOUT_NOVELSUM = f"density among all samples read; not computed above {MAX_NOVELSUM:,} samples"


def compare_datasets(
    samples: pd.DataFrame,
    datasets: Mapping[str, Rows],
    *,
    tokenize: Tokenize,
    embed: Embed,
    interval_of: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """All metrics of datasets given as rows of `samples`: part, metric and a column per dataset.

    The seven of `metrics.measure`, Vendi (`vendi_score`) and NovelSum, with all of `samples` as its reference; NovelSum
    is missing where a dataset is above `MAX_NOVELSUM` samples or the reference too small for it.
    Parameters: interval_of, a dataset whose 95 % intervals (of the seven) are added as columns low and high; seed, of
    their resampling (see `metrics.measure_intervals`).
    Raises ValueError if a dataset has fewer than two samples.
    """
    for name, rows in datasets.items():
        if len(rows) < 2:
            raise ValueError(f"metrics compare texts, but {name!r} has {len(rows)}; give at least 2")
    tables = []
    for part in PARTS:
        texts = samples[part]
        tokens, vectors = tokenize(texts), embed(texts)
        table = pd.DataFrame({"part": part, "metric": ALL_METRICS})
        for name, rows in tqdm(datasets.items(), desc=f"metrics of the {part}s", unit="dataset"):
            found = measure(texts.iloc[rows].tolist(), take(tokens, rows), vectors[rows])
            found |= {"Vendi": vendi_score(vectors[rows]), "NovelSum": _novelsum(vectors[rows], vectors)}
            table[name] = table["metric"].map(found)
            if name == interval_of:
                chosen = texts.iloc[rows].tolist()
                bounds = measure_intervals(chosen, take(tokens, rows), vectors[rows], seed=seed)
                table = table.merge(bounds[["metric", "low", "high"]], on="metric", how="left")
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def join_datasets(parts: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, dict[str, Rows]]:
    """Instructions and responses of all datasets, one after the other, and the rows of each."""
    samples = pd.concat([table[list(PARTS)] for table in parts.values()], ignore_index=True)
    ends = np.cumsum([len(table) for table in parts.values()])
    rows = {name: np.arange(end - len(parts[name]), end) for name, end in zip(parts, ends, strict=True)}
    return samples, rows


def count_shared(one: pd.DataFrame, two: pd.DataFrame) -> int:
    """Instructions that both datasets hold, equal in normal form."""
    return len(set(normal_form(one["instruction"])) & set(normal_form(two["instruction"])))


def as_json(table: pd.DataFrame, about: Mapping[str, Any]) -> dict[str, Any]:
    """The table as nested values, dataset -> part -> metric, beside what is to be said about it; missing as None."""
    values: dict[str, Any] = {}
    for row in table.to_dict("records"):
        for name in table.columns[2:]:
            number = None if pd.isna(row[name]) else float(row[name])
            values.setdefault(str(name), {}).setdefault(row["part"], {})[row["metric"]] = number
    return {**about, "metrics": values}


def _novelsum(vectors: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """NovelSum, or NaN where it is out of reach."""
    if len(vectors) > MAX_NOVELSUM:
        return float("nan")
    try:
        return novelsum(vectors, reference)
    except ValueError:  # fewer than ten different texts to measure density by
        return float("nan")
