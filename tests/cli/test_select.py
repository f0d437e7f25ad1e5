"""The options of `select` that say what may be chosen, and what comes back."""

import json
import subprocess

import pandas as pd
import pytest
from macromicro.api.reading import read
from macromicro.models.sample_likelihood import rate_likelihood

from tests.cli.test_bad_input import MACROMICRO, TAGS, WORDS, run, write, write_as
from tests.tiny_models import tiny_base

LONG = "tell me how the old mill by the river turns the heavy wheel of stone all day long"


def records(n=20):
    return [
        {
            "instruction": f"question {n}",
            "output": " ".join(f"w{k}" for k in range(n % 5 + 1)),
            "source": "ab"[n % 4 == 0],
        }
        for n in range(n)
    ]


def lines(folder, name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_every_sample_is_chosen_or_listed_with_its_reason(tmp_path):
    near = [{"instruction": f"{LONG}{end}", "output": "fine", "source": "a"} for end in ("", " and", " or")]
    rest = [
        {"instruction": "question 1", "output": "w0 w1", "source": "a"},
        {"instruction": "question 1", "output": "other", "source": "a"},
        {"instruction": "q", "output": " ", "source": "a"},
        {"instruction": "no word", "output": "?", "source": "a"},
        {"instruction": "Asked for?", "output": "w0", "source": "a"},
    ]
    given = [*records(), *near, *rest]
    write(tmp_path, given)
    (tmp_path / "eval.jsonl").write_text('{"prompt": "asked  FOR?"}\n')
    done = run(
        tmp_path, "select", "my.jsonl", "-n", "25%", "-o", "x.jsonl", "--rejected", "left.jsonl",
        "--exclude", "eval.jsonl", "--near-duplicates", "drop", "--length", ":4", *WORDS,
    )  # fmt: skip
    assert not done.error
    chosen, left = lines(tmp_path, "x.jsonl"), lines(tmp_path, "left.jsonl")
    assert all(row in given and len(row["output"].split()) <= 4 for row in chosen)
    assert len(chosen) + len(left) == len(given)
    by_place = {row["place"]: row["reason"] for row in left}
    assert by_place["my.jsonl, line 24"].startswith("repeats the sample")
    repeats = [by_place.get(f"my.jsonl, line {number}", "").startswith("repeats the instr") for number in (2, 25)]
    assert sorted(repeats) == [False, True]
    assert by_place["my.jsonl, line 5"] == "5 words in the response"
    assert by_place["my.jsonl, line 26"] == "no text"
    assert by_place["my.jsonl, line 27"] in ("carries no type", "0 words in the response")
    assert by_place["my.jsonl, line 28"] == "asks what eval.jsonl, line 1 asks"
    assert sum("near-duplicate of" in reason for reason in by_place.values()) == 2
    card = (tmp_path / "x.jsonl.card.md").read_text()
    assert "| near-duplicates, dropped | 2 |" in card
    assert "| samples that overlap with eval.jsonl, dropped | 1 |" in card
    assert "| repeated instructions with another response, dropped | 1 |" in card
    assert "| repeated samples, dropped | 1 |" in card
    assert "| length of responses | :4 |" in card


def test_repeated_instructions_may_be_kept(tmp_path):
    write(tmp_path, [{"instruction": "same", "response": f"word{n % 3}"} for n in range(6)])
    done = run(tmp_path, "select", "my.jsonl", "-n", "100%", "-o", "x.jsonl", "--repeats", "keep", *WORDS)
    assert not done.error
    assert sorted(row["response"] for row in lines(tmp_path, "x.jsonl")) == ["word0", "word1", "word2"]


def test_the_mix_of_a_column_is_kept(tmp_path):
    write(tmp_path, records(40))
    for method in ("even", "random", "longest"):
        asked = ("select", "my.jsonl", "-n", 8, "-o", "x.csv", "--stratify", "source", "--method", method, *WORDS)
        assert not run(tmp_path, *asked).error
        assert pd.read_csv(tmp_path / "x.csv")["source"].value_counts().to_dict() == {"a": 6, "b": 2}
    assert "no such column; there are id, instruction" in run(tmp_path, *asked, "--stratify", "sauce").error


def test_only_the_best_are_chosen_from(tmp_path):
    rows = [{**record, "score": n % 10} for n, record in enumerate(records())]
    rows[3]["output"] = ""  # not among those of which the share is the best
    write(tmp_path, rows)
    asked = ("select", "my.jsonl", "-n", 4, "-o", "x.jsonl", "--rejected", "left.jsonl", *WORDS)
    done = run(tmp_path, *asked, "--quality", "score", "--quality-share", "20%")
    assert done.error == ""
    assert sorted(row["score"] for row in lines(tmp_path, "x.jsonl")) == [8, 8, 9, 9]
    reasons = [row["reason"] for row in lines(tmp_path, "left.jsonl")]
    assert sorted(reasons) == sorted(
        ["no text", "quality 3.0 below 8.0", *[f"quality {n}.0 below 8.0" for n in (0, 1, 2, 4, 5, 6, 7)] * 2]
    )
    card = (tmp_path / "x.jsonl.card.md").read_text()
    assert "| quality | best 20% by score |" in card
    assert "| mean quality of these | 4.579 |" in card  # 87 / 19
    assert "| quality below 8.0, dropped | 15 |" in card
    assert "| quality, mean | 8.5 | 8.5 | 8.5 |" in card


def test_quality_may_be_what_a_model_finds_likely(tmp_path):
    rows = [{"instruction": f"q{n}", "response": " ".join("abcdef"[: 1 + n % 6])} for n in range(12)]
    write(tmp_path, rows)
    asked = ("select", "my.jsonl", "-n", 2, "-o", "x.jsonl", "--method", "random", "--quality-share", "25%")
    model = f"likelihood:{tiny_base()}"
    assert run(tmp_path, *asked, "--quality", model).error == ""
    samples = read(tmp_path / "my.jsonl").table
    rates = rate_likelihood(samples, model=str(tiny_base()))
    best = set(samples["response"][(rates >= rates.nlargest(3).min()).to_numpy()])
    assert {row["response"] for row in lines(tmp_path, "x.jsonl")} <= best
    card = (tmp_path / "x.jsonl.card.md").read_text()
    assert f"| quality | best 25% by likelihood:{tiny_base().name} |" in card
    assert f"--quality likelihood:{tiny_base().name}" in card and str(tiny_base()) not in card
    write(tmp_path, [{**row, "likelihood": n} for n, row in enumerate(rows)])
    assert run(tmp_path, *asked, "--quality", "likelihood").error == ""
    assert all(row["likelihood"] >= 9 for row in lines(tmp_path, "x.jsonl"))


def test_quality_moves_with_diversity(tmp_path):
    rows = [{"instruction": f"q{n}", "response": " ".join("abcd"[: 1 + n % 4]), "score": -(n % 4)} for n in range(12)]
    write(tmp_path, rows)
    asked = ("select", "my.jsonl", "-n", 3, "-o", "x.jsonl", "--method", "longest", "--quality", "score")
    assert run(tmp_path, *asked, "--quality-share", "100%").error == ""
    [row] = [line for line in (tmp_path / "x.jsonl.card.md").read_text().splitlines() if "quality, mean" in line]
    assert row.startswith("| quality, mean | -1.5 | ") and row.endswith(" | -3 |")


@pytest.mark.parametrize(
    ("form", "place", "value", "shown"),
    [
        ("jsonl", "line 2", None, "missing"),
        ("jsonl", "line 2", "good", '"good"'),
        ("csv", "line 3", None, "missing"),
        ("csv", "line 3", float("nan"), "nan"),
        ("csv", "line 3", "good", "good"),
        ("parquet", "row 2", None, "missing"),
        ("parquet", "row 2", float("nan"), "missing"),
        ("parquet", "row 2", float("inf"), "inf"),
    ],
)
def test_quality_is_a_finite_number_in_every_row(tmp_path, form, place, value, shown):
    rows = [{"instruction": f"q{n}", "response": "fine", "score": value if n in (1, 3) else n + 0.5} for n in range(5)]
    path = write_as(tmp_path, rows, form)
    asked = ("select", path.name, "-n", 2, "-o", "x.jsonl", "--method", "random", "--quality", "score")
    message = run(tmp_path, *asked, "--bad-rows", "skip").error
    expected = f"{path.name}, {place}: quality needs a number in 'score', but it is {shown}, the first of 2 such"
    assert expected in message
    assert "take such rows out of the file" in message
    write_as(tmp_path, [row for row in rows if row["score"] is not value], form)
    assert not run(tmp_path, *asked).error
    assert {float(row["score"]) for row in lines(tmp_path, "x.jsonl")} == {2.5, 4.5}


@pytest.mark.parametrize("value", [True, [1], {"mean": 1}, 10**400])
def test_quality_is_no_truth_value_list_or_object(tmp_path, value):
    write(tmp_path, [{"instruction": f"q{n}", "response": "fine", "score": value} for n in range(3)])
    done = run(tmp_path, "select", "my.jsonl", "-n", 2, "-o", "x.jsonl", "--method", "random", "--quality", "score")
    assert "line 1: quality needs a number in 'score', but it is" in done.error


def test_quality_of_several_files(tmp_path):
    write(tmp_path, [{"instruction": f"a{n}", "response": "x", "score": n} for n in range(4)], "a.jsonl")
    write(tmp_path, [{"instruction": f"b{n}", "response": "x", "score": n + 0.5} for n in range(4)], "b.jsonl")
    asked = ("select", "a.jsonl", "b.jsonl", "-n", "100%", "-o", "x.jsonl", "--method", "random", "--quality", "score")
    assert not run(tmp_path, *asked).error
    assert sorted(row["score"] for row in lines(tmp_path, "x.jsonl")) == [2, 2.5, 3, 3.5]
    write(tmp_path, [{"instruction": "b", "response": "x", "score": None}], "b.jsonl")
    assert "b.jsonl, line 1: quality needs a number in 'score', but it is missing" in run(tmp_path, *asked).error


@pytest.mark.parametrize("share", ["0%", "101%", "50", "half", "-5%"])
def test_a_share_is_a_percentage(tmp_path, share):
    asked = ["select", "my.jsonl", "-n", "2", "-o", "x.jsonl", "--quality", "score", f"--quality-share={share}"]
    done = subprocess.run([MACROMICRO, *asked], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "such as" in done.stderr


def test_a_budget_of_tokens(tmp_path):
    write(tmp_path, [{"instruction": f"q{n}", "response": " ".join(f"w{k}" for k in range(n))} for n in range(1, 21)])
    asked = ("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--budget", "tokens", *WORDS)
    assert not run(tmp_path, *asked).error
    n_words = [len(row["response"].split()) for row in lines(tmp_path, "x.jsonl")]
    assert 52 <= sum(n_words) < 52 + max(n_words)  # five samples of 10.5 words on average
    assert "budget=tokens is for method=even" in run(tmp_path, *asked, "--method", "random").error


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--length", "5"], "--length 5: expected LOW:HIGH"),
        (["--length", "9:5"], "--length 9:5: expected LOW:HIGH"),
        (["--length", "90:"], "holds none of 20 samples"),
        (["--rejected", "x.jsonl"], "the output would replace the subset"),
        (["--rejected", "x.jsonl.card.md"], "expected a name that ends in"),
        (["--quality-share", "50%"], "--quality-share 50% needs --quality COLUMN"),
        (["--quality", "score"], "quality score: no such column; there are id, instruction, response, source"),
        (["--quality", "source"], "line 1: quality needs a number in 'source', but it is b, the first of 20 such"),
        (["--exclude", "my.jsonl", "--rejected", "my.jsonl"], "would replace the input"),
    ],
)
def test_refused(tmp_path, options, rule):
    write(tmp_path, records())
    done = run(tmp_path, "select", "my.jsonl", "-n", 2, "-o", "x.jsonl", *options, *WORDS)
    assert rule in done.error
    assert done.files == ["my.jsonl"]


