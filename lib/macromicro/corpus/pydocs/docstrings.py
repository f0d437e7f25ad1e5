"""Take docstrings apart: summary, sections, and the entries of lists such as parameters.

Two ways of writing are read: numpydoc (a heading underlined with dashes) and Google's (a heading with a colon, as in
torch and transformers). A section is known by a few names; those not listed in `SECTIONS` are dropped, since they hold
bibliographies and tables of contents.
"""

import re
import textwrap
from dataclasses import dataclass, field

from macromicro.corpus.pydocs.markup import DIRECTIVE, clean_example, clean_line, clean_markup

SECTIONS = {
    "args": "parameters",
    "arguments": "parameters",
    "parameters": "parameters",
    "params": "parameters",
    "other parameters": "parameters",
    "keyword args": "parameters",
    "keyword arguments": "parameters",
    "keyword parameters": "parameters",
    "attributes": "attributes",
    "return": "returns",
    "returns": "returns",
    "yield": "yields",
    "yields": "yields",
    "raises": "raises",
    "warns": "warns",
    "warnings": "notes",
    "warning": "notes",
    "example": "examples",
    "examples": "examples",
    "note": "notes",
    "notes": "notes",
    "see also": "see also",
    "shape": "shape",
    "references": "",
    "methods": "",
}
ENTRIES = {"parameters", "attributes", "returns", "yields", "raises", "warns", "see also"}
_UNDERLINE = re.compile(r"^[-=~]{3,}\s*$")
_COLON_HEADING = re.compile(r"^(\w+(?: \w+)?)\s*::?\s*$")
_GOOGLE_ENTRY = re.compile(r"^(\*{0,2}[`\w][\w`, .*]{0,60}?)\s*(?:\((.*?)\))?\s*:\s+(.*)$")
_SIGNATURE = re.compile(r"^[\w.]+\(.*\)(?:\s*->\s*.+)?$")


@dataclass(frozen=True)
class Entry:
    """One parameter, attribute, return value or exception."""

    name: str
    type: str
    text: str


@dataclass(frozen=True)
class Docstring:
    """A docstring taken apart. `texts` holds prose sections as prose, `entries` those that are lists of entries."""

    summary: str
    description: str
    texts: dict[str, str] = field(default_factory=dict)
    entries: dict[str, list[Entry]] = field(default_factory=dict)


def parse_docstring(doc: str) -> Docstring:
    r"""The parts of a docstring, cleaned with `markup.clean_markup`.

    Parameters: doc, as `inspect.cleandoc` leaves it (no common indent).

    >>> parsed = parse_docstring("Mean of `a`.\n\nReturns\n-------\nm : float\n    The mean.")
    >>> parsed.summary, parsed.entries["returns"]
    ('Mean of `a`.', [Entry(name='m', type='float', text='The mean.')])
    """
    free, sections = _split_sections(doc.expandtabs().split("\n"))
    texts: dict[str, list[str]] = {}
    entries: dict[str, list[Entry]] = {}
    for name, body, google in sections:
        if name in ENTRIES:
            read = _google_entries if google else _numpydoc_entries
            entries.setdefault(name, []).extend(read(body, name))
        elif name == "examples":
            texts.setdefault(name, []).append(clean_example("\n".join(body)))
        elif name:
            texts.setdefault(name, []).append(clean_markup("\n".join(body)))
    prose = clean_markup("\n".join(free)).split("\n\n")
    while prose and _SIGNATURE.match(prose[0]):
        prose.pop(0)
    summary, description = "".join(prose[:1]), "\n\n".join(prose[1:])
    joined = {name: "\n\n".join(part for part in parts if part) for name, parts in texts.items()}
    return Docstring(summary, description, joined, entries)


def _split_sections(lines: list[str]) -> tuple[list[str], list[tuple[str, list[str], bool]]]:
    """Text outside sections, and (section, body, whether Google's way) in order; unknown sections named ''."""
    free: list[str] = []
    sections: list[tuple[str, list[str], bool]] = []
    body, google, skip = free, False, False
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if skip:
            skip = False
            continue
        heading = _COLON_HEADING.match(line)
        if line.strip() and not line[0].isspace() and _UNDERLINE.match(below):
            name = SECTIONS.get(line.strip().rstrip(":").lower(), "")
            body, google, skip = [], False, True
            sections.append((name, body, google))
        elif heading and heading[1].lower() in SECTIONS:
            body, google = [], True
            sections.append((SECTIONS[heading[1].lower()], body, google))
        elif google and line.strip() and not line[0].isspace() and sections[-1][0] != "examples":
            body, google = free, False
            body.extend(["", line])
        else:
            body.append(line)
    return free, sections


def _numpydoc_entries(body: list[str], section: str) -> list[Entry]:
    """Entries of a section: unindented `name : type` over indented text."""
    entries = []
    for head, lines in _heads(body):
        name, colon, kind = (part.strip() for part in re.match(r"(.*?)(\s*:(?:\s+|$)|$)(.*)", head).groups())  # type: ignore[union-attr]
        text = clean_markup(textwrap.dedent("\n".join(lines)))
        if section == "see also":
            name, kind, text = name, "", clean_markup(kind) or text
        elif section in {"returns", "yields"} and not colon:
            name, kind = "", name
        entries.append(Entry(clean_line(name), clean_line(kind), text))
    return entries


def _google_entries(body: list[str], section: str) -> list[Entry]:
    """Entries of a section: `name (type): text`, continued on deeper lines; what is returned is one nameless entry."""
    if section in {"returns", "yields"}:
        return [Entry("", "", clean_markup(textwrap.dedent("\n".join(body))))]
    entries = []
    for head, lines in _heads(textwrap.dedent("\n".join(body)).split("\n")):
        match = _GOOGLE_ENTRY.match(head)
        rest = textwrap.dedent("\n".join(lines))
        if match:
            name, kind, first = match[1].strip("` "), match[2] or "", match[3]
            entries.append(Entry(clean_line(name), clean_line(kind), clean_markup(f"{first}\n{rest}")))
        elif head.rstrip().endswith(":"):
            name, _, kind = head.strip().rstrip(":").partition(" ")
            entries.append(Entry(clean_line(name.strip("`")), clean_line(kind.strip("() ")), clean_markup(rest)))
    return entries


def _heads(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Unindented lines, each with the indented or blank lines below it."""
    heads: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.strip() and not line[0].isspace() and not DIRECTIVE.match(line):
            heads.append((line, []))
        elif heads:
            heads[-1][1].append(line)
    return heads
