import numpy as np
import pandas as pd
from macromicro.corpus.clean import clean_samples, find_unusable, normal_form


def make_samples(rows):
    table = pd.DataFrame(rows, columns=["id", "instruction", "response"], dtype="str")
    return table.assign(source="here", licence="")


def test_cleaning_drops_and_counts():
    samples = make_samples(
        [
            ("f", "What  is\nFINE?", "b"),
            ("a", "what is ﬁne?", "kept: first by id"),
            ("b", " ", "empty instruction"),
            ("c", "empty response", "\u200b\x07"),
            ("d", "too long", "x" * 100),
            ("e", "👋", "kept: shows something"),
        ]
    )
    kept, dropped = clean_samples(samples, max_chars=50)
    assert kept["id"].tolist() == ["a", "e"]
    assert dropped == {"empty": 2, "too_long": 1, "repeated_instruction": 1}
    assert len(samples) == 6


def test_a_long_repeat_does_not_push_out_a_short_one():
    samples = make_samples([("a", "same", "x" * 100), ("b", "same", "short")])
    assert clean_samples(samples, max_chars=50)[0]["id"].tolist() == ["b"]


def test_max_chars_counts_both_parts_and_keeps_the_limit_itself():
    samples = make_samples([("a", "12345", "12345"), ("b", "123456", "12345")])
    assert clean_samples(samples, max_chars=10)[0]["id"].tolist() == ["a"]


def test_normal_form_by_hand():
    given = pd.Series(["Ａ b", "STRASSE", "Straße", "e\u0301\u00a0 x"])
    assert normal_form(given).tolist() == ["a b", "strasse", "strasse", "é x"]


def test_of_repeats_the_lowest_rank_stays_in_any_order():
    samples = make_samples([("a", "Same", "x"), ("b", "same", "y"), ("c", "same ", "z"), ("d", "other", "w")])
    ranks = np.array([2, 1, 1, 9])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        kept, dropped = clean_samples(samples.iloc[order], ranks=ranks[order])
        assert kept["id"].tolist() == ["b", "d"]
        assert dropped["repeated_instruction"] == 2


def test_why_a_sample_cannot_be_used():
    texts = [("Same", "one"), ("same ", "ONE"), ("same", "two"), ("", "x"), ("long " * 9, "y"), ("own", "two")]
    frame = pd.DataFrame(texts, columns=["instruction", "response"]).assign(id=list("abcdef"), source="s")
    found = find_unusable(frame, max_chars=40)
    assert found["reason"].tolist() == ["", "repeated_sample", "repeated_instruction", "empty", "too_long", ""]
    assert found["of"].tolist() == ["", "a", "a", "", "", ""]
    assert find_unusable(frame, keep_repeats=True)["reason"].tolist() == ["", "repeated_sample", "", "empty", "", ""]
    ranked = find_unusable(frame, ranks=np.array([1, 1, 0, 0, 0, 0]))
    assert ranked["reason"].tolist()[:3] == ["repeated_instruction", "repeated_sample", ""]
    assert ranked["of"].tolist()[:3] == ["c", "a", ""]
