"""Verdicts on pairs of models, made up."""

import numpy as np
import pandas as pd


def verdicts(points, **columns):
    """Verdicts of model `new` against `old`, a prompt each."""
    n = len(points)
    table = pd.DataFrame({"model": "new", "against": "old", "judge": "j", "prompt_id": [f"p{i:04d}" for i in range(n)]})
    table = table.assign(order=np.nan, points=points, length=np.nan, length_against=np.nan).assign(**columns)
    return table if "cluster" in columns else table.assign(cluster=table["prompt_id"])
