"""Tables, and text that is not ours, through the parser that reads the pages."""

import pytest
from docutils.core import publish_doctree
from macromicro.book.markdown import as_code, as_text, markdown_table
from myst_parser.docutils_ import Parser
from pandas import DataFrame

TEXTS = ["<script>x</script>", "$k$ $$k$$", "`a` ``b``", "a | b", "[x](javascript:y) ![x](y)", "# h", "{sub}`x`"]
TEXTS += [
    "&lt; &amp;",
    r"\| \\ \$",
    "*a* **b** _c_ ~~d~~",
    "{{ jinja }} {% x %}",
    "<b>",
    "a\n\n```{raw} html\n<b>\n```",
]
TEXTS += ["1. a", "- a", "| a |\n|---|", "https://x.org <https://x.org>", "[^1] (x)=", "::: {note}", "---", "'\"..."]
SETTINGS = {"myst_enable_extensions": ["amsmath", "colon_fence", "deflist", "dollarmath"], "report_level": 5}


def parse(markdown: str):
    return publish_doctree(markdown, parser=Parser(), settings_overrides=SETTINGS)


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_one_paragraph_of_just_that_text(text):
    (paragraph,) = parse(f"Before {as_text(text)}").children
    assert paragraph.tagname == "paragraph"
    assert [child.tagname for child in paragraph.children] == ["#text"]
    assert paragraph.astext() == f"Before {plain(text)}"


@pytest.mark.parametrize("text", TEXTS)
def test_code_is_just_that_text(text):
    (paragraph,) = parse(f"Before {as_code(text)}").children
    assert [child.tagname for child in paragraph.children] == ["#text", "literal"]
    assert paragraph.children[1].astext() == plain(text)


@pytest.mark.parametrize("text", TEXTS)
def test_a_cell_breaks_no_table(text):
    table = DataFrame({"text": [as_text(text)], "code": [as_code(text)], "n": [3]})
    (found,) = parse(markdown_table(table)).children
    (row,) = [row for row in found.findall() if row.tagname == "row"][1:]
    cells = [cell.astext() for cell in row.children]
    assert cells == [plain(text), plain(text), "3"]


def test_a_bar_in_a_cell_does_not_split_it():
    table = DataFrame({"text": ["a|b"], "n": [3]})
    assert markdown_table(table) == "| text | n |\n| :-- | --: |\n| a\\|b | 3 |"


def test_columns_of_numbers_stand_to_the_right():
    columns = {"number": ["1,234", "-0.5"], "link": ["[83 %](a.ipynb)", "–"], "range": ["1 to 2", ""], "none": ["", ""]}
    rule = markdown_table(DataFrame(columns).drop(columns="none")).splitlines()[1]
    assert rule == "| --: | --: | :-- |"
