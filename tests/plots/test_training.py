"""Scores of the models of one strategy."""

import pandas as pd
from macromicro.plots.training import plot_scores


def test_models_are_named_by_what_tells_them_apart():
    levels, sizes = [0.0, 83.0, 0.0, 83.0], [500, 500, 1000, 1000]
    scores = pd.DataFrame({"dataset": list("abcd"), "size": sizes, "level": levels, "seed": 2, "score": 51.0})
    axes = plot_scores(scores.assign(low=45.0, high=60.0)).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "0 %, N = 500", "83 %, N = 500", "0 %, N = 1,000", "83 %, N = 1,000"
    ]  # fmt: skip
