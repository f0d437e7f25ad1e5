"""Colours, markers and names of strategies."""

import pandas as pd
from macromicro.analyse import paper
from macromicro.plots.series import list_strategies, style_strategies


def strategies(*names, family="bands"):
    about = {"family": family, "part": "response", "granularity": "micro"}
    return pd.DataFrame({"strategy": list(names), **about})


def test_the_six_are_drawn_by_granularity_and_others_apart_from_them():
    table = pd.concat([paper.load_slopes(), strategies("wide", "narrow"), strategies("longest", family="rivals")])
    styles = style_strategies(table)
    assert styles["response-micro"] == styles["instruction-micro"] == ("#D55E00", "^", "micro")
    assert len({style[:2] for style in styles.values()}) == 3 + 3
    assert len({style.colour for style in styles.values()}) == 3 + 3
    assert styles["wide"].label == "wide"


def test_thirty_strategies_are_told_apart():
    styles = style_strategies(strategies(*(f"s{n}" for n in range(30))))
    assert len({style[:2] for style in styles.values()}) == 30


def test_the_paper_comes_first():
    table = pd.concat([strategies("a", family="another"), paper.load_slopes(), strategies("z", family="zebra")])
    assert list_strategies(table)["family"].drop_duplicates().tolist() == ["paper", "another", "zebra"]
