"""The figures of the study: scores against diversity, slopes, correlations; ours and the paper's drawn alike.

Colours are those of Okabe and Ito, which people with any colour vision can tell apart; every series has a marker of
its own as well. Sizes suit a page 700 pixels wide. Matplotlib's defaults are left alone: `rc_context`
around the first figure of a notebook would switch the showing of figures off again.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

STYLES = {"macro": ("#0072B2", "o"), "meso": ("#009E73", "s"), "micro": ("#D55E00", "^")}
WIDTH = 8.0  # inches: at 700 pixels, text of 10 points is 12 pixels high


def plot_scores(points: pd.DataFrame, lines: pd.DataFrame, *, title: str, baseline: float = 50.0) -> Figure:
    """Figure 3: score against diversity level, a panel per part and size, a colour per granularity.

    Parameters: points, part, granularity, size, level, score and, where there are intervals, low and high; lines, as
    `stats.fit_lines` gives them, drawn dashed with a band of one sd; baseline, the score drawn as a dotted line.
    """
    parts, sizes = sorted(points["part"].unique()), sorted(points["size"].unique())
    panels = [(part, size) for part in parts for size in sizes]
    n_columns = len(sizes) if len(sizes) > 1 else len(parts)
    n_rows = -(-len(panels) // n_columns)
    figure, grid = plt.subplots(
        n_rows, n_columns, figsize=(WIDTH, 0.9 + 2.9 * n_rows), sharex=True, sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axes, (part, size) in zip(grid.flat, panels, strict=True):
        here = points[(points["part"] == part) & (points["size"] == size)]
        fits = lines[(lines["part"] == part) & (lines["size"] == size)]
        for granularity, (colour, marker) in STYLES.items():
            _draw_line(axes, fits[fits["granularity"] == granularity], colour)
            _draw_points(axes, here[here["granularity"] == granularity], granularity, colour, marker)
        axes.axhline(baseline, color="0.35", linestyle=":", label=f"baseline ({baseline:g})")
        axes.set(title=f"{part}, N = {size:,}", xticks=[0, 25, 50, 75, 100], xlim=(-6, 106))
    figure.suptitle(title, fontsize=12)
    _frame(figure, grid, x_label="diversity level (%)", y_label="score")
    return figure


def _draw_line(axes: Axes, line: pd.DataFrame, colour: str) -> None:
    """A fitted line with its band."""
    axes.plot(line["level"], line["mean"], color=colour, linestyle="--", linewidth=1.5)
    low, high = line["mean"] - line["sd"], line["mean"] + line["sd"]
    axes.fill_between(line["level"], low, high, color=colour, alpha=0.13, linewidth=0)


def _draw_points(axes: Axes, points: pd.DataFrame, label: str, colour: str, marker: str) -> None:
    """The scores of a series, with their intervals where there are any."""
    known = points.dropna(subset=["score"])
    if known.empty:
        return
    if {"low", "high"} <= set(known.columns):
        reach = [known["score"] - known["low"], known["high"] - known["score"]]
        axes.errorbar(known["level"], known["score"], yerr=reach, fmt="none", ecolor=colour, alpha=0.45, linewidth=1)
    axes.plot(known["level"], known["score"], linestyle="none", marker=marker, color=colour, markersize=6, label=label,
              markeredgecolor="white", markeredgewidth=0.6)  # fmt: skip


def _frame(
    figure: Figure, grid: np.ndarray, *, x_label: str, y_label: str = "", handles: list[Any] | None = None
) -> None:
    """Labels at the outer panels, grid lines, and one legend below all panels."""
    for axes in grid[-1]:
        axes.set_xlabel(x_label)
    for axes in grid[:, 0]:
        axes.set_ylabel(y_label)
    for axes in grid.flat:
        axes.grid(color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
    if handles is None:
        named = [dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True)) for axes in grid.flat]
        handles = list({label: handle for found in named for label, handle in found.items()}.values())
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def plot_slopes(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Table 1 as a forest plot: a slope with interval per strategy and size, a panel per table.

    Parameters: tables by title (as `stats.fit_slopes` gives them); a filled marker differs from zero after Holm's
    correction, a hollow one does not. Every panel has a scale of its own, since judges differ.
    """
    series = pd.concat(tables.values())[["part", "granularity"]].drop_duplicates().sort_values(["part", "granularity"])
    names = [f"{row.part} / {row.granularity}" for row in series.itertuples()]
    n_sizes = max(table["size"].nunique() for table in tables.values())
    figure, grid = plt.subplots(
        1, len(tables), figsize=(WIDTH, 1.7 + 0.22 * len(names) * (n_sizes + 1)), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axes, (title, table) in zip(grid.flat, tables.items(), strict=True):
        _draw_slopes(axes, table, names)
        axes.set(title=title, yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.45, -0.55))
        axes.axvline(0, color="0.35", linestyle=":")
    filled, hollow = (
        Line2D([], [], linestyle="none", marker="o", color="0.2", markersize=7, markerfacecolor=face, label=label)
        for face, label in (("0.2", "differs from 0 after Holm"), ("white", "does not"))
    )
    _frame(figure, grid, x_label="slope (points of score per 100 % diversity)", handles=[filled, hollow])
    return figure