def test_bad_rows_are_listed_beside_the_output(tmp_path):
    path = write(tmp_path, records(6))
    path.write_text(path.read_text() + '{"instruction": 3, "output": "x", "source": "a"}\n')
    asked = ("select", "my.jsonl", "-n", 2, "-o", "x.jsonl", "--method", "random")
    assert "my.jsonl, line 7: 'instruction' must be text" in run(tmp_path, *asked).error
    done = run(tmp_path, *asked, "--bad-rows", "skip")
    assert done.files == ["my.jsonl", "x.jsonl", "x.jsonl.bad.jsonl", "x.jsonl.card.md"]
    assert lines(tmp_path, "x.jsonl.bad.jsonl") == [
        {"place": "my.jsonl, line 7", "reason": "'instruction' must be text, not int 3"}
    ]
    assert "| records that cannot be used, skipped | 1 |" in (tmp_path / "x.jsonl.card.md").read_text()


def test_files_of_one_shape_are_one_corpus(tmp_path):
    write(tmp_path, records(4), "a.jsonl")
    write(tmp_path, [{**record, "instruction": f"other {record['instruction']}"} for record in records(4)], "b.jsonl")
    done = run(tmp_path, "select", "a.jsonl", "b.jsonl", "-n", "100%", "-o", "x.jsonl", "--method", "random")
    assert not done.error
    assert sum(row["instruction"].startswith("other") for row in lines(tmp_path, "x.jsonl")) == 4
    assert "would replace the input 1" in run(tmp_path, "select", "a.jsonl", "b.jsonl", "-n", 1, "-o", "b.jsonl").error


