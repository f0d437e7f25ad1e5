"""Sphinx extension: our docstrings are plain text with `names` in single backticks, not reStructuredText."""

import re

LITERAL = re.compile(r"`([^`\n]+)`")
SPECIAL = re.compile(r"(?<!\\)[*|]|(?<=\w)_(?=\W|$)")


def as_rest(lines):
    """The lines of a docstring as reStructuredText.

    Doctests stay as they are, indented lines are shown as they stand, and all other text has `names` as literals and
    stray markup escaped.
    """
    rest, doctest, block = [], False, False
    for line in (line.replace("\b", "").rstrip() for line in lines):
        doctest = bool(line) and (doctest or line.startswith(">>>"))
        indented = line.startswith(" ")
        if indented and not block and not doctest:
            rest += ["", "::", ""]
        if block and line and not indented:
            rest.append("")
        block = indented and not doctest if line else block
        rest.append(line if doctest or block else escape(line))
    return rest


def escape(line):
    """The line with `names` as literals and stray markup characters escaped."""
    parts = re.split(r"(``[^`]+``|`[^`\n]+`)", line)
    return "".join(
        part if part.startswith("``") else LITERAL.sub(r"``\1``", part) if part.startswith("`") else _escaped(part)
        for part in parts
    )


def _escaped(text):
    return SPECIAL.sub(lambda found: f"\\{found[0]}", text)


def process(app, what, name, obj, options, lines):
    """Rewrite the lines of a docstring in place, as autodoc asks."""
    lines[:] = as_rest(lines)


def setup(app):
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", process, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
