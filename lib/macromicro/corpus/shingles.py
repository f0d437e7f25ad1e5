"""The word n-grams of texts as sets of numbers.

The numbers are hashes: of ten million different n-grams, two have the same one with a probability of 3 in a million.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from macromicro.corpus.batches import BATCH_SIZE, batches
from macromicro.corpus.words import NOT_IN_WORDS, split_words

IntArray = NDArray[np.int64]
KeyArray = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Shingles:
    """The different word n-grams of every text.

    Attributes
    ----------
    keys : uint64, shape (n_shingles,), hashes of the n-grams, distinct and ascending within a text.
    offsets : int64, shape (n_texts + 1,); text i holds `keys[offsets[i]:offsets[i + 1]]`, at least one.
    """

    keys: KeyArray
    offsets: IntArray

    @property
    def sizes(self) -> IntArray:
        """Different n-grams of each text, shape (n_texts,)."""
        return np.diff(self.offsets)

    @property
    def first_alike(self) -> IntArray:
        """The first text with the same n-grams as each text, shape (n_texts,)."""
        sums = np.add.reduceat(_mix(self.keys), self.offsets[:-1]) if len(self.keys) else self.keys
        _, first, group = np.unique(sums, return_index=True, return_inverse=True)
        return first[group]


def shingle(texts: Iterable[str], *, n: int) -> Shingles:
    """The word `n`-grams of every text, as hashes of 64 bits.

    Words are runs of letters, digits and underscores of the text in NFKC and lower case, cut further where words have
    no spaces between them (`words.split_words`). A text of fewer than `n` words has one shingle, the whole of it with
    white space collapsed, so that it shares it with its equals only.
    Raises ValueError if `n` is below 1 or a text is not a str.
    """
    if n < 1:
        raise ValueError(f"n={n} must be at least 1")
    parts = [_shingle_batch(batch, n) for batch in batches(texts, BATCH_SIZE)]
    keys = np.concatenate([np.empty(0, np.uint64), *(keys for keys, _ in parts)])
    sizes = np.concatenate([np.zeros(1, np.int64), *(sizes for _, sizes in parts)])
    return Shingles(keys, np.cumsum(sizes))


def _shingle_batch(texts: list[str], n: int) -> tuple[KeyArray, IntArray]:
    """Keys of the texts of a batch, end to end, and how many each has."""
    forms = pc.utf8_lower(pc.utf8_normalize(pa.array([_encodable(text) for text in texts], pa.string()), form="NFKC"))
    words, n_words = split_words(forms, NOT_IN_WORDS)
    coded = words.dictionary_encode()
    hashes = _hash(coded.dictionary)[coded.indices.to_numpy()]
    rows = np.repeat(np.arange(len(texts)), n_words)
    keys = hashes[: max(len(hashes) - n + 1, 0)].copy()
    for place in range(1, n):
        keys = _mix(keys) + hashes[place : place + len(keys)]
    whole = rows[: len(keys)] == rows[n - 1 :]
    short = np.flatnonzero(n_words < n)
    bare = pc.binary_join(pc.ascii_split_whitespace(pc.utf8_trim_whitespace(forms.take(pa.array(short)))), " ")
    rows, keys = np.r_[rows[: len(keys)][whole], short], np.r_[keys[whole], _hash(bare)]
    order = np.lexsort((keys, rows))
    rows, keys = rows[order], keys[order]
    first = np.r_[True, (rows[1:] != rows[:-1]) | (keys[1:] != keys[:-1])][: len(rows)]
    return keys[first], np.bincount(rows[first], minlength=len(texts))


def _encodable(text: str) -> str:
    """The text with halves of surrogate pairs as "?"."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _hash(texts: pa.Array) -> KeyArray:
    """Hashes of 64 bits, the same on every machine."""
    return pd.util.hash_array(texts.to_numpy(zero_copy_only=False), categorize=False)


def _mix(keys: KeyArray) -> KeyArray:
    """Every bit of a key spread over all of it (the finaliser of splitmix64)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
