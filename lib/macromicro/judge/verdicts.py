"""What a verdict is: a row per model, prompt, judge and order, and how those of two orders become one."""

import pandas as pd

POINTS = {"win": 1.0, "tie": 0.5, "loss": 0.0}
"""What a verdict counts for; a score is 100 times their mean."""
ANY_ORDER = "any"
"""Order of a verdict that does not depend on which answer is read first."""
COLUMNS = ("dataset", "prompt_id", "judge", "order", "verdict", "margin")


def join_orders(verdicts: pd.DataFrame) -> pd.DataFrame:
    """One verdict per model, prompt and judge from those in either order: where they differ, a tie.

    It is missing where one of them is; the margin is their mean.
    Returns: dataset, prompt_id, judge, verdict, margin, sorted by judge, dataset and prompt.
    """
    if (verdicts["order"] == ANY_ORDER).all():
        return verdicts.drop(columns="order").reset_index(drop=True)
    key = ["judge", "dataset", "prompt_id"]
    points = verdicts.assign(points=verdicts["verdict"].map(POINTS).astype(float))
    groups = points.groupby(key, sort=True)
    ends = groups["points"].agg(["min", "max", "count", "size"])
    one = ends["min"].where(ends["min"] == ends["max"], POINTS["tie"]).where(ends["count"] == ends["size"])
    names = {points: name for name, points in POINTS.items()}
    joined = pd.DataFrame({"verdict": one.map(names).astype(object), "margin": groups["margin"].mean()})
    joined["margin"] = joined["margin"].where(one.notna())
    return joined.reset_index()[["dataset", "prompt_id", "judge", "verdict", "margin"]]


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
