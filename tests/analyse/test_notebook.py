"""The notebook of the analysis on studies whose verdicts are made up: one of every kind, and one of rivals alone."""

import nbformat
import pandas as pd
import pytest
from fake_study import enter_checkout, finish, write_preset
from judged_study import judge
from macromicro.graph import execute

CELL = "8_analyse/8_analyse"
RIVALS = {"instruction-macro": None, "response-micro": None, "random": {"method": "random", "family": "rivals"}}


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
