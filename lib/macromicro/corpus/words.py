"""Texts to words: what stands between separators, and where a script has no spaces, the words of a dictionary.

Chinese, Japanese, Thai, Lao, Khmer and Burmese are cut by ICU's word boundaries (Unicode Standard Annex 29, with ICU's
dictionaries for these scripts), which other words never meet.
"""

from typing import TypeAlias

import icu4py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from icu4py.breakers import WordBreaker
from numpy.typing import NDArray

from macromicro.corpus.scripts import find_unspaced

Words: TypeAlias = tuple[pa.StringArray, NDArray[np.int64]]
"""Words end to end, and how many each text has."""

ICU = f"the dictionaries of ICU {icu4py.icu_version}"
IN_WORD = r"[\p{L}\p{M}\p{N}_]"
NOT_IN_WORDS = r"[^\p{L}\p{M}\p{N}_]+"
WHITE_SPACE = (
    r"[\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
)
"""What `str.split` takes for white space."""
IN_WORDS = r"[^\p{P}\p{Z}\p{C}]"


def split_words(texts: pa.StringArray, between: str) -> Words:
    """The words of texts, end to end, and how many each has, shape (n_texts,).

    Parameters: between, the pattern of what stands between words, such as `NOT_IN_WORDS` or `WHITE_SPACE`. A word with
    characters of a script without spaces is cut further, and loses its punctuation.

    >>> split_words(pa.array(["I like apples", "我喜欢吃苹果。"]), WHITE_SPACE)[0].to_pylist()
    ['I', 'like', 'apples', '我', '喜欢', '吃', '苹果']
    """
    split = pc.split_pattern_regex(texts, between)  # Arrow's utf8_split_whitespace kept white space at some ends
    kept = pc.not_equal(split.values, "")
    words = split.values.filter(kept)
    ends = _running(kept.to_numpy(zero_copy_only=False))[split.offsets.to_numpy()]
    if find_unspaced(texts).any():
        words, n_pieces = _cut(words)
        ends = _running(n_pieces)[ends]
    return words, np.diff(ends)


def _cut(words: pa.StringArray) -> Words:
    """The words that those of scripts without spaces hold, and the others as they are."""
    unspaced = find_unspaced(words)
    joined = "\n".join(words.filter(pa.array(unspaced)).to_pylist())  # no word holds a line end, and ICU breaks at it
    pieces = pa.array(WordBreaker(joined, "root"), words.type)
    of = np.cumsum(pc.equal(pieces, "\n").to_numpy(zero_copy_only=False))
    found = pc.match_substring_regex(pieces, IN_WORDS).to_numpy(zero_copy_only=False)
    n_pieces = np.ones(len(words), dtype=np.int64)
    n_pieces[unspaced] = np.bincount(of[found], minlength=np.count_nonzero(unspaced))
    places = np.repeat(np.arange(len(words)), n_pieces)
    places[np.repeat(unspaced, n_pieces)] = len(words) + np.flatnonzero(found)
    return pa.concat_arrays([words, pieces]).take(pa.array(places)), n_pieces


def _running(counts: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many there are before each place, and in all."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
