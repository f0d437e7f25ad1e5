"""Verdicts of one strategy and size as a matrix of levels by prompts for every seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SERIES = ["strategy", "size"]
SCALES = {"points": 100.0, "margin": 1.0}
"""What a verdict is multiplied by: scores are 100 times the mean of points, margins keep their unit."""


@dataclass(frozen=True)
class Series:
    """What the models of one strategy and size made of the same prompts.

    levels: for every seed its diversity levels in percent, rising, shape (n_points,). values: for every seed the values
    of its models, shape (n_points, n_prompts), the prompts in one order throughout; a mean over prompts is a score (or
    a mean margin). remarks: what was counted as one or left out, in words.
    """

    levels: tuple[FloatArray, ...]
    values: tuple[FloatArray, ...]
    remarks: tuple[str, ...] = ()

    @property
    def n_seeds(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def n_prompts(self) -> int:
        """Number of prompts that every model answered."""
        return self.values[0].shape[1]

    @property
    def n_levels(self) -> int:
        """Number of different levels over all seeds."""
        return len(np.unique(np.concatenate(self.levels)))

    def scores(self) -> list[FloatArray]:
        """Mean over prompts of every model, for every seed, shape (n_points,)."""
        return [values.mean(axis=1) for values in self.values]

    def above(self, level: float) -> "Series":
        """The same without the points at or below a level."""
        kept = [at > level for at in self.levels]
        levels = tuple(at[which] for at, which in zip(self.levels, kept, strict=True))
        return Series(levels, tuple(values[which] for values, which in zip(self.values, kept, strict=True)))


def split_series(verdicts: pd.DataFrame, value: str) -> Iterator[tuple[dict, Series]]:
    """Names (strategy, size) and `Series` of every strategy and size, sorted.

    Parameters: verdicts, columns strategy, dataset, size, level, seed, prompt_id and `value` (points or margin), a row
    per dataset and prompt. With a column digest, datasets of one seed that share it are one point: their values are
    averaged, at the lowest or highest level if they hold it, else at the mean of their levels. A dataset without a
    digest is one of its own.
    A prompt on which some model of the series has no value is left out for all of them.
    Raises ValueError if a column, a level or all rows are missing, a verdict repeats, or the models did not answer the
    same prompts.
    """
    needed = [*SERIES, "dataset", "level", "seed", "prompt_id", value]
    lost = [name for name in needed if name not in verdicts]
    if lost or verdicts.empty or value not in SCALES:
        raise ValueError(f"verdicts need rows and the columns {', '.join(needed)}; missing: {lost or 'rows'}")
    for key, group in verdicts.groupby(SERIES, sort=True):
        yield dict(zip(SERIES, key, strict=True)), _series(group, value, f"{key[0]} at size {key[1]}")


def _series(group: pd.DataFrame, value: str, where: str) -> Series:
    """Series of the verdicts of one strategy and size."""
    models = group.drop_duplicates("dataset").sort_values(["seed", "level", "dataset"]).set_index("dataset")
    if group.duplicated(["dataset", "prompt_id"]).any():
        raise ValueError(f"there must be one verdict per dataset and prompt, but some of {where} repeat")
    if models["level"].isna().any():
        raise ValueError(f"a series needs levels, but {models.index[models['level'].isna()][0]} of {where} has none")
    if models.duplicated(["seed", "level"]).any():
        twice = models[models.duplicated(["seed", "level"])].index[0]
        raise ValueError(f"there must be one dataset per seed and level, but {twice} of {where} is a second one")
    if len(group) != len(models) * group["prompt_id"].nunique():
        raise ValueError(f"every model must answer the same prompts, but those of {where} did not")
    table = group.pivot_table(index="dataset", columns="prompt_id", values=value, dropna=False).loc[models.index]
    answered = table.notna().all().to_numpy()
    if not answered.any():
        raise ValueError(f"no prompt has a value for every model of {where}")
    remarks = [f"{(~answered).sum()} prompts without a value left out"] if not answered.all() else []
    matrix = SCALES[value] * table.to_numpy(float)[:, answered]
    ends, levels, values = (models["level"].min(), models["level"].max()), [], []
    for seed in sorted(models["seed"].unique()):
        rows = np.flatnonzero(models["seed"] == seed)
        at, merged, said = _merge_same(models.iloc[rows], matrix[rows], ends)
        levels.append(at)
        values.append(merged)
        remarks += said
    return Series(tuple(levels), tuple(values), tuple(remarks))


def _merge_same(models: pd.DataFrame, matrix: FloatArray, ends: tuple) -> tuple[FloatArray, FloatArray, list[str]]:
    """Levels and values of one seed with datasets of equal content as one point, and what was merged."""
    own = models.index.to_series()
    digests = models["digest"].where(models["digest"].notna(), own) if "digest" in models else own
    places, values, remarks = [], [], []
    for _, rows in pd.Series(range(len(models))).groupby(digests.to_numpy(), sort=False):
        levels = models["level"].to_numpy(float)[rows]
        held = [end for end in ends if end in levels]
        places.append(held[0] if len(held) == 1 else levels.mean())
        values.append(matrix[rows].mean(axis=0))
        if len(levels) > 1:
            named = ", ".join(f"{level:g} %" for level in levels)
            remarks.append(f"seed {models['seed'].iloc[0]}: {named} are one dataset, one point at {places[-1]:g} %")
    order = np.argsort(places, kind="stable")
    return np.array(places)[order], np.array(values)[order], remarks
