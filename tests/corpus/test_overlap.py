"""Overlap of texts against sets of n-grams made and compared in plain Python."""

import unicodedata
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.corpus.overlap import find_overlaps, leave_out, near_duplicates
from macromicro.corpus.shingles import shingle

SHARED = Path(__file__).parents[3] / "shared" / "data"
TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join), max_size=12)
THRESHOLDS = st.sampled_from([0.05, 0.3, 0.5, 2 / 3, 0.7, 1.0])


def numbered(texts, prefix=""):
    return pd.Series(texts, index=[f"{prefix}{row:02d}" for row in range(len(texts))], dtype="object")


def grams(text, n):
    words = unicodedata.normalize("NFKC", text).lower().split()
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)} or {" ".join(words)}


def similarity(a, b, by):
    return len(a & b) / (len(a) if by == "containment" else len(a | b))


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS, st.integers(1, 4), THRESHOLDS, st.sampled_from(["containment", "jaccard"]))
def test_finds_what_comparing_every_pair_finds(texts, others, n, threshold, by):
    expected = [
        (f"a{i:02d}", f"b{j:02d}", value)
        for i, a in enumerate(texts)
        for j, b in enumerate(others)
        if (value := similarity(grams(a, n), grams(b, n), by)) >= threshold
    ]
    expected.sort(key=lambda pair: (pair[0], -pair[2], pair[1]))
    found = find_overlaps(numbered(texts, "a"), numbered(others, "b"), n=n, threshold=threshold, by=by, n_most=99)
    assert found.columns.tolist() == ["id", "other_id", "similarity"]
    assert list(found.itertuples(index=False, name=None)) == expected
    fewer = find_overlaps(numbered(texts, "a"), numbered(others, "b"), n=n, threshold=threshold, by=by, n_most=2)
    pd.testing.assert_frame_equal(fewer, found.groupby("id").head(2).reset_index(drop=True))


def test_texts_without_spaces_share_their_words():
    text = "机器学习是人工智能的一个分支，春天来了花儿开了，北京的故宫和长城都很著名"  # 21 words
    near = pd.Series([text, f"{text}吗", "春天来了花儿开了", "苹果"], index=list("abcd"), dtype="object")
    assert near_duplicates(near, threshold=0.9)["id"].tolist() == ["a", "b"]
    assert find_overlaps(near[["c"]], near[["a"]], threshold=1)["other_id"].tolist() == ["a"]


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.integers(1, 4), THRESHOLDS)
def test_groups_are_the_connected_texts(texts, n, threshold):
    group = list(range(len(texts)))
    for i, j in combinations(range(len(texts)), 2):
        if similarity(grams(texts[i], n), grams(texts[j], n), "jaccard") >= threshold:
            group = [min(group[i], group[j]) if g in (group[i], group[j]) else g for g in group]
    expected = sorted((f"{g:02d}", f"{row:02d}") for row, g in enumerate(group) if group.count(g) > 1)
    found = near_duplicates(numbered(texts), n=n, threshold=threshold)
    assert list(zip(found["group"], found["id"], strict=True)) == expected


@settings(max_examples=40, deadline=None)
@given(TEXTS, TEXTS, st.randoms(use_true_random=False))
def test_order_does_not_matter(texts, others, random):
    a, b = numbered(texts, "a"), numbered(others, "b")
    rows = random.sample(range(len(a)), len(a))
    pd.testing.assert_frame_equal(find_overlaps(a, b, n=2), find_overlaps(a.iloc[rows], b.iloc[::-1], n=2))
    pd.testing.assert_frame_equal(near_duplicates(a, n=2), near_duplicates(a.iloc[rows], n=2))


def test_a_prompt_inside_a_longer_text_is_contained_but_not_alike():
    prompt = numbered(["What is the capital of Australia?"])
    sample = numbered(["Tell me: what is the CAPITAL of\n\nAustralia, and when was it founded as a town of its own?"])
    assert find_overlaps(prompt, sample)["similarity"].tolist() == [1.0]
    assert find_overlaps(prompt, sample, by="jaccard", threshold=0.2).empty
    assert find_overlaps(sample, prompt, threshold=0.2).empty


