"""Questions that a docstring answers: what a thing does, what its parameters mean, what it returns, when it raises.

The answer is always the text of the docstring itself. Which of several templates asks the question is chosen by a hash
of the name, so that it is the same in every run.
"""

import hashlib
import inspect
import re
import sys
from typing import NamedTuple

from macromicro.corpus.pydocs.docstrings import Docstring, Entry, parse_docstring

MACHINE_TEXT = re.compile(
    r"\b0x[0-9a-f]{6,}|site-packages|(?<![\w.:/])/(?:home|root|Users|usr|var|tmp|opt|mnt|private)/"
)
UNFILLED_TEXT = re.compile(r"%\(\w+\)s|\{\w+\}\n|[\x00-\x08\x0b-\x1f\x7f]")
IDENTIFIER = re.compile(r"`[^`]*`|\w*(?:[a-z][A-Z]|\d|_)\w*|[^\w\s]")
MAX_CHARS = 1000
MIN_WORDS = 4
TEMPLATES = {
    "summary": ["What does {name} do?", "What is {name} for?", "Summarise {name} in a few words.", "What is {name}?"],
    "description": ["Explain {name} in more detail.", "How does {name} work?", "Tell me more about {name}."],
    "notes": ["What should I know before I use {name}?", "Which details of {name} are worth knowing?"],
    "shape": ["Which shapes does {name} take and give?", "What are the input and output shapes of {name}?"],
    "examples": ["Show an example of {name}.", "How do I use {name}? Give an example.", "Write code that uses {name}."],
    "parameters": [
        "What is the parameter `{entry}` of {name} for?",
        "What does the argument `{entry}` of {name} mean?",
        "In a call of {name}, what does `{entry}` control?",
        "What can I pass as `{entry}` to {name}?",
    ],
    "attributes": ["What does the attribute `{entry}` of {name} hold?", "What is `{entry}` of {name}?"],
    "returns": ["What does {name} return?", "What do I get back from {name}?", "What is the result of {name}?"],
    "yields": ["What does {name} yield?", "What do I get when I iterate over {name}?"],
    "raises": ["When does {name} raise {entry}?", "Why would {name} raise {entry}?", "What causes {entry} in {name}?"],
    "warns": ["When does {name} warn with {entry}?", "Why would {name} emit {entry}?"],
    "see also": ["What is related to {name}?", "What else should I look at besides {name}?"],
}


class Pair(NamedTuple):
    """An instruction and a response, with the package they come from and the kind of question."""

    instruction: str
    response: str
    source: str
    kind: str


def make_pairs(name: str, doc: str, source: str) -> list[Pair]:
    """The pairs that one docstring gives: what it is, how it works, its parameters, results, errors and examples.

    Parameters: name, as users write it (`numpy.mean`); doc, the docstring; source, the package.
    """
    parsed = parse_docstring(inspect.cleandoc(doc))
    texts = {"summary": parsed.summary, "description": parsed.description, **parsed.texts}
    pairs = [_pair(kind, name, "", _first_paragraphs(text), source) for kind, text in texts.items()]
    for kind in ("parameters", "attributes", "raises", "warns"):
        entries = parsed.entries.get(kind, [])
        pairs += [_pair(kind, name, entry.name, _say(entry), source) for entry in entries if entry.name and entry.text]
    pairs += _listed_pairs(parsed, name, source)
    return [pair for pair in pairs if _is_usable(pair)]


def _listed_pairs(parsed: Docstring, name: str, source: str) -> list[Pair]:
    """One pair for each section that only makes sense as a whole."""
    pairs = []
    for kind in ("returns", "yields"):
        entries = parsed.entries.get(kind, [])
        told = [_say(entry) if len(entries) == 1 else _say_named(entry) for entry in entries]
        pairs.append(_pair(kind, name, "", "\n".join(text for text in told if text), source))
    related = [_say_named(entry) for entry in parsed.entries.get("see also", []) if len(entry.text) > 2]
    pairs.append(_pair("see also", name, "", "\n".join(related), source))
    return pairs


def _pair(kind: str, name: str, entry: str, response: str, source: str) -> Pair:
    """A pair whose template is chosen by a hash, so that it is the same in every run."""
    templates = TEMPLATES[kind]
    digest = hashlib.sha256(f"{kind}|{name}|{entry}".encode()).digest()
    template = templates[int.from_bytes(digest[:4], "big") % len(templates)]
    return Pair(template.format(name=name, entry=entry), response.strip(), source, kind)


def _say(entry: Entry) -> str:
    """Type and meaning in one text."""
    kind = entry.type.rstrip(".")
    between = ".\n" if entry.text.startswith(("-", "* ")) else ". "
    return f"{kind}{between}{entry.text}" if kind and entry.text else entry.text or kind


def _say_named(entry: Entry) -> str:
    """Type and meaning after the name."""
    return f"`{entry.name.strip('`')}`: {_say(entry)}" if entry.name else _say(entry)


def _first_paragraphs(text: str) -> str:
    """The leading paragraphs that fit into `MAX_CHARS` characters; at least one."""
    paragraphs = text.split("\n\n")
    kept = paragraphs[0]
    for paragraph in paragraphs[1:]:
        if len(kept) + len(paragraph) + 2 > MAX_CHARS:
            break
        kept += f"\n\n{paragraph}"
    return kept


def _is_usable(pair: Pair) -> bool:
    """Whether a pair says something, and nothing about this machine."""
    long_enough = len(pair.response.split()) >= MIN_WORDS and len(pair.response) <= 4 * MAX_CHARS
    text = f"{pair.instruction}\n{pair.response}"
    return long_enough and not (MACHINE_TEXT.search(text) or UNFILLED_TEXT.search(text) or sys.prefix in text)


def gist(pair: Pair) -> str:
    """The words of a response without names and numbers, by which boilerplate is known."""
    return " ".join(IDENTIFIER.sub(" ", pair.response).casefold().split())
