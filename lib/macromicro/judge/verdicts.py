"""What a verdict is: a row per model, prompt, judge and order, and how those of two orders become one."""

import pandas as pd
from pandas.core.groupby import SeriesGroupBy

POINTS = {"win": 1.0, "tie": 0.5, "loss": 0.0}
"""What a verdict counts for; a score is 100 times their mean."""
COLUMNS = ("dataset", "prompt_id", "judge", "order", "verdict", "margin", "length", "length_baseline")


def join_orders(verdicts: pd.DataFrame) -> pd.DataFrame:
    """One verdict per model and prompt from those of one judge in either order: where they differ, a tie.

    It is missing where one of them is; the margin is their mean. A judge for which the order is all one has none.
    Returns: dataset, prompt_id, verdict, margin and, where the verdicts have them, length and length_baseline; where
    there are two orders, sorted by dataset and prompt.
    """
    lengths = [name for name in ("length", "length_baseline") if name in verdicts]
    columns = ["dataset", "prompt_id", "verdict", "margin", *lengths]
    if verdicts["order"].isna().all():
        return verdicts[columns].reset_index(drop=True)
    points = verdicts.assign(points=verdicts["verdict"].map(POINTS).astype(float))
    groups = points.groupby(["dataset", "prompt_id"], sort=True)
    one = join_points(groups["points"])
    names = {points: name for name, points in POINTS.items()}
    margin = groups["margin"].mean().where(one.notna())
    joined = {"verdict": one.map(names).astype(object), "margin": margin}
    joined |= {name: groups[name].first() for name in lengths}
    return pd.DataFrame(joined).reset_index()[columns]


def join_points(points: SeriesGroupBy) -> pd.Series:
    """The points of each group of verdicts on one pair: where its orders differ, a tie; missing where one is."""
    ends = points.agg(["min", "max", "count", "size"])
    return ends["min"].where(ends["min"] == ends["max"], POINTS["tie"]).where(ends["count"] == ends["size"])


def of_judge(table: pd.DataFrame, judge: str, *, where: str) -> pd.DataFrame:
    """The rows of one judge without the column that names it. Raises ValueError if there is none; `where` says of what.

    >>> of_judge(pd.DataFrame({"judge": ["length", "llm"], "score": [51.0, 52.0]}), "llm", where="s0").score.tolist()
    [52.0]
    """
    own = table[table["judge"] == judge].drop(columns="judge")
    if own.empty:
        known = ", ".join(table["judge"].unique())
        raise ValueError(f"{where}: no row of judge {judge!r}; there are {known}")
    return own.reset_index(drop=True)
