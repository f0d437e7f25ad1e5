"""What the figures show: every point, line and cell, legible, for one size or several."""

import numpy as np
import pandas as pd
import pytest
from drawn import assert_text_inside, legend_texts, markers, panels
from macromicro.analyse import paper, stats
from macromicro.plots import scores as plots


def one_size():
    scores = paper.load_scores().query("size == 10000").assign(size=500)
    return scores.assign(low=scores["score"] - 1, high=scores["score"] + 2)


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
    assert legend_texts(figure) == {"macro", "micro", "baseline (50)"}


def test_too_few_points_for_a_line_are_still_drawn():
    scores = one_size().query("level in (0, 100)")
    figure = plots.plot_scores(scores, stats.fit_lines(scores), title="Two levels")
    assert [len(markers(axes)) for axes in panels(figure)] == [6, 6]


def test_the_baseline_is_where_it_is_said_to_be():
    scores = one_size()
    figure = plots.plot_scores(scores, stats.fit_lines(scores), title="", baseline=48)
    dotted = [line for line in panels(figure)[0].lines if line.get_linestyle() == ":"]
    assert [line.get_ydata()[0] for line in dotted] == [48]


def with_untuned(**scores):
    """One size of the paper with the score of an untuned model by part, two seeds of it apart by two points."""
    points = one_size().assign(baseline="baseline", baseline_size=500, seed=0)
    points["untuned"] = points["part"].map(scores)
    return pd.concat([points, points.assign(seed=1, untuned=points["untuned"] + 2)], ignore_index=True)


def lines_at(axes):
    return [line.get_ydata()[0] for line in axes.lines if line.get_label() == "untuned model"]


def test_the_untuned_model_is_a_line_at_its_mean_over_seeds():
    points = with_untuned(instruction=47.0, response=49.0)
    figure = plots.plot_scores(points, stats.fit_lines(points), title="This run")
    assert [lines_at(axes) for axes in panels(figure)] == [[48.0], [50.0]]
    assert "untuned model" in legend_texts(figure)
    assert_text_inside(figure)


@pytest.mark.parametrize(("score", "words"), [(2.0, "untuned model 3.0 ↓"), (97.0, "untuned model 98.0 ↑")])
def test_an_untuned_model_far_from_all_others_is_said_and_does_not_squeeze_them(score, words):
    points = with_untuned(instruction=score, response=score)
    figure = plots.plot_scores(points, stats.fit_lines(points), title="This run")
    assert [text.get_text() for axes in panels(figure) for text in axes.texts] == [words, words]
    assert [lines_at(axes) for axes in panels(figure)] == [[], []]
    low, high = panels(figure)[0].get_ylim()
    assert low > 30 and high < 70
    assert_text_inside(figure)


def test_slopes_are_filled_where_they_differ_from_zero():
    slopes = stats.fit_slopes(paper.load_scores())
    ours = stats.fit_slopes(one_size())
    ours.loc[0, ["slope", "low", "high", "note"]] = [np.nan, np.nan, np.nan, "all scores equal"]
    ours.loc[1, "note"] = "0 %, 16 % are one dataset"  # a remark, beside a slope
    figure = plots.plot_slopes({"this run": ours, "the paper": slopes})
    left, right = panels(figure)
    filled = [line for line in right.lines if line.get_marker() in "os^" and line.get_markerfacecolor() != "white"]
    assert [line.get_xdata()[0] for line in filled] == pytest.approx([10.01], abs=0.01)
    assert len([line for line in left.lines if line.get_marker() in "os^"]) == 5
    assert [text.get_text() for text in left.texts] == ["all scores equal"]
    assert_text_inside(figure)


def test_tables_are_left_as_they_were():
    scores = one_size()
    before = scores.copy()
    plots.plot_scores(scores, stats.fit_lines(scores), title="")
    pd.testing.assert_frame_equal(scores, before)


def with_families():
    """The paper's response strategies; two bands of another family, one of them at two sizes; two rivals."""
    paper_points = one_size().query("part == 'response'")
    micro = paper_points.query("granularity == 'micro'")
    bands = [micro.assign(strategy=name, family="bands", size=n) for name, n in (("low$_$", 500), ("high", 500))]
    bands.append(micro.assign(strategy="high", family="bands", size=900))
    rivals = micro.head(2).assign(family="rivals", level=np.nan, granularity=None, seed=[0, 1])
    rivals = [rivals.assign(strategy=name, size=500) for name in ("longest", "k$-$center\\alpha")]
    return pd.concat([paper_points, *bands, *rivals], ignore_index=True)


def test_every_family_has_panels_of_its_own():
    points = with_families()
    figure = plots.plot_scores(points, stats.fit_lines(points), title="a $ and a $")
    titles = [axes.get_title() for axes in panels(figure) if axes.axison]
    assert titles == ["paper\nresponse, N = 500", "bands\nresponse, N = 500", "bands\nresponse, N = 900"]
    assert legend_texts(figure) == {"macro", "meso", "micro", "low\\$_\\$", "high", "baseline (50)"}
    assert [len(markers(axes)) for axes in panels(figure) if axes.axison] == [21, 7, 7]
    assert panels(figure)[0].get_subplotspec().get_gridspec().get_geometry() == (2, 2)
    assert_text_inside(figure)


