"""Texts one batch at a time: as many as may be Python objects at once, or as many tokens as a model reads at once."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Texts: TypeAlias = Iterable[str]
BATCH_SIZE = 1024


def batches(texts: Texts, batch_size: int) -> Iterator[list[str]]:
    """Lists of at most `batch_size` texts; a pyarrow array is converted one batch at a time.

    Raises ValueError naming the row if a text is missing or not a str.
    """
    if isinstance(texts, pa.Array | pa.ChunkedArray):
        chunks: Iterator[list[str]] = (
            texts.slice(start, batch_size).to_pylist() for start in range(0, len(texts), batch_size)
        )
    else:
        rest: Iterator[str] = iter(texts)
        chunks = iter(lambda: list(islice(rest, batch_size)), [])
    start = 0
    for chunk in chunks:
        for row, text in enumerate(chunk, start):
            if not isinstance(text, str):
                raise ValueError(f"every text must be a str, but text {row} is {text!r}")
        start += len(chunk)
        yield chunk


def each_text(texts: Texts) -> Iterator[str]:
    """The texts one after the other, of which only one batch is Python objects at a time. Raises as `batches`."""
    return chain.from_iterable(batches(texts, BATCH_SIZE))


def token_batches(n_tokens: NDArray[np.int64], batch_tokens: int, *, n_new: int = 0) -> Iterator[NDArray[np.int64]]:
    """Rows of texts in batches of similar length, longest first (so that too little memory shows at once).

    The texts of a batch, padded to the longest and continued by `n_new` tokens, hold at most `batch_tokens`; a text
    that is longer by itself makes a batch of its own.

    >>> [rows.tolist() for rows in token_batches(np.array([2, 9, 3, 3]), 6)]
    [[1], [2, 3], [0]]
    """
    order = np.argsort(-n_tokens, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // max(1, int(n_tokens[order[start]]) + n_new))
        yield order[start : start + size]
        start += size
