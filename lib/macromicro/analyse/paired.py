"""Two models compared prompt by prompt: both answered the same prompts, and what a prompt does to both cancels out."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as distributions

from macromicro.analyse.stats import holm
from macromicro.analyse.win_rates import by_prompt, clustered_mean, describe_spread

COLUMNS = (
    *("judge", "against", "one", "other", "n_prompts", "difference", "se", "low", "high", "p", "p_holm"),
    *("se_unpaired", "n_needed", "note"),
)


def compare_models(
    verdicts: pd.DataFrame,
    *,
    difference: float = 5.0,
    confidence: float = 0.95,
    alpha: float = 0.05,
    power: float = 0.8,
) -> pd.DataFrame:
    """Table of all pairs of models that one judge held against the same opponent, on the same prompts.

    Columns: judge, against (the opponent of both), one, other, n_prompts; difference (win rate of one less that of the
    other, points), se, low, high, p (Student's t over prompts, or over their clusters); p_holm (Holm over all pairs);
    se_unpaired (what the standard error would be if each model had prompts of its own: what pairing saves); n_needed
    (prompts with which such a pair's true difference of `difference` points is told from zero with probability
    `power` at `alpha`, by the normal distribution; as clustered as these are); note (why something is missing).
    Parameters: verdicts, as `judge.annotations` reads them.
    Raises ValueError if two models were not judged on the same prompts, none has a verdict for both, or there is no
    pair.
    """
    if not difference > 0:
        raise ValueError(f"difference={difference} must be above zero: no number of prompts shows less")
    rows = []
    for (judge, against), group in by_prompt(verdicts).groupby(["judge", "against"], sort=True):
        clusters = group.groupby("prompt_id")["cluster"].first()
        for one, other in combinations(_complete(group), 2):
            found = _compare(one, other, clusters, confidence)
            found["n_needed"] = _needed(found, difference, alpha, power)
            rows.append({"judge": judge, "against": against, "one": one.name, "other": other.name, **found})
    if not rows:
        opponents = verdicts[["model", "against"]].drop_duplicates().to_numpy().tolist()
        named = "; ".join(f"{model} against {against}" for model, against in opponents)
        raise ValueError(f"to compare models, two of them must have been held against the same opponent, not {named}")
    return pd.DataFrame(rows).assign(p_holm=lambda table: holm(table["p"].to_numpy(float)))[list(COLUMNS)]


def find_alone(verdicts: pd.DataFrame) -> list[str]:
    """Who against whom has no other model to be compared with: those that `compare_models` leaves out.

    Parameters: verdicts, as `judge.annotations` reads them.
    """
    pairs = verdicts[["judge", "against", "model"]].drop_duplicates()
    alone = pairs[~pairs.duplicated(["judge", "against"], keep=False)]
    return [f"{model} against {against} ({judge})" for judge, against, model in alone.itertuples(index=False)]


def _complete(group: pd.DataFrame) -> list[pd.Series]:
    """Points by prompt of each model, in order of names. Raises ValueError if their prompts differ."""
    models = [
        table.set_index("prompt_id")["points"].rename(str(name)) for name, table in group.groupby("model", sort=True)
    ]
    for model in models[1:]:
        for one, other in ((models[0], model), (model, models[0])):
            lacking = one.index.difference(other.index)
            if len(lacking):
                raise ValueError(
                    f"models are compared on the same prompts, but {other.name} lacks {len(lacking)} of those of "
                    f"{one.name}, such as {lacking[0]!r}"
                )
    return models


def _compare(one: pd.Series, other: pd.Series, clusters: pd.Series, confidence: float) -> dict[str, Any]:
    """The paired difference of two models over the prompts on which both have a verdict."""
    both = pd.concat([one, other], axis=1).dropna()
    if both.empty:
        raise ValueError(f"{one.name} and {other.name}: no prompt has a verdict on both")
    values = 100 * (both.iloc[:, 0] - both.iloc[:, 1]).to_numpy(float)
    groups = clusters[both.index].to_numpy()
    mean, se, df = clustered_mean(values, groups)
    apart = [100 * clustered_mean(both[name].to_numpy(float), groups)[1] for name in both]
    row: dict[str, Any] = {"n_prompts": len(both), "difference": mean, "se": se}
    row |= {"se_unpaired": float(np.hypot(apart[0], apart[1])), "note": describe_spread(se, clusters[both.index])}
    if not se > 0:  # equal on every prompt, or one cluster
        return row | {"low": np.nan, "high": np.nan, "p": 1.0 if mean == 0 else np.nan}
    half = float(distributions.t.ppf((1 + confidence) / 2, df)) * se
    return row | {"low": mean - half, "high": mean + half, "p": 2 * float(distributions.t.sf(abs(mean) / se, df))}


def _needed(found: dict[str, Any], difference: float, alpha: float, power: float) -> float:
    """Prompts for a difference, as variable as these: variance of one prompt times (z + z)^2 over difference^2."""
    if not found["se"] > 0:
        return np.nan
    quantiles = distributions.norm.isf(alpha / 2) + distributions.norm.ppf(power)
    return float(np.ceil(found["n_prompts"] * (found["se"] * quantiles / difference) ** 2))
