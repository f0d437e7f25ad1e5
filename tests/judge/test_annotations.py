"""Files of verdicts: AlpacaEval's annotations and a study's own, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from macromicro.judge.annotations import model_outputs, read_verdicts


def annotation(**changes):
    return {
        "instruction": "Name a river.",
        "output_1": "Elbe",
        "output_2": "The Rhine.",
        "generator_1": "old",
        "generator_2": "new",
        "preference": 2,
        "category": "facts",
    } | changes


def written(folder, rows, name="annotations.json"):
    (folder / name).write_text(json.dumps(rows))
    return folder / name


def test_preference_two_is_a_win_of_the_second_generator(tmp_path):
    rows = [
        annotation(),
        annotation(instruction="b", preference=1),
        annotation(instruction="c", preference=1.5),
        annotation(instruction="d", preference=1.25),
        annotation(instruction="e", preference=None),
    ]
    read = read_verdicts([written(tmp_path, rows)]).set_index("prompt_id")
    points = [read["points"][name] for name in map(_name, ("Name a river.", *"bcde"))]
    np.testing.assert_equal(points, [1.0, 0.0, 0.5, 0.25, np.nan])
    assert set(read["model"]) == {"new"} and set(read["against"]) == {"old"}
    assert (read["length"].iloc[0], read["length_against"].iloc[0]) == (10, 4)


def _name(text):
    from hashlib import sha256

    return sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize("preference", [0, 3, "win", -1, float("inf")])
def test_an_unknown_outcome_is_an_error_and_no_tie(tmp_path, preference):
    rows = [annotation(), annotation(instruction="b", preference=preference)]
    with pytest.raises(ValueError, match=r"annotations\.json: preference must lie between 1 and 2.*annotation 2"):
        read_verdicts([written(tmp_path, rows)])


@pytest.mark.parametrize(("rows", "words"), [
    ([annotation(), annotation()], "twice on prompt"),
    ([{"instruction": "a"}], "lacks output_1"),
    ({"a": 1}, "a list of objects"),
    ([], "lacks"),
])  # fmt: skip
def test_what_is_no_annotation_is_refused(tmp_path, rows, words):
    with pytest.raises(ValueError, match=words):
        read_verdicts([written(tmp_path, rows)])


def test_two_files_of_different_judges_and_a_cluster(tmp_path):
    one = written(tmp_path, [annotation(annotator="a")], "a.json")
    two = written(tmp_path, [annotation(annotator="b", preference=1)], "b.json")
    read = read_verdicts([one, two], cluster="category")
    assert read[["judge", "points", "cluster"]].to_numpy().tolist() == [["a", 1.0, "facts"], ["b", 0.0, "facts"]]
    with pytest.raises(ValueError, match=r"a\.json: has no column 'topic' to cluster by"):
        read_verdicts([one], cluster="topic")
    rows = [annotation(), annotation(instruction="b", category=None)]
    with pytest.raises(ValueError, match=r"c\.json: every row needs a category to cluster by, but row 2 has none"):
        read_verdicts([written(tmp_path, rows, "c.json")], cluster="category")


def test_verdicts_of_a_study(tmp_path):
    table = pd.DataFrame({"dataset": ["d", "d", "e"], "prompt_id": ["p", "q", "p"], "verdict": ["win", "tie", None]})
    table.to_parquet(tmp_path / "verdicts.parquet")
    read = read_verdicts([tmp_path / "verdicts.parquet"])
    assert read["model"].tolist() == ["d", "d", "e"]
    np.testing.assert_equal(read["points"].to_numpy(), [1.0, 0.5, np.nan])
    table.assign(verdict=["win", "draw", "loss"]).to_parquet(tmp_path / "verdicts.parquet")
    with pytest.raises(ValueError, match="row 2 has draw"):
        read_verdicts([tmp_path / "verdicts.parquet"])
    table.drop(columns="verdict").assign(points=[1.0, 0.5, 0.7]).to_parquet(tmp_path / "verdicts.parquet")
    with pytest.raises(ValueError, match=r"row 3 has 0\.7"):
        read_verdicts([tmp_path / "verdicts.parquet"])
    with pytest.raises(ValueError, match=r"must be \.parquet"):
        read_verdicts([tmp_path / "verdicts.csv"])


def test_what_a_study_wrote_beside_its_verdicts_is_kept(tmp_path):
    file = tmp_path / "verdicts.parquet"
    table = pd.DataFrame({"dataset": ["d"], "prompt_id": ["p"], "verdict": ["loss"]})
    table.assign(judge="length", baseline="b", length=7, length_baseline=9).to_parquet(file)
    row = read_verdicts([file]).iloc[0]
    named = ["model", "against", "judge", "prompt_id", "points", "length", "length_against", "cluster"]
    assert row[named].tolist() == ["d", "b", "length", "p", 0.0, 7, 9, "p"]
    table.to_parquet(file)
    row = read_verdicts([file]).iloc[0]
    assert row[["against", "judge"]].tolist() == ["baseline", "judge"]
    assert row[["order", "length", "length_against"]].isna().all()
    table.head(0).to_parquet(file)
    with pytest.raises(ValueError, match="holds no verdict"):
        read_verdicts([file])


def test_annotations_without_an_annotator_are_of_one_judge_and_broken_ones_are_refused(tmp_path):
    assert read_verdicts([written(tmp_path, [annotation()])])["judge"].tolist() == ["annotator"]
    with pytest.raises(ValueError, match="a list of objects"):
        read_verdicts([written(tmp_path, [annotation(), "win"])])
    (tmp_path / "half.json").write_text('[{"instruction": ')
    with pytest.raises(ValueError, match=r"half\.json: is no JSON"):
        read_verdicts([tmp_path / "half.json"])


def test_both_orders_of_a_pair_are_two_verdicts(tmp_path):
    table = pd.DataFrame({"dataset": "d", "prompt_id": "p", "points": [1.0, 0.0], "order": [1, 2]})
    table.to_parquet(tmp_path / "verdicts.parquet")
    assert read_verdicts([tmp_path / "verdicts.parquet"])["order"].tolist() == [1.0, 2.0]


def test_answers_as_alpaca_eval_reads_them():
    answers = pd.DataFrame({"dataset": ["b", "a"], "prompt_id": ["p", "p"], "answer": ["two", "one"]})
    prompts = pd.DataFrame({"id": ["p"], "instruction": ["Count."]})
    assert model_outputs(answers, prompts) == [
        {"instruction": "Count.", "output": "one", "generator": "a", "dataset": "macromicro"},
        {"instruction": "Count.", "output": "two", "generator": "b", "dataset": "macromicro"},
    ]
    with pytest.raises(ValueError, match="2 have none, such as 'q'"):
        model_outputs(answers.assign(prompt_id=["r", "q"]), prompts)
    with pytest.raises(ValueError, match="1 have none, such as 'q'"):
        model_outputs(answers.assign(prompt_id=["p", "q"]), prompts)
    with pytest.raises(ValueError, match="a answered 'p' twice"):
        model_outputs(answers.assign(dataset="a"), prompts)
