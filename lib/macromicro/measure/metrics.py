"""The seven dataset metrics of the paper, exact, and two that length leaves alone, for one side of a dataset.

All but CR (bytes) and ED (embeddings) count in whatever unit the texts were tokenized: tokens of the base model or
words. n-grams never cross from one text into the next.
"""

import gzip
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from macromicro.measure.lexical import LEXICAL_METRICS, measure_lexical
from macromicro.measure.selfbleu import Ngrams, self_bleu

if TYPE_CHECKING:
    from macromicro.annotate.tokens import TokenizedTexts

METRICS = ("1-NR", "2-NR", "ED", "SL", "CR", "BL", "IE", *LEXICAL_METRICS)
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def measure(texts: Sequence[str], tokens: "TokenizedTexts", embeddings: ArrayLike) -> dict[str, float]:
    """The nine metrics of one side of a dataset, keyed by `METRICS`.

    Parameters: texts, shape (n_texts,); tokens, the same texts tokenized; embeddings, shape (n_texts, dim).
    Raises ValueError if the three disagree on the number of texts, or if there are fewer than two.

    - 1-NR, 2-NR: distinct over all n-grams, between 0 and 1 (`ngram_ratio`).
    - ED: mean cosine distance of two different texts, between 0 and 2 (`embedding_distance`).
    - SL: mean length in tokens.
    - CR: bytes over gzipped bytes (`compression_ratio`); higher is more redundant.
    - BL: mean self-BLEU, between 0 and 1 (`macromicro.measure.selfbleu`); higher is more alike.
    - IE: entropy of the token distribution in bits (`token_entropy`).
    - MTLD, HD-D: how rich the vocabulary is over stretches of equal length (`macromicro.measure.lexical`).
    """
    embeddings = np.asarray(embeddings)
    n_texts = len(tokens.offsets) - 1
    if not len(texts) == n_texts == len(embeddings):
        raise ValueError(
            f"{len(texts)} texts, {n_texts} tokenized texts and {len(embeddings)} embeddings must be equal"
        )
    if n_texts < 2:
        raise ValueError(f"metrics compare texts, but n_texts={n_texts}; give at least 2")
    unigrams = Ngrams(tokens)
    return {
        "1-NR": ngram_ratio(unigrams),
        "2-NR": ngram_ratio(unigrams.extend()),
        "ED": embedding_distance(embeddings),
        "SL": len(tokens.tokens) / n_texts,
        "CR": compression_ratio(texts),
        "BL": float(self_bleu(tokens).mean()),
        "IE": token_entropy(tokens),
        **measure_lexical(tokens),
    }


def ngram_ratio(ngrams: Ngrams) -> float:
    """Distinct n-grams of the dataset over all its n-grams; NaN where no text is long enough to have one.

    Source: Li et al. 2016 (distinct-n).
    """
    return ngrams.n_distinct / len(ngrams.ids) if len(ngrams.ids) else float("nan")


def embedding_distance(embeddings: ArrayLike) -> float:
    """Mean of 1 - cosine over all pairs of different rows, exact, in one pass.

    The sum of all pairwise cosines is the squared norm of the sum of the unit vectors, so no pair is formed.
    Raises ValueError where a row is zero and so has no direction.
    """
    units = normalise(embeddings)
    n_texts = len(units)
    total = units.sum(axis=0)
    return float(1 - (total @ total - n_texts) / (n_texts * (n_texts - 1)))


def normalise(embeddings: ArrayLike, *, first_row: int = 0) -> FloatArray:
    """Rows scaled to length 1, float64. Raises ValueError naming the first row that is zero or not finite.

    Parameters: first_row, the number of the first row in that message, for a block of a larger matrix.
    """
    rows = np.array(embeddings, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1)
    wrong = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if len(wrong):
        row, norm = first_row + wrong[0], norms[wrong[0]]
        raise ValueError(f"embeddings: row {row} has norm {norm}; rows must be finite and not zero")
    rows /= norms[:, None]
    return rows


def compression_ratio(texts: Sequence[str]) -> float:
    """Bytes of the UTF-8 texts joined by one space, over the bytes of the gzip file (level 9) of the same.

    gzip sees 32 KiB at a time, so the order of the texts matters: give them sorted by id. An unpaired surrogate
    counts as "?". Source: Shaib et al. 2024, which names the compression ratio of a file of all texts.
    """
    data = " ".join(texts).encode("utf-8", errors="replace")
    return len(data) / len(gzip.compress(data, compresslevel=9, mtime=0))


def token_entropy(tokens: "TokenizedTexts") -> float:
    """Entropy of the token distribution of the dataset in bits; NaN where there is no token."""
    counts = np.bincount(pd.factorize(tokens.tokens)[0])
    if not len(counts):
        return float("nan")
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def take(tokens: "TokenizedTexts", rows: IntArray) -> "TokenizedTexts":
    """The tokenized texts of `rows`, in that order."""
    lengths = np.diff(tokens.offsets)[rows]
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    places = np.arange(offsets[-1]) + np.repeat(tokens.offsets[:-1][rows] - offsets[:-1], lengths)
    return replace(tokens, tokens=tokens.tokens[places], offsets=offsets)
