"""Macro: one topic per text, found by clustering sentence embeddings as BERTopic does (embed, reduce, HDBSCAN).

Row order never matters: samples are sorted by id before anything else, every random step is seeded, and topics are
numbered by size. Which reducer, library and selection to use was measured: see `benchmarks/topics.py`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from macromicro.annotate.reduce import Reducer, enough_for_umap, reduce
from macromicro.annotate.tokens import TokenizedTexts, tokenize
from macromicro.annotate.types import TypeMatrix, build_types, text_array
from macromicro.corpus.batches import Texts
from macromicro.corpus.scripts import find_unspaced

MIN_LETTERS = 3
MIN_UNSPACED_LETTERS = 2  # most words of Chinese have two
NOISE = -1


def annotate_topics(
    ids: Iterable[str],
    texts: Texts,
    embeddings: NDArray[np.float32],
    *,
    seed: int,
    reducer: Reducer,
    n_components: int,
    n_neighbors: int,
    min_cluster_size: int,
    min_samples: int,
    cluster_selection: Literal["eom", "leaf"],
    n_keywords: int,
    cache: Path | None = None,
) -> TypeMatrix:
    """Type matrix with at most one topic per sample; noise has none.

    Parameters: texts, iterable of str or a pyarrow array; embeddings, shape (n_samples, n_dimensions),
    L2-normalised; reducer, n_components, n_neighbors and cache as in `reduce`; min_cluster_size, min_samples and
    cluster_selection as in HDBSCAN (Campello et al. 2013); n_keywords per topic, the first three name it.
    The report holds the number of topics, the share of noise, size and keywords of every topic, the settings, and the
    reducer that was used (PCA where there are too few samples for UMAP).
    Raises ValueError if ids, texts and embeddings differ in length or hold what is not a number.
    """
    names, words = text_array(ids), tokenize(texts, None, unit="bare-word")
    _check_lengths(names, words, embeddings)
    order = np.argsort(names, kind="stable")
    points = reduce(
        embeddings[order], seed=seed, reducer=reducer, n_components=n_components, n_neighbors=n_neighbors, cache=cache
    )
    found = cluster(
        points, min_cluster_size=min_cluster_size, min_samples=min_samples, cluster_selection=cluster_selection
    )
    topics = np.empty_like(found)
    topics[order] = found
    keywords = find_keywords(words, topics, n_keywords=n_keywords)
    labels = [f"{number}: {', '.join(top[:3])}" for number, top in enumerate(keywords)]
    typed = np.flatnonzero(topics != NOISE)
    used = reducer if reducer == "pca" or enough_for_umap(len(names), n_components) else "pca (too few samples)"
    report = {
        **_report(topics, keywords, points.shape[1]),
        "reducer": used,
        "n_neighbors": n_neighbors,
        "min_cluster_size": min_cluster_size,
        "min_samples": min_samples,
        "cluster_selection": cluster_selection,
        "seed": seed,
    }
    return build_types(names, typed, topics[typed], labels, report=report)


def topics_agree_with(types: TypeMatrix, classes: Iterable[str]) -> float:
    """Adjusted mutual information of topics and known classes: 1 where they agree, about 0 by chance; noise is a class.

    Parameters: classes, one per sample in the order of `types.ids`.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    topics = np.full(types.n_samples, NOISE, dtype=np.int64)
    topics[types.types_per_sample > 0] = types.matrix.indices
    return float(adjusted_mutual_info_score(list(classes), topics))


def cluster(
    points: NDArray[np.float32], *, min_cluster_size: int, min_samples: int, cluster_selection: Literal["eom", "leaf"]
) -> NDArray[np.int64]:
    """Topic of every point, shape (n_points,): 0 for the largest, -1 for noise; ties by first member."""
    from hdbscan import HDBSCAN

    if len(points) <= max(min_cluster_size, min_samples) or not np.ptp(points, axis=0).any():
        return np.full(len(points), NOISE, dtype=np.int64)
    model = HDBSCAN(
        min_cluster_size=min_cluster_size,
        min_samples=min_samples,
        cluster_selection_method=cluster_selection,
        core_dist_n_jobs=1,
    )
    return _number_by_size(model.fit_predict(points.astype(np.float64)))


