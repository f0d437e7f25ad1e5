"""The numbers of the paper (arXiv 2505.24768), to set beside our own.

The scores were read off its figures, to about 0.2 points; `marker_hidden` is True where another marker covers the
point, which makes the reading uncertain. Columns are named as in our own tables, strategies as our six are
(`response-micro`), so that the same functions serve both.
"""

from importlib import resources

import pandas as pd

NAMES = {"strategy": "granularity", "diversity_percent": "level", "slope_per_percent_x100": "slope", "pearson_r": "r"}


FAMILY = "paper"
"""Family of the paper's six strategies; those of a study are of the same name."""

CLAIMED = ("response-micro", "instruction-micro")
"""The strategies of the paper's two headline results: the one that does most for a model, and the one that harms it."""


def list_families(table: pd.DataFrame) -> list[str]:
    """The families of a table in the order in which they are shown: the paper's, then the others by name."""
    return sorted(table["family"].unique(), key=lambda name: (name != FAMILY, name))


def load_scores() -> pd.DataFrame:
    """Scores of figure 3: strategy, family, part, granularity, size, level (percent), score, marker_hidden.

    126 models, one seed.
    """
    return _named(_load("figure3_scores").astype({"level": float, "marker_hidden": bool}))


def load_slopes() -> pd.DataFrame:
    """Slopes of table 1: strategy, family, part, granularity, size, slope (points from 0 to 100 percent diversity)."""
    return _named(_load("table1_slopes"))


def load_correlations() -> pd.DataFrame:
    """Pearson's r of figure 4: family, part (of the text that was measured), metric, r."""
    return _load("figure4_metric_correlations").assign(family=FAMILY)


def load_ablations() -> pd.DataFrame:
    """Scores of the ablations: as `load_scores`, with ablation and mean_response_tokens (or missing)."""
    return _named(_load("ablations").astype({"level": float}))


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the name of every strategy and its family in front."""
    table = table.copy()
    table.insert(0, "strategy", table["part"] + "-" + table["granularity"])
    table.insert(1, "family", FAMILY)
    return table


def _load(name: str) -> pd.DataFrame:
    """A table of the package data under our column names."""
    with resources.files("macromicro.analyse").joinpath("paper_data", f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False, na_values=[""]).rename(columns=NAMES)
