"""The paper's numbers, and that our statistics redraw them."""

from pathlib import Path

import numpy as np
import pytest
from macromicro.analyse import paper, stats
from macromicro.study import params

SERIES = stats.SERIES


def test_scores_are_the_whole_grid():
    scores = paper.load_scores()
    assert len(scores) == 2 * 3 * 3 * 7
    assert scores.groupby(SERIES)["level"].apply(list).map(tuple).unique().tolist() == [(0, 16, 33, 50, 66, 83, 100)]
    assert scores["score"].between(40, 70).all()


def test_ordinary_least_squares_gives_table_1_where_no_marker_is_hidden():
    scores = paper.load_scores()
    hidden = scores.groupby(SERIES, as_index=False)["marker_hidden"].any()
    printed = paper.load_slopes()
    both = stats.fit_slopes(scores).merge(printed, on=SERIES, suffixes=("", "_printed")).merge(hidden, on=SERIES)
    off = (both["slope"] - both["slope_printed"]).abs()
    assert len(both) == 18
    assert (off[~both["marker_hidden"]] <= 0.15).all()
    far = both[off > 0.15]
    assert far[SERIES].to_numpy().tolist() == [["response-meso", 20000], ["response-meso", 30000]]


@pytest.mark.parametrize(("size", "at_0", "at_100"), [(10_000, 51.18, 55.62), (30_000, 55.57, 65.43)])
def test_bayesian_ridge_gives_the_lines_of_figure_3(size, at_0, at_100):
    lines = stats.fit_lines(paper.load_scores(), levels=np.array([0, 100]))
    line = lines[(lines["strategy"] == "response-micro") & (lines["size"] == size)]
    assert line["mean"].tolist() == pytest.approx([at_0, at_100], abs=0.1)


def test_only_one_slope_of_the_paper_stays_after_holm():
    slopes = stats.fit_slopes(paper.load_scores())
    found = slopes[slopes["significant"]]
    assert found[SERIES].to_numpy().tolist() == [["response-micro", 30000]]
    assert sorted(slopes["p"])[:3] == pytest.approx([0.001, 0.011, 0.012], abs=6e-4)


def test_strategies_have_the_names_of_a_study():
    study = params.load("smoke")
    named = {name: (own.family, own.part, own.granularity) for name, own in study.strategies.items()}
    for table in (paper.load_scores(), paper.load_slopes()):
        rows = table[["strategy", "family", "part", "granularity"]].drop_duplicates().itertuples(index=False)
        assert {row[0]: tuple(row[1:]) for row in rows} == named


def test_correlations_and_ablations():
    r = paper.load_correlations().pivot_table(index="metric", columns="part", values="r")
    assert r.shape == (7, 2)
    assert r.loc["IE", "response"] == 0.58
    ablations = paper.load_ablations()
    assert {"llama-2-70b", "llama-3-8b", "length-control", "word-tokenizer"} <= set(ablations["ablation"])
    slopes = ablations.groupby("ablation").apply(lambda group: np.polyfit(group["level"], group["score"], 1)[0])
    assert slopes["llama-3-8b"] > slopes["llama-2-70b"] > slopes["word-tokenizer"]


def test_package_data_are_the_files_that_were_handed_over():
    folder = Path(__file__).parents[2] / ".." / "shared" / "paper"
    if not folder.is_dir():
        pytest.skip("the files that the numbers were copied from are not here")
    for file in folder.glob("*.csv"):
        assert (Path(paper.__file__).parent / "paper_data" / file.name).read_bytes() == file.read_bytes()
