"""Measuring by a call: the numbers of the command, as tables."""

import json
from functools import partial

import macromicro as mm
import pandas as pd
import pytest
from macromicro.api.measures import list_left_out
from macromicro.api.settings import make_settings

from tests.cli.test_bad_input import run, write

ONE = [{"instruction": f"question {n}", "response": f"the {n} old mills turn"} for n in range(8)]
TWO = [{"instruction": f"ask {n}", "response": "yes it is so" + " indeed" * (n % 3)} for n in range(5)]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, ONE, "one.jsonl")
    write(tmp_path, TWO, "two.jsonl")


def values(table, names):
    by_name = {}
    for row in table.to_dict("records"):
        for name in names:
            number = None if pd.isna(row[name]) else float(row[name])
            by_name.setdefault(name, {}).setdefault(row["part"], {})[row["metric"]] = number
    return by_name


def test_measures_are_those_of_the_command(tmp_path):
    done = run(tmp_path, "measure", "two.jsonl", "--before", "one.jsonl", "--json")
    said = json.loads(done.out)
    before, after = pd.DataFrame(ONE), pd.DataFrame(TWO)
    measured = mm.measure(after, before=before)
    assert values(measured.table, ["before", "random", "after", "difference"]) == said["metrics"]
    assert dict(mm.measure("two.jsonl", before="one.jsonl").summary) == said["summary"]
    assert measured.missing.to_dict("records") == said["missing"]


def test_comparisons_are_those_of_the_command(tmp_path):
    done = run(tmp_path, "compare", "one.jsonl", "two.jsonl", "--json")
    said = json.loads(done.out)
    compared = mm.compare(pd.DataFrame(ONE), pd.DataFrame(TWO))
    assert values(compared.table, ["one", "two", "difference", "chance"]) == said["metrics"]
    assert compared.about["n_compared"] == said["n_compared"] == 5
    assert compared.at_sizes is not None and len(compared.at_sizes) == 14


def test_several_sources_are_one_dataset(tmp_path):
    both = mm.measure([pd.DataFrame(ONE), pd.DataFrame(TWO)])
    assert both.about["n_samples"] == {"value": 13}
    done = run(tmp_path, "measure", "one.jsonl", "two.jsonl", "--json")
    assert values(both.table, ["value"]) == json.loads(done.out)["metrics"]
    assert json.loads(done.out)["files"] == {"value": "one.jsonl, two.jsonl"}


def test_the_command_takes_turns_and_skips_bad_rows(tmp_path):
    talk = [{"role": role, "content": f"{role} {n}"} for n in range(3) for role in ("user", "assistant")]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"messages": talk}) + '\n{"messages": 3}\n')
    asked = ("measure", "talk.jsonl", "--json")
    assert "talk.jsonl, line 2" in run(tmp_path, *asked).error
    done = run(tmp_path, *asked, "--turns", "all", "--bad-rows", "skip")
    assert json.loads(done.out)["n_samples"] == {"value": 3}


def test_samples_that_were_left_out_do_not_count():
    repeated = pd.DataFrame([*ONE, {**ONE[0], "response": "another"}])
    assert mm.measure(repeated).about["n_samples"] == {"value": 9}
    assert mm.measure(mm.read(repeated)).about["n_samples"] == {"value": 8}


def test_samples_without_text_are_counted_and_measured(tmp_path):
    rows = [*ONE, {"instruction": "who?", "response": " "}, {"instruction": "\u200b", "response": ""}]
    write(tmp_path, rows, "empty.jsonl")
    measured = mm.measure(pd.DataFrame(rows))
    assert measured.about["n_samples"] == {"value": 10} and measured.about["n_without_text"] == {"value": 2}
    assert measured.table.set_index(["part", "metric"]).loc[("response", "SL"), "value"] == 5 * 8 / 10
    assert mm.measure(mm.read(pd.DataFrame(rows))).about["n_without_text"] == {"value": 0}
    assert "\nn without text: one 0, two 2\n" in run(tmp_path, "compare", "two.jsonl", "empty.jsonl").out
    asked = ("measure", "two.jsonl", "--before", "empty.jsonl", "--json")
    assert json.loads(run(tmp_path, *asked).out)["n_without_text"] == {"before": 2, "after": 0}


def test_datasets_are_told_apart_by_their_names_or_their_part_in_the_call():
    samples = mm.read("one.jsonl")
    chosen = mm.select(samples, 4, method="random")
    compared = mm.compare(chosen, samples)
    assert compared.about["files"] == {"one": "one.jsonl (one)", "two": "one.jsonl (two)"}
    assert compared.summary["response"].startswith("one.jsonl (one) is more diverse than one.jsonl (two) by ")
    measured = mm.measure(chosen, before=samples, reference="two.jsonl")
    assert measured.about["files"] == {"before": "one.jsonl (before)", "after": "one.jsonl (after)"}
    assert measured.summary["response"].startswith("one.jsonl (after) is more diverse than the random draw by ")
    assert "of two.jsonl;" in measured.about["NovelSum"]
    many = [pd.DataFrame(ONE[:1])] * 8
    compared = mm.compare(many, "two.jsonl")
    assert compared.about["files"]["one"] == ", ".join(["DataFrame"] * 8)
    assert compared.summary["response"].startswith(
        f"{', '.join(['DataFrame'] * 8)[:59]}… is more diverse than two.jsonl"
    )


def test_reference_changes_novelty_and_nothing_else():
    frame = pd.DataFrame(ONE)
    world = pd.DataFrame([*ONE, *TWO, *[{"instruction": f"w {n}", "response": f"w {n}"} for n in range(20)]])
    alone, beside = (mm.measure(frame, reference=given) for given in (None, world))
    same = alone.table["metric"] != "NovelSum"
    pd.testing.assert_frame_equal(alone.table[same], beside.table[same])
    assert beside.about["NovelSum"].startswith("density among the samples of DataFrame")


def test_another_model_is_not_left_out():
    english = pd.DataFrame({"instruction": ["say it again"] * 200, "response": ["no"] * 200})
    chinese = english.assign(response="我喜欢吃苹果和香蕉")
    assert set(list_left_out([english, chinese], make_settings({"embed.model": "static"}))) == {
        "ED",
        "Vendi",
        "NovelSum",
    }
    assert list_left_out([chinese], make_settings({"embed.model": "owner/model"})) == {}
    assert list_left_out([english], make_settings(None)) == {}


def test_a_misspelled_tokenizer_fails_before_anything_is_read(tmp_path):
    message = "tokenizer wrods: no such tokenizer; did you mean words?"
    (tmp_path / "rules.yaml").write_text("response.SL: {min: 1}")
    for asked in (
        ("measure", "no.jsonl"),
        ("compare", "no.jsonl", "-"),
        ("check", "no.jsonl", "--rules", "rules.yaml"),
    ):
        assert run(tmp_path, *asked, "--tokenizer", "wrods").error == f"macromicro: {message}"
    for measuring in (mm.measure, partial(mm.compare, pd.DataFrame(ONE))):
        with pytest.raises(ValueError, match=message.replace("?", r"\?")):
            measuring("no.jsonl", tokenizer="wrods")
