"""What the scores say: slopes with intervals and correction, the lines of figure 3, correlations with metrics.

Everywhere, `points` is a table with a row per model: strategy, family, part, granularity, size, level (diversity,
percent), score. Rows of several seeds stand beside each other, but for slopes. A row without a score is left out and
counted as missing. Rivals choose samples without levels: their level is missing, and they have neither slope nor line.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as distributions
from sklearn.linear_model import BayesianRidge

SERIES = ["strategy", "size"]
LABELS = ["family", "part", "granularity"]
SLOPE_SCALE = 100  # slopes are points of score from 0 to 100 percent diversity, as in table 1 of the paper


def fit_slopes(points: pd.DataFrame, *, confidence: float = 0.95, alpha: float = 0.05) -> pd.DataFrame:
    """Table of ordinary least squares slopes of score over level, one row per strategy and size.

    Columns: strategy, size, family, part, granularity, n and n_missing (models), slope (points of score from 0 to 100
    percent diversity), low, high (interval at `confidence`), p (two-sided, slope = 0), p_holm (Holm over the slopes of
    the family), significant (p_holm <= `alpha`), note (why there is no slope; such a series has missing values and does
    not count for Holm).

    For single models of which no verdicts are known, as those of the paper: they are taken as independent, though those
    of one seed are judged against one baseline, so that an interval shows the scatter around the line and nothing else.
    The slopes of a study are those of `slopes.estimate_slopes`.
    Raises ValueError if no row has a level, or a series is of several seeds: each has a baseline of its own.
    """
    for labels, group in _series(points):
        n_seeds = group["seed"].nunique() if "seed" in group else 1
        if n_seeds > 1:
            where = f"{labels['strategy']} at size {labels['size']}"
            raise ValueError(f"points of a line must be of one seed, but {where} has {n_seeds}; use estimate_slopes")
    rows = [_slope(group, confidence).assign(**labels) for labels, group in _series(points)]
    if not rows:
        raise ValueError("points is empty: no scores of diversity levels to fit slopes to")
    table = pd.concat(rows, ignore_index=True)
    table["p_holm"] = table.groupby("family")["p"].transform(lambda p: holm(p.to_numpy(float)))
    table["significant"] = table["p_holm"] <= alpha
    return table[[*SERIES, *LABELS, "n", "n_missing", "slope", "low", "high", "p", "p_holm", "significant", "note"]]


def _series(points: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """What each series is, and its models: those of one strategy and size, at all levels and seeds."""
    keys = [*SERIES, *LABELS]
    for values, group in points[points["level"].notna()].groupby(keys, sort=True):
        yield dict(zip(keys, values, strict=True)), group


def _slope(group: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """One-row table of the slope of a series, or of the reason why there is none."""
    known = group.dropna(subset=["score"])
    row = {"n": len(known), "n_missing": len(group) - len(known), "note": _why_no_line(known)}
    row |= dict.fromkeys(("slope", "low", "high", "p"), np.nan)
    if not row["note"]:
        fit = distributions.linregress(known["level"], known["score"])
        half = distributions.t.ppf((1 + confidence) / 2, len(known) - 2) * fit.stderr
        values = SLOPE_SCALE * np.array([fit.slope, fit.slope - half, fit.slope + half])
        row |= dict(zip(("slope", "low", "high"), values, strict=True), p=fit.pvalue)
    return pd.DataFrame([row])


def _why_no_line(known: pd.DataFrame) -> str:
    """Why no line can be fitted with an interval; empty where it can."""
    if len(known) < 3:
        return f"only {len(known)} scores"
    if known["level"].nunique() < 2:
        return "all at one level"
    if known["score"].nunique() < 2:
        return "all scores equal"
    return ""


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values, shape (n,): the smallest p times n, the next times n - 1, never falling, at most 1.

    NaN stays NaN and does not count. Source: Holm 1979.

    >>> holm(np.array([0.04, 0.01, np.nan, 0.03])).round(6).tolist()
    [0.06, 0.03, nan, 0.06]
    """
    adjusted = np.full(len(p), np.nan)
    order = [place for place in np.argsort(p) if not np.isnan(p[place])]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p[order]), 1)
    return adjusted


