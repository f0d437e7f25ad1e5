"""Win rates of any pairs of models: with standard errors, with length held equal, by order, and as one ranking.

`verdicts` is the table of `judge.annotations`. A prompt that was judged in both orders counts once: where they differ
it is a tie, as in a study, so that a judge that likes the first place whatever stands there gives ties. A prompt
without a verdict in one of its orders has none.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats as distributions
from statsmodels.api import GLM
from statsmodels.genmod.families import Binomial

from macromicro.judge.verdicts import join_points

FloatArray = NDArray[np.float64]
PAIR = ["model", "against", "judge"]
WIN_RATES = (
    *(*PAIR, "n_prompts", "n_missing", "win_rate", "se", "low", "high"),
    *("lc_win_rate", "lc_se", "lc_low", "lc_high", "first_share", "orders_agree", "note"),
)
RATINGS = ("judge", "model", "n_prompts", "rating", "low", "high", "expected")


def by_prompt(verdicts: pd.DataFrame) -> pd.DataFrame:
    """One row per pair of models, judge and prompt: points of both orders together, lengths and cluster."""
    grouped = verdicts.groupby([*PAIR, "prompt_id"], sort=True)
    table = grouped[["length", "length_against"]].mean()
    table["points"] = join_points(grouped["points"])
    table["cluster"] = grouped["cluster"].first()
    return table.reset_index()


def win_rates(verdicts: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Table of win rates, a row per pair of models and judge.

    Columns: model, against, judge, n_prompts, n_missing (prompts without a verdict), win_rate (percent, ties half), se,
    low, high (over prompts, or clusters of prompts; Student's t); lc_win_rate, lc_se, lc_low, lc_high (the win rate at
    equal length, see `at_equal_length`); first_share (percent of the verdicts, ties half, that went to the answer shown
    first, where the order is known: 50 without position bias); orders_agree (percent of the prompts judged in both
    orders whose verdicts are the same); note (why something is missing, or says nothing).
    Raises ValueError if no verdict is left.
    """
    rows = []
    for names, group in _pairs(by_prompt(verdicts)):
        known = group.dropna(subset=["points"])
        if known.empty:
            raise ValueError(f"{names['model']} against {names['against']}: {names['judge']} gave no verdict")
        mean, se, df = clustered_mean(known["points"].to_numpy(float), known["cluster"].to_numpy())
        row = {**names, "n_prompts": len(known), "n_missing": len(group) - len(known)}
        row |= {"win_rate": 100 * mean, "se": 100 * se}
        row |= dict(zip(("low", "high"), _bounds(100 * mean, 100 * se, df, confidence), strict=True))
        lc, lc_se, ends, note = at_equal_length(known, confidence=confidence)
        row |= {"lc_win_rate": lc, "lc_se": lc_se, "lc_low": ends[0], "lc_high": ends[1]}
        row["note"] = "; ".join(filter(None, [describe_spread(se, known["cluster"]), note]))
        asked = verdicts[(verdicts[PAIR] == pd.Series(names)).all(axis=1)]
        rows.append(row | _by_order(asked))
    return pd.DataFrame(rows)[list(WIN_RATES)]


def clustered_mean(values: FloatArray, clusters: NDArray[Any]) -> tuple[float, float, int]:
    """Mean, its standard error and degrees of freedom, where values of one cluster may move together.

    The variance is that of the clusters' sums of deviations, times n_clusters / (n_clusters - 1); with clusters of one
    it is the usual s / sqrt(n). One cluster says nothing about others: its standard error is missing.
    """
    deviations = values - values.mean()
    sums = pd.Series(deviations).groupby(pd.Series(clusters)).sum().to_numpy()
    n = len(sums)
    if n < 2:
        return float(values.mean()), np.nan, 0
    return float(values.mean()), float(np.sqrt(n / (n - 1) * (sums**2).sum()) / len(values)), n - 1


def describe_spread(se: float, clusters: "pd.Series[str]") -> str:
    """Why a standard error is no measure of what other prompts would give; empty where it is one."""
    if not np.isnan(se):
        return "" if se > 0 else "the same on every prompt, so that the interval says nothing"
    return f"one cluster of prompts ({clusters.iloc[0]}), so that there is no interval"


def at_equal_length(pairs: pd.DataFrame, *, confidence: float = 0.95) -> tuple[float, float, tuple[float, float], str]:
    """The win rate (percent) that answers of equal length would have, its standard error and interval, and a note.

    A logistic regression of the points on a term for the model and tanh of the difference in length over its standard
    deviation, read where the difference is zero; standard errors hold for clustered prompts. What AlpacaEval 2 adds, a
    difficulty of each instruction that is estimated on many other models, needs those and is left out.
    All are missing where it cannot be fitted, and the note says why. Source: Dubois et al. 2024, arXiv 2404.04475.
    """
    nothing = (np.nan, np.nan, (np.nan, np.nan))
    difference = (pairs["length"] - pairs["length_against"]).to_numpy(float)
    points = pairs["points"].to_numpy(float)
    if not np.isfinite(difference).all():
        return *nothing, "lengths are not known"
    if np.ptp(difference) == 0:
        return *nothing, "all differences in length are the same"
    if pairs["cluster"].nunique() < 2:
        return *nothing, "no length control in one cluster"
    design = by_length(difference)
    if is_separated(points, design[:, 1]):
        return *nothing, "length alone decides every verdict"
    found = fit_logistic(points, design, pairs["cluster"].to_numpy())
    centre, se = float(found.params[0]), float(found.bse[0])
    share = 1 / (1 + np.exp(-centre))
    df = pairs["cluster"].nunique() - 1
    ends = 100 / (1 + np.exp(-np.array(_bounds(centre, se, df, confidence))))
    return 100 * share, 100 * share * (1 - share) * se, (float(ends[0]), float(ends[1])), ""


