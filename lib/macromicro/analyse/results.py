"""The outcome of a study as tables: a row per model, per verdict on one of its answers, per dataset and part."""

from collections.abc import Iterable

import pandas as pd
import pyarrow.parquet as pq

from macromicro.judge.verdicts import POINTS, join_orders, of_judge
from macromicro.study.settings import Strategy, Study

AGAINST = ["baseline", "baseline_size", "seed"]
"""What names the one model that others are held against."""


def load_points(study: Study) -> pd.DataFrame:
    """Table of all models of all seeds, sorted by strategy, size, level and seed.

    Columns: strategy, family, part, granularity (missing where a strategy has no types), method, baseline and
    baseline_size (what it is held against), dataset, size, level (percent, missing for rivals), seed, score, low, high,
    and what else was scored and selected; n_steps (of the optimiser), untuned (score of the untuned base model against
    the same baseline, missing where the two did not meet).

    A dataset that was selected but has no score is kept, its score missing. Raises FileNotFoundError if a strategy was
    not judged, ValueError if a score belongs to no selected dataset.
    """
    tables = [_points(study, strategy, seed) for strategy, seed in _judged(study)]
    untuned = load_untuned(study)[[*AGAINST, "score"]].rename(columns={"score": "untuned"})
    points = pd.concat(tables, ignore_index=True).merge(untuned, on=AGAINST, how="left", validate="m:1")
    order = points.sort_values(["strategy", "size", "level", "seed"]).index
    return points.loc[order].reset_index(drop=True)


def load_baselines(study: Study) -> pd.DataFrame:
    """Table of the random baselines, sorted by strategy, seed and size; they score 50 by definition.

    Columns: strategy, dataset, size, seed, score, margin, n_steps (of the optimiser), and what else was selected.
    """
    tables = []
    for baseline in study.baselines.values():
        for seed in baseline.select.seeds:
            levels = pd.read_parquet(study.out.levels(baseline.name, seed)).drop(columns=["level", "digest"])
            steps = _count_steps(study, baseline, levels["dataset"])
            tables.append(levels.assign(strategy=baseline.name, seed=seed, score=50.0, margin=0.0, n_steps=steps))
    baselines = pd.concat(tables, ignore_index=True)
    first = ["strategy", "dataset", "size", "seed", "score", "margin", "n_steps"]
    return baselines[[*first, *baselines.columns.difference(first, sort=False)]]


def load_untuned(study: Study) -> pd.DataFrame:
    """Table of the scores of the untuned base model, a row per baseline and seed that it was held against.

    Columns: strategy, baseline, baseline_size, seed, score, low, high, and what else was scored. It is a model
    without a dataset, and has no part in slopes, families or correlations.
    """
    tables = []
    for strategy in study.untuned.values():
        for seed in strategy.select.seeds:
            path = study.out.scores(strategy.name, seed)
            scores = of_judge(pd.read_parquet(path), study.judge.headline, where=path.name).drop(columns="dataset")
            table = scores.assign(baseline=strategy.baseline, baseline_size=strategy.baseline_size, seed=seed)
            tables.append(table.assign(strategy=strategy.name)[["strategy", *AGAINST, *scores.columns]])
    return pd.concat(tables, ignore_index=True)


def load_verdicts(study: Study, judge: str | None = None) -> pd.DataFrame:
    """Table of all verdicts of one judge on all seeds, a row per model and prompt.

    It is sorted by strategy, size, level, seed and prompt. Parameters: judge, default that of the headline.
    Columns: strategy, family, dataset, size, level (percent, missing for rivals), seed, prompt_id, points (1 for a win,
    a half for a tie, 0 for a loss, missing for a verdict that is), margin, digest (of the file of the dataset: two
    levels that came to the same samples share it), and, where they are known, length and length_baseline (characters
    of the two answers).

    Raises FileNotFoundError if a strategy was not judged, ValueError if the judge gave no verdict, or one that is none
    of win, tie and loss, or is on a dataset that is not in the grid.
    """
    judge = judge or study.judge.headline
    verdicts = pd.concat([_verdicts(study, judge, *judged) for judged in _judged(study)], ignore_index=True)
    order = verdicts.sort_values(["strategy", "size", "level", "seed", "prompt_id"], kind="stable").index
    return verdicts.loc[order].reset_index(drop=True)