def test_rivals_are_rows_beside_random():
    figure = plots.plot_rivals(with_families(), title="Rivals")
    (axes,) = panels(figure)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["k\\$-\\$center\\alpha", "longest"]
    known = one_size().query("strategy == 'response-micro'")["score"].head(2).tolist()
    drawn = [line.get_xdata().tolist() for line in axes.lines if line.get_linestyle() == "None"]
    assert drawn == [known, known]
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [50]
    assert legend_texts(figure) == {"random (50)"}
    assert_text_inside(figure)


def test_the_untuned_model_stands_among_rivals_too():
    points = with_families().assign(baseline="baseline", baseline_size=500, untuned=49.5)
    points.loc[points["strategy"] == "longest", ["baseline", "untuned"]] = ["baseline-5-50", 2.0]
    (axes,) = panels(plots.plot_rivals(points, title="Rivals"))
    assert [line.get_xdata()[0] for line in axes.lines if line.get_label() == "untuned model"] == [49.5]
    assert [text.get_text() for text in axes.texts] == ["untuned model 2.0 ←"]


def test_without_rivals_there_is_no_figure_of_them():
    with pytest.raises(ValueError, match="all have one"):
        plots.plot_rivals(one_size(), title="")


def test_slopes_are_grouped_by_family():
    slopes = stats.fit_slopes(with_families())
    figure = plots.plot_slopes({"this run": slopes, "the paper": stats.fit_slopes(paper.load_scores())})
    labels = panels(figure)[0].get_yticklabels()
    ours = ["response-macro", "response-meso", "response-micro"]
    theirs = ["instruction-macro", "instruction-meso", "instruction-micro"]
    assert [text.get_text() for text in labels] == ["paper:", *theirs, *ours, "bands:", "high", "low\\$_\\$"]
    assert [text.get_text() for text in labels if text.get_fontweight() == "bold"] == ["paper:", "bands:"]
    assert_text_inside(figure)


def differences():
    """Differences of the paper's points to the baseline, four points wide, as a study of two sizes has them."""
    points = pd.concat([one_size(), one_size().query("part == 'response'").assign(size=900)], ignore_index=True)
    return points.assign(difference=points["score"] - 50, low=points["score"] - 52, high=points["score"] - 48)


def test_every_level_has_its_difference_with_an_interval():
    levels = differences()
    figure = plots.plot_levels(levels, title="Levels")
    assert [axes.get_title() for axes in panels(figure) if axes.axison] == [
        "instruction, N = 500", "response, N = 500", "response, N = 900"
    ]  # fmt: skip
    for axes, (part, size) in zip(
        [axes for axes in panels(figure) if axes.axison], [("instruction", 500), ("response", 500), ("response", 900)],
        strict=True,
    ):  # fmt: skip
        own = levels[(levels["part"] == part) & (levels["size"] == size)]
        lines = [line for line in axes.lines if line.get_linestyle() == "None" and len(line.get_xdata())]
        filled = [y for line in lines if line.get_markerfacecolor() != "white" for y in line.get_ydata()]
        drawn = sorted(y for line in lines for y in line.get_ydata())
        assert drawn == pytest.approx(sorted(own["difference"]))
        assert sorted(filled) == pytest.approx(sorted(own.loc[own["difference"].abs() > 2, "difference"]))
        assert len({x for line in lines for x in line.get_xdata()}) == 21, "strategies stand beside each other"
        whiskers = [path.vertices[:, 1] for one in axes.collections for path in one.get_paths()]
        assert np.sort(whiskers, axis=0) == pytest.approx(np.sort(own[["low", "high"]], axis=0))
    assert legend_texts(figure) == {"macro", "meso", "micro", "baseline"}
    assert_text_inside(figure)


def test_a_study_of_rivals_has_figures_that_say_so():
    rivals = with_families().query("family == 'rivals'")
    none = stats.fit_slopes(one_size()).head(0).astype(object)
    figures = [plots.plot_scores(rivals, stats.fit_lines(rivals), title="Rivals $ and $")]
    figures.append(plots.plot_levels(differences().head(0), title="Levels"))
    figures.append(plots.plot_slopes({"this run": none, "the paper": stats.fit_slopes(paper.load_scores())}))
    for figure in figures:
        assert [text.get_text() for text in panels(figure)[0].texts] == [plots.NO_LEVELS]
        assert_text_inside(figure)
    assert len(panels(figures[-1])[0].get_yticklabels()) == 6, "those of the paper"
    with pytest.raises(ValueError, match="this run have none"):
        plots.plot_slopes({"this run": none})
