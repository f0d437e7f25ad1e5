"""The figures of the study: scores against diversity, levels beside random, rivals, slopes; ours and the paper's alike.

Sizes suit a page 700 pixels wide. Matplotlib's defaults are left alone: `rc_context` around the first figure of a
notebook would switch the showing of figures off again.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from macromicro.analyse.paper import list_families
from macromicro.plots.names import literal
from macromicro.plots.panels import WIDTH, frame, open_empty, open_panels, pick, say, spread
from macromicro.plots.series import Style, list_strategies, style_strategies

NO_LEVELS = "No strategy of this study has diversity levels."
AGAINST = ["baseline", "baseline_size"]


def plot_scores(points: pd.DataFrame, lines: pd.DataFrame, *, title: str, baseline: float = 50.0) -> Figure:
    """Figure 3: score against diversity level, a panel per family, part and size; models without a level are left out.

    Parameters: points, strategy, family, part, granularity, size, level, score, where there are intervals, low and
    high, and where it was scored, untuned (mean over seeds, drawn dash-dotted, or in words where it lies far from all
    models); lines, as `stats.fit_lines` gives them, drawn dashed with a band of one sd; baseline, the score drawn as a
    dotted line. Where no model has a level, the figure says so.
    """
    points = points[points["level"].notna()]
    if points.empty:
        return open_empty(NO_LEVELS, title=title)
    styles, panels = style_strategies(points), open_panels(points, title=title)
    for axes, place in panels.used():
        for strategy, style in styles.items():
            _draw_line(axes, pick(lines, strategy, *place), style.colour)
            _draw_points(axes, pick(points, strategy, *place), style)
        axes.axhline(baseline, color="0.35", linestyle=":", label=f"baseline ({baseline:g})")
        family, part, size = place
        here = (points["family"] == family) & (points["part"] == part) & (points["size"] == size)
        _mark_untuned(axes, points[here], among=points)
    frame(panels.figure, panels.grid, x_label="diversity level (%)", y_label="score")
    return panels.figure


def _mark_untuned(axes: Axes, models: pd.DataFrame, *, among: pd.DataFrame, upright: bool = False) -> None:
    """A line where the untuned model scores against each baseline of `models`, the mean over seeds.

    Where it lies farther from all scores of the figure than these spread, they would be squeezed: then it is said in
    words at the side of the axes where it lies.
    """
    if "untuned" not in models:
        return
    low, high = among["score"].min(), among["score"].max()
    reach = max(high - low, 5.0)
    means = models.drop_duplicates([*AGAINST, "seed"]).groupby(AGAINST)["untuned"].mean().dropna()
    for score in means:
        if low - reach <= score <= high + reach:
            draw = axes.axvline if upright else axes.axhline
            draw(score, color="0.35", linestyle=(0, (6, 2, 1, 2)), linewidth=1.2, label="untuned model")
    far = means[(means < low - reach) | (means > high + reach)]
    if len(far):
        arrow = "←→↓↑"[2 * (not upright) + int(far.iloc[0] > high)]
        said = f"untuned model {' and '.join(f'{score:.1f}' for score in far)} {arrow}"
        x, y = (0.02 if arrow == "←" else 0.98), (0.97 if upright or arrow == "↑" else 0.03)
        aside, above = "left" if arrow == "←" else "right", "top" if y > 0.5 else "bottom"
        axes.text(x, y, said, transform=axes.transAxes, fontsize=9, color="0.35", ha=aside, va=above)


def plot_levels(levels: pd.DataFrame, *, title: str) -> Figure:
    """Mean difference to the baseline at each level with simultaneous intervals, a panel per family, part and size.

    Parameters: levels, as in `outcome.Outcome`. A filled marker differs from zero, all intervals of a strategy and
    size holding at once; a hollow one does not. Where there are no levels, the figure says so.
    """
    if levels.empty:
        return open_empty(NO_LEVELS, title=title)
    styles, panels = style_strategies(levels), open_panels(levels, title=title)
    for axes, place in panels.used():
        here = [(style, pick(levels, name, *place)) for name, style in styles.items()]
        here = [(style, series) for style, series in here if len(series)]
        for offset, (style, series) in zip(spread(len(here), 2.4), here, strict=True):
            _draw_differences(axes, series, style, offset)
        axes.axhline(0, color="0.35", linestyle=":", label="baseline")
    frame(panels.figure, panels.grid, x_label="diversity level (%)", y_label="points above the baseline")
    return panels.figure


def _draw_differences(axes: Axes, series: pd.DataFrame, style: Style, offset: float) -> None:
    """Differences of one series beside their levels, with their intervals."""
    at = series["level"] + offset
    axes.vlines(at, series["low"], series["high"], color=style.colour, linewidth=1.4)
    axes.plot([], [], linestyle="none", marker=style.marker, color=style.colour, markersize=6, label=style.label)
    differs = (series["low"] > 0) | (series["high"] < 0)
    for rows, face in ((differs, style.colour), (~differs, "white")):
        axes.plot(at[rows], series.loc[rows, "difference"], linestyle="none", marker=style.marker, color=style.colour,
                  markersize=6, markerfacecolor=face)  # fmt: skip


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
        places = y + spread(len(seeds), 0.22)
        style = styles[name]
        axes.hlines(places, seeds["low"], seeds["high"], color=style.colour, linewidth=1.6)
        axes.plot(seeds["score"], places, linestyle="none", marker=style.marker, color=style.colour, markersize=7)
    names = [literal(name) + (f", N = {size:,}" if sizes > 1 else "") for name, size in rows]
    axes.axvline(baseline, color="0.35", linestyle=":", label=f"random ({baseline:g})")
    _mark_untuned(axes, rivals, among=rivals, upright=True)
    axes.set(yticks=range(len(rows)), yticklabels=names, ylim=(len(rows) - 0.45, -0.55), title=literal(title))
    frame(figure, np.array([[axes]]), x_label="score")
    return figure


def plot_slopes(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Table 1 as a forest plot: a slope with interval per strategy and size, grouped by family, a panel per table.

    Parameters: tables by title (as `outcome.analyse_levels` or `stats.fit_slopes` gives them); a filled marker differs
    from zero after Holm's correction within its family, a hollow one does not. Every panel has a scale of its own,
    since judges differ; one of an empty table says so. Raises ValueError if all are empty.
    """
    known = [table for table in tables.values() if len(table)]
    if not known:
        raise ValueError(f"plot_slopes needs a slope, but {' and '.join(tables)} have none")
    series = list_strategies(pd.concat([table[["family", "strategy", "part", "granularity"]] for table in known]))
    styles, rows = style_strategies(series), _rows(series)
    n_sizes = max(table["size"].nunique() for table in known)
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
    frame(figure, grid, x_label="slope (points of score per 100 % diversity)", handles=[filled, hollow])
    return figure


def _rows(series: pd.DataFrame) -> list[tuple[str, str]]:
    """Family and strategy of every row; where there are several families, each begins with a row of its name."""
    heading = [""] if len(list_families(series)) > 1 else []
    groups = series.groupby("family", sort=False)
    return [(str(family), name) for family, group in groups for name in [*heading, *group["strategy"]]]


def _draw_slopes(axes: Axes, slopes: pd.DataFrame, rows: list[tuple[str, str]], styles: Mapping[str, Style]) -> None:
    """Slopes of one table, sizes one below the other within the row of their strategy."""
    if slopes.empty:
        say(axes, NO_LEVELS)
        return
    several = len(set(slopes["size"])) > 1
    among = slopes.groupby(["family", "strategy"])["size"]
    offsets = [
        spread(n, 0.27)[place] for n, place in zip(among.transform("size"), among.rank().astype(int) - 1, strict=True)
    ]
    for row, offset in zip(slopes.to_dict("records"), offsets, strict=True):
        y = rows.index((row["family"], row["strategy"])) + offset
        if pd.isna(row["slope"]):
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
