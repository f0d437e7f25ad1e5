"""Tables in Markdown pages, and text that is not ours: shown as it stands, whatever it spells.

What a study names (models, files, sources, its description) may hold markup, formulas, roles and HTML.
"""

import re

import pandas as pd

MARKUP = re.compile(r"[!-/:-@\[-`{-~]")
NUMBER = r"(?:\[?[-+]?\d[\d,.]*(?:\s?%)?(?:\]\(.*\))?)?|–"
"""A cell that holds a number, perhaps as a link, or nothing."""


def as_text(text: object) -> str:
    r"""The text such that a page shows it as it stands, on one line.

    Every mark of ASCII is escaped, as CommonMark allows.

    >>> as_text("<b>{role}`x` | $k$")
    '\\<b\\>\\{role\\}\\`x\\` \\| \\$k\\$'
    """
    return MARKUP.sub(lambda mark: f"\\{mark[0]}", " ".join(str(text).split()))


def as_code(text: object) -> str:
    """The text in the type of code, on one line; a bar in a table is escaped by whoever writes the table.

    >>> as_code("org/model"), as_code("a`b")
    ('`org/model`', '`` a`b ``')
    """
    line = " ".join(str(text).split())
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    if not longest:
        return f"`{line}`" if line else ""
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}"


def markdown_table(table: pd.DataFrame) -> str:
    """The table in Markdown: numbers to the right, a row on one line, bars in cells escaped."""
    cells = table.astype(str).replace({r"\s*\n\s*": " ", r"\|": r"\\|"}, regex=True)
    rule = ["--:" if cells[name].str.fullmatch(NUMBER).all() else ":--" for name in table.columns]
    rows = [list(table.columns), rule, *cells.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
