"""Scores, levels and metrics of a study joined into tables."""

import numpy as np
import pandas as pd
import pytest
from macromicro.analyse.results import load_baselines, load_metrics, load_points, load_untuned, load_verdicts
from macromicro.study import params

PRESET = """
study: tables
description: Two families, a rival and two seeds.
corpus: {source: pydocs, packages: [numpy], base_model_share: 0.5}
select: {sizes: [10], levels: [0, 100], seeds: [0, 1]}
strategies:
  response-micro: {granularity: micro}
  narrow: {granularity: micro, part: instruction, family: bands, select: {seeds: [0]}}
  longest: {method: longest, family: rivals}
"""


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(path)


@pytest.fixture
def study(tmp_path, monkeypatch):
    for folder in ("params", "notebooks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "params" / "tables.yaml").write_text(PRESET)
    monkeypatch.chdir(tmp_path)
    study = params.load("tables")
    for strategy in [study.strategy(name) for name in study.strategies]:
        for seed in strategy.select.seeds:
            datasets = strategy.datasets(seed)[::-1]
            names, levels = [one.name for one in datasets], [one.level for one in datasets]
            grid = {"dataset": names, "size": 10, "level": pd.array(levels, dtype="Int64"), "seed": seed, "k": 4}
            # level 0 and level 100 of the narrow strategy came to the same samples
            grid["digest"] = "same" if strategy.name == "narrow" else names
            write(study.out.levels(strategy.name, seed), grid)
            scores = [50.0 + seed + (one.level or 20) / 10 for one in datasets]
            scored = pd.DataFrame({"dataset": names, "score": scores, "low": 40.0, "high": 60.0, "judge": "similarity"})
            control = scored.assign(score=10.0, judge="length")
            write(study.out.scores(strategy.name, seed), pd.concat([scored, control]))
            parts = ["instruction"] * len(names) + ["response"] * len(names)
            judged = {"dataset": np.repeat(names, 3), "prompt_id": ["c", "a", "b"] * len(names), "margin": 0.25 + seed}
            judged |= {"verdict": ["win", "tie", "loss"] * len(names), "judge": "similarity", "order": None}
            control = pd.DataFrame(judged).assign(verdict="loss", judge="length")
            write(study.out.verdicts(strategy.name, seed), pd.concat([pd.DataFrame(judged), control]))
            for one in datasets:
                write(study.out.losses(strategy.name, one.name), {"loss": [1.0] * (3 + seed)})
            write(study.out.metrics(strategy.name, seed), {"dataset": names * 2, "part": parts, "IE": 1.0})
    for seed in (0, 1):
        grid = {"dataset": [f"n10-s{seed}"], "size": 10, "level": pd.array([None], dtype="Int64"), "seed": seed}
        grid["digest"] = ["b"]
        write(study.out.levels("baseline", seed), grid | {"response_tokens": 30.0 + seed})
        write(study.out.losses("baseline", f"n10-s{seed}"), {"loss": [1.0] * 9})
        scores = {"dataset": ["untuned"], "score": 20.0 + seed, "low": 10.0, "high": 30.0, "margin": -0.5,
                  "judge": "similarity"}  # fmt: skip
        write(study.out.scores("untuned", seed), scores)
    return study


def test_the_untuned_model_stands_beside_those_of_its_baseline_and_seed(study):
    untuned = load_untuned(study)
    first = ["strategy", "baseline", "baseline_size", "seed", "score", "low", "high", "margin"]
    assert untuned.columns.tolist() == first
    assert untuned[first[:5]].to_numpy().tolist() == [
        ["untuned", "baseline", 10, 0, 20.0], ["untuned", "baseline", 10, 1, 21.0]
    ]  # fmt: skip
    points = load_points(study)
    assert (points["untuned"] == 20 + points["seed"]).all()
    assert not {"untuned"} & (set(points["strategy"]) | set(points["family"]) | set(load_verdicts(study)["strategy"]))
    assert "untuned" not in set(load_metrics(study)["strategy"])


def test_steps_are_those_of_the_loss_tables(study):
    points, baselines = load_points(study), load_baselines(study)
    assert (points["n_steps"] == 3 + points["seed"]).all()
    shown = ["strategy", "dataset", "size", "seed", "score", "n_steps", "response_tokens"]
    assert baselines[shown].to_numpy().tolist() == [
        ["baseline", "n10-s0", 10, 0, 50.0, 9, 30.0], ["baseline", "n10-s1", 10, 1, 50.0, 9, 31.0]
    ]  # fmt: skip


def test_points_are_one_sorted_row_per_model(study):
    points = load_points(study)
    first = ["strategy", "family", "part", "granularity", "method", "baseline", "baseline_size"]
    first += ["dataset", "size", "level", "seed", "score"]
    assert points.columns.tolist() == [*first, "low", "high", "k", "n_steps", "untuned"]
    assert points["strategy"].tolist() == ["longest"] * 2 + ["narrow"] * 2 + ["response-micro"] * 4
    ours = points[points["strategy"] == "response-micro"]
    assert ours["dataset"].tolist() == ["n10-d000-s0", "n10-d000-s1", "n10-d100-s0", "n10-d100-s1"]
    assert ours["score"].tolist() == [52, 53, 60, 61]
    assert points.loc[2, first[:5]].tolist() == ["narrow", "bands", "instruction", "micro", "even"]


def test_rivals_have_points_and_no_levels(study):
    rivals = load_points(study).head(2)
    assert rivals[["family", "method", "seed", "score"]].to_numpy().tolist() == [
        ["rivals", "longest", 0, 52], ["rivals", "longest", 1, 53]
    ]  # fmt: skip
    assert rivals["level"].isna().all()
    assert rivals["granularity"].isna().all()


def test_a_dataset_without_a_score_is_kept_as_missing(study):
    write(
        study.out.scores("narrow", 0), {"dataset": ["n10-d000-s0"], "score": [45.0], "low": 1.0, "judge": "similarity"}
    )
    points = load_points(study)
    assert points[points["strategy"] == "narrow"]["score"].isna().tolist() == [False, True]


def test_a_score_of_an_unknown_dataset_is_refused(study):
    write(
        study.out.scores("narrow", 0), {"dataset": ["n99-d000-s0"], "score": [45.0], "low": 1.0, "judge": "similarity"}
    )
    with pytest.raises(ValueError, match="'n99-d000-s0' of narrow is not in levels-s0"):
        load_points(study)


def test_a_strategy_that_was_not_judged_is_an_error(study):
    study.out.scores("longest", 1).unlink()
    with pytest.raises(FileNotFoundError, match="longest"):
        load_points(study)


def test_metrics_carry_their_strategy_and_family(study):
    metrics = load_metrics(study)
    assert metrics.columns.tolist() == ["strategy", "family", "dataset", "part", "IE"]
    assert len(metrics) == 2 * 8
    assert metrics.groupby("strategy")["family"].first().to_dict() == {
        "longest": "rivals", "narrow": "bands", "response-micro": "paper"
    }  # fmt: skip


def test_verdicts_are_one_sorted_row_per_model_and_prompt(study):
    verdicts = load_verdicts(study)
    first = ["strategy", "family", "dataset", "size", "level", "seed", "prompt_id", "points", "margin", "digest"]
    assert verdicts.columns.tolist() == first
    assert verdicts["strategy"].tolist() == ["longest"] * 6 + ["narrow"] * 6 + ["response-micro"] * 12
    assert verdicts["prompt_id"].tolist() == ["a", "b", "c"] * 8
    assert verdicts["points"].tolist() == [0.5, 0.0, 1.0] * 8
    ours = verdicts[verdicts["strategy"] == "response-micro"].drop_duplicates("dataset")
    assert ours[["dataset", "level", "seed", "margin"]].to_numpy().tolist() == [
        ["n10-d000-s0", 0.0, 0, 0.25], ["n10-d000-s1", 0.0, 1, 1.25],
        ["n10-d100-s0", 100.0, 0, 0.25], ["n10-d100-s1", 100.0, 1, 1.25],
    ]  # fmt: skip
    rivals = verdicts[verdicts["strategy"] == "longest"]
    assert rivals["level"].isna().all() and set(rivals["family"]) == {"rivals"}


def test_verdicts_of_another_judge_are_asked_for_by_name(study):
    assert set(load_verdicts(study, "length")["points"]) == {0.0}
    with pytest.raises(ValueError, match=r"verdicts-s0.parquet: no row of judge 'llm'; there are similarity, length"):
        load_verdicts(study, "llm")


def test_a_missing_verdict_stays_missing(study):
    path = study.out.verdicts("narrow", 0)
    table = pd.read_parquet(path)
    write(path, table.assign(verdict=table["verdict"].where(table["prompt_id"] != "b", None)))
    lost = load_verdicts(study).query("strategy == 'narrow' and prompt_id == 'b'")
    assert len(lost) == 2 and lost["points"].isna().all()


def test_datasets_of_the_same_samples_share_a_digest(study):
    digests = load_verdicts(study).groupby("strategy")["digest"].nunique()
    assert digests.to_dict() == {"longest": 2, "narrow": 1, "response-micro": 4}


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"verdict": "draw"}, "verdict 'draw' of narrow must be one of win, tie, loss"),
     ({"dataset": "n99-d000-s0"}, "dataset 'n99-d000-s0' of narrow is not in the grid")],
)  # fmt: skip
def test_a_verdict_that_nobody_knows_is_refused(study, changed, words):
    path = study.out.verdicts("narrow", 0)
    write(path, pd.read_parquet(path).assign(**changed))
    with pytest.raises(ValueError, match=words):
        load_verdicts(study)
