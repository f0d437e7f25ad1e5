"""Metrics of several datasets side by side, such as a corpus before and after a choice."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.annotate.tokens import TokenizedTexts
from macromicro.corpus.clean import normal_form
from macromicro.measure.embedding_diversity import DENSITY_POWER, local_density, mean_novelty, vendi_score
from macromicro.measure.intervals import bootstrap_intervals
from macromicro.measure.metrics import METRICS, measure, take

Rows = NDArray[np.int64]
Embed = Callable[[pd.Series], NDArray[np.float32]]
Tokenize = Callable[[pd.Series], TokenizedTexts]

ALL_METRICS = (*METRICS, "Vendi", "NovelSum")
PARTS = ("instruction", "response")
MAX_NOVELSUM = 50_000  # samples; NovelSum looks at all pairs: 2.65 s at 10,000 samples on one core, and quadratic


def compare_datasets(
    samples: pd.DataFrame,
    datasets: Mapping[str, Rows],
    *,
    tokenize: Tokenize,
    embed: Embed,
    reference: Rows | None = None,
    vendi_order: float = 1.0,
    interval_of: Collection[str] = (),
    seed: int = 0,
) -> pd.DataFrame:
    """All metrics of datasets given as rows of `samples`: part, metric and a column per dataset.

    Those of `metrics.measure`, Vendi (`vendi_score`) and NovelSum (`novelsum`); NovelSum is missing where a dataset
    is above `MAX_NOVELSUM` samples or the reference too small for it.
    Parameters: reference, the rows among which NovelSum measures density (None: all); vendi_order, of the Vendi score;
    interval_of, datasets for which columns NAME_low and NAME_high hold 95 % intervals (`bootstrap_intervals`, the
    density of NovelSum held fixed); seed, of their resampling.
    Raises ValueError if a dataset has fewer than two samples (three, for an interval), or as the metrics.
    """
    for name, rows in datasets.items():
        if len(rows) < 2:
            raise ValueError(f"metrics compare texts, but {name!r} has {len(rows)}; give at least 2")
    tables = []
    for part in PARTS:
        texts = samples[part]
        tokens, vectors = tokenize(texts), embed(texts)
        world = vectors if reference is None else vectors[reference]
        table = pd.DataFrame({"part": part, "metric": ALL_METRICS})
        for name, rows in tqdm(datasets.items(), desc=f"metrics of the {part}s", unit="dataset"):
            measure_rows = _measurer(texts.iloc[rows], take(tokens, rows), vectors[rows], world, vendi_order)
            if name in interval_of:
                found = bootstrap_intervals(measure_rows, len(rows), seed=seed)
                columns = {"value": name, "low": f"{name}_low", "high": f"{name}_high"}
                table = table.merge(found.rename(columns=columns), on="metric", how="left")
            else:
                table[name] = table["metric"].map(measure_rows(np.arange(len(rows))))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def add_difference(table: pd.DataFrame, one: str, two: str) -> pd.DataFrame:
    """The table of `compare_datasets` with a column `difference`, two less one, and its interval if both have theirs.

    The limits are those of two independent datasets: the distances of each value to its own limits, squared and added.
    Source: method of variance estimates recovery, Zou and Donner 2008.
    """
    difference = table[two] - table[one]
    table = table.assign(difference=difference)
    if f"{one}_low" not in table or f"{two}_low" not in table:
        return table
    below = np.hypot(table[two] - table[f"{two}_low"], table[f"{one}_high"] - table[one])
    above = np.hypot(table[f"{two}_high"] - table[two], table[one] - table[f"{one}_low"])
    return table.assign(difference_low=difference - below, difference_high=difference + above)


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


def _measurer(
    texts: pd.Series,
    tokens: TokenizedTexts,
    vectors: NDArray[np.float32],
    world: NDArray[np.float32],
    vendi_order: float,
) -> Callable[[Rows], dict[str, float]]:
    """All metrics of some rows of one dataset; NovelSum is missing where it is out of reach."""
    listed, factors = texts.tolist(), None
    if len(vectors) <= MAX_NOVELSUM:
        try:
            factors = local_density(vectors, world) ** DENSITY_POWER
        except ValueError:  # fewer than ten different texts to measure density by
            factors = None

    def measure_rows(rows: Rows) -> dict[str, float]:
        found = measure([listed[row] for row in rows.tolist()], take(tokens, rows), vectors[rows])
        found["Vendi"] = vendi_score(vectors[rows], q=vendi_order)
        found["NovelSum"] = math.nan if factors is None else mean_novelty(vectors[rows], factors[rows])
        return found

    return measure_rows
