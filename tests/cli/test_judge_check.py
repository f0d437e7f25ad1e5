"""The command `judge-check` through its entry point."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

MACROMICRO = Path(sys.executable).parent / "macromicro"


@pytest.fixture
def folder(tmp_path):
    votes = {f"annotator_{k}": [1, 2, 1, 1, 0, 2] for k in (1, 2)}
    texts = {"instruction": list("aabbcc"), "output_1": ["xxx"] * 6, "output_2": ["yy", "yyyy"] * 3}
    pd.DataFrame({**texts, **votes, "theirs": [1, 2, 2, 1, 0, 2]}).to_json(
        tmp_path / "votes.jsonl", orient="records", lines=True
    )
    return tmp_path


def run(*arguments, cwd):
    return subprocess.run([MACROMICRO, "judge-check", *arguments], cwd=cwd, capture_output=True, text=True)


def test_a_column_of_verdicts_beside_length(folder):
    done = run("votes.jsonl", "--column", "theirs", "--json", "-o", "numbers.csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    table = pd.DataFrame(json.loads(done.stdout))
    accuracy = table[table["measure"] == "accuracy"].set_index("judge")["value"].to_dict()
    assert accuracy == pytest.approx({"theirs": 5 / 6, "length": 4 / 6})
    kept = pd.read_csv(folder / "numbers.csv")
    assert kept["judge"].unique().tolist() == ["people, one against another", "theirs", "length"]
    shown = run("votes.jsonl", "--column", "theirs", cwd=folder)
    assert "votes.jsonl: 6 pairs of 3 instructions" in shown.stdout
    assert "83.3 (" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["votes.jsonl", "--column", "ours"], "no column 'ours'; there are instruction"),
        (["votes.jsonl", "--judge", "llm"], "--judge llm needs --set judge_llm.model=NAME"),
        (["votes.jsonl", "--judge", "similarity"], "missing: reference"),
        (["votes.jsonl", "--judge", "likelihood"], "--judge likelihood: expected one of similarity, length, llm"),
        (["votes.txt"], "votes are a file that ends in .parquet"),
        (["none.csv"], "no such file: 'none.csv'"),
        (["votes.jsonl", "--column", "theirs", "-o", "x.txt"], "ends in .csv"),
        (["votes.jsonl", "--set", "judge_llm.modle=x"], "no such setting; judge_llm has model"),
        (["votes.jsonl", "--set", "tokens.low=2"], "no such section; sections are judge, judge_llm, embed"),
    ],
)
def test_bad_input_is_one_line(folder, arguments, words):
    done = run(*arguments, cwd=folder)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
