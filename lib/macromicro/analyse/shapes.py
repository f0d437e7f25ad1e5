"""What a straight line does not show: rank correlation, levels against the baseline, and a curve that levels off."""

import numpy as np
import pandas as pd
from scipy import stats as distributions
from scipy.optimize import minimize_scalar

from macromicro.analyse.crossed import (
    Estimate,
    FloatArray,
    covariance_of_means,
    draw_prompts,
    mean_covariance,
    mean_over_seeds,
)
from macromicro.analyse.series import Series, split_series

BASELINE = {"points": 50.0, "margin": 0.0}
"""Score and mean margin of a model as good as its baseline."""
CLEARLY_BETTER = 2.0  # AICc; models nearer than this are not told apart (Burnham and Anderson 2002, section 2.6)
SHRUNK = 0.95  # Fisher's z of a perfect rank correlation is infinite, and with seven levels perfect ones occur
SHAPES = (
    *("strategy", "size", "n_seeds", "n_levels", "rho", "rho_low", "rho_high"),
    *("curve", "aicc_gain", "rise", "half_level"),
)
LEVELS = ("strategy", "size", "level", "n_seeds", "difference", "low", "high", "covers")
SCALES = (5.0, 100.0)  # percent; a curve of a smaller scale is a step, one of a larger scale a line


def describe_shapes(
    verdicts: pd.DataFrame, *, value: str = "points", confidence: float = 0.95, n_bootstrap: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Table of what stands beside a slope, a row per strategy and size.

    Columns: strategy, size, n_seeds, n_levels, rho, rho_low, rho_high (`rank_correlation`), curve ("saturating" where
    it fits clearly better, "line", or "" where there are too few levels), aicc_gain (AICc of the line less that of the
    curve), rise (of the curve from 0 to 100 percent), half_level (where half of its rise is reached, percent).
    Parameters: verdicts as in `split_series`; value, points or margin.
    """
    rows = []
    for name, series in split_series(verdicts, value):
        rng = np.random.default_rng(seed)
        rho = rank_correlation(series, confidence=confidence, n_bootstrap=n_bootstrap, rng=rng)
        counts = {"n_seeds": series.n_seeds, "n_levels": series.n_levels}
        rows.append(name | counts | dict(zip(("rho", "rho_low", "rho_high"), rho, strict=True)) | fit_curve(series))
    return pd.DataFrame(rows)[list(SHAPES)]


def rank_correlation(
    series: Series, *, confidence: float, n_bootstrap: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Spearman's rho of score with level within seeds, averaged over seeds, with low and high.

    The interval covers seeds and prompts, as that of the slope (`mean_over_seeds` of Fisher's z; the covariance that
    prompts give two seeds by the bootstrap). Means of so bounded a number are skewed: at three and five seeds it held
    the expected value in 89 to 97 percent of simulated studies where 95 are promised. With one seed it is that of
    Bonett and Wright 2000 for the levels of this seed; it is missing below four levels, and all are missing where a
    seed has one level or equal scores.
    """
    if any(len(at) < 2 or np.ptp(scores) == 0 for at, scores in zip(series.levels, series.scores(), strict=True)):
        return np.nan, np.nan, np.nan
    rho = np.array([_rho(at, scores[None])[0] for at, scores in zip(series.levels, series.scores(), strict=True)])
    if series.n_seeds == 1:
        return float(rho[0]), *_bonett_wright(rho[0], len(series.levels[0]), confidence)
    weights = draw_prompts(series.n_prompts, n_bootstrap, rng)
    drawn = np.array([_rho(at, weights @ values.T) for at, values in zip(series.levels, series.values, strict=True)])
    found = mean_over_seeds(np.arctanh(SHRUNK * rho), mean_covariance(np.cov(np.arctanh(SHRUNK * drawn))))
    ends = found.interval(confidence) if found.se > 0 else (found.value, found.value)
    low, high = np.clip(np.tanh(ends) / SHRUNK, -1, 1)
    return float(rho.mean()), float(low), float(high)


def _rho(levels: FloatArray, scores: FloatArray) -> FloatArray:
    """Spearman's rho of each row of scores, shape (n_draws, n_levels), with the levels; zero where all scores tie."""
    ranks = distributions.rankdata(scores, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    at = distributions.rankdata(levels) - (len(levels) + 1) / 2
    size = np.sqrt((ranks**2).sum(axis=1) * (at @ at))
    return np.divide(ranks @ at, size, out=np.zeros(len(ranks)), where=size > 0)


def _bonett_wright(rho: float, n: int, confidence: float) -> tuple[float, float]:
    """Interval of Spearman's rho of n independent pairs: Fisher's z with variance (1 + rho^2 / 2) / (n - 3)."""
    if n < 4:
        return np.nan, np.nan
    half = distributions.norm.ppf((1 + confidence) / 2) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    centre = np.arctanh(np.clip(rho, -1 + 1e-9, 1 - 1e-9))
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))


