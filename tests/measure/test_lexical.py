"""MTLD and HD-D against hand counts, a plain Python reading of the papers, SciPy, and a published package."""

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.tokens import TokenizedTexts, tokenize
from macromicro.measure.lexical import LEXICAL_METRICS, hdd, measure_lexical, mtld
from scipy.stats import hypergeom

REAL = Path(__file__).parents[3] / "shared" / "data" / "corpus.parquet"
TEXTS = st.lists(st.lists(st.integers(0, 12), max_size=40), min_size=1, max_size=6)


def tokenized(texts):
    tokens = np.array([token for text in texts for token in text], dtype=np.int32)
    return TokenizedTexts(tokens, np.r_[0, np.cumsum([len(text) for text in texts])].astype(np.int64), None)


def words(text):
    return tokenize([text], None, unit="bare-word")


def mtld_in_one_order(flat, threshold=0.72):
    """As the paper words it, with sets."""

    def n_factors(stream):
        whole, segment = 0, []
        for token in stream:
            segment.append(token)
            if len(set(segment)) / len(segment) < threshold:
                whole, segment = whole + 1, []
        part = (1 - len(set(segment)) / len(segment)) / (1 - threshold) if segment else 0
        return whole + part

    return sum(len(flat) / n if (n := n_factors(way)) else math.nan for way in (flat, flat[::-1])) / 2


def test_mtld_by_hand():
    # forwards a b a | c c | d e: 2 factors and no repetition; backwards e d c c a | b a: shares 3/4 and 4/5, 0 factors
    # at the c, so e d c c a b a goes on to 5/7 = 0.714: 1 factor
    assert mtld(words("a b a c c d e")) == pytest.approx((7 / 2 + 7 / 1) / 2)
    # a b c d a: no factor, share 4/5 either way, so (1 - 0.8) / (1 - 0.72) of one
    assert mtld(words("a b c d a")) == pytest.approx(5 / (0.2 / 0.28))
    assert mtld(words("a a a a")) == pytest.approx(2)


def test_a_share_of_just_the_threshold_ends_no_factor():
    # 18 distinct of 25 is 0.72 itself: the part of a factor that it makes is 1, and the next token is in it as well
    flat = [*range(18), *range(7)]
    assert mtld(tokenized([flat])) == pytest.approx(25)
    assert mtld(tokenized([[*flat, 7]])) == pytest.approx(26)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=150), st.sampled_from([0.5, 0.66, 0.72, 0.9]))
def test_mtld_of_one_text_is_that_of_the_paper(flat, threshold):
    expected = mtld_in_one_order(flat, threshold)
    assert mtld(tokenized([flat]), threshold=threshold) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.integers(0, 5), st.integers(1, 4))
def test_mtld_is_the_mean_over_random_orders_of_whole_texts(texts, seed, n_orders):
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(texts)) for _ in range(n_orders)]
    expected = np.mean([mtld_in_one_order([token for row in order for token in texts[row]]) for order in orders])
    assert mtld(tokenized(texts), seed=seed, n_orders=n_orders) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(1, 60))
def test_hdd_sums_the_hypergeometric_probabilities(flat, n_draws):
    value = hdd(tokenized([flat]), n_draws=n_draws)
    if len(flat) < n_draws:
        assert math.isnan(value)
        return
    present = [1 - hypergeom.pmf(0, len(flat), flat.count(token), n_draws) for token in set(flat)]
    assert value == pytest.approx(sum(present) / n_draws, rel=1e-10)


def test_hdd_by_hand():
    # two of a a b: both a in one case of three, one of each in the others
    assert hdd(words("a a b"), n_draws=2) == pytest.approx((2 / 3 * 2 + 1 / 3 * 1) / 2)
    assert hdd(words("a a b"), n_draws=3) == pytest.approx(2 / 3)
    assert hdd(words("a b c d"), n_draws=3) == pytest.approx(1)


def test_hdd_is_what_many_draws_of_42_tokens_come_to():
    rng = np.random.default_rng(0)
    flat = rng.zipf(1.3, 3000) % 400
    drawn = [len(np.unique(rng.choice(flat, 42, replace=False))) / 42 for _ in range(4000)]
    assert hdd(tokenized([flat.tolist()])) == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 4000**0.5)


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
def test_neither_numbers_of_tokens_nor_cuts_between_texts_count_for_hdd(texts, random):
    renamed = dict(zip(range(13), random.sample(range(1000), 13), strict=True))
    flat = [renamed[token] for text in texts for token in text]
    random.shuffle(flat)
    assert hdd(tokenized([flat]), n_draws=5) == pytest.approx(hdd(tokenized(texts), n_draws=5), nan_ok=True)


def test_agrees_with_the_package_lexicalrichness():
    peer = pytest.importorskip("lexicalrichness", reason="pip install --no-deps lexicalrichness==0.5.1 to compare")
    rng = np.random.default_rng(1)
    for size in (50, 300, 1500):
        flat = (rng.zipf(1.4, size) % 200).tolist()
        theirs = peer.LexicalRichness([f"w{token}" for token in flat], preprocessor=None, tokenizer=None)
        # the package ends a factor at the threshold, the paper below it
        assert mtld(tokenized([flat])) == pytest.approx(theirs.mtld(threshold=0.72 - 1e-12), rel=1e-9)
        assert hdd(tokenized([flat])) == pytest.approx(theirs.hdd(draws=42), rel=1e-9)


@pytest.mark.skipif(not REAL.is_file(), reason="the 117K corpus is not beside this checkout")
def test_length_hardly_matters_where_it_halves_the_share_of_distinct_tokens():
    responses = pq.read_table(REAL, columns=["response"])["response"].slice(0, 4000).to_pylist()
    few, many = (tokenize(responses[:n], None, unit="bare-word") for n in (400, 4000))
    ratio = [len(np.unique(part.tokens)) / len(part.tokens) for part in (few, many)]
    assert ratio[1] < 0.5 * ratio[0]
    assert mtld(many) == pytest.approx(mtld(few), rel=0.08)
    assert hdd(many) == pytest.approx(hdd(few), rel=0.02)


def test_a_copy_lowers_both():
    text = list(range(60))
    once, twice = tokenized([text]), tokenized([text, text])
    assert math.isnan(mtld(once))
    assert mtld(twice) == pytest.approx(120)  # one factor, of 84 tokens: 60 of 83 is above 0.72, 60 of 84 below
    assert hdd(twice) < hdd(once) == pytest.approx(1)


@pytest.mark.parametrize("texts", [[], [[]], [[], [3], []]])
def test_without_a_repetition_or_enough_tokens_there_is_no_value(texts):
    values = measure_lexical(tokenized(texts))
    assert tuple(values) == LEXICAL_METRICS
    assert all(math.isnan(value) for value in values.values())


def test_bad_settings_name_the_rule():
    with pytest.raises(ValueError, match="threshold=1 must be between 0 and 1"):
        mtld(words("a b"), threshold=1)
    with pytest.raises(ValueError, match="threshold=0 must be between 0 and 1"):
        mtld(words("a b"), threshold=0)
    with pytest.raises(ValueError, match="n_orders=0 must be at least 1"):
        mtld(words("a b"), n_orders=0)
    with pytest.raises(ValueError, match="n_draws=0 must be at least 1"):
        hdd(words("a b"), n_draws=0)
