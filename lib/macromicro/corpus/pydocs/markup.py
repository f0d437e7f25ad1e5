"""Readable prose from reST and Markdown, as docstrings use them."""

import functools
import re
import textwrap

DROPPED_DIRECTIVES = (
    r"versionadded|versionchanged|versionremoved|deprecated|plot|image|figure|toctree|index|autosummary|automodule"
    r"|autofunction|autoclass|autodata|currentmodule|only|raw|include|contents|rubric|seealso|minigallery|tabularcolumns"
    r"|table|list-table|csv-table|inheritance-diagram|highlight|ipython|graphviz|_[^:]*"
)
CODE_DIRECTIVES = {"code", "code-block", "sourcecode", "testcode", "parsed-literal"}
DIRECTIVE = re.compile(r"^(\s*)\.\. (?:([\w:-]+?)::|_[^:]+:|\[\S+\])\s*(.*)$")
_BULLET = re.compile(r"^\s*(?:[-*+•] |\d{1,2}[.)] |#\. )")
_DOCTEST = re.compile(r"^\s*(?:>>>|\.\.\.( |$))")
_TABLE = re.compile(r"^\s*(?:[=+\-|]{2,}[\s=+\-|]*|\|.*\|)$")
_INLINE = [
    (
        re.compile(
            r"!\[[^\]]*\]\([^)]*\)|<img[^>]*>|</?(?:Tip|hfoptions?|frameworkcontent|pt|br|p|a|b|i|code|su[bp])\b[^<>]*>"
        ),
        "",
    ),
    (re.compile(r":[\w:+-]+:`([^`<]+?)\s*<[^`>]*>`"), r"`\1`"),
    (re.compile(r":[\w:+-]+:(?=`)"), ""),
    (re.compile(r"`[~!](?:[\w.]+\.)?(\w+(?:\(\))?)`"), r"`\1`"),
    (re.compile(r"`([^`<]+?)\s*<[^`>]+>`__?"), r"\1"),
    (re.compile(r"`([^`]+)`__?(?=\W|$)"), r"\1"),
    (re.compile(r"(?:\s?\[(?:\d+|[A-Z][\w+-]*|#\w*)\]_(?:,(?=\s*\[))?)+"), ""),
    (re.compile(r"\[(`[^`\]]+`)\](?:\([^)\s]+\))?"), r"\1"),
    (re.compile(r"\[([^\]\[]+)\]\((?:https?:|\.|/|#)[^)\s]*\)"), r"\1"),
    (re.compile(r"``([^`]+)``"), r"`\1`"),
    (re.compile(r"(?<![\w*`\\])\*{1,2}([^\s*`](?:[^*`\n]*[^\s*`\\])?)\*{1,2}(?![\w*])"), r"\1"),
    (re.compile(r"\\([*_`|])"), r"\1"),
    (re.compile(r"`\.((?:\w+\.)+\w+|[A-Z]\w*)`"), r"`\1`"),
    (re.compile(r"\{\{([^{}]*)\}\}"), r"{\1}"),
    (re.compile(r"[ \t]+"), " "),
]


@functools.lru_cache(maxsize=100_000)
def clean_markup(text: str) -> str:
    r"""Prose without reST and Markdown clutter: one line per paragraph or list item, a blank line between blocks.

    Literals and references become `code`; blocks of code keep their lines; notes and formulas keep their contents;
    directives that carry no prose (version marks, plots, tables, link targets) are dropped with what they hold.

    >>> clean_markup("See :func:`~numpy.mean` [1]_, or\n``axis=0``.\n\n.. versionadded:: 1.7\n   New.")
    'See `mean`, or `axis=0`.'
    """
    cleaned: list[str] = []
    code_below: int | None = None  # blocks that are indented deeper than this are code
    for block in re.split(r"\n\s*\n", _without_directives(text)):
        indent = min((len(line) - len(line.lstrip()) for line in block.split("\n") if line.strip()), default=0)
        if code_below is not None and indent > code_below:
            cleaned.append(textwrap.dedent(block).rstrip())
        else:
            cleaned.append(_clean_block(block))
            code_below = indent if block.rstrip().endswith("::") else None
    return "\n\n".join(block for block in cleaned if block not in {"", ":"})


def clean_example(text: str) -> str:
    """Example code with its prose cleaned; code keeps its lines and prompts."""
    text = re.sub(r"^\s*```+\w*\s*$", "", _without_directives(text), flags=re.MULTILINE)
    cleaned = []
    for block in re.split(r"\n\s*\n", textwrap.dedent(text)):
        code = block.startswith((" ", "\t")) or _DOCTEST.match(block) or re.search(r"[=(\])]\s*(#.*)?$", block)
        cleaned.append(textwrap.dedent(block).rstrip().strip("\n") if code else _clean_block(block))
    return "\n\n".join(block for block in cleaned if block.strip() not in {"", ":"})


def _without_directives(text: str) -> str:
    """Text without directive lines; what they hold stays only where it is prose."""
    kept: list[str] = []
    dropped: int | None = None
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        if dropped is not None and (not line.strip() or indent > dropped):
            continue
        dropped = None
        match = DIRECTIVE.match(line)
        if match is None:
            kept.append(line)
        elif match[2] in CODE_DIRECTIVES:
            kept += ["", f"{match[1]}::", ""]
        elif match[2] is None or re.fullmatch(DROPPED_DIRECTIVES, match[2]):
            dropped = indent
        else:
            kept.append("" if not match[3] else f"{match[1]}{match[3]}")
    return "\n".join(line for line in kept if not re.match(r"^\s*:[\w-]+:(?!`)", line))


def _clean_block(block: str) -> str:
    """A paragraph on one line, a list with an item per line, doctests as they are, tables dropped."""
    lines = block.strip("\n").split("\n")
    if any(_TABLE.match(line) for line in lines):
        return ""
    if _DOCTEST.match(lines[0]):
        return textwrap.dedent("\n".join(lines)).rstrip()
    items: list[str] = []
    indents = [len(line) - len(line.lstrip()) for line in lines]
    for line, indent, above in zip(lines, indents, [0, *indents], strict=False):
        back = indent <= indents[0] < above
        if items and not back and not _BULLET.match(line):
            items[-1] += f" {line.strip()}"
        else:
            items.append(line.strip())
    return "\n".join(item for item in map(clean_line, items) if item)


@functools.lru_cache(maxsize=100_000)
def clean_line(text: str) -> str:
    """One line without inline markup."""
    text = re.sub(r"::\s*$", ":", text.strip())
    for pattern, plain in _INLINE:
        text = pattern.sub(plain, text)
    return text.strip()
