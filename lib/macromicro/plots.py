"""The figures of the study: scores against diversity, slopes, correlations; ours and the paper's drawn alike.

Colours are those of Okabe and Ito, which people with any colour vision can tell apart; every series has a marker of
its own as well. Sizes suit a page 700 pixels wide.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLES = {"macro": ("#0072B2", "o"), "meso": ("#009E73", "s"), "micro": ("#D55E00", "^")}
WIDTH = 8.4  # inches
FONT = {"font.size": 11, "axes.titlesize": 11, "axes.labelsize": 11, "legend.fontsize": 11, "figure.dpi": 110}


def plot_scores(points: pd.DataFrame, lines: pd.DataFrame, *, title: str, baseline: float = 50.0) -> Figure:
    """Figure 3: score against diversity level, a panel per part and size, a colour per granularity.

    Parameters: points, part, granularity, size, level, score and, where there are intervals, low and high; lines, as
    `stats.fit_lines` gives them, drawn dashed with a band of one sd; baseline, the score drawn as a dotted line.
    """
    parts, sizes = sorted(points["part"].unique()), sorted(points["size"].unique())
    panels = [(part, size) for part in parts for size in sizes]
    n_columns = len(sizes) if len(sizes) > 1 else len(parts)
    n_rows = -(-len(panels) // n_columns)
    with plt.rc_context(FONT):
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
        _frame(figure, grid, title, "diversity level (percent of types)", "score (50 = baseline)")
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


def _frame(figure: Figure, grid: np.ndarray, title: str, x_label: str, y_label: str) -> None:
    """Title, shared labels, grid lines and one legend below all panels."""
    found = {
        label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=len(found), frameon=False)
    figure.suptitle(title, fontsize=12)
    figure.supxlabel(x_label, fontsize=11)
    figure.supylabel(y_label, fontsize=11)
    for axes in grid.flat:
        axes.grid(color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)


def plot_slopes(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Table 1 as a forest plot: a slope with interval per strategy and size, a panel per table.

    Parameters: tables by title (as `stats.fit_slopes` gives them); a filled marker differs from zero after Holm's
    correction, a hollow one does not. Every panel has a scale of its own, since judges differ.
    """
    series = pd.concat(tables.values())[["part", "granularity"]].drop_duplicates().sort_values(["part", "granularity"])
    names = [f"{row.part} / {row.granularity}" for row in series.itertuples()]
    n_sizes = max(table["size"].nunique() for table in tables.values())
    with plt.rc_context(FONT):
        figure, grid = plt.subplots(
            1, len(tables), figsize=(WIDTH, 1.7 + 0.22 * len(names) * (n_sizes + 1)), sharey=True, squeeze=False,
            layout="constrained",
        )  # fmt: skip
        for axes, (title, table) in zip(grid.flat, tables.items(), strict=True):
            _draw_slopes(axes, table, names)
            axes.set(title=title, yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.45, -0.55))
            axes.axvline(0, color="0.35", linestyle=":")
        _frame(figure, grid, "", "slope (points of score from 0 to 100 % diversity)", "")
        _mark_significance(figure)
    return figure


def _draw_slopes(axes: Axes, slopes: pd.DataFrame, names: list[str]) -> None:
    """Slopes of one table, sizes one below the other within the row of their strategy."""
    sizes = sorted(slopes["size"].unique())
    offsets = dict(zip(sizes, np.linspace(-0.27, 0.27, len(sizes)) if len(sizes) > 1 else [0.0], strict=True))
    for row in slopes[slopes["note"] == ""].itertuples():
        colour, marker = STYLES[str(row.granularity)]
        y = names.index(f"{row.part} / {row.granularity}") + offsets[row.size]
        axes.plot([row.low, row.high], [y, y], color=colour, linewidth=1.6)
        axes.plot(
            row.slope,
            y,
            marker=marker,
            color=colour,
            markersize=7,
            markerfacecolor=colour if row.significant else "white",
        )
        if len(sizes) > 1:
            text = f"{row.size / 1000:g}K" if row.size >= 1000 else f"{row.size}"
            axes.annotate(text, (row.high, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.margins(x=0.14)


def _mark_significance(figure: Figure) -> None:
    """Legend of filled and hollow markers."""
    style = {"linestyle": "none", "marker": "o", "color": "0.2", "markersize": 7}
    handles = [
        plt.Line2D([], [], **style, label="differs from 0 after Holm"),
        plt.Line2D([], [], **style, markerfacecolor="white", label="does not"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)


def plot_correlations(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Figure 4: heat map of Pearson's r of every metric with the score, metrics down, a column per part, a panel per table.

    Parameters: tables by title, with part, metric and r; a missing r is a grey cell marked with a dash.
    """
    metrics = list(dict.fromkeys(name for table in tables.values() for name in table["metric"]))
    with plt.rc_context(FONT):
        figure, grid = plt.subplots(
            1, len(tables), figsize=(WIDTH, 1.6 + 0.42 * len(metrics)), sharey=True, squeeze=False, layout="constrained"
        )
        for axes, (title, table) in zip(grid.flat, tables.items(), strict=True):
            r = table.pivot(index="metric", columns="part", values="r").reindex(metrics)
            text = r.map(lambda value: "–" if pd.isna(value) else f"{value:+.2f}")
            sns.heatmap(
                r, annot=text, fmt="", vmin=-1, vmax=1, cmap="PuOr_r", ax=axes, cbar=axes is grid.flat[-1],
                linewidths=1, cbar_kws={"label": "Pearson r with the score"},
            )  # fmt: skip
            _mark_missing(axes, r)
            axes.set(title=title, xlabel="metric measured on", ylabel="")
            axes.tick_params(axis="y", rotation=0, length=0)
    return figure


def _mark_missing(axes: Axes, r: pd.DataFrame) -> None:
    """A dash in every cell without a value, which seaborn leaves empty."""
    axes.set_facecolor("0.88")
    for row, column in zip(*np.nonzero(r.isna().to_numpy()), strict=True):
        axes.text(column + 0.5, row + 0.5, "–", ha="center", va="center")
