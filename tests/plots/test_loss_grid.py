"""The loss curves of all models of a study."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from macromicro.plots.loss_grid import plot_loss_grid

mpl.use("agg")


def trained(strategy, level, seed, losses, size=500):
    steps = range(1, len(losses) + 1)
    own = {"strategy": strategy, "size": size, "level": level, "seed": seed}
    return pd.DataFrame({"step": steps, "loss": losses}).assign(**own).astype({"level": float})


def test_a_panel_per_strategy_holds_a_line_per_level_and_seed():
    tables = [trained("baseline", None, seed, [5.0, 3.0, 4.0]) for seed in (0, 1)]
    tables += [trained("a", level, seed, [4.0, 2.0 + level / 100, 2.0]) for level in (0, 100) for seed in (0, 1)]
    figure = plot_loss_grid(pd.concat(tables))
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in panels] == ["baseline", "a"]
    assert [len(axes.get_lines()) for axes in panels] == [2, 4]
    baseline = panels[0].get_lines()[0]
    assert np.allclose(baseline.get_ydata(), [5.0, 4.0, 3.5]), "the mean of the last two steps"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["no level", "0 %", "100 %"]
    low, high = (panels[1].get_lines()[place].get_color() for place in (0, 2))
    assert low != high
    assert baseline.get_color() not in (low, high)


def test_a_legend_stays_within_the_figure():
    tables = [trained("a", level, 0, [4.0, 3.0]) for level in (0, 16, 33, 50, 66, 83, 100)]
    figure = plot_loss_grid(pd.concat([*tables, trained("baseline", None, 0, [4.0, 3.0])]))
    figure.canvas.draw()
    legend, whole = figure.legends[0].get_window_extent(), figure.bbox
    assert legend.x0 >= whole.x0
    assert legend.x1 <= whole.x1
    label = figure.axes[0].xaxis.label.get_window_extent()
    assert label.y0 >= legend.y1, "the name of the axis stands above the legend"


def test_sizes_have_panels_of_their_own():
    figure = plot_loss_grid(pd.concat([trained("a", 0, 0, [4.0], size=size) for size in (500, 1000)]))
    assert [axes.get_title() for axes in figure.axes if axes.axison] == ["a, N = 500", "a, N = 1,000"]


def test_no_losses_are_an_error():
    with pytest.raises(ValueError, match="empty"):
        plot_loss_grid(trained("a", 0, 0, []))
