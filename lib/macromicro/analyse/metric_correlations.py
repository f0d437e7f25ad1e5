"""Correlations of dataset metrics with scores, with intervals for other strategies and other seeds.

Datasets of one strategy lie along one path, and models of one seed share a baseline: 42 datasets are not 42 independent
points. Whole strategies and whole seeds are therefore drawn again, both at once (the pigeonhole bootstrap, Owen 2007).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats as distributions

from macromicro.analyse.stats import holm

FloatArray = NDArray[np.float64]
KEYS = ["strategy", "dataset"]
LARGEST = 1 - 1e-9  # Fisher's z of 1 is infinite
CLUSTERS = {"n_strategies": "strategy", "n_seeds": "seed"}
NUMBERS = ("r", "low", "high", "p", "r_given_length", "given_low", "given_high", "given_p")
LENGTH_OF = "response"
"""The part whose mean length is held fixed: what a model learns to write is as long as the responses it was shown."""


def correlate_clusters(
    points: pd.DataFrame,
    metrics: pd.DataFrame,
    *,
    length: str = "SL",
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Pearson's r of every metric with the score over all datasets, and the same given the length of responses.

    Columns: part, metric, n, n_strategies, n_seeds, r, low, high, p (two-sided, uncorrected), r_given_length,
    given_low, given_high, given_p (partial correlation given the metric `length` of the responses, which says whether
    a metric of either part knows more than how long they are; missing for `length` of the responses itself),
    given_p_holm (Holm over all metrics of both parts), note (why something is missing).

    Parameters: points, a row per model: strategy, dataset, seed, score; rows without a score are left out. metrics:
    strategy, dataset, part (of the text that was measured) and a column per metric.
    Intervals are Fisher's z plus and minus Student's t with n_strategies - 1 degrees of freedom times the bootstrap's
    standard error, that times sqrt(n / (n - 1)): six clusters drawn again differ less than six others. With one seed
    they say nothing of other seeds. Below three strategies there are none.
    Raises ValueError if a scored dataset has no metrics, or has them twice for one part, `length` is no metric, or
    there are none of the responses.
    """
    if metrics.duplicated([*KEYS, "part"]).any():
        raise ValueError("metrics has a dataset twice for one part; give each strategy, dataset and part once")
    if length not in metrics:
        raise ValueError(f"length={length!r} must be a column of metrics, which has {', '.join(metrics.columns)}")
    scored = points.dropna(subset=["score"])[[*KEYS, "seed", "score"]]
    lengths = metrics.loc[metrics["part"] == LENGTH_OF, [*KEYS, length]].rename(columns={length: "given"})
    if lengths.empty:
        raise ValueError(f"metrics must have rows of the part {LENGTH_OF!r}, whose length is held fixed")
    weights = _draw_weights(scored, n_bootstrap, np.random.default_rng(seed))
    rows = []
    for part, measured in metrics.groupby("part", sort=True):
        both = _beside(scored, measured.drop(columns="part"), str(part)).merge(lengths, on=KEYS, how="left")
        for metric in measured.columns.difference([*KEYS, "part"], sort=False):
            rows.append({"part": part, "metric": metric, **_correlate(both, metric, weights, confidence)})
    table = pd.DataFrame(rows)
    table["given_p_holm"] = holm(table["given_p"].to_numpy(float))
    return table[[*table.columns.difference(["note"], sort=False), "note"]]


def _beside(scored: pd.DataFrame, measured: pd.DataFrame, part: str) -> pd.DataFrame:
    """The scores with the metrics of one part beside them. Raises ValueError if a scored dataset has none."""
    both = scored.merge(measured, on=KEYS, how="left", indicator=True)
    if (both["_merge"] != "both").any():
        name = both.loc[both["_merge"] != "both", KEYS].iloc[0].to_list()
        raise ValueError(f"metrics has no {part} row for dataset {name}, which has a score")
    return both.drop(columns="_merge")


