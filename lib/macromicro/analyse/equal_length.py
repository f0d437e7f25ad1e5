"""Verdicts as they would be if all answers were of one length, as far as a regression on length can tell.

Diverse datasets hold longer responses, models that learn from them give longer answers, and judges like these. What
is left at equal length of answers is a second reading of the same verdicts, and no experiment: where a better answer
has to be longer, it takes away too much.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.analyse.win_rates import by_length, fit_logistic, is_separated

FloatArray = NDArray[np.float64]


def hold_length(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Verdicts whose points are those at equal length of answers (`points_at_equal_length`), model by model.

    Strategies with a model of which they cannot be told are left out; so are all where lengths are not known.
    Parameters: verdicts, columns strategy, dataset, points, length and length_baseline, a row per model and prompt.
    """
    if not {"length", "length_baseline"} <= set(verdicts):
        return verdicts.iloc[:0]
    held = verdicts.copy()
    difference = (verdicts["length"] - verdicts["length_baseline"]).to_numpy(dtype=float)
    untold = set()
    for rows in verdicts.groupby(["strategy", "dataset"]).indices.values():
        found = points_at_equal_length(verdicts["points"].to_numpy(float)[rows], difference[rows])
        held.loc[held.index[rows], "points"] = found
        untold |= set(verdicts["strategy"].iloc[rows]) if np.isnan(found).all() else set()
    return held[~held["strategy"].isin(untold)].reset_index(drop=True)


def points_at_equal_length(points: FloatArray, difference: FloatArray) -> FloatArray:
    """Points of one model on each prompt whose mean is its win rate (a share) at equal length of answers.

    That is the win rate of `win_rates.at_equal_length`, logistic in tanh of the difference in length over its standard
    deviation, read at no difference. Each prompt has it, and n times what the prompt adds to it (its influence on the
    fit), so that the spread of these points over prompts is the standard error of that win rate, and whatever is linear
    in points, such as a slope, has its interval as ever.
    Parameters: points, from 0 to 1, missing for a verdict that is; difference, in length, to the other answer; both of
    shape (n_prompts,). All are missing where length alone decides every verdict or lengths are not known; where answers
    do not differ in length they are the points.
    Source: Dubois et al. 2024, arXiv 2404.04475; influence functions, Hampel 1974.
    """
    known = np.isfinite(points)
    spread = difference[known].std() if known.any() else np.nan
    if spread == 0:
        return points.copy()
    if not np.isfinite(spread):
        return np.full(len(points), np.nan)
    design = by_length(difference[known])
    if is_separated(points[known], design[:, 1]):
        return np.full(len(points), np.nan)
    fitted = fit_logistic(points[known], design, np.arange(known.sum()))
    share = 1 / (1 + np.exp(-fitted.params[0]))
    expected = np.asarray(fitted.fittedvalues)
    bread = np.linalg.inv(design.T @ (design * (expected * (1 - expected))[:, None]))
    influence = (design @ bread)[:, 0] * (points[known] - expected) * share * (1 - share)
    found = np.full(len(points), np.nan)
    found[known] = share + known.sum() * influence
    return found