def test_short_texts_meet_only_their_equals_signs_included():
    texts = numbered(["What is AI?", "2 + 2", "???", "", "🦜 🦜"])
    others = numbered(["what  is\tai?", "What is AI? Tell me more about it now", "2 - 2", "!!!", " ", "🦜 🦜 "])
    found = find_overlaps(texts, others, threshold=0.01)
    assert list(zip(found["id"], found["other_id"], strict=True)) == [("00", "00"), ("03", "04"), ("04", "05")]


def test_ngrams_never_cross_from_one_text_into_the_next():
    shingles = shingle(["a b c d e f", "g h", "a b c d e", "ﬁ b c d e"], n=5)
    assert shingles.sizes.tolist() == [2, 1, 1, 1]
    assert len(np.unique(shingles.keys)) == 4
    assert shingle(["x y", "fi\ud800"], n=1).sizes.tolist() == [2, 1]


def test_batches_do_not_matter():
    texts = [f"{i} {i % 7} {i % 5} {i % 3} x y z"[: i % 20] for i in range(3000)]
    whole = shingle(texts, n=3)
    together = np.split(whole.keys, whole.offsets[1:-1])
    for row in range(0, 3000, 100):
        assert together[row].tolist() == shingle([texts[row]], n=3).keys.tolist()


def test_a_head_that_all_texts_share_makes_no_near_duplicates():
    rng = np.random.default_rng(0)
    head = " ".join(f"head{i}" for i in range(20))
    bodies = [" ".join(map(str, rng.integers(0, 10**6, 40))) for _ in range(400)]
    texts = numbered([f"{head} {body}" for body in [*bodies, bodies[7] + " more"]])
    found = near_duplicates(texts)
    assert found.to_dict("list") == {"id": ["07", "400"], "group": ["07", "07"]}


def test_prompts_with_an_overlap_are_left_out_with_their_nearest_text():
    prompts = pd.DataFrame({"id": list("cab"), "instruction": ["x", "y", "z"]})
    rows = [("a", "s2", 0.6), ("a", "s1", 0.9), ("a", "s0", 0.9), ("b", "s4", 0.69), ("elsewhere", "s1", 1.0)]
    overlaps = pd.DataFrame(rows, columns=["id", "other_id", "similarity"])
    kept, left = leave_out(prompts, overlaps, threshold=0.7)
    assert kept.to_dict("list") == {"id": ["c", "b"], "instruction": ["x", "z"]}
    assert left.to_dict("records") == [{"id": "a", "reason": "near-duplicate", "other_id": "s0", "similarity": 0.9}]
    kept, left = leave_out(prompts, overlaps, threshold=0.5, reason="near a base-model text")
    assert kept["id"].tolist() == ["c"]
    assert left["reason"].tolist() == ["near a base-model text"] * 2
    kept, left = leave_out(prompts, overlaps.iloc[:0], threshold=0.5)
    pd.testing.assert_frame_equal(kept, prompts)
    assert left.empty


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: find_overlaps(numbered(["x"]), numbered(["x"]), threshold=0), "threshold=0 must be above 0"),
        (lambda: near_duplicates(numbered(["x"]), threshold=1.1), r"threshold=1\.1 must be above 0 and at most 1"),
        (lambda: near_duplicates(numbered(["x"]), n=0), "n=0 must be at least 1"),
        (lambda: near_duplicates(numbered(["x", None])), "every text must be a str, but text 1 is None"),
        (lambda: find_overlaps(numbered(["x"]), pd.Series(["x", "y"], index=["p", "p"])), "'p' occurs twice"),
    ],
)
def test_bad_input_names_the_rule(call, rule):
    with pytest.raises(ValueError, match=rule):
        call()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the 117K corpus is not beside this checkout")
def test_prompts_marked_as_near_duplicates_of_the_corpus_are_found():
    prompts = pd.read_parquet(SHARED / "eval.parquet").set_index("id")
    samples = pd.read_parquet(SHARED / "corpus.parquet", columns=["id", "instruction"]).set_index("id")
    marked = prompts.index[prompts["near_dup_of_corpus"]]
    found = find_overlaps(prompts["prompt"], samples["instruction"], threshold=0.7)
    assert set(marked) <= set(found["id"])
    assert found["id"].nunique() < 20
