"""Figures of the paper's points: every slope in its row, filled where told from zero; every model in both panels."""

import numpy as np
import pandas as pd
import pytest
from drawn import assert_text_inside, legend_texts, markers, panels
from macromicro.analyse import paper_tested
from macromicro.plots import paper as plots


@pytest.fixture(scope="module")
def slopes():
    return paper_tested.fit_all_slopes(paper_tested.load_points())


def names(slopes):
    return [f"{name} {size}" for name, size in zip(slopes["strategy"], slopes["size"], strict=True)]


def test_every_slope_has_a_row_with_its_name_and_interval(slopes):
    figure = plots.plot_forest(slopes, names(slopes))
    (axes,) = panels(figure)
    assert [text.get_text() for text in axes.get_yticklabels()] == names(slopes)
    rows = dict(zip(axes.get_yticks(), slopes.to_dict("records"), strict=True))
    assert {(x, y) for x, y in markers(axes)} == {(row["slope"], y) for y, row in rows.items()}
    segments = [segment for lines in axes.collections for segment in lines.get_segments()]
    drawn = {y: (low, high) for (low, y), (high, _) in segments}
    assert drawn == {y: (row["low"], row["high"]) for y, row in rows.items()}
    assert legend_texts(figure) == {"told from zero", "not told from zero"}
    assert_text_inside(figure)


def test_filled_markers_are_told_from_zero(slopes):
    (axes,) = panels(plots.plot_forest(slopes, names(slopes)))
    filled = [x for line in axes.lines if line.get_marker() == "o" and line.get_markerfacecolor() != "white"
              for x in line.get_xdata()]  # fmt: skip
    assert sorted(filled) == sorted(slopes.loc[slopes["significant"], "slope"])


def test_strategies_stand_apart_and_ablations_together(slopes):
    (axes,) = panels(plots.plot_forest(slopes, names(slopes)))
    gaps = np.diff(axes.get_yticks()) > 1.5
    assert np.flatnonzero(gaps).tolist() == [2, 5, 8, 11, 14, 17]


def test_a_slope_without_a_name_is_refused(slopes):
    with pytest.raises(ValueError, match="there are 1 for 22"):
        plots.plot_forest(slopes, ["one"])


def test_lengths_and_scores_of_every_model_are_drawn_with_their_lines():
    lengths = paper_tested.load_lengths()
    free, held = (own for _, own in lengths.groupby("length"))
    figure = plots.plot_lengths(free, held)
    left, right = panels(figure)
    assert markers(left) == set(zip(lengths["level"], lengths["mean_response_tokens"], strict=True))
    assert markers(right) == set(zip(lengths["level"], lengths["score"], strict=True))
    drawn = [line.get_slope() for line in right.lines if line.get_linestyle() == "--"]
    assert drawn == pytest.approx([np.polyfit(own["level"], own["score"], 1)[0] for own in (free, held)])
    assert legend_texts(figure) == {"length free", "length held"}
    assert_text_inside(figure)


def test_tables_are_left_as_they_were(slopes):
    before = slopes.copy()
    plots.plot_forest(slopes, names(slopes))
    pd.testing.assert_frame_equal(slopes, before)
