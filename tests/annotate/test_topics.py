import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.tokens import tokenize
from macromicro.annotate.topics import annotate_topics, cluster, find_keywords, map_topics, topics_agree_with

SETTINGS = {
    "seed": 0,
    "reducer": "pca",
    "n_components": 5,
    "n_neighbors": 10,
    "min_cluster_size": 10,
    "min_samples": 3,
    "cluster_selection": "eom",
    "n_keywords": 4,
}
WORDS = ["bread oven flour", "matrix vector rank", "goal match team"]


def three_topics(n=150, seed=0):
    """Texts about three things, sizes in the ratio 3 : 2 : 1, with embeddings around three directions."""
    rng = np.random.default_rng(seed)
    topic = np.repeat([0, 0, 0, 1, 1, 2], n // 6)
    embeddings = np.eye(20)[topic] + 0.05 * rng.normal(size=(len(topic), 20))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    ids = [f"{number:04d}" for number in rng.permutation(len(topic))]
    texts = [f"the {WORDS[kind]} and a common word 12345" for kind in topic]
    return ids, texts, embeddings.astype(np.float32), topic


def topic_of(types):
    found = np.full(types.n_samples, -1)
    found[types.types_per_sample > 0] = types.matrix.indices
    return dict(zip(types.ids, found.tolist(), strict=True))


@pytest.mark.parametrize("reducer", ["pca", "umap"])
def test_three_clusters_are_found_numbered_by_size_and_named(reducer):
    ids, texts, embeddings, topic = three_topics()
    types = annotate_topics(ids, texts, embeddings, **{**SETTINGS, "reducer": reducer})
    assert types.n_types == 3
    assert types.types_per_sample.max() == 1
    found = topic_of(types)
    typed = [(found[name], kind) for name, kind in zip(ids, topic, strict=True) if found[name] >= 0]
    assert len(typed) > 0.9 * len(ids)
    assert all(number == kind for number, kind in typed)
    for number, words in enumerate(WORDS):
        assert types.labels[number] == f"{number}: {', '.join(sorted(words.split()))}"
    report = types.report
    assert report["sizes"] == types.samples_per_type.tolist() == sorted(report["sizes"], reverse=True)
    assert report["n_noise"] == len(types.untyped) == len(ids) - sum(report["sizes"])
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize("reducer", ["pca", "umap"])
def test_row_order_does_not_matter_and_a_seed_repeats(reducer):
    ids, texts, embeddings, _ = three_topics(90)
    embeddings = embeddings + 0.3 * np.random.default_rng(1).normal(size=embeddings.shape).astype(np.float32)
    chosen = {**SETTINGS, "reducer": reducer, "min_cluster_size": 5}
    first = annotate_topics(ids, texts, embeddings, **chosen)
    order = np.random.default_rng(2).permutation(len(ids))
    moved = annotate_topics([ids[row] for row in order], [texts[row] for row in order], embeddings[order], **chosen)
    assert topic_of(first) == topic_of(moved)
    assert first.labels.tolist() == moved.labels.tolist()
    assert first.report == moved.report


def test_keyword_weights_by_hand():
    words = tokenize(["cat cat dog dog dog the 12", "dog bird of ab dog dog dog", "cat zebra"], None, unit="bare-word")
    topics = np.array([0, 1, -1])
    # Topic words, noise left out: cat 2, dog 3 | dog 4, bird 1; mean words per topic A = 5; f(dog) = 7.
    assert 2 * math.log1p(5 / 2) > 3 * math.log1p(5 / 7)  # in topic 0, cat comes before dog
    assert 4 * math.log1p(5 / 7) > 1 * math.log1p(5 / 1)  # in topic 1, dog comes before bird
    assert find_keywords(words, topics, n_keywords=5) == [["cat", "dog"], ["dog", "bird"]]
    assert find_keywords(words, topics, n_keywords=1) == [["cat"], ["dog"]]
    assert find_keywords(words, np.array([-1, -1, -1]), n_keywords=3) == []


def test_keywords_of_chinese_have_two_characters():
    words = tokenize(["我喜欢苹果，苹果好吃", "他去北京看长城", "an ox is in it"], None, unit="bare-word")
    found = find_keywords(words, np.array([0, 1, 1]), n_keywords=5)
    assert found == [["苹果", "喜欢", "好吃"], ["北京", "长城"]]


def test_all_noise_is_a_result():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(60, 20)).astype(np.float32)
    ids = [f"{row:02d}" for row in range(60)]
    types = annotate_topics(ids, ["text"] * 60, embeddings, **{**SETTINGS, "min_cluster_size": 40})
    assert types.n_types == 0
    assert types.report["noise_share"] == 1
    points = map_topics(types, embeddings, seed=0, reducer="pca", n_neighbors=5, n_points=100)
    assert (points["topic"] == -1).all()