def compare_levels(
    verdicts: pd.DataFrame, *, value: str = "points", confidence: float = 0.95, n_draws: int = 20_000, seed: int = 0
) -> pd.DataFrame:
    """Table of mean differences to the baseline, a row per strategy, size and level, with simultaneous intervals.

    Columns: strategy, size, level, n_seeds, difference, low, high, covers. With probability `confidence` *all*
    intervals of a series hold: their width comes from the largest of the levels' errors (max-t) in `n_draws` draws.
    Three seeds cannot be resampled, so the draws are normal (Dunnett 1955): one variance and one correlation for all
    levels, since each is one model of each seed against one baseline. With one seed they cover prompts only: what
    another training run or another baseline would give is not known.
    """
    tables = []
    for name, series in split_series(verdicts, value):
        rng = np.random.default_rng(seed)
        table = level_intervals(series, BASELINE[value], confidence=confidence, n_draws=n_draws, rng=rng)
        tables.append(table.assign(**name))
    return pd.concat(tables, ignore_index=True)[list(LEVELS)]


def level_intervals(
    series: Series, baseline: float, *, confidence: float, n_draws: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Rows of `compare_levels` of one series: level, n_seeds, difference, low, high, covers."""
    places = pd.DataFrame(
        [
            {"seed": seed, "level": level, "difference": values.mean() - baseline, "values": values}
            for seed, (levels, rows) in enumerate(zip(series.levels, series.values, strict=True))
            for level, values in zip(levels, rows, strict=True)
        ]
    )
    table = places.groupby("level")["difference"].agg(n_seeds="size", difference="mean").reset_index()
    found, correlation = pooled_error(places, series.n_seeds)
    n_errors = _largest_error(found, correlation, len(table), confidence, n_draws, rng)
    half = n_errors * np.sqrt(found.own * series.n_seeds / table["n_seeds"] + found.shared)
    covers = "other prompts, not other seeds" if series.n_seeds == 1 else "other seeds and other prompts"
    return table.assign(low=table["difference"] - half, high=table["difference"] + half, covers=covers)


def pooled_error(places: pd.DataFrame, n_seeds: int) -> tuple[Estimate, float]:
    """Variance of a level's mean over seeds, alike for all levels, and the correlation of two levels.

    Parameters: places, a row per seed and level: seed, level, difference, values (by prompt). The degrees of freedom
    of the pooled variance of correlated levels are those of Box 1954 for equal correlations.
    """
    covariance = covariance_of_means(np.stack(places["values"].to_list()))
    seeds, levels = places["seed"].to_numpy(), places["level"].to_numpy()
    pair = seeds[:, None] != seeds if n_seeds > 1 else np.ones_like(covariance, dtype=bool)
    alike = levels[:, None] == levels
    shared, shared_two = _mean_above_zero(covariance[pair & alike]), _mean_above_zero(covariance[pair & ~alike])
    own, own_two, df = 0.0, 0.0, np.inf
    if n_seeds > 1:
        wide = places.pivot_table(index="seed", columns="level", values="difference")
        between = wide.cov(min_periods=2).to_numpy() / n_seeds
        one = np.eye(len(between), dtype=bool)
        own, own_two = _mean_above_zero(between[one]), _mean_above_zero(between[~one])
        df = (n_seeds - 1) * len(one) / (1 + (len(one) - 1) * min(own_two / own, 1.0) ** 2) if own > 0 else np.inf
    whole = own + shared
    return Estimate(0.0, own, df, shared), min((own_two + shared_two) / whole, 1.0) if whole > 0 else 0.0


def _mean_above_zero(values: FloatArray) -> float:
    """Mean of the values that are known, zero if it is below zero or nothing is known."""
    known = values[~np.isnan(values)]
    return max(float(known.mean()), 0.0) if len(known) else 0.0


def _largest_error(
    error: Estimate, correlation: float, n_levels: int, confidence: float, n_draws: int, rng: np.random.Generator
) -> float:
    """How many standard errors the largest error of the levels exceeds with probability 1 - `confidence`.

    As `Estimate.critical`: the quantile where the variance is estimated and where it is known, each with its part.
    """
    common, own = rng.standard_normal((n_draws, 1)), rng.standard_normal((n_draws, n_levels))
    largest = np.abs(np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own).max(axis=1)
    known = float(np.quantile(largest, confidence))
    if error.own == 0:
        return known
    estimated = float(np.quantile(largest / np.sqrt(rng.chisquare(error.df, n_draws) / error.df), confidence))
    share = error.own / (error.own + error.shared)
    return share * estimated + (1 - share) * known


def fit_curve(series: Series) -> dict[str, object]:
    """Whether a curve that levels off, a + b (1 - exp(-level / c)), fits clearly better than a line.

    Returns curve, aicc_gain, rise, half_level as in `describe_shapes`. Both are fitted by least squares to the mean
    over seeds at each level, so that seeds that share prompts do not count as independent points. The criterion is
    AICc, made for as few points as these; leaving levels out would at both ends judge by extrapolation, where the two
    differ most. Below six different levels AICc of the curve is not defined.
    """
    levels, scores = _level_means(series)
    n = len(levels)
    nothing: dict[str, object] = {"curve": "", "aicc_gain": np.nan, "rise": np.nan, "half_level": np.nan}
    if n < 6 or np.ptp(scores) == 0:
        return nothing
    scale = _best_scale(levels, scores)
    slope, left = _regress(1 - np.exp(-levels / scale), scores)
    gain = _aicc(_regress(levels, scores)[1], n, 3) - _aicc(left, n, 4)
    if gain <= CLEARLY_BETTER:
        return nothing | {"curve": "line", "aicc_gain": gain}
    top = 1 - np.exp(-100 / scale)
    return {"curve": "saturating", "aicc_gain": gain, "rise": slope * top, "half_level": -scale * np.log(1 - top / 2)}


def _level_means(series: Series) -> tuple[FloatArray, FloatArray]:
    """Levels and their mean scores where every seed has an intercept of its own, though some seeds lack some levels."""
    at, scores = np.concatenate(series.levels), np.concatenate(series.scores())
    levels, columns = np.unique(at, return_inverse=True)
    seeds = np.repeat(np.arange(series.n_seeds), [len(own) for own in series.levels])
    design = np.column_stack([np.eye(len(levels))[columns], np.eye(series.n_seeds)[seeds][:, 1:]])
    effects: FloatArray = np.linalg.lstsq(design, scores, rcond=None)[0].astype(float)
    return levels, effects[: len(levels)]


def _best_scale(levels: FloatArray, scores: FloatArray) -> float:
    """The c of 1 - exp(-level / c) that leaves the smallest sum of squares, between `SCALES`."""

    def misfit(log_scale: float) -> float:
        return _regress(1 - np.exp(-levels / np.exp(log_scale)), scores)[1]

    grid = np.log(np.geomspace(*SCALES, num=40))
    nearest = int(np.argmin([misfit(at) for at in grid]))
    bounds = (grid[max(nearest - 1, 0)], grid[min(nearest + 1, len(grid) - 1)])
    return float(np.exp(minimize_scalar(misfit, bounds=bounds, method="bounded").x))


def _regress(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Least squares slope of y on x, and the sum of squares that it leaves."""
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    return slope, float(((y - slope * x) ** 2).sum())


def _aicc(left: float, n: int, k: int) -> float:
    """Akaike's criterion for few points: n points, k parameters with the variance, sum of squares left."""
    return n * np.log(max(left, 1e-300) / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
