"""What the figures show: every point, line and cell, legible, for one size or several."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("agg")

import matplotlib.pyplot as plt
from macromicro.analyse import paper, stats
from macromicro.plots import scores as plots


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def one_size():
    scores = paper.load_scores().query("size == 10000").assign(size=500)
    return scores.assign(low=scores["score"] - 1, high=scores["score"] + 2)


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def markers(axes):
    """Coordinates of all markers of an axes."""
    lines = [line for line in axes.lines if line.get_linestyle() == "None"]
    return {(float(x), float(y)) for line in lines for x, y in zip(*line.get_data(), strict=True)}


def shown_ticks(axes):
    """Labels of the ticks within the limits of an axes."""
    low, high = sorted(axes.get_xlim())
    return [text for text in axes.get_xticklabels() if low <= text.get_position()[0] <= high] + axes.get_yticklabels()


def assert_text_inside(figure):
    """No text is cut by the edge of the figure, and the legend covers no axis label."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    labels = [axes.xaxis.label for axes in figure.axes if axes.get_xlabel()]
    texts = [text for axes in figure.axes for text in (*shown_ticks(axes), axes.title)]
    for text in [*labels, *texts]:
        box = text.get_window_extent(renderer)
        if text.get_text() and text.get_visible() and box.width > 0:
            assert -1 <= box.x0 <= box.x1 <= width + 1, text.get_text()
            assert -1 <= box.y0 <= box.y1 <= height + 1, text.get_text()
    for legend in figure.legends:
        for label in labels:
            assert not legend.get_window_extent(renderer).overlaps(label.get_window_extent(renderer))


def test_scores_of_the_paper_are_six_panels_with_every_point():
    scores = paper.load_scores()
    figure = plots.plot_scores(scores, stats.fit_lines(scores), title="The paper")
    assert len(panels(figure)) == 6
    drawn = set().union(*map(markers, panels(figure)))
    assert drawn == set(zip(scores["level"], scores["score"], strict=True))
    assert [axes.get_title() for axes in panels(figure)][:2] == ["instruction, N = 10,000", "instruction, N = 20,000"]
    assert_text_inside(figure)


def test_scores_of_one_size_stand_side_by_side_with_intervals():
    scores = one_size()
    figure = plots.plot_scores(scores, stats.fit_lines(scores), title="This run")
    assert len(panels(figure)) == 2
    assert panels(figure)[0].get_subplotspec().get_gridspec().nrows == 1
    assert len(panels(figure)[0].containers) == 3  # an interval per point of three series
    assert_text_inside(figure)


def test_a_subset_of_strategies_and_missing_scores_are_drawn():
    scores = one_size().query("part == 'response' and granularity != 'meso'").copy()
    scores.loc[scores["level"] == 50, ["score", "low", "high"]] = np.nan
    figure = plots.plot_scores(scores, stats.fit_lines(scores), title="This run")
    assert len(panels(figure)) == 1
    assert len(markers(panels(figure)[0])) == 12
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"macro", "micro", "baseline (50)"}


def test_too_few_points_for_a_line_are_still_drawn():
    scores = one_size().query("level in (0, 100)")
    figure = plots.plot_scores(scores, stats.fit_lines(scores), title="Two levels")
    assert [len(markers(axes)) for axes in panels(figure)] == [6, 6]


def test_the_baseline_is_where_it_is_said_to_be():
    scores = one_size()
    figure = plots.plot_scores(scores, stats.fit_lines(scores), title="", baseline=48)
    dotted = [line for line in panels(figure)[0].lines if line.get_linestyle() == ":"]
    assert [line.get_ydata()[0] for line in dotted] == [48]


def test_slopes_are_filled_where_they_differ_from_zero():
    slopes = stats.fit_slopes(paper.load_scores())
    ours = stats.fit_slopes(one_size())
    ours.loc[0, "note"] = "all scores equal"
    figure = plots.plot_slopes({"this run": ours, "the paper": slopes})
    left, right = panels(figure)
    filled = [line for line in right.lines if line.get_marker() in "os^" and line.get_markerfacecolor() != "white"]
    assert [line.get_xdata()[0] for line in filled] == pytest.approx([10.01], abs=0.01)
    assert len([line for line in left.lines if line.get_marker() in "os^"]) == 5
    assert "all scores equal" in [text.get_text() for text in left.texts]
    assert_text_inside(figure)


def test_correlations_show_every_value_and_a_dash_where_there_is_none():
    theirs = paper.load_correlations()
    ours = theirs.assign(r=theirs["r"].where(theirs["metric"] != "ED"))
    figure = plots.plot_correlations({"this run": ours, "the paper": theirs})
    texts = [[text.get_text() for text in axes.texts] for axes in panels(figure)]
    assert len(texts[0]) == len(texts[1]) == 14
    assert texts[0].count("–") == 2
    assert "+0.58" in texts[1]
    assert_text_inside(figure)


def test_series_have_different_colours_and_markers():
    colours, shapes = zip(*plots.STYLES.values(), strict=True)
    assert len(set(colours)) == len(set(shapes)) == 3


def test_tables_are_left_as_they_were():
    scores = one_size()
    before = scores.copy()
    plots.plot_scores(scores, stats.fit_lines(scores), title="")
    pd.testing.assert_frame_equal(scores, before)
