"""The heat map of metrics and scores."""

import pandas as pd
from drawn import assert_text_inside, panels
from macromicro.analyse import paper
from macromicro.plots import correlations as plots


def test_correlations_show_every_value_and_a_dash_where_there_is_none():
    theirs = paper.load_correlations()
    ours = theirs.assign(r=theirs["r"].where(theirs["metric"] != "ED"))
    figure = plots.plot_correlations({"this run": ours, "the paper": theirs})
    texts = [[text.get_text() for text in axes.texts] for axes in panels(figure)]
    assert len(texts[0]) == len(texts[1]) == 14
    assert texts[0].count("–") == 2
    assert "+0.58" in texts[1]
    assert_text_inside(figure)


def test_families_are_panels_and_one_without_any_r_is_none():
    ours = paper.load_correlations()
    rivals = ours.assign(family="rivals", r=float("nan"))
    apart = pd.concat([ours, rivals, ours.assign(family="bands", r=-ours["r"])])
    figure = plots.plot_correlations({"this run": apart, "the paper": ours})
    titles = [axes.get_title() for axes in panels(figure)]
    assert titles == ["this run,\npaper", "this run,\nbands", "the paper"]
    assert "-0.58" in [text.get_text() for text in panels(figure)[1].texts]
    assert len(panels(plots.plot_correlations({"this run": pd.concat([ours, rivals])}))) == 1
    assert_text_inside(figure)
