"""Prompts that models have nearly read are found, counted and left out."""

import pandas as pd
import pytest
from macromicro.corpus.prompts import MIN_WORDS, choose_prompts, nearest_texts, read_candidates
from macromicro.corpus.split import first_by_place


def words(start, n=30):
    return " ".join(f"w{i}" for i in range(start, start + n))


def make_samples(rows):
    table = pd.DataFrame(rows, columns=["id", "instruction", "response"], dtype="str")
    return table.assign(source="here", licence="")


NONE = make_samples([])
PROMPTS = make_samples(
    [
        ("again", words(0), words(100, 60)),
        ("answer", words(200), words(300)),
        ("free", words(400), words(500)),
        ("half", words(600), words(700)),
        ("quoted", words(800), words(900, 300)),
        ("short", "What does w1 w2 w3 w4 do?", words(2000, 5)),
    ]
)
READ = make_samples(
    [
        ("s0", f"Say {words(0)}", words(100, 59)),
        ("s1", "What is it?", words(300)),
        ("s2", words(600, 20), "It is nothing."),
        ("s3", f"{words(5000, 200)} {words(800)}", "Another answer."),
        ("s4", "What does w1 w2 w3 w4 say?", "Nothing."),
    ]
)


def test_each_part_is_looked_for_and_the_nearest_text_named():
    texts = (READ["instruction"] + "\n" + READ["response"]).set_axis(READ["id"])
    found = nearest_texts(PROMPTS, texts, threshold=0.5).set_index("id")
    assert found["other_id"].to_dict() == {"again": "s0", "answer": "s1", "half": "s2", "quoted": "s3"}
    assert found["part"].to_dict() == {
        "again": "instruction",
        "answer": "response",
        "half": "instruction",
        "quoted": "instruction",
    }
    assert found["similarity"].to_dict() == {"again": 1, "answer": 1, "half": pytest.approx(16 / 26), "quoted": 1}
    without = nearest_texts(PROMPTS, texts.drop(["s1", "s3"]), threshold=0.5)
    assert without["id"].tolist() == ["again", "half"]


@pytest.mark.parametrize(("n", "is_found"), [(MIN_WORDS, True), (MIN_WORDS - 1, False)])
def test_a_short_part_is_not_looked_for_by_itself(n, is_found):
    prompts = make_samples([("p", words(0, n), words(100, 100))])
    texts = pd.Series([f"{words(0, n)} or not"], index=["s"])
    assert len(nearest_texts(prompts, texts, threshold=0.5)) == is_found


def test_prompts_above_the_limit_are_left_out_with_reason_and_texts():
    held_out = make_samples([("h0", words(400), words(500)), ("h1", words(300), "x")])
    chosen = choose_prompts(PROMPTS, {"samples": READ, "held_out": held_out}, n_eval=9, max_overlap=0.7)
    assert chosen.used["id"].tolist() == ["half", "short"]
    left = chosen.left_out.set_index("id")
    near_sample, near_text = "near a sample", "near a base-model text"
    assert left["reason"].to_dict() == {**dict.fromkeys(["again", "answer", "quoted"], near_sample), "free": near_text}
    assert left.loc["free", ["other_id", "similarity", "part"]].tolist() == ["h0", 1, "both"]
    assert left.loc["answer", ["prompt", "other"]].tolist() == [
        f"{words(200)}\n{words(300)}",
        f"What is it?\n{words(300)}",
    ]
    assert chosen.report["prompts"] == {
        "candidates": 6,
        "near_a_sample": 3,
        "near_a_base-model_text": 1,
        "not_used": 0,
        "used": 2,
    }
    overlap = chosen.report["overlap"]
    assert overlap["near"] == {"samples": 4, "held_out": 2}
    assert [row["id"] for row in overlap["left_out"]] == ["again", "answer", "quoted", "free"]
    assert not {"prompt", "other"} & set(overlap["left_out"][0])


@pytest.mark.parametrize(("limit", "left_out"), [(0.3, True), (16 / 26, True), (0.62, False), (1.0, False)])
def test_an_overlap_of_the_limit_itself_is_left_out(limit, left_out):
    chosen = choose_prompts(PROMPTS, {"samples": READ.iloc[1:3], "held_out": NONE}, n_eval=9, max_overlap=limit)
    assert chosen.left_out["id"].tolist() == ["answer", *(["half"] if left_out else [])]
    assert chosen.report["overlap"]["near"] == {"samples": 2, "held_out": 0}


def test_at_most_n_eval_are_used_the_first_by_place():
    none = {"samples": NONE, "held_out": NONE}
    chosen = choose_prompts(PROMPTS, none, n_eval=2, max_overlap=0.7)
    first = sorted(PROMPTS["id"].iloc[first_by_place(PROMPTS["id"], 2)])
    assert chosen.used["id"].tolist() == first
    assert chosen.report["prompts"]["not_used"] == 4
    assert sum(n for name, n in chosen.report["prompts"].items() if name != "candidates") == 6
    assert list(chosen.left_out) == ["id", "reason", "other_id", "similarity", "part", "prompt", "other"]


def test_no_prompt_at_all_is_an_error():
    with pytest.raises(ValueError, match=r"no prompt is left: all 6 overlap .* by max_overlap=0\.5 or more"):
        choose_prompts(PROMPTS, {"samples": PROMPTS, "held_out": NONE}, n_eval=2, max_overlap=0.5)


@pytest.mark.parametrize("yes", ["true", "1", '"1"', '"yes"'])
def test_rows_flagged_as_near_duplicates_are_dropped_however_they_say_so(tmp_path, yes):
    no = {"true": "false", '"yes"': '"no"'}.get(yes, yes.replace("1", "0"))
    rows = [f'{{"prompt": "a{i}", "reference": "b", "near_dup_of_corpus": {flag}}}' for i, flag in enumerate((yes, no))]
    (tmp_path / "eval.jsonl").write_text("\n".join(rows) + "\n")
    candidates, report = read_candidates(tmp_path / "eval.jsonl", max_chars=None)
    assert candidates["instruction"].tolist() == ["a1"]
    assert report["dropped"]["near_duplicate"] == 1
    assert report["n_read"] == 2