def test_a_misspelled_tokenizer_is_named_at_once(tmp_path):
    done = run(tmp_path, "select", "none.jsonl", "-n", 1, "-o", "x.jsonl", "--tokenizer", "wrods")
    assert done.error == "macromicro: tokenizer wrods: no such tokenizer; did you mean words?"


CHINESE = ["机器学习是人工智能的一个分支", "春天来了花儿开了", "先把鸡蛋打散再炒熟", "北京的故宫和长城都很著名"]


def test_chinese_on_the_command_line(tmp_path):
    talks = ["，".join(CHINESE[n % 4 :] + CHINESE[: n % 3]) for n in range(60)]
    write(tmp_path, [{"instruction": f"请解释第{n}个问题", "response": text} for n, text in enumerate(talks)])
    asked = ("select", "my.jsonl", "-n", 5, "-o", "x.jsonl")
    assert "take tags.tagger=llm, or tokens (micro)" in run(tmp_path, *asked, *TAGS).error
    assert run(tmp_path, "annotate", "my.jsonl", "-o", "t.jsonl", "--set", "tokens.low=2").error == ""
    found = {name for row in lines(tmp_path, "t.jsonl") for name in row["types"]}
    assert found & {"机器学习是人工智能的一个分支", "春天来了花儿开了"}  # not as the bytes of a tokenizer
    assert run(tmp_path, *asked, "--set", "tokens.low=2").error == ""