def load_metrics(study: Study) -> pd.DataFrame:
    """Table of the metrics of all datasets.

    Columns: strategy, family, dataset, part (of the text that was measured) and one per metric.
    """
    tables = []
    for strategy, seed in _judged(study):
        table = pd.read_parquet(study.out.metrics(strategy.name, seed))
        tables.append(table.assign(strategy=strategy.name, family=strategy.family))
    metrics = pd.concat(tables, ignore_index=True)
    first = ["strategy", "family", "dataset", "part"]
    return metrics[[*first, *metrics.columns.difference(first, sort=False)]].sort_values(first, ignore_index=True)


def _judged(study: Study) -> list[tuple[Strategy, int]]:
    """Every strategy with each of its seeds; baselines have no scores."""
    strategies = [study.strategy(name) for name in study.strategies]
    return [(strategy, seed) for strategy in strategies for seed in strategy.select.seeds]


def _points(study: Study, strategy: Strategy, seed: int) -> pd.DataFrame:
    """The models of one strategy and seed."""
    selected, scored = study.out.levels(strategy.name, seed), study.out.scores(strategy.name, seed)
    levels = pd.read_parquet(selected).drop(columns="digest")
    scores = of_judge(pd.read_parquet(scored), study.judge.headline, where=scored.name)
    unknown = sorted(set(scores["dataset"]) - set(levels["dataset"]))
    if unknown:
        raise ValueError(f"{scored.name}: dataset {unknown[0]!r} of {strategy.name} is not in {selected.name}")
    grid = levels[["dataset", "size"]].assign(level=levels["level"].astype("Float64").astype(float), seed=seed)
    table = grid.merge(_beside(grid, scores), on="dataset", how="left", validate="1:1")
    table = table.merge(_beside(table, levels), on="dataset", validate="1:1")
    table["n_steps"] = _count_steps(study, strategy, table["dataset"])
    about = {key: getattr(strategy, key) for key in ("family", "part", "granularity", "method", *AGAINST[:2])}
    for place, (name, value) in enumerate({"strategy": strategy.name, **about}.items()):
        table.insert(place, name, value)
    return table.astype({"granularity": object})


def _count_steps(study: Study, strategy: Strategy, datasets: Iterable[str]) -> list[int]:
    """Optimiser steps of the models of some datasets: the rows of their loss tables."""
    return [pq.read_metadata(study.out.losses(strategy.name, name)).num_rows for name in datasets]


def _verdicts(study: Study, judge: str, strategy: Strategy, seed: int) -> pd.DataFrame:
    """The verdicts of a judge on the models of one strategy and seed."""
    path = study.out.verdicts(strategy.name, seed)
    verdicts = join_orders(of_judge(pd.read_parquet(path), judge, where=path.name))
    unknown = sorted(set(verdicts["verdict"].dropna().astype(str)) - set(POINTS))
    if unknown:
        raise ValueError(f"{path.name}: verdict {unknown[0]!r} of {strategy.name} must be one of {', '.join(POINTS)}")
    datasets = strategy.datasets(seed)
    lost = sorted(set(verdicts["dataset"]) - {one.name for one in datasets})
    if lost:
        raise ValueError(f"{path.name}: dataset {lost[0]!r} of {strategy.name} is not in the grid")
    digests = pd.read_parquet(study.out.levels(strategy.name, seed), columns=["dataset", "digest"])
    grid = pd.DataFrame(datasets).astype({"level": float})
    grid["dataset"] = [one.name for one in datasets]
    grid = grid.merge(digests, on="dataset", how="left", validate="1:1")
    table = verdicts.assign(points=verdicts["verdict"].map(POINTS).astype(float)).merge(
        grid, on="dataset", validate="many_to_one"
    )
    first = ["strategy", "family", "dataset", "size", "level", "seed", "prompt_id", "points", "margin", "digest"]
    first += [name for name in ("length", "length_baseline") if name in table]
    return table.assign(family=strategy.family)[first]


def _beside(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """The columns of another table of datasets that `table` has not."""
    return other[["dataset", *other.columns.difference(table.columns, sort=False)]]
