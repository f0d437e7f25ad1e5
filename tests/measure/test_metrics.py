"""The metrics against hand counts, gzip, SciPy, plain NumPy and the package `diversity` where it is installed."""

import gzip
import math
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.tokens import TokenizedTexts, tokenize
from macromicro.measure.lexical import LEXICAL_METRICS, measure_lexical
from macromicro.measure.metrics import METRICS, compression_ratio, measure, ngram_ratio, normalise, take
from macromicro.measure.selfbleu import Ngrams, self_bleu
from scipy.spatial.distance import pdist
from scipy.stats import entropy

TEXTS = ["the cat sat on the mat", "the dog sat", "a bird sang on the roof of the house", "cat and dog", "the the the"]


def embeddings(n, dim=8, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32) + 0.5


def measure_words(texts, seed=0):
    return measure(texts, tokenize(texts, None, unit="bare-word"), embeddings(len(texts), seed=seed))


def test_by_hand():
    values = measure(["a b a", "b c"], tokenize(["a b a", "b c"], None, unit="bare-word"), [[1, 0], [0, 3]])
    assert tuple(values) == METRICS
    assert values["1-NR"] == pytest.approx(3 / 5)  # a, b, c of a, b, a, b, c
    assert values["2-NR"] == pytest.approx(3 / 3)  # ab, ba, bc; none across the texts
    assert values["ED"] == pytest.approx(1)
    assert values["SL"] == pytest.approx(2.5)
    assert values["IE"] == pytest.approx(2 * 0.4 * math.log2(1 / 0.4) + 0.2 * math.log2(1 / 0.2))
    assert values["CR"] == pytest.approx(7 / len(gzip.compress(b"a b a b c")) * 9 / 7)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=9), min_size=2, max_size=12))
def test_equals_direct_definitions(words):
    texts = [" ".join(text) for text in words]
    points = embeddings(len(texts))
    values = measure(texts, tokenize(texts, None, unit="bare-word"), points)
    for n in (1, 2):
        grams = [tuple(text[i : i + n]) for text in words for i in range(len(text) - n + 1)]
        assert values[f"{n}-NR"] == pytest.approx(len(set(grams)) / len(grams))
    flat = [word for text in words for word in text]
    assert values["IE"] == pytest.approx(entropy(np.unique(flat, return_counts=True)[1], base=2), abs=1e-12)
    assert values["SL"] == pytest.approx(np.mean([len(text) for text in words]))
    assert values["ED"] == pytest.approx(pdist(points.astype(float), "cosine").mean(), abs=1e-12)
    assert values["BL"] == pytest.approx(self_bleu(tokenize(texts, None, unit="bare-word")).mean())


def test_vocabulary_is_as_rich_in_many_texts_as_in_few():
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{n}" for n in rng.zipf(1.4, 20) if n < 5000) for _ in range(2000)]
    few, many = measure_words(texts[:200]), measure_words(texts)
    assert many["1-NR"] < 0.6 * few["1-NR"]
    assert many["MTLD"] == pytest.approx(few["MTLD"], rel=0.05)
    assert many["HD-D"] == pytest.approx(few["HD-D"], rel=0.02)
    tokens = tokenize(texts, None, unit="bare-word")
    assert {name: many[name] for name in LEXICAL_METRICS} == measure_lexical(tokens)


def test_embedding_distance_is_the_mean_over_pairs_of_different_texts():
    points = normalise(embeddings(40, dim=5))
    pairs = [1 - points[i] @ points[j] for i, j in combinations(range(40), 2)]
    values = measure_words(["x y"] * 40)
    assert values["ED"] != pytest.approx(np.mean(pairs))  # another dim
    one_word = tokenize(["x"] * 40, None, unit="bare-word")
    assert measure(["x"] * 40, one_word, points)["ED"] == pytest.approx(np.mean(pairs))


def test_compression_takes_the_bytes_of_the_texts_joined_by_a_space():
    texts = ["Grüße aus Köln", "日本語 " * 40, "\x00🦜"]
    joined = " ".join(texts).encode()
    assert compression_ratio(texts) == pytest.approx(len(joined) / len(gzip.compress(joined, 9)))
    assert compression_ratio(["a lone surrogate \ud800"]) > 0


def test_copies_are_seen_by_every_metric_of_redundancy():
    texts = [f"{text} and {text[::-1]} and all" for text in TEXTS]
    once, twice = measure_words(texts), measure_words(texts * 2)
    assert twice["BL"] == pytest.approx(1)
    assert once["BL"] < 0.9
    assert twice["CR"] > once["CR"]
    assert twice["1-NR"] == pytest.approx(once["1-NR"] / 2)
    assert twice["IE"] == pytest.approx(once["IE"])


@pytest.mark.parametrize("texts", [["", ""], ["a", ""], ["🦜🦜", "مرحبا بالعالم"], ["x" * 10_000, "\x00 \x01"]])
def test_odd_texts_give_a_value_or_nan_where_there_is_no_ngram(texts):
    values = measure_words(texts)
    missing = {name for name, value in values.items() if math.isnan(value)}
    assert missing <= {"1-NR", "2-NR", "IE", *LEXICAL_METRICS}
    assert all(math.isfinite(values[name]) for name in ("ED", "SL", "CR", "BL"))


def test_inputs_must_agree():
    tokens = tokenize(TEXTS, None, unit="bare-word")
    with pytest.raises(ValueError, match="4 texts, 5 tokenized texts and 5 embeddings must be equal"):
        measure(TEXTS[:4], tokens, embeddings(5))
    with pytest.raises(ValueError, match="n_texts=1; give at least 2"):
        measure_words(TEXTS[:1])
    with pytest.raises(ValueError, match="row 2 has norm 0"):
        measure(TEXTS, tokens, embeddings(5) * np.array([1, 1, 0, 1, 1])[:, None])


def test_arguments_are_left_as_they_were():
    points = embeddings(5)
    before = points.copy()
    measure(TEXTS, tokenize(TEXTS, None, unit="bare-word"), points)
    np.testing.assert_array_equal(points, before)


def test_take_gathers_texts_in_the_order_asked_for():
    tokens = tokenize(TEXTS, None, unit="bare-word")
    rows = np.array([3, 0, 0])
    taken = take(tokens, rows)
    assert isinstance(taken, TokenizedTexts)
    again = tokenize([TEXTS[row] for row in rows], None, unit="bare-word")
    words = [tokens.vocabulary[token] for token in taken.tokens]
    assert words == [again.vocabulary[token] for token in again.tokens]
    np.testing.assert_array_equal(taken.offsets, again.offsets)


def module_of_diversity(name):
    """A module of the package `diversity` by its file: the package itself imports spaCy and pins other versions."""
    package = find_spec("diversity")
    if package is None:
        pytest.skip("pip install --no-deps diversity==0.3.1 to compare with it")
    spec = spec_from_file_location(name, Path(package.origin).with_name(f"{name}.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_agrees_with_the_package_diversity():
    texts = [" ".join(f"word{i * j % 37}" for j in range(40)) for i in range(60)]
    # the package writes gzip inside gzip, some bytes more, and rounds to three places
    theirs = module_of_diversity("compression").compression_ratio(texts, "gzip")
    assert compression_ratio(texts) == pytest.approx(theirs, rel=0.08)
    unigrams = Ngrams(tokenize([" ".join(texts)], None, unit="bare-word"))
    theirs = module_of_diversity("ngram_diversity").ngram_diversity_score(texts, num_n=2)
    assert ngram_ratio(unigrams) + ngram_ratio(unigrams.extend()) == pytest.approx(theirs, abs=5e-4)
