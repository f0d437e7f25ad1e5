"""`macromicro score` and `macromicro model-outputs` through the command line."""

import json

import pandas as pd
import pytest
from macromicro.cli.main import app
from typer.testing import CliRunner


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def annotations(tmp_path):
    """Ten prompts on which `b` wins six, ties two and loses two against `a`, as AlpacaEval writes them."""
    outcomes = [2] * 6 + [1.5] * 2 + [1] * 2
    rows = [
        {
            "instruction": f"prompt {place}",
            "output_1": "x" * (5 + place % 3),
            "output_2": "y" * (4 + place % 4),
            "generator_1": "a",
            "generator_2": "b",
            "preference": outcome,
        }
        for place, outcome in enumerate(outcomes)
    ]
    (tmp_path / "annotations.json").write_text(json.dumps(rows))
    return tmp_path / "annotations.json"


def test_score_as_json(annotations):
    done = run("score", annotations, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["files"] == "annotations.json"
    row = found["rows"][0]
    assert (row["model"], row["against"], row["win_rate"], row["first_share"]) == ("b", "a", 70, None)


def test_ratings_of_two_models(annotations):
    done = run("score", annotations, "--ratings")
    assert done.exit_code == 0, done.output
    assert done.stdout.index(" b ") < done.stdout.index(" a ")


def test_one_opponent_and_one_model_have_nothing_to_compare(annotations):
    done = run("score", annotations, "--compare")
    assert "two of them must have been held against the same opponent" in str(done.exception)
    assert "ask for one at a time" in str(run("score", annotations, "--compare", "--ratings").exception)
    assert "must lie between 0 and 1" in str(run("score", annotations, "--confidence", 95).exception)


def test_what_is_left_out_of_a_comparison_is_said(annotations):
    rows = json.loads(annotations.read_text())
    for name, against in (("c", "a"), ("d", "other")):
        changed = [{**row, "generator_2": name, "generator_1": against, "preference": 1.5} for row in rows]
        annotations.with_name(f"{name}.json").write_text(json.dumps(changed))
    done = run("score", annotations, *(annotations.with_name(f"{name}.json") for name in "cd"), "--compare", "--json")
    found = json.loads(done.stdout)
    assert [(row["one"], row["other"]) for row in found["rows"]] == [("b", "c")]
    assert found["not compared, alone against its opponent"] == "d against other (annotator)"


def test_model_outputs_of_a_study(tmp_path):
    pd.DataFrame({"dataset": "d", "prompt_id": ["p"], "answer": ["Grüße"]}).to_parquet(tmp_path / "answers.parquet")
    pd.DataFrame({"id": ["p"], "instruction": ["Greet."]}).to_parquet(tmp_path / "prompts.parquet")
    given = ("model-outputs", tmp_path / "answers.parquet", "--prompts", tmp_path / "prompts.parquet")
    done = run(*given, "-o", tmp_path / "model_outputs.json")
    assert done.exit_code == 0, done.exception
    found = json.loads((tmp_path / "model_outputs.json").read_text(encoding="utf-8"))
    assert found == [{"instruction": "Greet.", "output": "Grüße", "generator": "d", "dataset": "macromicro"}]
    assert "expected a name that ends in .json" in str(run(*given, "-o", tmp_path / "out.txt").exception)
