"""Self-BLEU of every document against all others, exact and linear in the number of n-grams.

Scoring a document against all others needs, per n-gram, only the largest count in any other document: the largest
count of the corpus, or the second largest for the one document that holds the largest. And of the other documents'
lengths only the closest is needed. No pair of documents is ever compared.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from macromicro.annotate.tokens import TokenizedTexts

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

EPSILON = 0.1  # what method 1 of Chen and Cherry adds to a precision without a match


def self_bleu(tokens: "TokenizedTexts", *, max_order: int = 4) -> FloatArray:
    """BLEU of every document with all other documents as references, shape (n_texts,), between 0 and 1.

    The same numbers as NLTK's `sentence_bleu` with uniform weights and `SmoothingFunction().method1`: clipped n-gram
    precisions of orders 1 to `max_order`, an order without a match counts as 0.1 matches, a document that shares no
    token with any other (or is empty) scores 0, brevity penalty by the closest other length, the shorter one if two
    are equally close.

    Raises ValueError if there are fewer than two documents.
    Source: Papineni et al. 2002 (BLEU), Chen and Cherry 2014 (smoothing), Zhu et al. 2018 (self-BLEU).
    """
    lengths = np.diff(tokens.offsets)
    if len(lengths) < 2:
        raise ValueError(f"self-BLEU compares a document with the others, but n_texts={len(lengths)}; give at least 2")
    log_precision = np.zeros(len(lengths))
    no_overlap = np.zeros(len(lengths), dtype=bool)
    ngrams = Ngrams(tokens)
    for order in range(1, max_order + 1):
        matches = _clipped_matches(ngrams.ids, ngrams.rows, len(lengths))
        if order == 1:
            no_overlap = matches == 0
        n_ngrams = np.maximum(lengths - order + 1, 1)
        log_precision += np.log(np.where(matches == 0, EPSILON, matches) / n_ngrams)
        ngrams = ngrams.extend() if order < max_order else ngrams
    bleu = _brevity_penalty(lengths) * np.exp(log_precision / max_order)
    return np.where(no_overlap, 0.0, bleu)


class Ngrams:
    """All n-grams of one order as integers: equal n-grams of the texts have equal `ids`, never across texts.

    `ids`, shape (n_ngrams,), number the distinct n-grams from 0 to `n_distinct` - 1; `rows` is the text of each.
    """

    def __init__(self, tokens: "TokenizedTexts") -> None:
        self._tokens = pd.factorize(tokens.tokens)[0].astype(np.int64)
        self._offsets = np.asarray(tokens.offsets, dtype=np.int64)
        self._starts = np.arange(len(self._tokens))
        self.order = 1
        self.ids: IntArray = self._tokens
        self.rows: IntArray = np.repeat(np.arange(len(self._offsets) - 1), np.diff(self._offsets))

    @property
    def n_distinct(self) -> int:
        """Number of distinct n-grams."""
        return int(self.ids.max()) + 1 if len(self.ids) else 0

    def extend(self) -> "Ngrams":
        """The n-grams one token longer; those that would leave their text are gone."""
        longer = Ngrams.__new__(Ngrams)
        longer._tokens, longer._offsets, longer.order = self._tokens, self._offsets, self.order + 1
        inside = self._starts + self.order < self._offsets[self.rows + 1]
        longer._starts, longer.rows = self._starts[inside], self.rows[inside]
        n_tokens = int(self._tokens.max(initial=0)) + 1
        keys = self.ids[inside] * n_tokens + self._tokens[longer._starts + self.order]
        longer.ids = pd.factorize(keys)[0].astype(np.int64)
        return longer


def _clipped_matches(ids: IntArray, rows: IntArray, n_texts: int) -> FloatArray:
    """Per text: n-grams that another text has too, each at most as often as the other text that has it most."""
    if not len(ids):
        return np.zeros(n_texts)
    keys = np.sort(ids * n_texts + rows)
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    counts = np.diff(np.r_[first, len(keys)])
    ngram, text = np.divmod(keys[first], n_texts)
    group = np.flatnonzero(np.r_[True, ngram[1:] != ngram[:-1]])
    largest = np.maximum.reduceat(counts, group)[ngram]
    is_largest = counts == largest
    second = np.maximum.reduceat(np.where(is_largest, 0, counts), group)[ngram]
    only_one = np.add.reduceat(is_largest.astype(np.int64), group)[ngram] == 1
    most_elsewhere = np.where(is_largest & only_one, second, largest)
    matches = np.minimum(counts, most_elsewhere)
    return np.bincount(text, weights=matches, minlength=n_texts).astype(np.float64)


def _brevity_penalty(lengths: IntArray) -> FloatArray:
    """Per text: exp(1 - closest/length) where the closest other length is greater, else 1; 0 for empty texts."""
    distinct, inverse, n_same = np.unique(lengths, return_inverse=True, return_counts=True)
    far = np.iinfo(np.int64).max // 4
    below, above = np.r_[-far, distinct[:-1]], np.r_[distinct[1:], far]
    nearest = np.where(distinct - below <= above - distinct, below, above)
    closest = np.where(n_same > 1, distinct, nearest)[inverse]
    penalty = np.exp(np.minimum(1 - closest / np.maximum(lengths, 1), 0))
    return np.where(lengths > 0, penalty, 0.0)
