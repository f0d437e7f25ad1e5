"""The figures of the study: scores against diversity, rivals, slopes; ours and the paper's drawn alike.

Sizes suit a page 700 pixels wide. Matplotlib's defaults are left alone: `rc_context` around the first figure of a
notebook would switch the showing of figures off again.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from macromicro.analyse.paper import list_families
from macromicro.plots.names import literal
from macromicro.plots.series import Style, list_strategies, style_strategies

WIDTH = 8.0  # inches: at 700 pixels, text of 10 points is 12 pixels high


def plot_scores(points: pd.DataFrame, lines: pd.DataFrame, *, title: str, baseline: float = 50.0) -> Figure:
    """Figure 3: score against diversity level, a panel per family, part and size; models without a level are left out.

    Parameters: points, strategy, family, part, granularity, size, level, score and, where there are intervals, low and
    high; lines, as `stats.fit_lines` gives them, drawn dashed with a band of one sd; baseline, the score drawn as a
    dotted line.
    """
    points = points[points["level"].notna()]
    styles = style_strategies(points)
    grid = _panels(points)
    n_rows, n_columns = grid.shape
    figure, axes_grid = plt.subplots(
        n_rows, n_columns, figsize=(WIDTH, 0.9 + 2.9 * n_rows), sharex=True, sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    several = len(list_families(points)) > 1
    for axes, panel in zip(axes_grid.flat, grid.flat, strict=True):
        if panel is None:
            axes.set_axis_off()
            continue
        family, part, size = panel
        for strategy, style in styles.items():
            _draw_line(axes, _pick(lines, strategy, *panel), style.colour)
            _draw_points(axes, _pick(points, strategy, *panel), style)
        axes.axhline(baseline, color="0.35", linestyle=":", label=f"baseline ({baseline:g})")
        name = f"{literal(family)}\n" if several else ""
        axes.set(title=f"{name}{part}, N = {size:,}", xticks=[0, 25, 50, 75, 100], xlim=(-6, 106))
        axes.tick_params(labelbottom=True)
    figure.suptitle(literal(title), fontsize=12)
    _frame(figure, axes_grid, x_label="diversity level (%)", y_label="score")
    return figure


def _panels(points: pd.DataFrame) -> np.ndarray:
    """Family, part and size of every panel, None where one stays empty: a family's sizes, or else parts, in a row."""
    rows = []
    for family in list_families(points):
        own = points[points["family"] == family]
        parts, sizes = sorted(own["part"].unique()), sorted(own["size"].unique())
        there = set(zip(own["part"], own["size"], strict=True))
        lines = [[(part, size) for size in sizes] for part in parts]
        lines = lines if len(sizes) > 1 else [[(part, sizes[0]) for part in parts]]
        rows += [[(family, *place) if place in there else None for place in line] for line in lines]
    grid = np.full((len(rows), max(map(len, rows))), None)
    for y, row in enumerate(rows):
        for x, panel in enumerate(row):
            grid[y, x] = panel
    return grid


def _pick(table: pd.DataFrame, strategy: str, family: str, part: str, size: int) -> pd.DataFrame:
    """The rows of one series."""
    same = {"strategy": strategy, "family": family, "part": part, "size": size}
    return table[np.logical_and.reduce([table[key] == value for key, value in same.items()])]


def _draw_line(axes: Axes, line: pd.DataFrame, colour: str) -> None:
    """A fitted line with its band."""
    axes.plot(line["level"], line["mean"], color=colour, linestyle="--", linewidth=1.5)
    low, high = line["mean"] - line["sd"], line["mean"] + line["sd"]
    axes.fill_between(line["level"], low, high, color=colour, alpha=0.13, linewidth=0)


def _draw_points(axes: Axes, points: pd.DataFrame, style: Style) -> None:
    """The scores of a series, with their intervals where there are any."""
    known = points.dropna(subset=["score"])
    if known.empty:
        return
    colour = style.colour
    if {"low", "high"} <= set(known.columns):
        reach = [known["score"] - known["low"], known["high"] - known["score"]]
        axes.errorbar(known["level"], known["score"], yerr=reach, fmt="none", ecolor=colour, alpha=0.45, linewidth=1)
    axes.plot(known["level"], known["score"], linestyle="none", marker=style.marker, color=colour, markersize=6,
              label=style.label, markeredgecolor="white", markeredgewidth=0.6)  # fmt: skip


