"""Texts to numbers of tokens or words, one batch at a time."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from macromicro.annotate.types import text_array
from macromicro.corpus.words import NOT_IN_WORDS, WHITE_SPACE, split_words
from macromicro.models.plain_text import fast_backend, plain_backend
from macromicro.study.sections import Unit


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
    lower-cased runs of letters, digits and underscores. Where words have no spaces between them, either takes the words
    that `words.split_words` finds. Raises ValueError for another unit.
    """

    def __init__(self, unit: Unit) -> None:
        if unit not in ("word", "bare-word"):
            raise ValueError(f"unit={unit!r} must be one of 'token', 'word', 'bare-word'")
        self._unit = unit
        self._numbers: dict[str, int] = {}

    def __call__(self, batch: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Word numbers of the texts of a batch, end to end, and the length of each."""
        texts = pa.array(batch, type=pa.string())
        if self._unit == "word":
            words, lengths = split_words(texts, WHITE_SPACE)
        else:
            words, lengths = split_words(pc.utf8_lower(texts), NOT_IN_WORDS)
        coded = words.dictionary_encode()
        known = self._numbers
        numbers = np.array(
            [known.setdefault(word, len(known)) for word in coded.dictionary.to_pylist()], dtype=np.int32
        )
        return numbers[coded.indices.to_numpy()], lengths

    @property
    def vocabulary(self) -> NDArray[np.object_]:
        """The word of each number."""
        return text_array(self._numbers)


def open_encoder(unit: Unit, tokenizer: Any) -> TokenEncoder | WordEncoder:
    """What turns texts into numbers of this unit. Parameters: tokenizer, for `token`; words need none."""
    return TokenEncoder(tokenizer) if unit == "token" else WordEncoder(unit)


def readable(tokens: NDArray[np.object_], tokenizer: Any) -> NDArray[np.object_]:
    r"""The tokens as a person reads them: bytes decoded, a space as `␣`, a line break as `\n`.

    Words (tokenizer None) stay as they are.
    """
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", tokenizer), "decoder", None)
    if decoder is None:
        return tokens
    return text_array(_show_invisible(decoder.decode([token])) for token in tokens)


def _show_invisible(text: str) -> str:
    r"""The text with spaces and all that is not printed, such as line breaks, as something to see.

    >>> _show_invisible(" a\tb\n")
    '␣a\\tb\\n'
    """
    seen = text.replace(" ", "␣")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in seen)
