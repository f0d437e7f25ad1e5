"""Sections to one page of HTML that stands alone: nothing is fetched, and what a sample says is never markup."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from macromicro.report.blocks import Section

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Page:
    """A page: its title, what it says first, its sections, and what it was made with, name to value."""

    title: str
    summary: Sequence[str]
    sections: Sequence[Section]
    made_with: Mapping[str, Any]


def render(page: Page) -> str:
    """The page as HTML; the same page gives the same text.

    Every value is escaped by the template engine. The page forbids browsers whatever is not in it, and every script
    but its own, which it names by its hash.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["with_code"] = _with_code
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "map.js"))
    allowed = b64encode(sha256(script.encode()).digest()).decode()
    template = environment.get_template("page.html.j2")
    return template.render(page=page, style=style, script=script, script_hash=f"sha256-{allowed}")


def _with_code(text: str) -> Markup:
    """The text, escaped, with what stands between back quotes as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
