"""Scores, levels and metrics of a study joined into tables."""

import pandas as pd
import pytest
from macromicro.analyse.results import load_metrics, load_points
from macromicro.study.layout import Layout


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(path)


@pytest.fixture
def out(tmp_path):
    layout = Layout(tmp_path)
    for strategy in ("response-micro", "instruction-macro"):
        names = ["n10-d100-s0", "n10-d000-s0"]
        write(layout.levels(strategy), {"dataset": names, "size": 10, "level": [100, 0], "seed": 0, "k": [9, 4]})
        write(layout.scores(strategy), {"dataset": names, "score": [55.0, 45.0], "low": 40.0, "high": 60.0})
        metrics = {"dataset": names * 2, "part": ["instruction"] * 2 + ["response"] * 2, "IE": [1.0, 2, 3, 4]}
        write(layout.metrics(strategy), metrics)
    return layout


def test_points_are_one_sorted_row_per_model(out):
    points = load_points(out, ["response-micro", "instruction-macro"])
    assert points["strategy"].tolist() == ["instruction-macro"] * 2 + ["response-micro"] * 2
    assert points["dataset"].tolist() == ["n10-d000-s0", "n10-d100-s0"] * 2
    assert points["score"].tolist() == [45, 55, 45, 55]
    assert points.loc[0, ["part", "granularity", "size", "level"]].tolist() == ["instruction", "macro", 10, 0]


def test_a_dataset_without_a_score_is_kept_as_missing(out):
    write(out.scores("response-micro"), {"dataset": ["n10-d000-s0"], "score": [45.0], "low": 1.0, "high": 2.0})
    assert load_points(out, ["response-micro"])["score"].isna().tolist() == [False, True]


def test_a_score_of_an_unknown_dataset_is_refused(out):
    write(out.scores("response-micro"), {"dataset": ["n99-d000-s0"], "score": [45.0], "low": 1.0, "high": 2.0})
    with pytest.raises(ValueError, match="'n99-d000-s0' is not in"):
        load_points(out, ["response-micro"])


def test_metrics_carry_their_strategy(out):
    metrics = load_metrics(out, ["response-micro", "instruction-macro"])
    assert metrics.columns.tolist() == ["strategy", "dataset", "part", "IE"]
    assert len(metrics) == 8
    assert metrics["IE"].tolist() == [2, 4, 1, 3] * 2