@pytest.mark.parametrize("reducer", ["pca", "umap"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 40])
def test_few_or_identical_texts_are_noise_not_an_error(n, reducer):
    ids = [f"{row:02d}" for row in range(n)]
    embeddings = np.ones((n, 8), dtype=np.float32) / np.sqrt(8)
    types = annotate_topics(ids, ["same"] * n, embeddings.astype(np.float32), **{**SETTINGS, "reducer": reducer})
    assert (types.n_samples, types.n_types) == (n, 0)
    assert len(map_topics(types, embeddings, seed=0, reducer=reducer, n_neighbors=5, n_points=100)) == n


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(2, 12), st.integers(1, 6), st.integers(0, 9), st.booleans())
def test_any_settings_give_clusters_of_at_least_the_least_size(n, least, min_samples, seed, repeated):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 3, size=(n, 2)) if repeated else rng.normal(size=(n, 2))
    found = cluster(points.astype(np.float32), min_cluster_size=least, min_samples=min_samples, cluster_selection="eom")
    sizes = np.bincount(found[found >= 0])
    assert (sizes >= least).all()
    assert (np.diff(sizes) <= 0).all()


def test_the_map_shows_a_sample_with_its_topics():
    ids, texts, embeddings, _ = three_topics()
    types = annotate_topics(ids, texts, embeddings, **SETTINGS)
    points = map_topics(types, embeddings[np.argsort(ids)], seed=0, reducer="pca", n_neighbors=5, n_points=40)
    assert len(points) == 40
    found = topic_of(types)
    assert [found[name] for name in points["id"]] == points["topic"].tolist()


@pytest.mark.parametrize(("n", "reducer"), [(90, "umap"), (90, "pca"), (4, "umap")])
def test_the_report_says_what_was_done(n, reducer):
    ids, texts, embeddings, _ = three_topics(90)
    report = annotate_topics(ids[:n], texts[:n], embeddings[:n], **{**SETTINGS, "reducer": reducer}).report
    assert report["reducer"] == ("pca (too few samples)" if n == 4 else reducer)
    assert {name: report[name] for name in ("seed", "min_samples")} == {
        name: SETTINGS[name] for name in ("seed", "min_samples")
    }


def test_topics_agree_with_themselves_and_not_with_chance():
    ids, texts, embeddings, topic = three_topics()
    types = annotate_topics(ids, texts, embeddings, **SETTINGS)
    known = [str(topic[row]) for row in np.argsort(ids)]
    assert topics_agree_with(types, known) > 0.9
    assert abs(topics_agree_with(types, np.random.default_rng(0).permutation(known))) < 0.1


def test_bad_input_names_the_rule():
    ids, texts, embeddings, _ = three_topics(30)
    with pytest.raises(ValueError, match="30 ids, 29 texts and 30 embeddings"):
        annotate_topics(ids, texts[1:], embeddings, **SETTINGS)
    embeddings[3, 0] = np.nan
    with pytest.raises(ValueError, match=f"those of sample '{ids[3]}' are not"):
        annotate_topics(ids, texts, embeddings, **SETTINGS)
