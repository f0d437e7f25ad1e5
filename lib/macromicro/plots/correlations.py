"""Figure 4: how every metric of a dataset goes with the score of its model, ours and the paper's drawn alike."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from macromicro.analyse.paper import list_families
from macromicro.plots.names import literal

WIDTH = 8.0  # inches


def plot_correlations(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Figure 4: heat map of Pearson's r of every metric with the score, a column per part, a panel per table.

    Parameters: tables by title, with family, part, metric and r; a missing r is a grey cell with a dash. A table of
    several families is a panel for each that has any r.
    """
    tables = _by_family(tables)
    metrics = list(dict.fromkeys(name for table in tables.values() for name in table["metric"]))
    figure, grid = plt.subplots(
        1, len(tables), figsize=(WIDTH, 1.3 + 0.4 * len(metrics)), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (title, table) in zip(grid.flat, tables.items(), strict=True):
        r = table.pivot_table(index="metric", columns="part", values="r", dropna=False).reindex(metrics)
        image = axes.imshow(r, vmin=-1, vmax=1, cmap="PuOr_r", aspect="auto")
        axes.set(title=literal(title), xlabel="metric measured on the", facecolor="0.88")
        axes.set(xticks=range(r.shape[1]), xticklabels=r.columns, yticks=range(len(r)), yticklabels=r.index)
        axes.tick_params(length=0)
        _write_values(axes, r)
    figure.colorbar(image, ax=grid, label="Pearson r with the score")
    return figure


def _by_family(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables, those of several families apart, with the family below the title."""
    apart = {}
    for title, table in tables.items():
        known = list_families(table[table["r"].notna()])
        if len(known) < 2:
            apart[title] = table[table["family"].isin(known)] if known else table
        else:
            apart |= {f"{title},\n{family}": table[table["family"] == family] for family in known}
    return apart


def _write_values(axes: Axes, r: pd.DataFrame) -> None:
    """The value in every cell, light on dark and dark on light."""
    for (row, column), value in np.ndenumerate(r.to_numpy(float)):
        text = "–" if np.isnan(value) else f"{value:+.2f}"
        axes.text(column, row, text, ha="center", va="center", color="white" if abs(value) > 0.62 else "black")