def test_words_of_chinese_on_the_command_line(tmp_path):
    talks = ["，".join(CHINESE[n % 4 :] + CHINESE[: n % 3]) for n in range(60)]
    write(tmp_path, [{"instruction": f"请解释第{n}个问题", "response": text} for n, text in enumerate(talks)])
    assert run(tmp_path, "annotate", "my.jsonl", "-o", "t.jsonl", *WORDS).error == ""
    found = {name for row in lines(tmp_path, "t.jsonl") for name in row["types"]}
    assert {"机器", "学习", "人工", "智能", "春天", "花儿", "鸡蛋", "北京", "长城"} <= found
    assert max(map(len, found)) <= 3
    asked = ("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--length", "20:", *WORDS)
    assert run(tmp_path, *asked).error == ""
    card = (tmp_path / "x.jsonl.card.md").read_text()
    assert "| made with | words (lower-cased runs of letters and digits), cut by the dictionaries of ICU" in card
    words = next(line for line in card.splitlines() if line.startswith("| response, mean words"))
    assert all(float(value) >= 20 for value in words.split("|")[2:5])


def test_chinese_is_measured_in_words(tmp_path):
    write(tmp_path, [{"instruction": f"我喜欢吃{text[:2]}", "response": text} for text in CHINESE[:2]])
    done = run(tmp_path, "measure", "my.jsonl", "--set", "embed.model=static")
    assert done.error == ""
    assert "cut by the dictionaries of ICU" in done.out
    [length] = [line.split()[-1] for line in done.out.splitlines() if line.split()[:2] == ["instruction", "SL"]]
    assert float(length) == 4  # 我 喜欢 吃 机器, 我 喜欢 吃 春天


def test_a_list_of_skipped_records_of_an_earlier_output_goes(tmp_path):
    good = [{"instruction": f"q{n}", "response": f"a{n}"} for n in range(4)]
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(one) + "\n" for one in good) + "{\n")
    asked = ("select", "my.jsonl", "-n", 2, "-o", "x.jsonl", "--method", "random")
    assert run(tmp_path, *asked, "--bad-rows", "skip").error == ""
    assert lines(tmp_path, "x.jsonl.bad.jsonl")[0]["place"] == "my.jsonl, line 5"
    write(tmp_path, good)
    assert run(tmp_path, *asked).error == ""
    assert not (tmp_path / "x.jsonl.bad.jsonl").exists()


