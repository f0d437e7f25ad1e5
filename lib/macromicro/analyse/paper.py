"""The numbers of the paper (arXiv 2505.24768), to set beside our own.

The scores were read off its figures, to about 0.2 points; `marker_hidden` is True where another marker covers the
point, which makes the reading uncertain. Columns are named as in our own tables.
"""

from importlib import resources

import pandas as pd

NAMES = {"strategy": "granularity", "diversity_percent": "level", "slope_per_percent_x100": "slope", "pearson_r": "r"}


def load_scores() -> pd.DataFrame:
    """Scores of figure 3: part, granularity, size, level (percent), score, marker_hidden. 126 models, one seed."""
    return _load("figure3_scores").astype({"level": float, "marker_hidden": bool})


def load_slopes() -> pd.DataFrame:
    """Slopes of table 1: part, size, granularity, slope (points of score from 0 to 100 percent diversity)."""
    return _load("table1_slopes")


def load_correlations() -> pd.DataFrame:
    """Pearson's r of figure 4: part (of the text that was measured), metric, r."""
    return _load("figure4_metric_correlations")


def load_ablations() -> pd.DataFrame:
    """Scores of the ablations: ablation, part, size, granularity, level, score, mean_response_tokens (or missing)."""
    return _load("ablations").astype({"level": float})


def _load(name: str) -> pd.DataFrame:
    """A table of the package data under our column names."""
    with resources.files("macromicro.analyse").joinpath("paper_data", f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False, na_values=[""]).rename(columns=NAMES)
