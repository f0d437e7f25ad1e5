"""The outcome of a study as tables: a row per model, per verdict on one of its answers, per dataset and part."""

import pandas as pd

from macromicro.judge.verdicts import POINTS, join_orders, of_judge
from macromicro.study.files import digest
from macromicro.study.settings import Strategy, Study


def load_points(study: Study) -> pd.DataFrame:
    """Table of all models of all seeds, sorted by strategy, size, level and seed.

    Columns: strategy, family, part, granularity (missing where a strategy has no types), method, dataset, size, level
    (percent, missing for rivals), seed, score, low, high, and what else was scored and selected.

    A dataset that was selected but has no score is kept, its score missing. Raises FileNotFoundError if a strategy was
    not judged, ValueError if a score belongs to no selected dataset.
    """
    tables = [_points(study, strategy, seed) for strategy, seed in _judged(study)]
    points = pd.concat(tables, ignore_index=True)
    order = points.sort_values(["strategy", "size", "level", "seed"]).index
    return points.loc[order].reset_index(drop=True)


def load_verdicts(study: Study, judge: str | None = None) -> pd.DataFrame:
    """Table of all verdicts of one judge on all seeds, a row per model and prompt.

    It is sorted by strategy, size, level, seed and prompt. Parameters: judge, default that of the headline.
    Columns: strategy, family, dataset, size, level (percent, missing for rivals), seed, prompt_id, points (1 for a win,
    a half for a tie, 0 for a loss, missing for a verdict that is), margin, digest (of the file of the dataset: two
    levels that came to the same samples share it).

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
    levels = pd.read_parquet(selected)
    scores = of_judge(pd.read_parquet(scored), study.judge.headline, where=scored.name)
    unknown = sorted(set(scores["dataset"]) - set(levels["dataset"]))
    if unknown:
        raise ValueError(f"{scored.name}: dataset {unknown[0]!r} of {strategy.name} is not in {selected.name}")
    grid = levels[["dataset", "size"]].assign(level=levels["level"].astype("Float64").astype(float), seed=seed)
    table = grid.merge(_beside(grid, scores), on="dataset", how="left", validate="1:1")
    table = table.merge(_beside(table, levels), on="dataset", validate="1:1")
    about = {key: getattr(strategy, key) for key in ("family", "part", "granularity", "method")}
    for place, (name, value) in enumerate({"strategy": strategy.name, **about}.items()):
        table.insert(place, name, value)
    return table.astype({"granularity": object})


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
    grid = pd.DataFrame(datasets).astype({"level": float})
    grid["dataset"] = [one.name for one in datasets]
    grid["digest"] = [digest(study.out.dataset(strategy.name, one.name)) for one in datasets]
    table = verdicts.assign(points=verdicts["verdict"].map(POINTS).astype(float)).merge(
        grid, on="dataset", validate="many_to_one"
    )
    first = ["strategy", "family", "dataset", "size", "level", "seed", "prompt_id", "points", "margin", "digest"]
    return table.assign(family=strategy.family)[first]


def _beside(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """The columns of another table of datasets that `table` has not."""
    return other[["dataset", *other.columns.difference(table.columns, sort=False)]]
