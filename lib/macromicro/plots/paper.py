"""Figures of the paper's own points: all its slopes at once, and its length control."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import linregress

from macromicro.analyse.paper import FAMILY
from macromicro.plots.names import literal
from macromicro.plots.panels import WIDTH, frame
from macromicro.plots.series import COLOURS, STYLES

LOOKS = {"length free": STYLES["micro"], "length held": (COLOURS[3], "D")}
TOLD, NOT_TOLD = STYLES["micro"][0], "0.45"


def plot_forest(slopes: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Every slope with its interval, a row each from top to bottom, with gaps between strategies and before ablations.

    Parameters: slopes, strategy, family, slope, low, high, significant; names, what each row is called. A filled marker
    in colour is told from zero, a hollow grey one is not. Raises ValueError if a row has no name.
    """
    if len(names) != len(slopes):
        raise ValueError(f"names must name every slope, but there are {len(names)} for {len(slopes)}")
    groups = slopes["strategy"].where(slopes["family"] == FAMILY, slopes["family"])
    rows = np.arange(len(slopes)) + 0.7 * (groups.ne(groups.shift()).cumsum().to_numpy() - 1)
    figure, axes = plt.subplots(figsize=(0.75 * WIDTH, 1.3 + 0.235 * rows[-1]), layout="constrained")
    told = slopes["significant"].astype(bool)
    for which, colour, label in ((told, TOLD, "told from zero"), (~told, NOT_TOLD, "not told from zero")):
        own, at = slopes[which], rows[which]
        axes.hlines(at, own["low"], own["high"], color=colour, linewidth=1.8)
        axes.plot(own["slope"], at, linestyle="none", marker="o", color=colour, markersize=6.5, label=label,
                  markerfacecolor=colour if colour == TOLD else "white")  # fmt: skip
    axes.axvline(0, color="0.2", linewidth=1)
    axes.set(yticks=rows, yticklabels=[literal(name) for name in names], ylim=(rows[-1] + 0.8, -0.8))
    frame(figure, np.array([[axes]]), x_label="points of score from 0 to 100 % diversity")
    return figure


def plot_lengths(free: pd.DataFrame, held: pd.DataFrame) -> Figure:
    """Mean response tokens (left) and score (right) against level, with the least squares line of each score.

    Parameters: tables with level, score and mean_response_tokens, a row per model.
    """
    figure, grid = plt.subplots(1, 2, figsize=(0.75 * WIDTH, 3.3), squeeze=False, layout="constrained")
    for (name, (colour, marker)), table in zip(LOOKS.items(), (free, held), strict=True):
        fit = linregress(table["level"], table["score"])
        grid[0, 1].axline((0, fit.intercept), slope=fit.slope, color=colour, linestyle="--", linewidth=1.3)
        for axes, column in zip(grid.flat, ("mean_response_tokens", "score"), strict=True):
            axes.plot(table["level"], table[column], linestyle="none", marker=marker, color=colour, markersize=6.5,
                      label=name)  # fmt: skip
    for axes, title in zip(grid.flat, ("mean response tokens", "score"), strict=True):
        axes.set(title=title, xticks=[0, 25, 50, 75, 100], xlim=(-6, 106))
    frame(figure, grid, x_label="diversity level (%)")
    return figure