def correlate_families(
    points: pd.DataFrame, metrics: pd.DataFrame, *, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """`correlate_clusters` of every family that has scores, with the column family in front.

    Over all datasets of a family, those of rivals included: a metric needs no level.
    Parameters: points also has the column family. Raises ValueError as `correlate_clusters`.
    """
    tables, metrics = [], metrics.drop(columns=["family", "seed"], errors="ignore")
    for family, scored in points.dropna(subset=["score"]).groupby("family", sort=True):
        table = correlate_clusters(scored, metrics, confidence=confidence, seed=seed)
        table.insert(0, "family", family)
        tables.append(table)
    if not tables:
        raise ValueError("points must hold a model with a score, but none has one")
    return pd.concat(tables, ignore_index=True)


def _draw_weights(scored: pd.DataFrame, n_bootstrap: int, rng: np.random.Generator) -> FloatArray:
    """How often each row counts in each draw of strategies and seeds, shape (n_bootstrap + 1, n_rows).

    The first draw is the data themselves.
    """
    weights = np.ones((n_bootstrap + 1, len(scored)))
    for column in ("strategy", "seed"):
        codes, names = pd.factorize(scored[column], sort=True)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_bootstrap)
        weights[1:] *= drawn[:, codes]
    return weights


def _correlate(both: pd.DataFrame, metric: str, weights: FloatArray, confidence: float) -> dict[str, object]:
    """The row of one metric, or the reason why there is none."""
    values = both[[metric, "score", "given"]].replace([np.inf, -np.inf], np.nan)
    known = values[[metric, "score"]].notna().all(axis=1).to_numpy()
    row: dict[str, object] = {"n": int(known.sum())}
    row |= {name: both.loc[known, column].nunique() for name, column in CLUSTERS.items()}
    row |= dict.fromkeys(NUMBERS, np.nan) | {"note": _why_not(values.loc[known, [metric, "score"]])}
    if row["note"]:
        return row
    n_strategies = both.loc[known, "strategy"].nunique()
    z = np.arctanh(_correlations(values.loc[known].to_numpy()[:, :2], weights[:, known])[:, 0, 1])
    low, high, p = _interval(z, n_strategies, confidence)
    row |= {"r": float(np.tanh(z[0])), "low": low, "high": high, "p": p}
    if n_strategies < 3:
        row["note"] = f"no interval: only {n_strategies} strategies"
    known = known & values["given"].notna().to_numpy()
    if _why_not(values.loc[known, [metric, "given"]]):
        return row
    r = _correlations(values.loc[known].to_numpy(), weights[:, known])
    if abs(r[0, 0, 2]) >= LARGEST:  # the metric is length
        return row
    partial = np.arctanh(_partial(r[:, 0, 1], r[:, 0, 2], r[:, 1, 2]))
    low, high, p = _interval(partial, n_strategies, confidence)
    return row | {"r_given_length": float(np.tanh(partial[0])), "given_low": low, "given_high": high, "given_p": p}


def _why_not(pairs: pd.DataFrame) -> str:
    """Why two columns have no correlation; empty where they have one."""
    if len(pairs) < 4:
        return f"only {len(pairs)} datasets with values"
    flat = [name for name in pairs if np.ptp(pairs[name]) <= 1e-12 * np.abs(pairs[name]).max()]
    return f"{flat[0]} does not vary" if flat else ""


def _correlations(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Correlation matrices of the columns of values under each row of weights; missing where a column is constant."""
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    total = weights.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw of one strategy and seed may have nothing that varies
        means = weights @ values / total[:, None]
        moments = np.einsum("bn,ni,nj->bij", weights, values, values, optimize=True) / total[:, None, None]
        covariance = moments - means[:, :, None] * means[:, None, :]
        sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        found = covariance / (sd[:, :, None] * sd[:, None, :])
    return np.clip(np.where(np.isfinite(found), found, np.nan), -LARGEST, LARGEST)


def _partial(r_xy: FloatArray, r_xz: FloatArray, r_yz: FloatArray) -> FloatArray:
    """Partial correlation of x and y given z."""
    return np.clip((r_xy - r_xz * r_yz) / np.sqrt((1 - r_xz**2) * (1 - r_yz**2)), -LARGEST, LARGEST)


def _interval(z: FloatArray, n_strategies: int, confidence: float) -> tuple[float, float, float]:
    """Low, high and p of a correlation from its Fisher's z (first) and those of the draws."""
    if n_strategies < 3:
        return np.nan, np.nan, np.nan
    se, df = float(np.nanstd(z[1:])) * np.sqrt(n_strategies / (n_strategies - 1)), n_strategies - 1
    half = distributions.t.ppf((1 + confidence) / 2, df) * se
    p = 2 * distributions.t.sf(abs(z[0]) / se, df) if se > 0 else np.nan
    return float(np.tanh(z[0] - half)), float(np.tanh(z[0] + half)), float(p)
