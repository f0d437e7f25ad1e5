"""Near-duplicates and overlaps are counted as `select` counts them, and shown."""

import pandas as pd
from macromicro.report.repeats import NO_EXAMPLES, find_repeats

LONG = "tell me how the old mill by the river turns the heavy wheel of stone all day long"
ASKED = [LONG, f"{LONG} and", f"{LONG} or", "what is a wheel", "who was here", "asked for"]
SAMPLES = pd.DataFrame({"id": list("abcdef"), "instruction": ASKED, "response": ["fine"] * 3 + ["x", "y", "z"]})


def test_groups_by_hand():
    section = find_repeats(SAMPLES, None, "")
    assert section.sentences[0].startswith("3 of 6 samples (50.0%) say nearly the same as another: 2 (33.3%) would go")
    (table,) = section.blocks
    assert table.rows == [(f"{LONG} fine", f"{LONG} and fine", "3")]
    assert section.missing == [NO_EXAMPLES]


def test_overlaps_by_hand():
    prompts = pd.DataFrame({"id": ["p1", "p2"], "instruction": ["Asked  FOR", "never seen"]})
    section = find_repeats(SAMPLES, prompts, "eval.jsonl")
    assert section.sentences[1].startswith("1 of the 2 prompts of eval.jsonl (50.0%) stand in 1 samples (16.7%)")
    assert section.blocks[-1].rows == [("asked for", "asks what p1 asks")]
    assert not section.missing


def test_nothing_said_twice_has_no_table():
    section = find_repeats(SAMPLES[3:], pd.DataFrame({"id": ["p"], "instruction": ["never"]}), "eval.jsonl")
    assert section.sentences[0].startswith("0 of 3 samples (0.0%)") and not section.blocks


def test_a_table_of_the_first_says_of_how_many():
    asked = [f"{text} {word * 9}" for word in "abcdefg" for text in (f"{word} question of many words", f"{word} ask")]
    samples = pd.DataFrame({"id": [f"s{n:02d}" for n in range(14)], "instruction": asked, "response": "no"})
    prompts = samples[["id", "instruction"]][:8]
    assert (
        find_repeats(samples, prompts, "e.jsonl").blocks[-1].title
        == "Samples that overlap with e.jsonl: the first 5 of 8"
    )
    few = find_repeats(samples, prompts[:2], "e.jsonl").blocks[-1]
    assert few.title == "Samples that overlap with e.jsonl" and len(few.rows) == 2
    long = [" ".join(f"{word}{n}" for n in range(40)) + end for word in "abcdefg" for end in ("", " x")]
    groups = find_repeats(samples.assign(instruction=long), None, "").blocks[0]
    assert groups.title == "The largest groups of near-duplicates: the first 5 of 7" and len(groups.rows) == 5
