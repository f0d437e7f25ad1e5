"""Judges side by side: what each makes of the same models, and what is said of it."""

import numpy as np
import pandas as pd
import pytest
from macromicro.analyse.judges import compare_judges, describe_judges, show_scores, show_slopes
from macromicro.analyse.results import load_verdicts
from macromicro.analyse.win_rates import at_equal_length
from macromicro.study import params

LEVELS = [0, 50, 100]
PRESET = """
study: judged
description: Two strategies, three judges and two seeds.
corpus: {source: pydocs, packages: [numpy], base_model_share: 0.5}
select: {sizes: [10], levels: [0, 50, 100], seeds: [0, 1]}
judge: {kinds: [similarity, likelihood]}
strategies:
  response-micro: {granularity: micro}
  narrow: {granularity: micro, family: bands}
  longest: {method: longest, family: rivals}
"""
WON = {  # shares of prompts that are won at each level
    ("response-micro", "similarity"): (0.2, 0.5, 0.8),
    ("response-micro", "likelihood"): (0.7, 0.5, 0.3),
    ("response-micro", "length"): (0.1, 0.5, 0.9),
    ("narrow", "similarity"): (0.5, 0.5, 0.55),
    ("narrow", "likelihood"): (0.5, 0.5, 0.55),
    ("narrow", "length"): (0.6, 0.5, 0.5),
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    for folder in ("params", "notebooks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "params" / "judged.yaml").write_text(PRESET)
    monkeypatch.chdir(tmp_path)
    study = params.load("judged")
    rng = np.random.default_rng(0)
    for strategy in [study.strategy(name) for name in study.strategies]:
        for seed in strategy.select.seeds:
            tables = []
            for dataset in strategy.datasets(seed):
                for judge in study.judge.all_kinds:
                    place = 0 if dataset.level is None else LEVELS.index(dataset.level)
                    share = WON.get((strategy.name, judge), (0.5,) * 3)[place] + 0.02 * (2 * seed - 1) * (place - 1)
                    won = rng.permutation(100) < round(100 * share)
                    own = {"dataset": dataset.name, "judge": judge, "order": None, "margin": won - 0.5}
                    prompts = [f"p{place:02d}" for place in range(100)]
                    tables.append(pd.DataFrame({"prompt_id": prompts, **own, "verdict": np.where(won, "win", "loss")}))
            names = [dataset.name for dataset in strategy.datasets(seed)]
            levels = pd.DataFrame({"dataset": names, "digest": names})
            for path, table in (
                (study.out.verdicts(strategy.name, seed), pd.concat(tables)),
                (study.out.levels(strategy.name, seed), levels),
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                table.to_parquet(path)
    return study


def test_every_judge_has_scores_by_level_and_a_slope(study):
    found = compare_judges(study)
    assert found.slopes["judge"].unique().tolist() == ["similarity", "likelihood", "length"]
    slopes = found.slopes.set_index(["strategy", "judge"])["slope"].to_dict()
    for key, shares in WON.items():
        assert slopes[key] == pytest.approx(100 * (shares[2] - shares[0])), "equal steps: the slope is the rise"
    shown = show_scores(found.scores)
    assert shown.columns.tolist() == ["strategy", "N", "judge", "0 %", "50 %", "100 %"]
    assert shown["judge"].tolist() == ["similarity", "likelihood", "length"] * 2
    assert shown.iloc[3, 2:].tolist() == ["similarity", "20.0", "50.0", "80.0"]
    beside = show_slopes(found.slopes)
    assert beside.columns.tolist() == ["strategy", "N", "similarity", "likelihood", "length"]
    assert beside.loc[1, "likelihood"].startswith("-40.0 (")


def test_headline_stands_beside_itself_at_equal_length(study):
    rng = np.random.default_rng(1)
    for strategy in [study.strategy(name) for name in study.strategies]:
        for seed in strategy.select.seeds:
            path = study.out.verdicts(strategy.name, seed)
            table = pd.read_parquet(path)
            levels = {dataset.name: dataset.level or 0 for dataset in strategy.datasets(seed)}
            shift = 60 * (table["verdict"] == "win") + 0.8 * table["dataset"].map(levels)
            table["length"] = 80 + shift * (strategy.name == "response-micro") + rng.normal(0, 40, len(table))
            table.assign(length_baseline=130.0).to_parquet(path)
    found = compare_judges(study)
    held = "similarity at equal length"
    assert found.slopes["judge"].unique().tolist() == ["similarity", held, "likelihood", "length"]
    slopes = found.slopes.set_index(["strategy", "judge"])["slope"]
    verdicts = load_verdicts(study)
    pairs = verdicts.assign(length_against=verdicts["length_baseline"], cluster=verdicts["prompt_id"])
    pairs = pairs[pairs["strategy"] == "response-micro"]
    rates = pairs.groupby(["seed", "level"])[pairs.columns].apply(lambda own: at_equal_length(own)[0])
    rise = rates.xs(100, level="level") - rates.xs(0, level="level")
    assert slopes["response-micro", held] == pytest.approx(rise.mean())
    assert slopes["response-micro", held] < 0.9 * slopes["response-micro", "similarity"]
    assert slopes["narrow", held] == pytest.approx(slopes["narrow", "similarity"], abs=5)
    assert f"*similarity* and *{held}* give slopes of one sign in" in describe_judges(found.slopes, alpha=0.05)
    assert show_slopes(found.slopes).columns.tolist() == ["strategy", "N", "similarity", held, "likelihood", "length"]


def test_disagreement_and_length_are_said(study):
    said = describe_judges(compare_judges(study).slopes, alpha=0.05).splitlines()
    assert len(said) == 3
    assert (
        "*similarity* and *likelihood* give slopes of one sign in 1 of 2 series; **they disagree in sign for** "
        in said[0]
    )
    assert "response-micro at N = 10 (+60.0 and -40.0)" in said[0]
    assert "narrow at N = 10 (+5.0 and -10.0)" in said[1]
    assert "*length* shows 1 as well**, with the same sign: response-micro at N = 10." in said[2]


@pytest.mark.parametrize(
    ("p", "slope", "words"),
    [(0.5, 9.0, "*length* shows none as well"), (0.001, -9.0, "shows none as well"), (0.001, 9.0, "shows 1 as well")],
)  # fmt: skip
def test_length_shows_a_result_only_if_it_is_told_and_of_the_same_sign(p, slope, words):
    rows = [("m", 10, 2, 5.0, 1.0, 9.0, 0.01, "", "similarity"), ("m", 10, 2, slope, 1.0, 9.0, p, "", "length")]
    columns = ["strategy", "size", "n_seeds", "slope", "low", "high", "p", "note", "judge"]
    assert words in describe_judges(pd.DataFrame(rows, columns=columns), alpha=0.05)


def test_rivals_alone_have_no_judged_slopes(study):
    alone = study.model_copy(update={"strategies": {"longest": study.strategies["longest"]}})
    found = compare_judges(alone)
    assert found.scores.empty and found.slopes.empty
    assert describe_judges(found.slopes, alpha=0.05).startswith("There are no diversity levels")
    assert show_scores(found.scores).empty and show_slopes(found.slopes).empty