def _frame(
    figure: Figure, grid: np.ndarray, *, x_label: str, y_label: str = "", handles: list[Any] | None = None
) -> None:
    """Labels at the outer panels, grid lines, and one legend below all panels."""
    shown = [[axes for axes in column if axes.axison] for column in grid.T]
    for column in filter(None, shown):
        column[-1].set_xlabel(x_label)
    for axes in grid[:, 0]:
        axes.set_ylabel(y_label)
    for axes in (axes for column in shown for axes in column):
        axes.grid(color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
    if handles is None:
        named = [dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True)) for axes in grid.flat]
        handles = list({label: handle for found in named for label, handle in found.items()}.values())
    longest = max(len(handle.get_label()) for handle in handles)
    n_columns = max(1, min(len(handles), 90 // (longest + 6)))
    figure.legend(handles=handles, loc="outside lower center", ncols=n_columns, frameon=False)


def plot_rivals(points: pd.DataFrame, *, title: str, baseline: float = 50.0) -> Figure:
    """Scores of the models without a level: a row per strategy and size, a marker with its interval per seed.

    Parameters: points, as in `plot_scores`; baseline, the score of random samples, drawn as a dotted line.
    Raises ValueError if every model has a level.
    """
    rivals = points[points["level"].isna()].dropna(subset=["score"])
    if rivals.empty:
        raise ValueError("points must hold a scored model without a level, but all have one")
    styles = style_strategies(rivals)
    sizes = rivals["size"].nunique()
    rows = [(name, size) for name in styles for size in sorted(rivals.loc[rivals["strategy"] == name, "size"].unique())]
    figure, axes = plt.subplots(figsize=(WIDTH, 1.6 + 0.4 * len(rows)), layout="constrained")
    for y, (name, size) in enumerate(rows):
        seeds = rivals[(rivals["strategy"] == name) & (rivals["size"] == size)].sort_values("seed")
        places = y + _spread(len(seeds), 0.22)
        style = styles[name]
        axes.hlines(places, seeds["low"], seeds["high"], color=style.colour, linewidth=1.6)
        axes.plot(seeds["score"], places, linestyle="none", marker=style.marker, color=style.colour, markersize=7)
    names = [literal(name) + (f", N = {size:,}" if sizes > 1 else "") for name, size in rows]
    line = axes.axvline(baseline, color="0.35", linestyle=":", label=f"random ({baseline:g})")
    axes.set(yticks=range(len(rows)), yticklabels=names, ylim=(len(rows) - 0.45, -0.55), title=literal(title))
    _frame(figure, np.array([[axes]]), x_label="score", handles=[line])
    return figure


def _spread(n: int, reach: float) -> np.ndarray:
    """Offsets of `n` marks around their row."""
    return np.linspace(-reach, reach, n) if n > 1 else np.zeros(n)


def plot_slopes(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Table 1 as a forest plot: a slope with interval per strategy and size, grouped by family, a panel per table.

    Parameters: tables by title (as `stats.fit_slopes` gives them); a filled marker differs from zero after Holm's
    correction within its family, a hollow one does not. Every panel has a scale of its own, since judges differ.
    """
    series = list_strategies(pd.concat(tables.values()))
    styles, rows = style_strategies(series), _rows(series)
    n_sizes = max(table["size"].nunique() for table in tables.values())
    figure, grid = plt.subplots(
        1, len(tables), figsize=(WIDTH, 1.7 + 0.22 * len(rows) * (n_sizes + 1)), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    names = [literal(strategy or f"{family}:") for family, strategy in rows]
    for axes, (title, table) in zip(grid.flat, tables.items(), strict=True):
        _draw_slopes(axes, table, rows, styles)
        axes.set(title=literal(title), yticks=range(len(rows)), yticklabels=names, ylim=(len(rows) - 0.45, -0.55))
        axes.axvline(0, color="0.35", linestyle=":")
    for label, (_, strategy) in zip(grid[0, 0].get_yticklabels(), rows, strict=True):
        label.set_fontweight("normal" if strategy else "bold")
    filled, hollow = (
        Line2D([], [], linestyle="none", marker="o", color="0.2", markersize=7, markerfacecolor=face, label=label)
        for face, label in (("0.2", "differs from 0 after Holm"), ("white", "does not"))
    )
    _frame(figure, grid, x_label="slope (points of score per 100 % diversity)", handles=[filled, hollow])
    return figure


def _rows(series: pd.DataFrame) -> list[tuple[str, str]]:
    """Family and strategy of every row; where there are several families, each begins with a row of its name."""
    heading = [""] if len(list_families(series)) > 1 else []
    groups = series.groupby("family", sort=False)
    return [(str(family), name) for family, group in groups for name in [*heading, *group["strategy"]]]


def _draw_slopes(axes: Axes, slopes: pd.DataFrame, rows: list[tuple[str, str]], styles: Mapping[str, Style]) -> None:
    """Slopes of one table, sizes one below the other within the row of their strategy."""
    several = len(set(slopes["size"])) > 1
    among = slopes.groupby(["family", "strategy"])["size"]
    offsets = [
        _spread(n, 0.27)[place] for n, place in zip(among.transform("size"), among.rank().astype(int) - 1, strict=True)
    ]
    for row, offset in zip(slopes.to_dict("records"), offsets, strict=True):
        y = rows.index((row["family"], row["strategy"])) + offset
        if row["note"]:
            axes.annotate(row["note"], (0, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
            continue
        colour, marker, _ = styles[row["strategy"]]
        axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.6)
        face = colour if row["significant"] else "white"
        axes.plot(row["slope"], y, marker=marker, color=colour, markersize=7, markerfacecolor=face)
        if several:
            text = f"{row['size'] / 1000:g}K" if row["size"] >= 1000 else f"{row['size']}"
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            axes.annotate(
                text, (row["high"], y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9, bbox=box
            )
    axes.margins(x=0.14)
