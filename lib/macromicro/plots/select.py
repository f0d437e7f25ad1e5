"""Figures of the select stage: pools, coverage, lengths.

Colours are those of Okabe and Ito, each with a marker of its own, hollow so that two at the same place are both seen.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from macromicro.select.pools import Peeling

WIDTH = 8.0  # inches: at 700 pixels, text of 10 points is 12 pixels high
SIZE_STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"))


def plot_pools(peeling: Peeling, levels: pd.DataFrame) -> Figure:
    """Samples left in the pool against the types left, with the pool that each level draws from."""
    figure, axes = plt.subplots(figsize=(WIDTH, 3.6), layout="constrained")
    axes.plot(peeling.ks[:-1], peeling.pool_sizes[:-1], color="0.4", linewidth=1.5, drawstyle="steps-pre")
    for (colour, marker), (size, group) in zip(_styles(levels), levels.groupby("size"), strict=True):
        pools = group.drop_duplicates("level")
        axes.plot(
            pools["k"], pools["pool_size"], marker, color=colour, mfc="none", mew=1.5, label=f"levels, N = {size:,}"
        )
        axes.axhline(float(group["size"].iloc[0]), color=colour, linestyle=":", linewidth=1)
    axes.set(xlabel="types left (k)", ylabel="samples in the pool")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left")
    return figure


def plot_coverage(levels: pd.DataFrame) -> Figure:
    """Types covered, as percent of all types of the corpus, and evenness of their counts, against level."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.3), layout="constrained")
    _draw_by_level(left, levels.assign(percent=100 * levels["coverage"]), "percent")
    left.set(ylabel="types covered (% of the corpus)", ylim=(0, 103))
    _draw_by_level(right, levels, "evenness")
    right.set(ylabel="evenness (1 = all types alike)", ylim=(min(0.5, levels["evenness"].min()), 1.02))
    left.legend(frameon=False)
    return figure


def plot_lengths(levels: pd.DataFrame) -> Figure:
    """Mean length of instructions and responses, in tokens, against level."""
    figure, panels = plt.subplots(1, 2, figsize=(WIDTH, 3.3), layout="constrained")
    for axes, part in zip(panels, ("instruction", "response"), strict=True):
        _draw_by_level(axes, levels, f"{part}_tokens")
        axes.set(ylabel=f"mean {part} length (tokens)", ylim=(0, 1.08 * levels[f"{part}_tokens"].max()))
    panels[0].legend(frameon=False)
    return figure


def _draw_by_level(axes: Axes, levels: pd.DataFrame, column: str) -> None:
    """One line per size: the mean over seeds, and a marker per dataset."""
    for (colour, marker), (size, group) in zip(_styles(levels), levels.groupby("size"), strict=True):
        mean = group.groupby("level")[column].mean()
        axes.plot(mean.index, mean, color=colour, linewidth=1.5)
        axes.plot(group["level"], group[column], marker, color=colour, mfc="none", mew=1.5, label=f"N = {size:,}")
    axes.set(xlabel="diversity level (%)", xticks=[0, 25, 50, 75, 100], xlim=(-4, 104))


def _styles(levels: pd.DataFrame) -> list[tuple[str, str]]:
    """A colour and marker per size, in order of size; from the sixth on they begin again."""
    return [SIZE_STYLES[place % len(SIZE_STYLES)] for place in range(levels["size"].nunique())]
