import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from macromicro.annotate.types import build_types
from macromicro.plots.select import plot_coverage, plot_lengths, plot_pools
from macromicro.select.pools import peel
from macromicro.select.select import select_datasets

mpl.use("agg")


@pytest.fixture(scope="module")
def types():
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 12, 90)
    return build_types([f"s{row:02d}" for row in range(90)], np.arange(90), columns, list("abcdefghijkl"), report={})


@pytest.fixture(scope="module")
def levels(types):
    grid = dict(levels=[0, 50, 100], sizes=[20, 40])
    tables = [select_datasets(types, peel(types, seed=0), seed=seed, **grid)[0] for seed in (0, 1)]
    table = pd.concat(tables).sort_values(["size", "level", "seed"])
    return table.assign(instruction_tokens=np.arange(len(table)), response_tokens=7.0)


def test_pool_figure_marks_the_pool_of_every_level(types, levels):
    axes = plot_pools(peel(types, seed=0), levels).axes[0]
    whole, *rest = axes.get_lines()
    assert (whole.get_xdata()[0], whole.get_ydata()[0]) == (12, 90)
    marked = [line for line in rest if line.get_marker() != "None"]
    for line, size in zip(marked, (20, 40), strict=True):
        pools = levels[(levels["size"] == size) & (levels["seed"] == 0)]
        assert line.get_xdata().tolist() == pools["k"].tolist()
        assert line.get_ydata().tolist() == pools["pool_size"].tolist()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["levels, N = 20", "levels, N = 40"]


def test_lines_are_means_over_seeds(levels):
    left, right = plot_lengths(levels).axes
    assert left.get_lines()[0].get_ydata().tolist() == [0.5, 2.5, 4.5]
    assert right.get_ylabel() == "mean response length (tokens)"
    covered = plot_coverage(levels).axes[0].get_lines()[0].get_ydata()
    assert covered[-1] == pytest.approx(100)
