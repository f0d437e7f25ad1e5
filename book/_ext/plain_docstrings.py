"""Sphinx extension: our docstrings are plain text with `names` in single backticks, not reStructuredText."""

import re

LITERAL = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
SPECIAL = re.compile(r"(?<!\\)([*|])|(?<=\w)_(?=\W|$)")


def as_rest(line: str) -> str:
    """The line with `names` as literals and stray markup characters escaped; doctests are left alone."""
    if line.lstrip().startswith((">>>", "...")):
        return line
    parts = re.split(r"(``[^`]+``|`[^`\n]+`)", line)
    return "".join(
        LITERAL.sub(r"``\1``", part) if part.startswith("`") else SPECIAL.sub(lambda found: f"\\{found[0]}", part)
        for part in parts
    )


def process(app, what, name, obj, options, lines):
    """Rewrite the lines of a docstring in place, as autodoc asks."""
    lines[:] = [as_rest(line) for line in lines]


def setup(app):
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", process, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
