"""Verdicts to scores, whatever the judge: 50 = as good as the baseline."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from macromicro.judge.verdicts import POINTS, join_orders
from macromicro.study.settings import Dataset

_GRID = ["dataset", "size", "level", "seed"]


def score_verdicts(verdicts: pd.DataFrame, *, n_bootstrap: int, confidence: float, seed: int) -> pd.DataFrame:
    """The score of each model with its interval, sorted by dataset.

    Parameters: verdicts of one judge, columns dataset, prompt_id, verdict, margin; every model needs a row for every
    prompt. A missing verdict is left out and counted. confidence, such as 0.95.
    The interval is the percentile bootstrap over *prompts*, the same draws for all models.
    Returns: dataset, score (0 to 100), low, high, n_wins, n_ties, n_losses, n_missing, margin (mean over prompts, in
    the unit of the judge).
    Raises ValueError if a verdict is unknown, repeats or has no row, or all of a model are missing.
    """
    points = _points(verdicts)
    n_prompts, given = len(points), points.notna().to_numpy()
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(n_prompts, np.full(n_prompts, 1 / n_prompts), size=n_bootstrap)
    with np.errstate(invalid="ignore"):  # a draw may hold none of the prompts with a verdict
        means = 100 * (draws @ points.fillna(0).to_numpy()) / (draws @ given)
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(means, [tail, 1 - tail], axis=0)
    counts = pd.crosstab(verdicts["dataset"], verdicts["verdict"])
    counts = counts.reindex(index=points.columns, columns=list(POINTS), fill_value=0)
    scores = pd.DataFrame({"score": 100 * points.mean(), "low": low, "high": high})
    scores[["n_wins", "n_ties", "n_losses"]] = counts
    scores["n_missing"] = (~given).sum(axis=0)
    scores["margin"] = verdicts.groupby("dataset")["margin"].mean()
    return scores.rename_axis(index="dataset").reset_index()


def score_judges(verdicts: pd.DataFrame, *, n_bootstrap: int, confidence: float, seed: int) -> pd.DataFrame:
    """The score of each model by each judge, judges in the order in which the verdicts have them.

    Parameters: verdicts, as `verdicts.judge_answers` gives them. Returns: judge, and what `score_verdicts` returns.
    Raises ValueError as `score_verdicts`.
    """
    tables = []
    for judge in verdicts["judge"].unique():
        own = join_orders(verdicts[verdicts["judge"] == judge])
        scores = score_verdicts(own, n_bootstrap=n_bootstrap, confidence=confidence, seed=seed)
        scores.insert(0, "judge", judge)
        tables.append(scores)
    return pd.concat(tables, ignore_index=True)


def _points(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Points of every verdict, shape (n_prompts, n_datasets). Raises ValueError as `score_verdicts` says."""
    unknown = sorted(set(verdicts["verdict"].dropna().astype(str)) - set(POINTS))
    if unknown or verdicts.empty:
        raise ValueError(f"every verdict must be one of {', '.join(POINTS)}; found {unknown or 'no verdicts'}")
    if verdicts.duplicated(["dataset", "prompt_id"]).any():
        raise ValueError("there must be one verdict per dataset and prompt, but some repeat")
    rows = pd.crosstab(verdicts["prompt_id"], verdicts["dataset"])
    absent = np.argwhere(rows.to_numpy() == 0)
    if len(absent):
        prompt, name = rows.index[absent[0, 0]], rows.columns[absent[0, 1]]
        raise ValueError(f"every dataset needs a verdict on every prompt, but {name} has none on {prompt}")
    valued = verdicts.assign(points=verdicts["verdict"].map(POINTS).astype(float))
    points = valued.pivot_table(index="prompt_id", columns="dataset", values="points", dropna=False)
    if points.isna().all().any():
        name = points.columns[points.isna().all()][0]
        raise ValueError(f"every dataset needs a verdict on some prompt, but all {len(points)} of {name} are missing")
    return points


def add_coordinates(scores: pd.DataFrame, datasets: Iterable[Dataset]) -> pd.DataFrame:
    """The scores with size, level (percent; missing for rivals) and seed of every model, sorted by size and level.

    Where several judges scored the models, those of a model stay together, in the order of the judges.
    Raises ValueError if a score is of none of the `datasets`.
    """
    grid = pd.DataFrame([(one.name, one.size, one.level, one.seed) for one in datasets], columns=_GRID)
    unknown = sorted(set(scores["dataset"]) - set(grid["dataset"]))
    if unknown:
        raise ValueError(f"every score must be of a dataset of the grid, but {unknown[0]!r} is not in it")
    table = scores.merge(grid.astype({"level": float}), on="dataset", validate="many_to_one")
    first = table[_GRID].sort_values(["size", "level", "seed"], kind="stable")
    return table.loc[first.index, [*_GRID, *scores.columns.drop("dataset")]].reset_index(drop=True)
