"""Meso types: what a text is about, as about four tags per text.

The offline tagger is built on scikit-learn: a tag is a content word, or two in a row that belong together, which is
among the best TF-IDF terms of many texts. A keyphrase extractor that looks at one text at a time was measured and
left out (`benchmarks/tags.py`): YAKE is fifty times as slow, and its keyphrases repeat so little that the frequency
floor leaves 64 % of 20,000 responses without any tag, against 10 % here.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

from macromicro.annotate.tag_llm import WriteTags
from macromicro.annotate.tag_normalisation import Embed, normalise_tags
from macromicro.annotate.types import TypeMatrix, build_types
from macromicro.corpus.batches import each_text

Texts: TypeAlias = Sequence[str] | pd.Series | pa.ChunkedArray
WORDS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|[^\W_]+|[^\w\s]")
MIN_LETTERS = 3
MAX_SHARE = 0.05  # a term of more than one text in twenty says little about any of them,
MAX_COUNTS = 10  # unless the corpus is so small that this is less than ten times the floor
MIN_NPMI = 0.3  # two words in a row belong together from here on ("machine learning"); 0 is chance, 1 is always
NO_TAGS = frozenset({"example", "given", "let", "like", "make", "makes", "use", "used", "uses", "using"})
STOP_WORDS = ENGLISH_STOP_WORDS | NO_TAGS


def annotate_tags(
    ids: Sequence[str],
    texts: Texts,
    *,
    n_tags: int,
    min_count: int,
    merge_distance: float,
    min_support: int,
    min_confidence: float,
    embed: Embed,
    tagger: Literal["offline", "llm"] = "offline",
    write_tags: WriteTags | None = None,
) -> TypeMatrix:
    """Type matrix of normalised tags, about `n_tags` per text.

    Parameters: ids and texts, one per sample, in any order (the offline tagger reads a pandas or Arrow column batch by
    batch, so that not all texts are Python objects at once); n_tags, most tags per text; min_count, fewest texts that
    carry a tag; merge_distance, cosine distance within which two tags are near-synonyms; min_support and
    min_confidence, the texts and the share of texts from which on a tag that implies another is merged into it;
    embed, gives L2-normalised embeddings of a list of tags, shape (n_texts, dim); tagger, `offline` or `llm`, for which
    write_tags asks a language model (see `tag_llm.open_tag_writer`).
    Its report holds the steps of the normalisation with their counts, and where every raw tag went.
    Raises ValueError if ids and texts differ in length, an id is repeated or a setting is impossible.
    """
    if len(ids) != len(texts):
        raise ValueError(f"ids and texts must be equally many, not {len(ids)} and {len(texts)}")
    if tagger == "offline":
        raw = tag_offline(ids, texts, n_tags=n_tags, min_count=min_count)
    elif tagger == "llm" and write_tags is not None:
        raw = collect_tags(ids, *write_tags(list(each_text(texts)), n_tags))
    else:
        raise ValueError(f"tagger={tagger!r} must be 'offline', or 'llm' with write_tags, not {write_tags}")
    return normalise_tags(
        raw,
        min_count=min_count,
        merge_distance=merge_distance,
        min_support=min_support,
        min_confidence=min_confidence,
        embed=embed,
    )


def tag_offline(ids: Sequence[str], texts: Texts, *, n_tags: int, min_count: int) -> TypeMatrix:
    """Raw tags: the `n_tags` best TF-IDF terms of each text, of the terms that are so for `min_count` texts or more.

    Raises ValueError if `n_tags` or `min_count` is below 1 or an id is repeated.
    """
    for name, value in (("n_tags", n_tags), ("min_count", min_count)):
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    counts, terms = _count_terms(texts, min_count)
    counts, terms = _join_words(counts, terms, max(MAX_SHARE * len(texts), MAX_COUNTS * min_count))
    chosen, terms, n_rounds = _choose_terms(counts, terms, n_tags, min_count)
    rows = np.repeat(np.arange(len(texts)), np.diff(chosen.indptr))
    report = {"tagger": "offline", "n_terms": int(counts.shape[1]), "n_rounds": n_rounds}
    return build_types(ids, rows, chosen.indices, terms, report=report)


def collect_tags(ids: Sequence[str], tags: Sequence[Sequence[str]], report: dict[str, Any]) -> TypeMatrix:
    """Raw tags as a type matrix, from a list of tags per sample.

    >>> collect_tags(["a", "b"], [["poetry"], ["tone", "poetry"]], {}).labels.tolist()
    ['poetry', 'tone']
    """
    flat = np.array([tag for found in tags for tag in found], dtype=object)
    columns, labels = pd.factorize(flat, sort=True)
    return build_types(
        ids, np.repeat(np.arange(len(tags)), [len(found) for found in tags]), columns, labels, report=report
    )


def _terms_of(text: str) -> list[str]:
    """Content words of a text in lower case, and pairs of them with nothing in between."""
    terms, previous = [], None
    for word in WORDS.findall(text.lower()):
        if len(word) < MIN_LETTERS or not word.isalpha() or word in STOP_WORDS:
            previous = None
            continue
        terms.append(word)
        if previous:
            terms.append(f"{previous} {word}")
        previous = word
    return terms


def _count_terms(texts: Texts, min_count: int) -> tuple[csr_array, NDArray[np.object_]]:
    """How often each text holds each term of at least `min_count` texts; terms in alphabetical order."""
    counter = CountVectorizer(analyzer=_terms_of, min_df=min_count, dtype=np.int32)
    try:
        counts = counter.fit_transform(each_text(texts))
    except ValueError:  # scikit-learn's answer where no term is left
        return csr_array((len(texts), 0), dtype=np.int32), np.empty(0, dtype=object)
    return csr_array(counts), counter.get_feature_names_out()


def _join_words(counts: csr_array, terms: NDArray[np.object_], most: float) -> tuple[csr_array, NDArray[np.object_]]:
    """Counts without pairs that do not belong together, without terms of over `most` texts, and without words in pairs.

    Pairs are judged by normalised pointwise mutual information (Bouma 2009) over texts.
    """
    if not len(terms):
        return counts, terms
    place = {term: column for column, term in enumerate(terms)}
    pairs = np.array([column for column, term in enumerate(terms) if " " in term], dtype=np.int64)
    words = np.array([[place[word] for word in terms[column].split(" ")] for column in pairs], dtype=np.int64)
    words = words.reshape(-1, 2)
    n_carriers = np.bincount(counts.indices, minlength=len(terms))
    kept, share = n_carriers <= most, n_carriers / counts.shape[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        npmi = np.log(share[pairs] / share[words].prod(axis=1)) / -np.log(share[pairs])
    kept[pairs] &= npmi >= MIN_NPMI
    joined = kept[pairs]
    sources, targets = np.repeat(pairs[joined], 2), words[joined].ravel()
    inside = csr_array((np.ones(len(sources), np.int32), (sources, targets)), shape=(len(terms), len(terms)))
    rest = counts - counts @ inside
    rest.data = rest.data.clip(min=0)
    rest = csr_array(rest[:, np.flatnonzero(kept)])
    rest.eliminate_zeros()
    return rest, terms[kept]


def _choose_terms(
    counts: csr_array, terms: NDArray[np.object_], n_tags: int, min_count: int
) -> tuple[csr_array, NDArray[np.object_], int]:
    """The best terms of every text, chosen again without the terms that too few texts chose, until none is such.

    Terms only ever leave, so it ends, and a term that is left is a tag of at least `min_count` texts.
    """
    scores, n_rounds = _weigh(counts), 0
    while True:
        n_rounds += 1
        chosen = _best(scores, n_tags)
        enough = np.bincount(chosen.indices, minlength=len(terms)) >= min_count
        if enough.all():
            return chosen, terms, n_rounds
        scores, terms = csr_array(scores[:, np.flatnonzero(enough)]), terms[enough]
        scores.sort_indices()


def _weigh(counts: csr_array) -> csr_array:
    """TF-IDF with logarithmic term frequency."""
    n_texts, n_terms = counts.shape
    texts_per_term = np.bincount(counts.indices, minlength=n_terms)
    weights = counts.astype(np.float64)
    weights.data = 1 + np.log(weights.data)
    idf = 1 + np.log(n_texts / texts_per_term.clip(min=1))
    weighed = csr_array(weights @ diags_array(idf)) if n_terms else weights
    weighed.sort_indices()
    return weighed


def _best(scores: csr_array, n_tags: int) -> csr_array:
    """Ones where a score is among the `n_tags` highest of its row; of equals, the alphabetically first."""
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    order = np.lexsort((scores.indices, -scores.data, rows))
    rank = np.arange(len(order)) - scores.indptr[rows]
    best = order[rank < n_tags]
    return csr_array((np.ones(len(best), dtype=np.int32), (rows[best], scores.indices[best])), shape=scores.shape)
