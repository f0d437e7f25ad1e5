"""The split by place: what no growth of a corpus may change."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.corpus.split import ROLES, first_by_place, places, split_by_place

IDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), unique=True, max_size=60)
SHARES = st.tuples(st.floats(0, 0.6), st.floats(0, 0.39))
MANY = [f"{i:05d}" for i in range(20_000)]


def roles(ids, shares):
    return dict(zip(ids, split_by_place(ids, base_model_share=shares[0], eval_share=shares[1]), strict=True))


@settings(max_examples=200)
@given(IDS, IDS, SHARES, st.randoms(use_true_random=False))
def test_every_id_keeps_its_role_in_any_larger_corpus(ids, more, shares, random):
    before = roles(ids, shares)
    grown = list({*ids, *more})
    random.shuffle(grown)
    after = roles(grown, shares)
    assert {name: after[name] for name in ids} == before


@settings(max_examples=100)
@given(IDS, SHARES, st.floats(1, 1.5))
def test_a_larger_share_takes_from_samples_only(ids, shares, factor):
    before = roles(ids, shares)
    for larger in ((shares[0] * factor, shares[1]), (shares[0], shares[1] * factor)):
        if sum(larger) >= 1:
            continue
        after = roles(ids, larger)
        assert {before[name] for name in ids if after[name] != before[name]} <= {"samples"}


@settings(max_examples=100)
@given(IDS, IDS, st.integers(0, 30))
def test_growth_pushes_samples_out_of_a_limit_and_brings_none_back(ids, more, n_most):
    grown = list({*ids, *more})
    first, first_grown = ({names[row] for row in first_by_place(names, n_most)} for names in (ids, grown))
    assert len(first) == min(n_most, len(ids))
    assert first_grown & set(ids) <= first


def test_by_hand():
    ids = list("abcdefghij")
    where = [int.from_bytes(hashlib.sha256(f"split|{name}".encode()).digest()[:8], "big") / 2**64 for name in ids]
    assert places(ids).tolist() == where
    expected = ["held_out" if place < 0.3 else "prompts" if place >= 0.75 else "samples" for place in where]
    assert split_by_place(ids, base_model_share=0.3, eval_share=0.25).tolist() == expected
    assert set(expected) == set(ROLES)
    assert first_by_place(ids, 4).tolist() == np.argsort(where)[:4].tolist()
    assert len(first_by_place(ids, None)) == 10


def test_shares_come_out_as_asked_for():
    found = split_by_place(MANY, base_model_share=0.3, eval_share=0.05)
    assert np.mean(found == "held_out") == pytest.approx(0.3, abs=0.015)
    assert np.mean(found == "prompts") == pytest.approx(0.05, abs=0.008)


def test_limits_are_nested_and_prompts_stand_last():
    assert first_by_place(MANY, 50).tolist() == first_by_place(MANY, 100)[:50].tolist()
    few, many = (split_by_place(MANY, base_model_share=0.3, eval_share=share) for share in (0.02, 0.2))
    turned = np.flatnonzero((few == "samples") & (many == "prompts"))
    samples = np.flatnonzero(few == "samples")
    last = samples[first_by_place([MANY[row] for row in samples], None)[-len(turned) :]]
    assert sorted(turned) == sorted(last)


@pytest.mark.parametrize("shares", [(0, 0), (0.4, 0), (0, 0.4)])
def test_a_share_of_nothing_is_nobody(shares):
    found = set(split_by_place(MANY, base_model_share=shares[0], eval_share=shares[1]))
    assert found == {"samples", *(["held_out"] if shares[0] else []), *(["prompts"] if shares[1] else [])}


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (
            lambda: split_by_place(["a"], base_model_share=-0.1, eval_share=0),
            r"base_model_share=-0\.1 must be at least 0",
        ),
        (
            lambda: split_by_place(["a"], base_model_share=0, eval_share=1),
            "eval_share=1 must be at least 0 and below 1",
        ),
        (lambda: split_by_place(["a"], base_model_share=0.5, eval_share=0.5), "must leave a part for samples"),
        (lambda: split_by_place(["a", "b", "a"], base_model_share=0, eval_share=0), "'a' occurs twice"),
        (lambda: first_by_place(["a"], -1), "n_most=-1 must be at least 0"),
    ],
)
def test_bad_input_names_the_rule(call, rule):
    with pytest.raises(ValueError, match=rule):
        call()
