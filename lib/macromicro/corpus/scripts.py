"""The scripts of texts: which they are, and where words have no spaces between them and need a dictionary."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from macromicro.corpus.batches import BATCH_SIZE, batches

UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
LETTERS = r"\p{L}"
MIN_LETTERS = 1000  # fewer say nothing about a corpus
MAX_SHARE = 0.3
SCRIPTS = (
    *("Latin", "Han", "Cyrillic", "Arabic", "Devanagari", "Hiragana", "Katakana", "Hangul", "Greek", "Hebrew", "Thai"),
    *("Bengali", "Tamil", "Telugu", "Kannada", "Malayalam", "Gujarati", "Gurmukhi", "Sinhala", "Georgian", "Armenian"),
    *("Ethiopic", "Khmer", "Lao", "Myanmar", "Tibetan"),
)
"""Scripts that are counted by name."""
OTHER = "other"
NO_SPACES = "texts without spaces between words (Chinese, Japanese, Thai, ...)"


def find_unspaced(texts: Iterable[str]) -> NDArray[np.bool_]:
    """Whether each text has a character of a script without spaces between words, shape (n_texts,).

    >>> find_unspaced(["春天来了", "Spring has come", "Spring (春) has come"]).tolist()
    [True, False, True]
    """
    return pc.match_substring_regex(_as_arrow(texts), UNSPACED).to_numpy(zero_copy_only=False)


def lacks_spaces(texts: Iterable[str]) -> bool:
    """Whether a good part of the letters of a corpus is of scripts without spaces between words.

    These are Chinese, Japanese, Thai, Lao, Khmer and Burmese. A corpus of under `MIN_LETTERS` letters is not judged.

    >>> lacks_spaces(["春天来了，花儿开了"] * 200), lacks_spaces(["Spring has come"] * 200)
    (True, False)
    """
    array = _as_arrow(texts)
    n_unspaced, n_letters = _count(array, UNSPACED), 0
    for start in range(0, len(array), BATCH_SIZE):
        n_letters += _count(array.slice(start, BATCH_SIZE), LETTERS)
        if n_unspaced <= MAX_SHARE * n_letters:
            return False
    return n_letters >= MIN_LETTERS


def count_scripts(texts: Iterable[str]) -> dict[str, int]:
    """Letters of each script that the texts have, by the names of Unicode; `other` for those not in `SCRIPTS`.

    >>> count_scripts(["Spring (春天)", "весна, 2024"])
    {'Latin': 6, 'Han': 2, 'Cyrillic': 5}
    """
    counts = np.zeros(0, dtype=np.int64)
    for batch in batches(texts, BATCH_SIZE):
        points = np.frombuffer("".join(batch).encode("utf-32-le", errors="replace"), dtype=np.uint32)
        found = np.bincount(points, minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    present = np.flatnonzero(counts)
    letters = pa.array([chr(point) for point in present.tolist()], pa.large_string())
    scripts = {name: _matches(letters, rf"\p{{{name}}}") for name in SCRIPTS}
    is_letter = _matches(letters, LETTERS)
    scripts[OTHER] = ~np.any(list(scripts.values()), axis=0)
    totals = {name: int(counts[present[held & is_letter]].sum()) for name, held in scripts.items()}
    return {name: n for name, n in totals.items() if n}


def refuse_unspaced(texts: Iterable[str], what: str, instead: str) -> None:
    """Raise ValueError if the texts are of such scripts. Parameters: what means nothing there; what to do instead."""
    if lacks_spaces(texts):
        raise ValueError(f"{what} mean nothing in {NO_SPACES}: {instead}")


def _count(texts: pa.Array | pa.ChunkedArray, pattern: str) -> int:
    return pc.sum(pc.count_substring_regex(texts, pattern)).as_py() or 0


def _matches(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    return pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)


def _as_arrow(texts: Iterable[str]) -> pa.Array | pa.ChunkedArray:
    return texts if isinstance(texts, pa.Array | pa.ChunkedArray) else pa.array(texts, pa.large_string())
