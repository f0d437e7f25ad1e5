"""Tokens of text in which control tokens are only what the chat template writes.

A sample may contain `<|end|>` or `</s>`. To a tokenizer these are control tokens wherever they stand, so that such a
text would end a turn that goes on. Here they are ordinary text unless the template wrote them, and all else has the
very tokens that the tokenizer gives to the rendered conversation:

1. `shield` marks the control tokens in contents, by another first character,
2. the template renders the shielded contents,
3. `encode` gives each control token that still has its name, which the template must have written, a name that no text
   holds, takes the marks off, and encodes with a copy of the tokenizer that knows the control tokens by those names.

The switch that tokenizers has for this, `encode_special_tokens`, is not enough: added tokens that are not special stay
control tokens, and a Unigram vocabulary finds `</s>` in a text as one of its pieces.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

MARKS = tuple(
    map(chr, [*range(0xFDD0, 0xFDF0), *(plane << 16 | 0xFFFE | end for plane in range(1, 17) for end in (0, 1))])
)
"""Characters that Unicode assigns to no text, ever."""
SIGN = re.compile(r"[^\w\s]")
FIXED_DATE = datetime(2024, 7, 26)
"""Today, to a template that asks: the same tokens on every day (the date that Llama 3's template takes by itself)."""
NO_SPACE_BEFORE = {
    "Prepend": ("prepend", ""),
    "Metaspace": ("prepend_scheme", "never"),
    "ByteLevel": ("add_prefix_space", False),
}
"""Of the parts of a tokenizer that put a space before a text, the setting that tells them not to."""


def encode_plain(texts: Sequence[str], tokenizer: Any) -> list[list[int]]:
    """Token numbers of each text, all of it text; nothing is added, no begin and no end.

    Parameters: tokenizer, a fast tokenizer of transformers. Raises ValueError as `PlainTokenizer`.
    """
    plain = PlainTokenizer(tokenizer, texts)
    return plain.encode([plain.shield(text) for text in texts])


def encode_chats(
    chats: Sequence[Sequence[dict[str, str]]], tokenizer: Any, *, add_generation_prompt: bool = False
) -> list[list[int]]:
    """Token numbers of each conversation as the chat template writes it, with contents as text.

    Where no content holds the name of a control token they equal those of `tokenizer.apply_chat_template`, but that
    today is always `FIXED_DATE`.
    Parameters: chats, messages with role and content. Raises ValueError as `PlainTokenizer`.
    """
    plain = PlainTokenizer(tokenizer, [turn["content"] for chat in chats for turn in chat])
    return plain.encode(plain.render(chats, add_generation_prompt=add_generation_prompt))


class PlainTokenizer:
    """A tokenizer for templates filled with some texts, in which no text is a control token.

    Added tokens that are not control tokens (`control_tokens`), such as the runs of spaces of some vocabularies, are
    text that the tokenizer reads in one piece, and stay as they are.

    Parameters: tokenizer, a fast tokenizer of transformers; texts, all that will be shielded.
    Raises ValueError if the tokenizer is not a fast one, or the texts hold too many characters that are none.
    """

    def __init__(self, tokenizer: Any, texts: Iterable[str]) -> None:
        self._tokenizer = tokenizer
        self._control = control_tokens(tokenizer)
        starts = sorted({name[0] for name in self._control})
        begin, end, *marks = _unused(texts, 2 + len(starts))
        self._marks = dict(zip(starts, marks, strict=True))
        self._aliases = {name: f"{begin}{number}{end}" for name, number in self._control.items()}
        self._unknown = tokenizer.unk_token_id
        longest = sorted(map(re.escape, self._control), key=len, reverse=True)
        self._names = re.compile("|".join(longest) if longest else "(?!)")
        self._starts = re.compile(f"(?=(?:{self._names.pattern})).", re.DOTALL)
        self._backend = _rename_tokens(tokenizer, self._aliases)

    def shield(self, text: str) -> str:
        """The text with another first character of every control token in it."""
        return self._starts.sub(lambda found: self._marks[found[0]], text)

    def render(self, chats: Sequence[Sequence[dict[str, str]]], *, add_generation_prompt: bool) -> list[str]:
        """What the chat template writes of each conversation, contents shielded; the same on every day."""
        shielded = [[{**turn, "content": self.shield(turn["content"])} for turn in chat] for chat in chats]
        if not shielded:
            return []
        return self._tokenizer.apply_chat_template(
            shielded, tokenize=False, add_generation_prompt=add_generation_prompt, strftime_now=FIXED_DATE.strftime
        )

    def encode(self, rendered: Sequence[str]) -> list[list[int]]:
        """Token numbers of what a template wrote around shielded texts, or of its beginning.

        Raises ValueError if a text would still become a control token.
        """
        return self._encode(rendered, self._backend)

    def encode_on(self, rendered: Sequence[str]) -> list[list[int]]:
        """As `encode`, of what goes on a text: without the space that some tokenizers put before every text."""
        return self._encode(rendered, self._backend_within) if rendered else []

    @cached_property
    def _backend_within(self) -> Any:
        """The copy of the tokenizer that puts no space before a text."""
        from tokenizers import Tokenizer

        parts = json.loads(self._backend.to_str())
        open_ended = {name: _without_space(parts[name]) for name in ("normalizer", "pre_tokenizer")}
        return Tokenizer.from_str(json.dumps({**parts, **open_ended}))

    def _unshield(self, text: str) -> str:
        """The text with the marks taken off."""
        for start, mark in self._marks.items():
            text = text.replace(mark, start)
        return text

    def _encode(self, rendered: Sequence[str], backend: Any) -> list[list[int]]:
        """Token numbers of rendered texts, by one of the copies of the tokenizer."""
        written = [self._names.findall(text) for text in rendered]
        texts = [self._names.sub(lambda found: self._aliases[found[0]], text) for text in rendered]
        encodings = backend.encode_batch_fast([*map(self._unshield, texts)], add_special_tokens=False)
        tokens: list[list[int]] = [encoding.ids for encoding in encodings]
        known = set(self._control.values()) - {self._unknown}
        for text, names, numbers in zip(rendered, written, tokens, strict=True):
            asked = [self._control[name] for name in names if self._control[name] in known]
            if asked != [number for number in numbers if number in known]:
                shown = self._unshield(text)[:80]
                raise ValueError(f"the tokenizer takes text for control tokens: {shown!r}")
        return tokens


def control_tokens(tokenizer: Any) -> dict[str, int]:
    """Names and numbers of the tokens that mean something other than their text.

    They are the special ones, and of the other added tokens those with a sign in their name that the chat template
    holds.
    Parameters: tokenizer, a fast one of transformers, or a `tokenizers.Tokenizer`, which has no template.
    """
    template = str(getattr(tokenizer, "chat_template", None) or "")
    special = set(getattr(tokenizer, "all_special_tokens", ()))
    return {
        token.content: number
        for number, token in fast_backend(tokenizer).get_added_tokens_decoder().items()
        if token.special or token.content in special or (SIGN.search(token.content) and token.content in template)
    }


def plain_backend(tokenizer: Any, texts: Sequence[str]) -> tuple[Any, str]:
    """A copy of the `tokenizers.Tokenizer` of a tokenizer to which these texts hold no control token, and its mark.

    No other text holds one either, as long as it does not hold the mark: a run of a character that is none.
    The copy neither truncates nor pads. Raises ValueError if the tokenizer is not a fast one.
    """
    mark = MARKS[0]
    while any(mark in text for text in texts):
        mark += MARKS[0]
    aliases = {name: f"{mark}{number}{mark}" for name, number in control_tokens(tokenizer).items()}
    return _rename_tokens(tokenizer, aliases), mark


def fast_backend(tokenizer: Any) -> Any:
    """The `tokenizers.Tokenizer` that a fast tokenizer of transformers wraps, or that it is itself.

    Raises ValueError if the tokenizer is not a fast one.
    """
    from tokenizers import Tokenizer

    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not isinstance(backend, Tokenizer):
        raise ValueError(f"text apart from control tokens needs a fast tokenizer, not {type(tokenizer).__name__}")
    return backend


def _rename_tokens(tokenizer: Any, aliases: Mapping[str, str]) -> Any:
    """A copy of the `tokenizers.Tokenizer` of a tokenizer that knows some tokens by other names and no more by theirs.

    It neither truncates nor pads, and no merge makes a renamed token.
    """
    from tokenizers import Tokenizer

    parts = json.loads(fast_backend(tokenizer).to_str())
    backend = Tokenizer.from_str(json.dumps(_rename(parts, aliases)))
    backend.no_truncation()
    backend.no_padding()
    return backend


def _unused(texts: Iterable[str], n_marks: int) -> list[str]:
    """The first `n_marks` of `MARKS` that no text holds."""
    any_mark = re.compile(f"[{''.join(MARKS)}]")
    used = {mark for text in texts for mark in any_mark.findall(text)}
    free = [mark for mark in MARKS if mark not in used]
    if len(free) < n_marks:
        found = f"texts hold {len(used)} of the {len(MARKS)} characters that are none"
        raise ValueError(f"{found}, but {n_marks} must be free")
    return free[:n_marks]


def _rename(tokenizer: dict[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    """The tokenizer (as tokenizers writes it) with other names of some tokens, which no merge makes any more."""
    model = dict(tokenizer["model"])
    if isinstance(model["vocab"], dict):
        model["vocab"] = {aliases.get(name, name): number for name, number in model["vocab"].items()}
    else:
        model["vocab"] = [[aliases.get(name, name), score] for name, score in model["vocab"]]
    if "merges" in model:
        model["merges"] = [pair for pair in model["merges"] if aliases.keys().isdisjoint([*pair, "".join(pair)])]
    if "unk_token" in model:
        model["unk_token"] = aliases.get(model["unk_token"], model["unk_token"])
    added = [{**old, "content": aliases.get(old["content"], old["content"])} for old in tokenizer["added_tokens"]]
    return {**tokenizer, "model": model, "added_tokens": added}


def _without_space(part: Any) -> Any:
    """A normaliser or pre-tokenizer (as tokenizers writes it) that puts no space before a text."""
    if isinstance(part, list):
        return [_without_space(each) for each in part]
    if not isinstance(part, dict):
        return part
    key, value = NO_SPACE_BEFORE.get(part.get("type", ""), ("", None))
    return {name: value if name == key else _without_space(old) for name, old in part.items()}
