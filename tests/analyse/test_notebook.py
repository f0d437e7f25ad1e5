"""The notebook of the analysis on studies whose verdicts are made up: one of every kind, and one of rivals alone."""

import nbformat
import numpy as np
import pandas as pd
import pytest
from fake_study import enter_checkout, finish, write_preset
from macromicro.graph import execute
from macromicro.judge.score import score_judges
from macromicro.measure.metrics import METRICS

CELL = "8_analyse/8_analyse"
RIVALS = {"instruction-macro": None, "response-micro": None, "random": {"method": "random", "family": "rivals"}}


def judge(study):
    """Levels, metrics, datasets, verdicts and scores of every model, by chance; more wins at higher levels."""
    rng = np.random.default_rng(0)
    for strategy in [study.strategy(name) for name in study.strategies]:
        for seed in strategy.select.seeds:
            datasets = strategy.datasets(seed)
            names, n = [one.name for one in datasets], len(datasets)
            levels = pd.array([one.level for one in datasets], dtype="Int64")
            metrics = {name: rng.normal(size=2 * n) for name in METRICS}
            verdicts = pd.DataFrame({"dataset": np.repeat(names, 200), "prompt_id": [f"p{i}" for i in range(200)] * n})
            verdicts["margin"] = rng.normal(np.repeat([(one.level or 0) / 25 for one in datasets], 200))
            verdicts["verdict"] = np.where(verdicts["margin"] > 0, "win", "loss")
            control = verdicts.assign(judge="length", verdict=rng.permutation(verdicts["verdict"]))
            verdicts = pd.concat([verdicts.assign(judge="similarity"), control]).assign(order=None)
            tables = {
                study.out.levels(strategy.name, seed): pd.DataFrame({"dataset": names, "size": 40, "level": levels}),
                study.out.metrics(strategy.name, seed): pd.DataFrame(
                    {"dataset": names * 2, "part": np.repeat(["instruction", "response"], n), **metrics}
                ),
                study.out.verdicts(strategy.name, seed): verdicts,
                study.out.scores(strategy.name, seed): score_judges(verdicts, n_bootstrap=50, confidence=0.9, seed=0),
            }
            tables |= {study.out.dataset(strategy.name, name): pd.DataFrame({"id": [name]}) for name in names}
            tables |= {study.out.losses(strategy.name, name): pd.DataFrame({"loss": [2.0, 1.0]}) for name in names}
            write(tables)
    for seed in study.baselines["baseline"].select.seeds:
        levels = pd.DataFrame({"dataset": [f"n40-s{seed}"], "size": 40, "level": pd.array([None], dtype="Int64")})
        verdicts = pd.DataFrame({"dataset": "untuned", "prompt_id": [f"p{i}" for i in range(200)], "margin": -1.0})
        verdicts["verdict"] = ["win"] * 20 + ["loss"] * 180
        verdicts = pd.concat([verdicts.assign(judge=judge, order=None) for judge in ("similarity", "length")])
        scores = score_judges(verdicts, n_bootstrap=50, confidence=0.9, seed=0)
        write({study.out.levels("baseline", seed): levels, study.out.scores("untuned", seed): scores})
        write({study.out.losses("baseline", f"n40-s{seed}"): pd.DataFrame({"loss": [2.0, 1.0]})})
        write({study.out.verdicts("untuned", seed): verdicts})


def write(tables):
    for path, table in tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(path)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that executes the notebook on the study of a preset: the study, and the words that it showed."""
    enter_checkout(tmp_path, monkeypatch)
    monkeypatch.setattr(execute.os, "environ", dict(execute.os.environ))

    def executed(changes):
        study = write_preset({"select.seeds": [0, 1, 2], "select.levels": [0, 50, 100], **changes})
        judge(study)
        finish(study)
        study.out.results.unlink()
        assert execute.compute("tiny", CELL) == 0
        notebook = nbformat.read(study.out.notebook("8_analyse"), as_version=4)
        outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
        return study, outputs

    return executed


def pictures(outputs):
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_a_study_of_every_kind(run):
    study, outputs = run({"analyse.smallest_effect": 1.0})
    assert {path.stem for path in study.out.results.glob("*.parquet")} == {
        *("scores", "metrics", "lines", "correlations", "paper_slopes", "slopes", "shapes", "levels", "decisions"),
        *("untuned", "judge_scores", "judge_slopes", "contrasts", "answers"),
    }
    assert pd.read_parquet(study.out.results / "untuned.parquet")["score"].tolist() == [10.0] * 3
    for name in ("slopes", "correlations", "decisions"):
        assert "untuned" not in str(pd.read_parquet(study.out.results / f"{name}.parquet").to_dict("list"))
    assert {"MTLD", "HD-D"} <= set(pd.read_parquet(study.out.results / "correlations.parquet")["metric"])
    decisions = pd.read_parquet(study.out.results / "decisions.parquet")
    assert decisions[["strategy", "verdict"]].to_numpy().tolist() == [
        ["instruction-macro", "rises"], ["response-micro", "rises"]
    ]  # fmt: skip
    said = next(output["data"]["text/markdown"] for output in outputs if "text/markdown" in output.get("data", {}))
    assert all(sentence in said for sentence in decisions["sentence"])
    assert "The paper, by least squares on its own points: **1 of 18 slopes" in said
    told = pd.read_parquet(study.out.results / "answers.parquet")
    numbers = told["question"].str.partition(".")[0]
    assert told["answer"][numbers == "1"].tolist() == ["confirmed", "confirmed"]
    assert set(told["answer"][numbers.isin(["2a", "2b", "3", "5", "6", "7"])]) == {"not asked"}
    assert told["sentence"][0] in outputs[-1]["data"]["text/markdown"]
    assert pictures(outputs) == 6


def test_a_study_of_rivals_alone_comes_to_its_end(run):
    study, outputs = run({f"strategies.{name}": given for name, given in RIVALS.items()})
    for name in ("slopes", "shapes", "levels", "decisions", "lines"):
        assert pd.read_parquet(study.out.results / f"{name}.parquet").empty
    assert len(pd.read_parquet(study.out.results / "scores.parquet")) == 6
    assert "so there is no slope" in str(outputs)
    told = pd.read_parquet(study.out.results / "answers.parquet")
    assert set(told["answer"]) == {"not asked"}
    assert pd.read_parquet(study.out.results / "contrasts.parquet").empty
    assert pictures(outputs) == 6