def test_an_output_that_cannot_hold_the_rows_is_refused_first(tmp_path):
    talk = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    write(tmp_path, [{"messages": talk}])
    asked = ("select", "my.jsonl", "-n", 1, "-o", "x.csv", "--method", "random")
    assert "x.csv: conversations are lists of turns, which CSV cannot hold" in run(tmp_path, *asked).error
    assert run(tmp_path, *asked, "--format", "trl").error == ""
    write(tmp_path, [{"instruction": "q", "response": "a"}], "more.jsonl")
    done = run(tmp_path, "select", "my.jsonl", "more.jsonl", "-n", 1, "-o", "x.jsonl")
    assert "my.jsonl has messages; more.jsonl has instruction, response; give --format trl, alpaca" in done.error


def test_no_output_becomes_a_file_of_a_folder_that_is_read(tmp_path):
    for name in ("data", "eval"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, records(), "a.jsonl")
    asked = ("select", "data", "-n", 2, "--method", "random")
    for more in (("-o", "data/a.jsonl"), ("-o", "data/new.csv"), ("-o", "x.jsonl", "--rejected", "data/a.jsonl")):
        assert "would be a file of the input, a folder" in run(tmp_path, *asked, *more).error
    held = ("--exclude", "eval", "-o", "eval/b.jsonl")
    assert "would be a file of the evaluation set, a folder" in run(tmp_path, *asked, *held).error
    assert (
        "--rejected -: the subset goes to standard output" in run(tmp_path, *asked, "-o", "-", "--rejected", "-").error
    )
    assert lines(tmp_path, "data/a.jsonl") == records()


def test_a_list_of_skipped_records_that_is_none_stays(tmp_path):
    write(tmp_path, records())
    (tmp_path / "x.jsonl.bad.jsonl").write_text('{"my": "own"}\n')
    done = run(tmp_path, "select", "my.jsonl", "-n", 2, "-o", "x.jsonl", "--method", "random")
    assert "x.jsonl.bad.jsonl: there is a file that is no list of skipped records" in done.error
    assert lines(tmp_path, "x.jsonl.bad.jsonl") == [{"my": "own"}]
    other = ("select", "x.jsonl.bad.jsonl", "-n", 1, "-o", "x.jsonl", "--method", "random")
    assert "the list of skipped records would replace the input" in run(tmp_path, *other).error


@pytest.mark.parametrize("shape", ["same", "trl", "alpaca", "messages"])
def test_exchanges_of_one_conversation_have_ids_of_their_own(tmp_path, shape):
    talk = [{"role": role, "content": f"{role} {n}"} for n in range(2) for role in ("user", "assistant")]
    write(tmp_path, [{"id": "c", "messages": talk}])
    done = run(
        tmp_path,
        "select",
        "my.jsonl",
        "-n",
        2,
        "-o",
        "x.jsonl",
        "--turns",
        "all",
        "--format",
        shape,
        "--method",
        "random",
    )
    assert not done.error
    assert [row["id"] for row in lines(tmp_path, "x.jsonl")] == ["c", "c#2"]
    assert not run(tmp_path, "measure", "x.jsonl", "--set", "embed.model=static").error.startswith(
        "macromicro: x.jsonl"
    )


def test_a_column_with_the_name_of_a_text_is_kept_under_another(tmp_path):
    write(tmp_path, [{"instruction": "q", "response": "a", "prompt": "mine", "other_prompt": "too"}])
    assert not run(
        tmp_path, "select", "my.jsonl", "-n", 1, "-o", "x.jsonl", "--format", "trl", "--method", "random"
    ).error
    [row] = lines(tmp_path, "x.jsonl")
    assert row == {"prompt": "q", "completion": "a", "other_other_prompt": "mine", "other_prompt": "too"}


def test_a_length_that_nothing_has_is_said_without_a_number_of_the_machine(tmp_path):
    write(tmp_path, records())
    asked = ("select", "my.jsonl", "-n", 2, "-o", "x.jsonl", "--method", "random", "--length", "500:", *WORDS)
    assert "length at least 500 holds none of 20 samples of 1 to 5" in run(tmp_path, *asked).error