def rate_models(verdicts: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Bradley-Terry ratings of all models of a grid of pairs, the strongest first, a table per judge.

    Columns: judge, model, n_prompts, rating (400 / ln 10 times the log-odds, as Elo's: 400 more win ten to one; their
    mean is 0), low, high (over clusters of prompts), expected (percent of wins against the mean of the others).
    Source: Bradley and Terry 1952; ties are half a win.
    Raises ValueError if there are no verdicts of two clusters, models are not connected by comparisons, or some win (or
    lose) all against the rest.
    """
    tables = [_rate(group, str(judge), confidence) for judge, group in by_prompt(verdicts).groupby("judge")]
    return pd.concat(tables, ignore_index=True)[list(RATINGS)]


def _rate(pairs: pd.DataFrame, judge: str, confidence: float) -> pd.DataFrame:
    """The ratings that one judge gives."""
    known = pairs.dropna(subset=["points"])
    if known["cluster"].nunique() < 2:
        raise ValueError(
            f"ratings need verdicts on two clusters of prompts, but {judge} has {known['cluster'].nunique()}"
        )
    names = np.unique(known[["model", "against"]].to_numpy(str))
    won = pd.DataFrame(0.0, index=names, columns=names)
    for one, other, points in known[["model", "against", "points"]].itertuples(index=False):
        won.loc[one, other] += points
        won.loc[other, one] += 1 - points
    _check_connected(won)
    design = np.zeros((len(known), len(names)))
    rows = np.arange(len(known))
    design[rows, np.searchsorted(names, known["model"].to_numpy(str))] += 1
    design[rows, np.searchsorted(names, known["against"].to_numpy(str))] -= 1
    contrasts = np.eye(len(names))[:, 1:] - 1 / len(names)
    found = fit_logistic(known["points"].to_numpy(float), design[:, 1:], known["cluster"].to_numpy())
    strength = contrasts @ found.params
    se = np.sqrt(np.einsum("ij,jk,ik->i", contrasts, found.cov_params(), contrasts))
    scale = 400 / np.log(10)
    z = distributions.norm.ppf((1 + confidence) / 2)
    others = [np.delete(strength, place) for place in range(len(names))]
    named = known.rename(columns={"model": "against", "against": "model"})
    met = pd.concat([known, named])[["model", "prompt_id"]]
    table = pd.DataFrame(
        {
            "judge": judge,
            "model": names,
            "n_prompts": met.groupby("model")["prompt_id"].nunique()[names].to_numpy(),
            "rating": scale * strength,
            "low": scale * (strength - z * se),
            "high": scale * (strength + z * se),
            "expected": [
                100 * np.mean(1 / (1 + np.exp(rest - own))) for own, rest in zip(strength, others, strict=True)
            ],
        }
    )
    return table.sort_values(["rating", "model"], ascending=[False, True])


def _check_connected(won: pd.DataFrame) -> None:
    """Raise ValueError unless every model has won some points, by some chain, against every other."""
    from scipy.sparse.csgraph import connected_components

    met = connected_components(won.to_numpy() + won.to_numpy().T, directed=False)[1]
    beat = connected_components(won.to_numpy() > 0, directed=True, connection="strong")[1]
    if (met > 0).any():
        apart = won.index[met > 0][0]
        raise ValueError(f"ratings need every model compared with every other by some chain, but {apart} is apart")
    if (beat != beat[0]).any():
        one = won.index[beat != beat[0]][0]
        raise ValueError(f"ratings need wins in both directions, but between {one} and {won.index[0]} all go one way")


def by_length(difference: FloatArray) -> FloatArray:
    """What points are regressed on: a term for the model, and tanh of the difference in length over its deviation."""
    return np.column_stack([np.ones(len(difference)), np.tanh(difference / difference.std())])


def fit_logistic(points: FloatArray, design: FloatArray, clusters: NDArray[Any]) -> Any:
    """Logistic regression of points from 0 to 1, with a covariance that holds for clusters of rows."""
    groups = np.unique(clusters.astype(str), return_inverse=True)[1]
    return GLM(points, design, family=Binomial()).fit(cov_type="cluster", cov_kwds={"groups": groups})


def is_separated(points: FloatArray, lengths: FloatArray) -> bool:
    """Whether no maximum exists: all verdicts alike, or all wins on one side of all losses in length."""
    if len(np.unique(points)) < 2:
        return True
    lost, won = lengths[points < 1], lengths[points > 0]
    return bool(won.min() >= lost.max() or won.max() <= lost.min())


def _by_order(asked: pd.DataFrame) -> dict[str, float]:
    """Position bias of a judge, and how often its two orders agree; missing where orders are not known."""
    known = asked.dropna(subset=["points", "order"])
    first = np.where(known["order"] == 1, known["points"], 1 - known["points"])
    both = known.pivot_table(index="prompt_id", columns="order", values="points").dropna()
    return {
        "first_share": 100 * float(first.mean()) if len(first) else np.nan,
        "orders_agree": 100 * float((both[1] == both[2]).mean()) if both.shape[1] == 2 and len(both) else np.nan,
    }


def _pairs(table: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    for names, group in table.groupby(PAIR, sort=True):
        yield dict(zip(PAIR, map(str, names), strict=True)), group


def _bounds(value: float, se: float, df: int, confidence: float) -> tuple[float, float]:
    """The ends of an interval by Student's t; missing without degrees of freedom."""
    if df < 1:
        return np.nan, np.nan
    half = float(distributions.t.ppf((1 + confidence) / 2, df)) * se
    return value - half, value + half
