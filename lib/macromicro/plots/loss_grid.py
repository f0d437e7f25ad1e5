"""Loss curves of all models of a study: a panel per strategy and size, levels in colour, a line per seed."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from macromicro.plots.names import literal
from macromicro.plots.panels import WIDTH, frame

N_COLUMNS = 3
NO_LEVEL = "no level"


def plot_loss_grid(losses: pd.DataFrame) -> Figure:
    """Training loss of all models over the steps, a panel per strategy and size, each line a model, coloured by level.

    Parameters: losses, columns strategy, size, seed, level (percent, or missing), step and loss (nats per response
    token). A line is the mean over the last tenth of the steps so far. Raises ValueError if there are no losses.
    """
    if losses.empty:
        raise ValueError("losses must hold a model, but the table is empty")
    panels = list(losses.groupby(["strategy", "size"], sort=False))
    n_rows, n_columns = -(-len(panels) // N_COLUMNS), min(N_COLUMNS, len(panels))
    figure, grid = plt.subplots(
        n_rows, n_columns, figsize=(WIDTH, 1.0 + 2.1 * n_rows), sharex=True, sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    colours = _colour_levels(losses)
    several = len(set(losses["size"])) > 1
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, ((strategy, size), table) in zip(grid.flat, panels, strict=False):
        axes.set_title(literal(str(strategy)) + (f", N = {size:,}" if several else ""), fontsize=10)
        axes.tick_params(labelbottom=True)
        _draw_models(axes, table, colours)
    handles = [Line2D([], [], color=colour, linewidth=2, label=name) for name, colour in colours.items()]
    frame(figure, grid, x_label="step", y_label="loss (nats per token)", handles=handles)
    sns.despine(figure)
    return figure


def _draw_models(axes: Axes, losses: pd.DataFrame, colours: dict[str, tuple]) -> None:
    """A line per level and seed."""
    named = losses.assign(level=losses["level"].map(_name_level))
    for (level, _), table in named.groupby(["level", "seed"], sort=False):
        mean = table["loss"].rolling(max(2, len(table) // 10), min_periods=1).mean()
        axes.plot(table["step"], mean, color=colours[str(level)], linewidth=1.2)


def _colour_levels(losses: pd.DataFrame) -> dict[str, tuple]:
    """A colour per level from dark (few types) to light, grey for models without a level."""
    levels = sorted(losses["level"].dropna().unique())
    named = {_name_level(level): colour for level, colour in
             zip(levels, sns.color_palette("viridis", len(levels)), strict=True)}  # fmt: skip
    return ({NO_LEVEL: (0.45, 0.45, 0.45)} if losses["level"].isna().any() else {}) | named


def _name_level(level: float) -> str:
    return NO_LEVEL if pd.isna(level) else f"{level:.0f} %"
