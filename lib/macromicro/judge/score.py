"""Verdicts to scores, whatever the judge: 50 = as good as the baseline."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from macromicro.study.settings import Dataset

POINTS = {"win": 1.0, "tie": 0.5, "loss": 0.0}
"""What a verdict counts for; a score is 100 times their mean."""
_GRID = ["dataset", "size", "level", "seed"]


def score_verdicts(verdicts: pd.DataFrame, *, n_bootstrap: int, confidence: float, seed: int) -> pd.DataFrame:
    """The score of each model with its interval, sorted by dataset.

    Parameters: verdicts, columns dataset, prompt_id, verdict, margin; every model needs a verdict on every prompt.
    The interval is the percentile bootstrap over *prompts*, the same draws for all models. confidence, such as 0.95.
    Returns: dataset, score (0 to 100), low, high, n_wins, n_ties, n_losses, margin (mean over prompts, bits per byte).
    Raises ValueError if a verdict is unknown, repeats or is missing.
    """
    points = _points(verdicts)
    n_prompts = len(points)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(n_prompts, np.full(n_prompts, 1 / n_prompts), size=n_bootstrap)
    means = 100 * (draws @ points.to_numpy()) / n_prompts
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    counts = pd.crosstab(verdicts["dataset"], verdicts["verdict"]).reindex(columns=list(POINTS), fill_value=0)
    scores = pd.DataFrame({"score": 100 * points.mean(), "low": low, "high": high})
    scores[["n_wins", "n_ties", "n_losses"]] = counts
    scores["margin"] = verdicts.groupby("dataset")["margin"].mean()
    return scores.rename_axis(index="dataset").reset_index()


def _points(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Points of every verdict, shape (n_prompts, n_datasets). Raises ValueError as `score_verdicts` says."""
    unknown = sorted(set(verdicts["verdict"].astype(str)) - set(POINTS))
    if unknown or verdicts.empty:
        raise ValueError(f"every verdict must be one of {', '.join(POINTS)}; found {unknown or 'no verdicts'}")
    if verdicts.duplicated(["dataset", "prompt_id"]).any():
        raise ValueError("there must be one verdict per dataset and prompt, but some repeat")
    points = verdicts.assign(points=verdicts["verdict"].map(POINTS)).pivot_table(
        index="prompt_id", columns="dataset", values="points"
    )
    missing = np.argwhere(points.isna().to_numpy())
    if len(missing):
        prompt, name = points.index[missing[0, 0]], points.columns[missing[0, 1]]
        raise ValueError(f"every dataset needs a verdict on every prompt, but {name} has none on {prompt}")
    return points


def add_coordinates(scores: pd.DataFrame, datasets: Iterable[Dataset]) -> pd.DataFrame:
    """The scores with size, level (percent; missing for rivals) and seed of every model, sorted by size and level.

    Raises ValueError if a score is of none of the `datasets`.
    """
    grid = pd.DataFrame([(one.name, one.size, one.level, one.seed) for one in datasets], columns=_GRID)
    unknown = sorted(set(scores["dataset"]) - set(grid["dataset"]))
    if unknown:
        raise ValueError(f"every score must be of a dataset of the grid, but {unknown[0]!r} is not in it")
    table = scores.merge(grid.astype({"level": float}), on="dataset", validate="one_to_one")
    first = table[_GRID].sort_values(["size", "level", "seed"])
    return table.loc[first.index, [*_GRID, *scores.columns.drop("dataset")]].reset_index(drop=True)