def _draw_slopes(axes: Axes, slopes: pd.DataFrame, names: list[str]) -> None:
    """Slopes of one table, sizes one below the other within the row of their strategy."""
    sizes = sorted(slopes["size"].unique())
    offsets = dict(zip(sizes, np.linspace(-0.27, 0.27, len(sizes)) if len(sizes) > 1 else [0.0], strict=True))
    for row in slopes[slopes["note"] == ""].to_dict("records"):
        colour, marker = STYLES[row["granularity"]]
        y = names.index(f"{row['part']} / {row['granularity']}") + offsets[row["size"]]
        axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.6)
        face = colour if row["significant"] else "white"
        axes.plot(row["slope"], y, marker=marker, color=colour, markersize=7, markerfacecolor=face)
        if len(sizes) > 1:
            text = f"{row['size'] / 1000:g}K" if row["size"] >= 1000 else f"{row['size']}"
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            axes.annotate(
                text, (row["high"], y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9, bbox=box
            )
    for row in slopes[slopes["note"] != ""].to_dict("records"):
        y = names.index(f"{row['part']} / {row['granularity']}") + offsets[row["size"]]
        axes.annotate(row["note"], (0, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.margins(x=0.14)


def plot_correlations(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Figure 4: heat map of Pearson's r of every metric with the score, a column per part, a panel per table.

    Parameters: tables by title, with part, metric and r; a missing r is a grey cell with a dash.
    """
    metrics = list(dict.fromkeys(name for table in tables.values() for name in table["metric"]))
    figure, grid = plt.subplots(
        1, len(tables), figsize=(WIDTH, 1.3 + 0.4 * len(metrics)), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (title, table) in zip(grid.flat, tables.items(), strict=True):
        r = table.pivot_table(index="metric", columns="part", values="r", dropna=False).reindex(metrics)
        image = axes.imshow(r, vmin=-1, vmax=1, cmap="PuOr_r", aspect="auto")
        axes.set(title=title, xlabel="metric measured on the", facecolor="0.88")
        axes.set(xticks=range(r.shape[1]), xticklabels=r.columns, yticks=range(len(r)), yticklabels=r.index)
        axes.tick_params(length=0)
        _write_values(axes, r)
    figure.colorbar(image, ax=grid, label="Pearson r with the score")
    return figure


def _write_values(axes: Axes, r: pd.DataFrame) -> None:
    """The value in every cell, light on dark and dark on light."""
    for (row, column), value in np.ndenumerate(r.to_numpy(float)):
        text = "–" if np.isnan(value) else f"{value:+.2f}"
        axes.text(column, row, text, ha="center", va="center", color="white" if abs(value) > 0.62 else "black")