def find_keywords(words: TokenizedTexts, topics: NDArray[np.int64], *, n_keywords: int) -> list[list[str]]:
    """The words that set each topic apart, best first, by class-based TF-IDF.

    The weight of a word in a topic is tf * log(1 + A / f), with tf its count in the topic, f its count in all topics
    and A the mean number of words per topic (Grootendorst 2022, arXiv 2203.05794). Stop words, numbers and words of
    fewer than three letters (two in scripts without spaces) are left out. Parameters: topics, shape (n_texts,), -1 for
    none.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    n_topics = int(topics.max(initial=NOISE)) + 1
    vocabulary = words.vocabulary if words.vocabulary is not None else text_array([])
    fewest = np.where(find_unspaced(vocabulary), MIN_UNSPACED_LETTERS, MIN_LETTERS)
    good = np.array(
        [
            len(word) >= n and not word.isdigit() and word not in ENGLISH_STOP_WORDS
            for word, n in zip(vocabulary, fewest, strict=True)
        ],
        dtype=bool,
    )
    of_word = np.repeat(topics, words.lengths)
    kept = (of_word != NOISE) & good[words.tokens]
    places = (of_word[kept], words.tokens[kept])
    counts = csr_array((np.ones(len(places[0])), places), shape=(n_topics, len(vocabulary)))
    counts.sum_duplicates()
    frequency = np.maximum(counts.sum(axis=0), 1)
    mean_words = counts.sum() / max(n_topics, 1)
    weights = csr_array(counts @ diags_array(np.log1p(mean_words / frequency)))
    keywords = []
    for start, stop in zip(weights.indptr[:-1], weights.indptr[1:], strict=True):
        columns, weight = weights.indices[start:stop], weights.data[start:stop]
        best = np.lexsort((vocabulary[columns], -weight.round(9)))[:n_keywords]
        keywords.append([str(word) for word in vocabulary[columns[best]]])
    return keywords


def map_topics(
    types: TypeMatrix,
    embeddings: NDArray[np.float32],
    *,
    seed: int,
    reducer: Reducer,
    n_neighbors: int,
    n_points: int,
    cache: Path | None = None,
) -> pd.DataFrame:
    """Two coordinates and the topic (-1 for none) of at most `n_points` samples, drawn at random.

    Parameters: embeddings, shape (n_samples, n_dimensions), rows in the order of `types.ids`; reducer, n_neighbors and
    cache as in `reduce`.
    """
    rows = np.arange(types.n_samples)
    if len(rows) > n_points:
        rows = np.sort(np.random.default_rng(seed).choice(rows, n_points, replace=False))
    points = reduce(embeddings[rows], seed=seed, reducer=reducer, n_components=2, n_neighbors=n_neighbors, cache=cache)
    flat = np.zeros((len(rows), 2), dtype=np.float32)
    flat[:, : points.shape[1]] = points
    topics = np.full(types.n_samples, NOISE, dtype=np.int64)
    topics[types.types_per_sample > 0] = types.matrix.indices
    return pd.DataFrame({"id": types.ids[rows], "x": flat[:, 0], "y": flat[:, 1], "topic": topics[rows]})


def _check_lengths(names: NDArray[np.object_], words: TokenizedTexts, embeddings: NDArray[np.float32]) -> None:
    """Refuse ids, texts and embeddings that are not equally many, and embeddings that are not numbers."""
    if not len(names) == len(embeddings) == len(words.lengths):
        shape = f"{len(names)} ids, {len(words.lengths)} texts and {len(embeddings)} embeddings"
        raise ValueError(f"ids, texts and embeddings must be equally many, but there are {shape}")
    if not np.isfinite(embeddings).all():
        row = int(np.flatnonzero(~np.isfinite(embeddings).all(axis=1))[0])
        raise ValueError(f"embeddings must be finite, but those of sample {names[row]!r} are not")


def _number_by_size(found: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same clusters, numbered from the largest to the smallest."""
    present, first, sizes = np.unique(found, return_index=True, return_counts=True)
    clusters = present != NOISE
    order = np.lexsort((first[clusters], -sizes[clusters]))
    number = np.full(len(present), NOISE, dtype=np.int64)
    number[np.flatnonzero(clusters)[order]] = np.arange(len(order))
    return number[np.searchsorted(present, found)]


def _report(topics: NDArray[np.int64], keywords: list[list[str]], n_components: int) -> dict[str, Any]:
    """What was found, as values that JSON can hold."""
    n_noise = int((topics == NOISE).sum())
    return {
        "n_topics": len(keywords),
        "n_noise": n_noise,
        "noise_share": round(n_noise / max(len(topics), 1), 6),
        "n_components": n_components,
        "sizes": np.bincount(topics[topics != NOISE], minlength=len(keywords)).tolist(),
        "keywords": keywords,
    }
