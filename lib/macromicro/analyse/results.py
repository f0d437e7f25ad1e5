"""The outcome of a study as two tables: a row per model with its score, a row per dataset and part with its metrics."""

from collections.abc import Iterable

import pandas as pd

from macromicro.study.layout import Layout


def load_points(out: Layout, strategies: Iterable[str]) -> pd.DataFrame:
    """Table of all models, sorted: strategy, dataset, part, granularity, size, level, seed, score, low, high, ...

    A dataset that was selected but has no score is kept, its score missing. Raises FileNotFoundError if a strategy was
    not judged, ValueError if a score belongs to no selected dataset.
    """
    tables = []
    for strategy in strategies:
        levels, scores = pd.read_parquet(out.levels(strategy)), pd.read_parquet(out.scores(strategy))
        unknown = sorted(set(scores["dataset"]) - set(levels["dataset"]))
        if unknown:
            raise ValueError(f"{out.scores(strategy)}: dataset {unknown[0]!r} is not in {out.levels(strategy)}")
        table = levels[["dataset", "size", "level", "seed"]].merge(scores, on="dataset", how="left", validate="1:1")
        part, _, granularity = strategy.partition("-")
        tables.append(table.assign(strategy=strategy, part=part, granularity=granularity))
    first = ["strategy", "dataset", "part", "granularity", "size", "level", "seed", "score"]
    points = pd.concat(tables, ignore_index=True).sort_values(first[:2], ignore_index=True)
    return points[[*first, *points.columns.difference(first, sort=False)]]


def load_metrics(out: Layout, strategies: Iterable[str]) -> pd.DataFrame:
    """Table of the metrics of all datasets: strategy, dataset, part (of the text measured) and a column per metric."""
    tables = [pd.read_parquet(out.metrics(strategy)).assign(strategy=strategy) for strategy in strategies]
    metrics = pd.concat(tables, ignore_index=True)
    first = ["strategy", "dataset", "part"]
    return metrics[[*first, *metrics.columns.difference(first, sort=False)]].sort_values(first, ignore_index=True)
