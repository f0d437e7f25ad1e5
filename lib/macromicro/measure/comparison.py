"""Metrics of several datasets side by side, such as a corpus before and after a choice."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.annotate.tokens import TokenizedTexts
from macromicro.corpus.clean import normal_form
from macromicro.measure.intervals import bootstrap_intervals
from macromicro.measure.single import (
    ALL_METRICS,
    OF_EMBEDDINGS,
    OF_TOKENS,
    Side,
    add_density,
    measure_side,
    why_missing,
)

Rows = NDArray[np.int64]
Embed = Callable[[pd.Series], NDArray[np.float32]]
Tokenize = Callable[[pd.Series], TokenizedTexts]

PARTS = ("instruction", "response")
EVERYTHING: Mapping[str, Sequence[str]] = dict.fromkeys(PARTS, ALL_METRICS)
NOTHING: Mapping[str, str] = {}


class Comparison(NamedTuple):
    """Metrics of datasets, and why values are missing.

    `table` has a row per part and metric: part, metric and a column per dataset, and for those with intervals NAME_low
    and NAME_high. `missing` has a row per value or interval that is missing (NaN) there: part, metric, dataset, reason.
    """

    table: pd.DataFrame
    missing: pd.DataFrame


def compare_datasets(
    samples: pd.DataFrame,
    datasets: Mapping[str, Rows],
    *,
    tokenize: Tokenize,
    embed: Embed,
    metrics: Mapping[str, Sequence[str]] = EVERYTHING,
    left_out: Mapping[str, str] = NOTHING,
    reference: Rows | None = None,
    vendi_order: float = 1.0,
    interval_of: Collection[str] = (),
    seed: int = 0,
) -> Comparison:
    """The metrics of datasets given as rows of `samples`; texts are tokenized and embedded only for metrics that ask.

    Those of `metrics.measure`, Vendi (`vendi_score`) and NovelSum (`novelsum`), missing above `single.MAX_NOVELSUM`
    samples or with too small a reference.
    Parameters: metrics, those of each part, all by default; left_out, those that are missing because they would mean
    nothing, with the reason; reference, the rows among which NovelSum measures density (None: all); vendi_order, that
    of Vendi; interval_of, datasets that get 95 % intervals (`bootstrap_intervals`, density held fixed) by `seed`.
    Raises ValueError if a dataset has fewer than two samples (three, for an interval), or as the metrics.
    """
    for name, rows in datasets.items():
        if len(rows) < 2:
            raise ValueError(f"metrics compare texts, but {name!r} has {len(rows)}; give at least 2")
    tables, missing = [], []
    for part, names in metrics.items():
        whole = _open_side(samples[part], names, tokenize, embed, vendi_order, left_out)
        table = pd.DataFrame({"part": part, "metric": names})
        for name, rows in tqdm(datasets.items(), desc=f"metrics of the {part}s", unit="dataset"):
            side = whole.take(rows)
            if "NovelSum" in set(names) - set(left_out):
                side = add_density(side, whole.vectors if reference is None else whole.vectors[reference])
            measured = _measure(side, names, name, seed=seed if name in interval_of else None)
            table = table.merge(measured, on="metric", how="left")
            reasons = _explain(side, measured.set_index("metric"))
            missing += [(part, metric, name, reason) for metric, reason in reasons.items()]
        tables.append(table)
    columns = ["part", "metric", "dataset", "reason"]
    return Comparison(pd.concat(tables, ignore_index=True), pd.DataFrame(missing, columns=columns))


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


def _open_side(
    texts: pd.Series,
    metrics: Sequence[str],
    tokenize: Tokenize,
    embed: Embed,
    vendi_order: float,
    left_out: Mapping[str, str],
) -> Side:
    """All texts of a part, with tokens and embeddings if one of the metrics that are not left out reads them."""
    n_texts, read = len(texts), set(metrics) - set(left_out)
    tokens = TokenizedTexts(np.empty(0, np.int32), np.zeros(n_texts + 1, np.int64), None)
    vectors = np.empty((n_texts, 0), np.float32)
    if read & set(OF_TOKENS):
        tokens = tokenize(texts)
    if read & set(OF_EMBEDDINGS):
        vectors = embed(texts)
    return Side(texts.tolist(), tokens, vectors, vendi_order, left_out=left_out)


def _measure(side: Side, metrics: Sequence[str], name: str, *, seed: int | None) -> pd.DataFrame:
    """Column metric and that of a dataset; with a seed those of its intervals too."""
    if seed is None:
        return pd.DataFrame(list(measure_side(side, metrics).items()), columns=["metric", name])
    found = bootstrap_intervals(lambda rows: measure_side(side.take(rows), metrics), len(side.texts), seed=seed)
    return found.rename(columns={"value": name, "low": f"{name}_low", "high": f"{name}_high"})


def _explain(side: Side, measured: pd.DataFrame) -> dict[str, str]:
    """Why values or intervals are missing, by metric. Parameters: measured, indexed by metric, the value first."""
    reasons = {}
    for metric, missing in measured.isna().iterrows():
        if missing.iloc[0]:
            reasons[str(metric)] = why_missing(side, str(metric))
        elif missing.any():
            reasons[str(metric)] = "no interval: without some of the texts there is no value"
    return reasons
