import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.tags import MIN_LETTERS, MIN_NPMI, STOP_WORDS, annotate_tags, tag_offline

CORPUS = Path(__file__).parents[3] / "shared" / "data" / "corpus.parquet"
TEXTS = [
    "Machine learning finds patterns in photographs.",
    "Is machine learning a kind of statistics?",
    "The statistics of rivers: patterns everywhere!",
    "Photographs of rivers and of mountains.",
    "Mountains.",
    "It is what it is.",
]
WORD_POOL = ["apple", "banana", "cherry", "dragon", "elder", "the", "and", "to", "42", "."]


def apart(texts):
    """Embeddings in which no two texts are alike."""
    return np.eye(len(texts), dtype=np.float32)


def tags_of(types):
    return {name: set(types.labels[types.matrix[[row]].indices]) for row, name in enumerate(types.ids)}


def test_tags_of_a_few_texts_by_hand():
    raw = tag_offline(list("abcdef"), TEXTS, n_tags=4, min_count=2)
    assert tags_of(raw) == {
        "a": {"machine learning", "patterns", "photographs"},
        "b": {"machine learning", "statistics"},
        "c": {"patterns", "rivers", "statistics"},
        "d": {"mountains", "photographs", "rivers"},
        "e": {"mountains"},
        "f": set(),
    }


def test_only_the_best_terms_are_tags():
    texts = ["common rare", "common rare", "common", "common"]
    raw = tag_offline(list("abcd"), texts, n_tags=1, min_count=2)
    assert tags_of(raw) == {"a": {"rare"}, "b": {"rare"}, "c": {"common"}, "d": {"common"}}


def test_a_term_that_too_few_texts_chose_gives_way_to_the_next():
    texts = ["alpha. beta. alpha.", "alpha. beta", "beta. gamma. gamma. gamma", "beta. gamma. gamma", "alpha. gamma"]
    raw = tag_offline(list("abcde"), texts, n_tags=1, min_count=3)
    assert (raw.samples_per_type >= 3).all()
    assert raw.report["n_rounds"] > 1


def reference_tags(texts, n_tags, min_count):
    """The tagger as plain loops over plain lists."""
    held = []
    for text in texts:
        words = re.findall(r"[a-z]+|[0-9]+|[^\w\s]", text.lower())
        good = [len(w) >= MIN_LETTERS and w.isalpha() and w not in STOP_WORDS for w in words]
        counts = Counter(w for w, ok in zip(words, good, strict=True) if ok)
        counts += Counter(f"{words[i]} {words[i + 1]}" for i in range(len(words) - 1) if good[i] and good[i + 1])
        held.append(counts)
    n, carriers = len(texts), Counter(term for counts in held for term in counts)
    most = max(0.05 * n, 10 * min_count)

    def belongs(term):
        if carriers[term] < min_count or carriers[term] > most:
            return False
        if " " not in term:
            return True
        first, second = (carriers[w] / n for w in term.split())
        share = carriers[term] / n
        return share < 1 and math.log(share / (first * second)) / -math.log(share) >= MIN_NPMI

    terms = {term for term in carriers if belongs(term)}
    for counts in held:
        for pair in [term for term in counts if " " in term and term in terms]:
            for word in pair.split():
                counts[word] -= counts[pair]
    held = [{t: c for t, c in counts.items() if c > 0 and t in terms} for counts in held]
    carriers = Counter(term for counts in held for term in counts)
    score = [{t: (1 + math.log(c)) * (1 + math.log(n / carriers[t])) for t, c in counts.items()} for counts in held]
    while True:
        chosen = [sorted(s, key=lambda t: (-round(s[t], 9), t))[:n_tags] for s in score]
        used = Counter(term for tags in chosen for term in tags)
        bad = {term for s in score for term in s if used[term] < min_count}
        if not bad:
            return [set(tags) for tags in chosen]
        score = [{t: v for t, v in s.items() if t not in bad} for s in score]


texts_strategy = st.lists(st.lists(st.sampled_from(WORD_POOL), max_size=8).map(" ".join), min_size=1, max_size=25)


@settings(max_examples=150, deadline=None)
@given(texts_strategy, st.integers(1, 3), st.integers(1, 3))
def test_same_tags_as_plain_loops(texts, n_tags, min_count):
    raw = tag_offline([f"{row:03d}" for row in range(len(texts))], texts, n_tags=n_tags, min_count=min_count)
    assert list(tags_of(raw).values()) == reference_tags(texts, n_tags, min_count)


@settings(max_examples=50, deadline=None)
@given(texts_strategy, st.randoms(use_true_random=False))
def test_row_order_does_not_matter(texts, random):
    ids = [f"{row:03d}" for row in range(len(texts))]
    rows = list(range(len(texts)))
    random.shuffle(rows)
    one = tag_offline(ids, texts, n_tags=2, min_count=2)
    two = tag_offline([ids[row] for row in rows], [texts[row] for row in rows], n_tags=2, min_count=2)
    assert tags_of(one) == tags_of(two)
    assert one.labels.tolist() == two.labels.tolist()
    assert one.report == two.report


def annotate(ids, texts, **changes):
    given = dict(n_tags=4, min_count=2, merge_distance=0.05, min_support=40, min_confidence=0.99, embed=apart)
    return annotate_tags(ids, texts, **(given | changes))


def test_tags_are_normalised():
    texts = ["cats. rivers", "cat. rivers", "cats. river", "cat. river"]
    types = annotate(list("abcd"), texts)
    assert types.labels.tolist() == ["cat", "river"]
    assert types.report["mapping"] == {"cat": "cat", "cats": "cat", "river": "river", "rivers": "river"}


@pytest.mark.parametrize("texts", [[], [""], ["the of and"], ["???", "\x00", "🙂🙂"], ["one two three alpha"]])
def test_texts_without_tags_stay_untyped(texts):
    types = annotate([str(row) for row in range(len(texts))], texts)
    assert (types.n_samples, types.n_types) == (len(texts), 0)


def test_other_scripts_and_long_texts():
    texts = ["Москва. река", "река. مدينة", "مدينة. Москва", "Москва. word " * 50_000]
    assert tags_of(annotate(list("abcd"), texts))["a"] == {"москва", "река"}


def test_refused():
    with pytest.raises(ValueError, match="equally many, not 2 and 1"):
        annotate(["a", "b"], ["text"])
    with pytest.raises(ValueError, match="ids must be strictly increasing, but row 1 is 'a'"):
        annotate(["a", "a"], ["text", "more"])
    with pytest.raises(ValueError, match="n_tags=0 must be at least 1"):
        annotate(["a"], ["text"], n_tags=0)
    with pytest.raises(ValueError, match="min_count=0 must be at least 1"):
        annotate(["a"], ["text"], min_count=0)


@pytest.mark.skipif(not CORPUS.is_file(), reason="the instruction corpus is not beside this checkout")
@pytest.mark.parametrize("part", ["instruction", "response"])
def test_about_four_tags_per_text_on_real_instructions(part):
    samples = pd.read_parquet(CORPUS, columns=["id", part]).head(20_000)
    raw = tag_offline(samples["id"].tolist(), samples[part].tolist(), n_tags=4, min_count=20)
    assert 2.9 < raw.types_per_sample.mean() <= 4
    assert len(raw.untyped) < 0.12 * raw.n_samples
    assert raw.samples_per_type.min() >= 20
