"""Texts to numbers of tokens or words, one batch at a time."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from macromicro.annotate.types import text_array
from macromicro.models.plain_text import fast_backend, plain_backend
from macromicro.study.sections import Unit

WHITE_SPACE = (
    r"[\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
)
"""What `str.split` takes for white space."""
NOT_IN_WORDS = r"[^\p{L}\p{M}\p{N}_]+"


class TokenEncoder:
    """Batches of texts to token numbers, on a copy of a fast tokenizer that neither truncates nor pads.

    Control tokens in a text are text, as in training (`models.plain_text`). A tokenizer without its chat template is
    not known to mean by an added token that is not special anything but its text.
    Raises ValueError if the tokenizer is not a fast one.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._backend, self._mark = plain_backend(tokenizer, [])

    def __call__(self, batch: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Token numbers of the texts of a batch, end to end, and the length of each.

        Raises ValueError if the tokenizer fails at a text, as one does that has no token for what it does not know.
        """
        if any(self._mark in text for text in batch):
            self._backend, self._mark = plain_backend(self._tokenizer, batch)
        try:
            encodings = self._backend.encode_batch_fast(batch, add_special_tokens=False)
        except Exception as error:  # the library raises no class of its own
            raise ValueError(f"the tokenizer cannot encode every text: {error}") from error
        parts = [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]
        return np.concatenate(parts), np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))

    @property
    def vocabulary(self) -> NDArray[np.object_]:
        """The token of each number, as the tokenizer writes it; numbers without a token get a name of their own."""
        numbers = fast_backend(self._tokenizer).get_vocab(with_added_tokens=True)
        vocabulary = text_array(f"<unused {number}>" for number in range(max(numbers.values(), default=-1) + 1))
        vocabulary[list(numbers.values())] = list(numbers)
        return vocabulary


class WordEncoder:
    """Batches of texts to word numbers, given in the order in which words are first met.

    Parameters: unit, `word` splits texts at white space and nowhere else, as `str.split` does; `bare-word` takes
    lower-cased runs of letters, digits and underscores. Raises ValueError for another unit.
    """

    def __init__(self, unit: Unit) -> None:
        if unit not in ("word", "bare-word"):
            raise ValueError(f"unit={unit!r} must be one of 'token', 'word', 'bare-word'")
        self._unit = unit
        self._numbers: dict[str, int] = {}

    def __call__(self, batch: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Word numbers of the texts of a batch, end to end, and the length of each."""
        words = self._split(pa.array(batch, type=pa.string()))
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

    def _split(self, texts: pa.StringArray) -> pa.ListArray:
        """The words of each text, among them empty ones at either end."""
        if self._unit == "word":  # Arrow's utf8_split_whitespace kept white space at the end of a text, now and then
            return pc.split_pattern_regex(texts, WHITE_SPACE)
        return pc.split_pattern_regex(pc.utf8_lower(texts), NOT_IN_WORDS)


def open_encoder(unit: Unit, tokenizer: Any) -> TokenEncoder | WordEncoder:
    """What turns texts into numbers of this unit. Parameters: tokenizer, for `token`; words need none."""
    return TokenEncoder(tokenizer) if unit == "token" else WordEncoder(unit)


def readable(tokens: NDArray[np.object_], tokenizer: Any) -> NDArray[np.object_]:
    """The tokens as a person reads them: bytes decoded, a leading space as `␣`; words (tokenizer None) as they are."""
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", tokenizer), "decoder", None)
    if decoder is None:
        return tokens
    return text_array(decoder.decode([token]).replace(" ", "␣") for token in tokens)
