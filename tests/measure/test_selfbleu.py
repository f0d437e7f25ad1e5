"""Self-BLEU against NLTK and against counts done by hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.tokens import TokenizedTexts
from macromicro.measure.selfbleu import Ngrams, self_bleu
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

TEXTS = st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=2, max_size=9)


def tokenized(texts):
    lengths = [len(text) for text in texts]
    tokens = np.array([token for text in texts for token in text], dtype=np.int32)
    return TokenizedTexts(tokens, np.r_[0, np.cumsum(lengths)].astype(np.int64), None)


def nltk_self_bleu(texts, max_order=4):
    method1 = SmoothingFunction().method1
    weights = (1 / max_order,) * max_order
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            sentence_bleu(texts[:i] + texts[i + 1 :], text, weights, smoothing_function=method1)
            for i, text in enumerate(texts)
        ]


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_equals_nltk_also_for_short_empty_and_unrelated_texts(texts):
    np.testing.assert_allclose(self_bleu(tokenized(texts)), nltk_self_bleu(texts), rtol=0, atol=1e-12)


@pytest.mark.parametrize("max_order", [1, 2, 3, 5])
def test_equals_nltk_at_other_orders(max_order):
    rng = np.random.default_rng(max_order)
    texts = [rng.integers(0, 5, n).tolist() for n in rng.integers(0, 15, 12)]
    ours = self_bleu(tokenized(texts), max_order=max_order)
    np.testing.assert_allclose(ours, nltk_self_bleu(texts, max_order), rtol=0, atol=1e-12)


def test_equals_nltk_on_long_texts_with_a_skewed_vocabulary():
    rng = np.random.default_rng(0)
    texts = [(rng.zipf(1.4, n) % 500).tolist() for n in rng.integers(3, 120, 60)]
    np.testing.assert_allclose(self_bleu(tokenized(texts)), nltk_self_bleu(texts), rtol=0, atol=1e-12)


def test_by_hand():
    # text 0 against text 1: unigrams 2 of 3 match (0 and 1), bigrams 1 of 2, trigrams 0.1 of 1, tetragrams 0.1 of 1;
    # the other text is longer: penalty exp(1 - 4/3)
    bleu = self_bleu(tokenized([[0, 1, 2], [0, 1, 3, 3]]))
    assert bleu[0] == pytest.approx(np.exp(1 - 4 / 3) * (2 / 3 * 1 / 2 * 0.1 * 0.1) ** 0.25)
    assert bleu[1] == pytest.approx((2 / 4 * 1 / 3 * 0.1 / 2 * 0.1) ** 0.25)


def test_the_shorter_of_two_equally_close_lengths_counts():
    texts = [[0, 1, 2, 3], [0, 1], [0, 1, 2, 3, 4, 5]]
    assert self_bleu(tokenized(texts))[0] == pytest.approx(1.0)


def test_equal_texts_score_1_and_unrelated_or_empty_texts_0():
    same = self_bleu(tokenized([[0, 1, 2, 3, 4]] * 3))
    apart = self_bleu(tokenized([[0, 1, 2], [3, 4, 5], []]))
    assert same == pytest.approx([1, 1, 1])
    assert apart.tolist() == [0, 0, 0]


@settings(max_examples=50, deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
def test_the_order_of_texts_does_not_matter(texts, random):
    order = list(range(len(texts)))
    random.shuffle(order)
    shuffled = self_bleu(tokenized([texts[i] for i in order]))
    np.testing.assert_allclose(shuffled, self_bleu(tokenized(texts))[order], rtol=0, atol=1e-14)


def test_one_text_has_nothing_to_be_compared_with():
    with pytest.raises(ValueError, match="n_texts=1; give at least 2"):
        self_bleu(tokenized([[1, 2, 3]]))


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.integers(1, 5))
def test_ngrams_are_those_of_each_text(texts, order):
    ngrams = Ngrams(tokenized(texts))
    for _ in range(order - 1):
        ngrams = ngrams.extend()
    expected = [
        (row, tuple(text[i : i + order])) for row, text in enumerate(texts) for i in range(len(text) - order + 1)
    ]
    assert ngrams.rows.tolist() == [row for row, _ in expected]
    assert len(ngrams.ids) == len(expected)
    assert len(set(zip(ngrams.ids.tolist(), [gram for _, gram in expected], strict=True))) == ngrams.n_distinct
    assert ngrams.n_distinct == len({gram for _, gram in expected})
