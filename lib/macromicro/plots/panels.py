"""Panels that figures of strategies share: one per family, part and size, in a frame with one legend."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from macromicro.analyse.paper import list_families
from macromicro.plots.names import literal

WIDTH = 8.0  # inches: at 700 pixels, text of 10 points is 12 pixels high


@dataclass(frozen=True)
class Panels:
    """A figure, the grid of its axes, and the family, part and size of every panel, None where one stays empty."""

    figure: Figure
    grid: np.ndarray
    places: np.ndarray

    def used(self) -> Iterator[tuple[Axes, tuple[str, str, int]]]:
        """Axes and place of every panel that does not stay empty."""
        for axes, place in zip(self.grid.flat, self.places.flat, strict=True):
            if place is not None:
                yield axes, place


def open_panels(table: pd.DataFrame, *, title: str) -> Panels:
    """Titled panels with an axis of diversity levels for every family, part and size of a table."""
    places = _places(table)
    n_rows, n_columns = places.shape
    figure, grid = plt.subplots(
        n_rows, n_columns, figsize=(WIDTH, 0.9 + 2.9 * n_rows), sharex=True, sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    several = len(list_families(table)) > 1
    panels = Panels(figure, grid, places)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (family, part, size) in panels.used():
        name = f"{literal(family)}\n" if several else ""
        axes.set(title=f"{name}{part}, N = {size:,}", xticks=[0, 25, 50, 75, 100], xlim=(-6, 106))
        axes.tick_params(labelbottom=True)
        axes.set_axis_on()
    figure.suptitle(literal(title), fontsize=12)
    return panels


def _places(table: pd.DataFrame) -> np.ndarray:
    """Family, part and size of every panel, None where one stays empty: a family's sizes, or else parts, in a row."""
    rows = []
    for family in list_families(table):
        own = table[table["family"] == family]
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


def pick(table: pd.DataFrame, strategy: str, family: str, part: str, size: int) -> pd.DataFrame:
    """The rows of one series."""
    same = {"strategy": strategy, "family": family, "part": part, "size": size}
    return table[np.logical_and.reduce([table[key] == value for key, value in same.items()])]


def frame(
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


def spread(n: int, reach: float) -> np.ndarray:
    """Offsets of `n` marks around their place."""
    return np.linspace(-reach, reach, n) if n > 1 else np.zeros(n)


def say(axes: Axes, sentence: str) -> None:
    """A sentence in the middle of an axes that has nothing to draw."""
    axes.text(0.5, 0.5, sentence, transform=axes.transAxes, ha="center", va="center", wrap=True)


def open_empty(sentence: str, *, title: str) -> Figure:
    """A flat figure that says in a sentence why nothing is drawn."""
    figure, axes = plt.subplots(figsize=(WIDTH, 1.2), layout="constrained")
    axes.set(xticks=[], yticks=[])
    axes.set_axis_off()
    axes.set_title(literal(title), fontsize=12)
    say(axes, sentence)
    return figure
