"""The scripts of texts: where words have no spaces between them, they must be found in a dictionary."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
LETTERS = r"\p{L}"
MIN_LETTERS = 1000  # fewer say nothing about a corpus
MAX_SHARE = 0.3


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
    n_letters, n_unspaced = (
        pc.sum(pc.count_substring_regex(array, pattern)).as_py() or 0 for pattern in (LETTERS, UNSPACED)
    )
    return bool(n_letters >= MIN_LETTERS and n_unspaced > MAX_SHARE * n_letters)


def refuse_unspaced(texts: Iterable[str], what: str, instead: str) -> None:
    """Raise ValueError if the texts are of such scripts. Parameters: what means nothing there; what to do instead."""
    if lacks_spaces(texts):
        raise ValueError(
            f"{what} mean nothing in texts without spaces between words (Chinese, Japanese, Thai, ...): {instead}"
        )


def _as_arrow(texts: Iterable[str]) -> pa.Array | pa.ChunkedArray:
    return texts if isinstance(texts, pa.Array | pa.ChunkedArray) else pa.array(texts, pa.large_string())
