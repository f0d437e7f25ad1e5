"""Texts one batch at a time, so that not all of them need be Python objects at once."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TypeAlias

import pyarrow as pa

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
