"""Tags written by a language model, the way of InsTag (arXiv 2308.07074): atomic intentions as a strict JSON list."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from macromicro.models.asking import log_beside, name_model, open_asking
from macromicro.models.llm import Ask, Conversation
from macromicro.models.replies import ask_cached

WriteTags = Callable[[Sequence[str], int], tuple[list[list[str]], dict[str, Any]]]

PROMPT = """\
Below is a text from a dialogue with an assistant: a user's instruction or an assistant's response. Name what it is \
about and what is wanted or done in it, as tags. Each tag is one atomic intention or subject in one to three English \
words, such as "data analysis" or "medieval history". Give at most {n_tags} tags, the most important first.
Reply with a JSON list of strings and nothing else, for example ["poetry", "tone change"].

Text:
{text}"""
CORRECTION = "That is not a JSON list of strings. Reply again with the JSON list only, without any other word."
FENCE = re.compile(r"\A```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL)


def open_tag_writer(
    *,
    model: str,
    revision: str | None,
    max_tokens: int,
    max_chars: int,
    max_untagged: float,
    cache: Path | None,
    **reach: Any,
) -> WriteTags:
    """A function from texts and `n_tags` to tags and a report, see `write_tags`; nothing is loaded or asked yet.

    Parameters: max_tokens of a reply; max_chars of a text, where it is cut; max_untagged, the largest share of texts
    that may be left without tags; cache, an SQLite file of replies; reach, how the model's server is reached
    (`sections.HOW_TO_REACH`), as in `asking.open_asking`.
    """
    limits: dict[str, Any] = {"max_tokens": max_tokens, "max_chars": max_chars, "max_untagged": max_untagged}

    def write(texts: Sequence[str], n_tags: int) -> tuple[list[list[str]], dict[str, Any]]:
        opened = open_asking(model=model, revision=revision, max_tokens=max_tokens, log=log_beside(cache), **reach)
        with opened as ask:
            return write_tags(texts, ask=ask, model=name_model(model, revision), n_tags=n_tags, cache=cache, **limits)

    return write


def write_tags(
    texts: Sequence[str],
    *,
    ask: Ask,
    model: str,
    n_tags: int,
    max_tokens: int,
    max_chars: int,
    max_untagged: float,
    cache: Path | None,
) -> tuple[list[list[str]], dict[str, Any]]:
    """Raw tags of each text, and how it went.

    A reply that is no JSON list of strings is answered with a correction, once; a text whose second reply is none
    either, whose list is empty or whose request failed has no tags and is counted. None of these is kept in the cache,
    so that the next run asks again.
    The report counts `n_texts`, `n_cut` (longer than `max_chars`), `n_malformed` (first replies), `n_malformed_again`,
    `n_empty` and `n_failed` (no reply).
    Raises RuntimeError if a larger share of the texts than `max_untagged` has no tags, as soon as that is sure, or if
    none has a reply.
    """

    def check(n_failed: int) -> None:
        _check_untagged({"n_texts": len(texts), "n_failed": n_failed}, max_untagged)

    talks = [_first_message(text[:max_chars], n_tags) for text in texts]
    known: dict[str, Any] = {"model": model, "max_tokens": max_tokens, "cache": cache}
    asked = ask_cached(
        ask, conversations=talks, worth_keeping=lambda reply: parse_tags(reply) != [], check=check, **known
    )
    replies = [reply for _, reply in sorted(asked)]
    tags = [None if reply is None else parse_tags(reply) for reply in replies]
    malformed = [row for row, found in enumerate(tags) if found is None and replies[row] is not None]
    corrections = [_correct(talks[row], replies[row]) for row in malformed]
    asked = ask_cached(ask, conversations=corrections, worth_keeping=lambda reply: bool(parse_tags(reply)), **known)
    again = [reply for _, reply in sorted(asked)]
    for row, reply in zip(malformed, again, strict=True):
        tags[row] = None if reply is None else parse_tags(reply)
    failed = replies.count(None) + again.count(None)
    if texts and failed == len(texts):
        raise RuntimeError(f"{model}: none of {failed} requests got a reply; see the log of the server")
    report = {
        "tagger": "llm",
        "model": model,
        "n_texts": len(texts),
        "n_cut": sum(len(text) > max_chars for text in texts),
        "n_malformed": len(malformed),
        "n_malformed_again": tags.count(None) - failed,
        "n_empty": tags.count([]),
        "n_failed": failed,
    }
    _check_untagged(report, max_untagged)
    return [(found or [])[:n_tags] for found in tags], report


def _check_untagged(report: dict[str, Any], max_untagged: float) -> None:
    """Raise RuntimeError if more texts have no tags than may."""
    failed, malformed, empty = (report.get(name, 0) for name in ("n_failed", "n_malformed_again", "n_empty"))
    n, untagged = report["n_texts"], failed + malformed + empty
    if untagged > max_untagged * n:
        raise RuntimeError(
            f"{untagged:,} of {n:,} texts have no tags ({failed:,} requests failed, {malformed:,} replies were no "
            f"list, {empty:,} lists were empty), more than tag_llm.max_untagged={max_untagged:g} allows: see the "
            "server's log and run again, which asks for these only, or raise it"
        )


def parse_tags(reply: str) -> list[str] | None:
    """The tags of a reply, without repeats; None if it is not a JSON list of non-empty strings.

    A fence around the list is allowed, anything else is not.

    >>> parse_tags('["poetry", "tone change", "poetry"]')
    ['poetry', 'tone change']
    >>> parse_tags('Tags: ["poetry"]') is None
    True
    """
    text = reply.strip()
    fenced = FENCE.match(text)
    try:
        tags = json.loads(fenced[1] if fenced else text)
    except (json.JSONDecodeError, RecursionError):
        return None
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag.strip() for tag in tags):
        return None
    return list(dict.fromkeys(tag.strip() for tag in tags))


def _first_message(text: str, n_tags: int) -> Conversation:
    """The conversation that asks for tags."""
    return [{"role": "user", "content": PROMPT.format(n_tags=n_tags, text=text)}]


def _correct(talk: Conversation, reply: str | None) -> Conversation:
    """The conversation that asks again."""
    return [*talk, {"role": "assistant", "content": reply or ""}, {"role": "user", "content": CORRECTION}]
