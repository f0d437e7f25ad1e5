"""Two strategies held against each other: difference of their slopes, or of the scores of two datasets.

Both answered the same prompts, and a seed's models share its baseline, so that a difference is taken within seed and
prompt, and then averaged (see `crossed`): that one slope is told from zero and another is not says nothing about their
difference.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.analyse.crossed import covariance_of_means, mean_covariance, mean_over_seeds
from macromicro.analyse.series import Series, split_series
from macromicro.analyse.slopes import slope_weights
from macromicro.analyse.stats import holm

FloatArray = NDArray[np.float64]
COLUMNS = ("one", "other", "size", "n_seeds", "n_prompts", "difference", "se", "low", "high", "p", "p_holm", "note")


def compare_slopes(
    verdicts: pd.DataFrame, pairs: Iterable[tuple[str, str]], *, confidence: float = 0.95
) -> pd.DataFrame:
    """Table of differences of slopes, points of score from 0 to 100 percent diversity: a row per pair and size.

    Columns: one, other, size, n_seeds (that both have), n_prompts, difference (slope of one less that of the other),
    se, low, high (simultaneous over the rows by Bonferroni, at `confidence`), p, p_holm (Holm over the rows), note
    (why there is none: a difference needs two seeds, since one seed's scatter cannot be told from its luck).
    Parameters: verdicts as in `series.split_series`; pairs, names of strategies.
    Raises ValueError as `split_series`, or if a strategy of a pair has no verdicts.
    """
    rows = []
    for one, other in pairs:
        both = _of(verdicts, (one, other))
        for size, group in both.groupby("size", sort=True):
            shared = _shared(group, "strategy")
            series = {name["strategy"]: found for name, found in split_series(shared, "points")} if len(shared) else {}
            rows.append({"one": one, "other": other, "size": size} | _difference_of_slopes(series, one, other))
    return _corrected(rows, confidence)


def compare_datasets(
    verdicts: pd.DataFrame, pairs: Iterable[tuple[str, str]], *, confidence: float = 0.95
) -> pd.DataFrame:
    """Table of differences of scores of two kinds of datasets, points: columns as of `compare_slopes`.

    Scores lie from 0 to 100, so that intervals end at -100 and 100: with two seeds they would go on to thousands.
    Parameters: verdicts, columns kind, size, seed, prompt_id and points, one dataset per kind, size and seed; pairs,
    two kinds each, such as a strategy at one level and a rival.
    Raises ValueError if a kind of a pair has no verdicts, or two datasets.
    """
    rows = []
    keys = ["kind", "size", "seed", "prompt_id"]
    if verdicts.duplicated(keys).any():
        twice = verdicts[verdicts.duplicated(keys)].iloc[0]
        raise ValueError(f"there must be one dataset per kind, size and seed, but {twice['kind']} has two in a seed")
    for one, other in pairs:
        for size, group in _of(verdicts, (one, other), column="kind").groupby("size", sort=True):
            shared = _shared(group, "kind")
            table = 100 * shared.pivot_table(index=["kind", "seed"], columns="prompt_id", values="points")
            there = set(table.index.get_level_values("kind"))
            difference = np.empty((0, 0))
            if there == {one, other}:
                difference = table.loc[one].to_numpy(float) - table.loc[other].to_numpy(float)
            rows.append({"one": one, "other": other, "size": size} | _difference(difference))
    table = _corrected(rows, confidence)
    return table.assign(low=table["low"].clip(lower=-100), high=table["high"].clip(upper=100))


def _difference_of_slopes(series: Mapping[str, Series], one: str, other: str) -> dict[str, object]:
    """`_difference` of the slopes of every seed on every prompt; missing where a seed has one level."""
    if len(series) < 2:
        return _difference(np.empty((0, 0)))
    if any(len(levels) < 2 for each in series.values() for levels in each.levels):
        return _difference(np.empty((0, 0))) | {"note": "fewer than 2 different datasets in a seed"}
    return _difference(_slopes_by_prompt(series[one]) - _slopes_by_prompt(series[other]))


def _slopes_by_prompt(series: Series) -> FloatArray:
    """The slope of every seed on every prompt, shape (n_seeds, n_prompts)."""
    found = [slope_weights(at) @ values for at, values in zip(series.levels, series.values, strict=True)]
    return np.array(found)


def _of(verdicts: pd.DataFrame, pair: tuple[str, str], *, column: str = "strategy") -> pd.DataFrame:
    """The verdicts on both of a pair. Raises ValueError if one has none, or the two are one."""
    if pair[0] == pair[1]:
        raise ValueError(f"two different names are compared, but {pair[0]!r} stands on both sides")
    for name in pair:
        if name not in set(verdicts[column]):
            raise ValueError(
                f"{name!r} has no verdicts to compare; there are {', '.join(sorted(set(verdicts[column])))}"
            )
    return verdicts[verdicts[column].isin(pair)]


def _shared(group: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows of seeds that both names have, and of prompts on which every model of these seeds has a value."""
    seeds = group.groupby("seed")[column].nunique()
    kept = group[group["seed"].isin(seeds.index[seeds == 2])]
    lost = kept.loc[kept["points"].isna(), "prompt_id"].unique()
    return kept[~kept["prompt_id"].isin(lost)]


def _difference(values: FloatArray) -> dict[str, object]:
    """Mean and standard error of differences, shape (n_seeds, n_prompts), and its test; missing below two seeds."""
    if len(values) < 2:
        n_prompts = values.shape[1] if len(values) else 0
        nothing = dict.fromkeys(("difference", "se", "p"), np.nan)
        return {
            "n_seeds": len(values),
            "n_prompts": n_prompts,
            **nothing,
            "note": "fewer than two seeds",
            "found": None,
        }
    found = mean_over_seeds(values.mean(axis=1), mean_covariance(covariance_of_means(values)))
    row = {"n_seeds": len(values), "n_prompts": values.shape[1], "difference": found.value, "se": found.se}
    if not found.se > 0:
        return row | {"p": np.nan, "note": "the same on every seed and prompt", "found": None}
    return row | {"p": found.p(), "note": "", "found": found}


def _corrected(rows: Sequence[dict], confidence: float) -> pd.DataFrame:
    """The table with Holm's p-values, and intervals that hold for all rows at once."""
    tested = sum(row["found"] is not None for row in rows)
    for row in rows:
        found = row.pop("found")
        ends = (np.nan, np.nan) if found is None else found.interval(1 - (1 - confidence) / tested)
        row["low"], row["high"] = ends
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "p_holm"])
    return table.assign(p_holm=holm(table["p"].to_numpy(float)))[list(COLUMNS)]
