"""Text that is not ours in Markdown pages: shown as it stands, whatever it spells.

What a study names (models, files, sources, its description) may hold markup, formulas, roles and HTML.
"""

import re

MARKUP = re.compile(r"[!-/:-@\[-`{-~]")


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
