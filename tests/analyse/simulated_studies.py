"""Studies whose truth is known: verdicts of one series under a probit model, and the slope that they come from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from macromicro.analyse.series import Series
from scipy.stats import norm

LEVELS = np.array([0, 16, 33, 50, 66, 83, 100], dtype=float)
TIE = 0.1  # margins nearer to zero are ties


@dataclass(frozen=True)
class World:
    """Where verdicts come from: all sizes are standard deviations of the margin, a margin of 0.1 is about 3 points.

    slope, from 0 to 100 percent diversity; slope_sd, between seeds. baseline_sd, of a seed's baseline, shared by its
    models; training_sd, of a model. prompt_sd and prompt_slope_sd: a prompt is easier, or rewards diversity more, for
    every model of every seed. opponent_sd, of a baseline's answer to a prompt; answer_sd, of a model's.
    """

    slope: float = 0.2
    n_seeds: int = 3
    n_prompts: int = 200
    slope_sd: float = 0.0
    baseline_sd: float = 0.03
    training_sd: float = 0.05
    prompt_sd: float = 0.5
    prompt_slope_sd: float = 0.4
    opponent_sd: float = 0.6
    answer_sd: float = 0.8


def simulate(world: World, n_studies: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins, shape (n_studies, n_seeds, n_levels, n_prompts), and slope and baseline of each seed."""
    n, s, p, x = n_studies, world.n_seeds, world.n_prompts, LEVELS[:, None] / 100

    def normal(sd, *shape):
        return sd * rng.standard_normal(shape, dtype=np.float32)

    slopes = world.slope + normal(world.slope_sd, n, s)
    baselines = normal(world.baseline_sd, n, s)
    prompts = normal(world.prompt_sd, n, 1, 1, p) + x * normal(world.prompt_slope_sd, n, 1, 1, p)
    models = slopes[:, :, None, None] * x - baselines[:, :, None, None] + normal(world.training_sd, n, s, len(x), 1)
    answers = normal(world.answer_sd, n, s, len(x), p) - normal(world.opponent_sd, n, s, 1, p)
    return models + prompts + answers, slopes, baselines


def points_of(margins: np.ndarray) -> np.ndarray:
    """1 for a win, 0.5 for a tie, 0 for a loss."""
    return ((margins > TIE) + 1.0 * (margins > -TIE)) / 2


def true_scores(world: World, slope: float | None = None, baseline: float | None = None) -> np.ndarray:
    """Expected score at each level: over seeds, or of one seed whose slope and baseline are given."""
    x = LEVELS / 100
    variance = world.training_sd**2 + world.prompt_sd**2 + world.opponent_sd**2 + world.answer_sd**2
    variance = variance + (world.prompt_slope_sd * x) ** 2
    if slope is None:
        slope, baseline = world.slope, 0.0
        variance = variance + (world.slope_sd * x) ** 2 + world.baseline_sd**2
    centres, sd = slope * x - baseline, np.sqrt(variance)
    return 50 * (norm.cdf((centres + TIE) / sd) + norm.cdf((centres - TIE) / sd))


def true_slope(world: World, slope: float | None = None, baseline: float | None = None) -> float:
    """Least squares slope of the expected scores."""
    return float(np.polyfit(LEVELS / 100, true_scores(world, slope, baseline), 1)[0])


def series_of(values: np.ndarray, scale: float = 100.0) -> Series:
    """`Series` of one study's points or margins, shape (n_seeds, n_levels, n_prompts)."""
    return Series((LEVELS,) * len(values), tuple(scale * values))


def verdicts_of(margins: np.ndarray, *, strategy: str = "response-micro", size: int = 500) -> pd.DataFrame:
    """Table of the verdicts of one study, as a study writes it."""
    s, level, p = (axis.ravel() for axis in np.indices(margins.shape))
    level = LEVELS[level]
    table = pd.DataFrame({"seed": s, "level": level, "prompt_id": [f"p{i:03}" for i in p]})
    table["dataset"] = [f"n{size}-d{at:03.0f}-s{seed}" for at, seed in zip(level, s, strict=True)]
    return table.assign(strategy=strategy, size=size, points=points_of(margins).ravel(), margin=margins.ravel())


def simulate_metrics(
    seed: int, n_strategies: int = 6, n_seeds: int = 3, n_levels: int = 7
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and metrics: strategies have paths of their own, seeds a baseline; the score follows IE."""
    rng = np.random.default_rng(seed)
    shape = (n_strategies, n_seeds, n_levels)
    level = np.linspace(-1, 1, n_levels)
    path = rng.normal(0, 0.5, (n_strategies, 1, 1)) + rng.normal(1, 0.4, (n_strategies, 1, 1)) * level
    metric = path + rng.normal(0, 0.1, shape)
    score = metric * rng.normal(0.6, 0.3, (n_strategies, 1, 1)) + rng.normal(0, 0.6, shape)
    score = score + rng.normal(0, 0.5, (n_strategies, 1, 1)) + rng.normal(0, 0.5, (1, n_seeds, 1))
    strategy, of_seed, at = (axis.ravel() for axis in np.indices(shape))
    names = {
        "strategy": [f"s{i}" for i in strategy],
        "dataset": [f"d{i}-{j}" for i, j in zip(of_seed, at, strict=True)],
    }
    points = pd.DataFrame({**names, "seed": of_seed, "score": 50 + 5 * score.ravel()})
    metrics = pd.DataFrame({**names, "part": "response", "IE": metric.ravel()})
    return points, metrics.assign(SL=100 + 10 * metric.ravel() + rng.normal(0, 5, len(metrics)), BL=1.0)
