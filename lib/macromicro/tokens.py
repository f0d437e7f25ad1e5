"""Micro: the tokens of every text, in the tokenizer of the language model itself or in words.

Texts may be any iterable of str or a pyarrow array (for example a streamed Parquet column): they are tokenised batch
by batch, and at no time are all of them Python objects at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from macromicro.types import text_array

Unit = Literal["token", "word"]
Texts: TypeAlias = Iterable[str]
BATCH_SIZE = 1024
NOT_IN_WORDS = r"[^\p{L}\p{M}\p{N}_]+"


@dataclass(frozen=True, eq=False)
class TokenizedTexts:
    """The tokens of many texts, end to end.

    Attributes
    ----------
    tokens : int32, shape (n_tokens,), token numbers of all texts, one text after the other.
    offsets : int64, shape (n_texts + 1,); text i holds `tokens[offsets[i]:offsets[i + 1]]`.
    vocabulary : object array of str, shape (n_vocabulary,), the token of each number; None where it is not known.
    """

    tokens: NDArray[np.integer]
    offsets: NDArray[np.int64]
    vocabulary: NDArray[np.object_] | None

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, shape (n_texts,)."""
        return np.diff(self.offsets)


def tokenize(texts: Texts, tokenizer: Any, *, unit: Unit = "token", batch_size: int = BATCH_SIZE) -> TokenizedTexts:
    """The tokens of all texts, without special tokens.

    Parameters: tokenizer, a fast tokenizer of transformers or a `tokenizers.Tokenizer`; None with unit `word`, which
    takes lower-cased runs of letters, digits and underscores. batch_size, texts that are Python objects at once.
    Raises ValueError if there is no fast tokenizer or a text is missing.
    """
    encode = WordEncoder() if unit == "word" else TokenEncoder(tokenizer)
    parts = [encode(batch) for batch in batches(texts, batch_size)]
    tokens = np.concatenate([np.empty(0, dtype=np.int32), *(tokens for tokens, _ in parts)])
    lengths = np.concatenate([np.zeros(1, dtype=np.int64), *(lengths for _, lengths in parts)])
    return TokenizedTexts(tokens, np.cumsum(lengths), encode.vocabulary)


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


class TokenEncoder:
    """Batches of texts to token numbers, on a copy of a fast tokenizer that neither truncates nor pads."""

    def __init__(self, tokenizer: Any) -> None:
        from tokenizers import Tokenizer

        backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
        if not isinstance(backend, Tokenizer):
            raise ValueError(f"unit='token' needs a fast tokenizer, not {type(tokenizer).__name__}")
        self._backend = Tokenizer.from_str(backend.to_str())
        self._backend.no_truncation()
        self._backend.no_padding()
        self._backend.encode_special_tokens = True

    def __call__(self, batch: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Token numbers of the texts of a batch, end to end, and the length of each."""
        encodings = self._backend.encode_batch_fast(batch, add_special_tokens=False)
        parts = [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]
        return np.concatenate(parts), np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))

    @property
    def vocabulary(self) -> NDArray[np.object_]:
        """The token of each number, as the tokenizer writes it; numbers without a token get a name of their own."""
        numbers = self._backend.get_vocab(with_added_tokens=True)
        vocabulary = text_array(f"<unused {number}>" for number in range(max(numbers.values(), default=-1) + 1))
        vocabulary[list(numbers.values())] = list(numbers)
        return vocabulary


class WordEncoder:
    """Batches of texts to word numbers, given in the order in which words are first met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, batch: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Word numbers of the texts of a batch, end to end, and the length of each."""
        words = pc.split_pattern_regex(pc.utf8_lower(pa.array(batch, type=pa.string())), NOT_IN_WORDS)
        kept = pc.not_equal(words.values, "")
        starts = np.concatenate([[0], np.cumsum(kept.to_numpy(zero_copy_only=False), dtype=np.int64)])
        lengths = np.diff(starts[words.offsets.to_numpy()])
        coded = words.values.filter(kept).dictionary_encode()
        known = self._numbers
        numbers = np.array(
            [known.setdefault(word, len(known)) for word in coded.dictionary.to_pylist()], dtype=np.int32
        )
        return numbers[coded.indices.to_numpy()], lengths

    @property
    def vocabulary(self) -> NDArray[np.object_]:
        """The word of each number."""
        return text_array(self._numbers)