def fit_lines(points: pd.DataFrame, *, levels: np.ndarray | None = None) -> pd.DataFrame:
    """Table of the dashed lines of figure 3: strategy, size, family, part, granularity, level, mean, sd.

    Bayesian ridge regression with scikit-learn's defaults on the raw percentages. `sd` is the paper's band,
    sqrt(1/alpha + level^2 Sigma) with the level *not* centred, so that it widens from 0 to 100 percent;
    `BayesianRidge.predict(return_std=True)` centres, and gives another band.

    Parameters: levels, where the lines are evaluated, default 0, 1, ..., 100. A series without a line (fewer than
    three scores, one level only) has no rows.
    """
    at = np.arange(101.0) if levels is None else np.asarray(levels, dtype=float)
    lines = []
    for labels, group in _series(points):
        known = group.dropna(subset=["score"])
        if len(known) < 3 or known["level"].nunique() < 2:
            continue
        model = BayesianRidge().fit(known[["level"]].to_numpy(float), known["score"].to_numpy(float))
        band = np.sqrt(1 / model.alpha_ + at**2 * model.sigma_[0, 0])
        line = pd.DataFrame({"level": at, "mean": model.intercept_ + model.coef_[0] * at, "sd": band})
        lines.append(line.assign(**labels))
    columns = [*SERIES, *LABELS, "level", "mean", "sd"]
    none = pd.DataFrame(columns=columns).astype(dict.fromkeys(("level", "mean", "sd"), float))
    return pd.concat(lines, ignore_index=True)[columns] if lines else none


def correlate(points: pd.DataFrame, metrics: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Pearson's r of every metric with the score: family, part, metric, n, r, low, high, p, note.

    Over all datasets of a family, those of rivals included: a metric needs no level.

    Parameters: points also has the column dataset; metrics has strategy, dataset, part (of the text that was measured,
    whichever side was selected on) and a column per metric.

    The interval is Fisher's z at `confidence`; p is two-sided, uncorrected. Datasets count as independent, though they
    share samples: read p as a description. Where r is not defined, the values are missing and `note` says why.
    Raises ValueError if a scored dataset has no metrics, or has them twice for one part.
    """
    keys = ["strategy", "dataset"]
    metrics = metrics.drop(columns=["family", "seed"], errors="ignore")
    if metrics.duplicated([*keys, "part"]).any():
        raise ValueError("metrics has a dataset twice for one part; give each strategy, dataset and part once")
    rows = []
    for family, scored in points.groupby("family", sort=True):
        for part, measured in metrics.groupby("part", sort=True):
            both = scored[[*keys, "score"]].merge(measured.drop(columns="part"), on=keys, how="left", indicator=True)
            if (both["_merge"] != "both").any():
                name = both.loc[both["_merge"] != "both", keys].iloc[0].to_list()
                raise ValueError(f"metrics has no {part} row for dataset {name}, which has a score")
            for metric in measured.columns.difference([*keys, "part"], sort=False):
                found = _pearson(both[[metric, "score"]], confidence)
                rows.append({"family": family, "part": part, "metric": metric, **found})
    return pd.DataFrame(rows)


def _pearson(pairs: pd.DataFrame, confidence: float) -> dict[str, object]:
    """Pearson's r of two columns with interval and p-value, or the reason why there is none."""
    known = pairs.replace([np.inf, -np.inf], np.nan).dropna()
    row: dict[str, object] = {"n": len(known), **dict.fromkeys(("r", "low", "high", "p"), np.nan), "note": ""}
    if len(known) < 4:
        return row | {"note": f"only {len(known)} datasets with values"}
    flat = [name for name in known if np.ptp(known[name]) <= 1e-12 * np.abs(known[name]).max()]
    if flat:
        return row | {"note": f"{flat[0]} does not vary"}
    result = distributions.pearsonr(known.iloc[:, 0], known.iloc[:, 1])
    interval = result.confidence_interval(confidence)
    r = float(result.statistic)
    return row | {"r": r, "low": float(interval.low), "high": float(interval.high), "p": float(result.pvalue)}
