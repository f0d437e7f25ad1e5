"""Slopes of score over diversity level: within seeds, then over seeds, with intervals that cover seeds and prompts.

Every seed has its own baseline, so that the scores of a seed are high or low together: a line is fitted within each
seed, with an intercept of its own, and the slopes of the seeds are averaged. The models of all seeds answered the same
prompts, which another study would draw anew: what they share comes from resampling prompts (see `crossed`).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from macromicro.analyse.crossed import (
    Estimate,
    FloatArray,
    covariance_of_means,
    mean_covariance,
    mean_over_seeds,
)
from macromicro.analyse.series import Series, split_series
from macromicro.analyse.stats import SLOPE_SCALE, holm

SEVERAL_SEEDS = "other seeds and other prompts"
ONE_SEED = "this one seed: other prompts and scatter about the line, not other seeds"
NUMBERS = ("slope", "se", "prompt_share", "low", "high", "p", "narrow_low", "narrow_high")
COLUMNS = (
    *("strategy", "family", "size", "n_seeds", "n_levels", "n_prompts", *NUMBERS, "p_holm", "smallest_slope"),
    *("without_zero", "without_zero_low", "without_zero_high"),
    *("without_zero_narrow_low", "without_zero_narrow_high", "without_zero_p_holm"),
    *("margin_slope", "margin_low", "margin_high", "margin_p", "covers", "note"),
)


def estimate_slopes(
    verdicts: pd.DataFrame,
    *,
    families: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    alpha: float = 0.05,
    power: float = 0.8,
) -> pd.DataFrame:
    """Table of slopes in points of score from 0 to 100 percent diversity, a row per strategy and size.

    Columns: strategy, family, size, n_seeds, n_levels, n_prompts; slope, se, prompt_share (how much of the squared
    standard error comes from the prompts that the seeds share), low, high (at `confidence`), p, narrow_low, narrow_high
    (at 1 - 2 `alpha`: two one-sided tests at `alpha` read their ends); p_holm (Holm within the family), smallest_slope
    (the smallest true slope that would have been told from zero with probability `power` at `alpha` / number of slopes
    in the family, Holm's first and hardest step); without_zero, without_zero_low, without_zero_high,
    without_zero_narrow_low, without_zero_narrow_high, without_zero_p_holm (the same of the slope without level 0);
    margin_slope, margin_low, margin_high, margin_p (the same of the mean margin); covers (what the intervals
    are about, in words), note (why there is no slope, or which levels are one dataset).

    Parameters: verdicts as in `split_series`, with points and margin; families, the family of each strategy, default
    one family. With one seed the interval is for that seed's own slope, as `covers` says.
    Raises ValueError as `split_series`, or if a strategy has no family.
    """
    margins = {tuple(name.values()): series for name, series in split_series(verdicts, "margin")}
    rows, found = [], []
    for name, series in split_series(verdicts, "points"):
        if families is not None and name["strategy"] not in families:
            raise ValueError(f"families must name every strategy, but {name['strategy']!r} is not among them")
        row = {"family": "all" if families is None else families[name["strategy"]], **name, **_counts(series)}
        found.append(None if why_no_slope(series) else fit_slope(series))
        row |= _numbers(found[-1], confidence, alpha)
        row |= _named(series.above(0), confidence, alpha, "without_zero")
        row |= _named(margins[tuple(name.values())], confidence, alpha, "margin")
        rows.append(row)
    table = pd.DataFrame(rows).rename(columns={"without_zero_slope": "without_zero"})
    return _correct(table, found, alpha, power)[list(COLUMNS)]


def _correct(table: pd.DataFrame, found: list[Estimate | None], alpha: float, power: float) -> pd.DataFrame:
    """The table with Holm's p-values and smallest_slope, which depend on how many slopes a family has."""
    families = table.groupby("family")
    smallest = [
        np.nan if slope is None else slope.smallest_seen(alpha=alpha / n_slopes, power=power)
        for slope, n_slopes in zip(found, families["p"].transform("count"), strict=True)
    ]
    corrected = {
        f"{name}_holm": families[name].transform(lambda p: holm(p.to_numpy(float))) for name in ("p", "without_zero_p")
    }
    return table.assign(**corrected, smallest_slope=smallest)


def _counts(series: Series) -> dict[str, object]:
    """What a series consists of."""
    counts: dict[str, object] = {name: getattr(series, name) for name in ("n_seeds", "n_levels", "n_prompts")}
    covers = ONE_SEED if series.n_seeds == 1 else SEVERAL_SEEDS
    return counts | {"covers": covers, "note": why_no_slope(series) or "; ".join(series.remarks)}


def _numbers(slope: Estimate | None, confidence: float, alpha: float) -> dict[str, float]:
    """What is said of a slope; missing where there is none."""
    if slope is None:
        return dict.fromkeys(NUMBERS, np.nan)
    share = slope.shared / (slope.own + slope.shared)
    ends = (*slope.interval(confidence), slope.p(), *slope.interval(1 - 2 * alpha))
    return dict(zip(NUMBERS, (slope.value, slope.se, share, *ends), strict=True))


def _named(series: Series, confidence: float, alpha: float, prefix: str) -> dict[str, float]:
    """Slope, intervals and p of another reading of a series, the names begun with `prefix`."""
    found = None if why_no_slope(series) else fit_slope(series)
    return {f"{prefix}_{name}": value for name, value in _numbers(found, confidence, alpha).items()}


def why_no_slope(series: Series) -> str:
    """Why a series has no slope with an interval; empty where it has."""
    fewest = 3 if series.n_seeds == 1 else 2  # about one line there must be scatter
    if min(len(levels) for levels in series.levels) < fewest:
        return f"fewer than {fewest} different datasets in a seed"
    if series.n_prompts < 2:
        return "only 1 prompt"
    if not fit_slope(series).se > 1e-12:
        return "the seeds do not differ and neither do the prompts"
    return ""


def fit_slope(series: Series) -> Estimate:
    """Mean over seeds of the least squares slopes within seeds, uncertain over seeds and prompts.

    A slope is a mean over prompts of each prompt's own slope, so that resampling prompts has a closed form. With one
    seed it is that seed's slope: the scatter of its levels about the line takes the place of the scatter of seeds.
    """
    if series.n_seeds == 1:
        return _fit_one_seed(series.levels[0], series.values[0])
    by_prompt = np.array(
        [slope_weights(levels) @ values for levels, values in zip(series.levels, series.values, strict=True)]
    )
    return mean_over_seeds(by_prompt.mean(axis=1), mean_covariance(covariance_of_means(by_prompt)))


def slope_weights(levels: FloatArray) -> FloatArray:
    """What each score is multiplied by in the least squares slope from 0 to 100 percent; the weights sum to zero."""
    centred = levels - levels.mean()
    return SLOPE_SCALE * centred / (centred @ centred)


def _fit_one_seed(levels: FloatArray, values: FloatArray) -> Estimate:
    """Slope of one seed, uncertain over prompts and over what is drawn anew for every level.

    Levels take the place of seeds: the scatter of scores about the line holds the noise of training and of prompt by
    model. The variance of the prompts' own slopes, less what of it is such noise, is what levels share.
    """
    weights, n_levels, n_prompts = slope_weights(levels), len(levels), values.shape[1]
    by_prompt = weights @ values
    design = np.column_stack([np.ones(n_levels), levels])
    residuals = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    scatter = residuals.mean(axis=1)
    noise = ((residuals - scatter[:, None]) ** 2).sum() / ((n_levels - 2) * (n_prompts - 1))
    squared = float(weights @ weights)
    shared = (by_prompt.var(ddof=1) - squared * noise) / n_prompts
    own = squared * float(scatter @ scatter) / (n_levels - 2)
    return Estimate(float(by_prompt.mean()), own, n_levels - 2, max(shared, 0.0))
