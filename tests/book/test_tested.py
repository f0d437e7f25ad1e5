"""The page on the paper: what it is made of before the builder sees it. It is the same for every study."""

import re

import jinja2
import pytest
from macromicro.analyse import paper_tested
from macromicro.book import tested
from macromicro.book.markdown import markdown_table
from macromicro.study.layout import find_root
from matplotlib.image import imread


@pytest.fixture(scope="module")
def page():
    loader = jinja2.FileSystemLoader(find_root() / "book" / "pages")
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined)
    environment.filters["table"] = markdown_table
    return environment.get_template("tested.md.j2").render(tested=tested)


def test_the_page_needs_no_study_and_holds_every_line_of_the_paper(page):
    plain = page.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NON-BREAKING HYPHEN}", "-")
    for row in paper_tested.load_points()[["strategy", "size"]].drop_duplicates().itertuples():
        assert f"| {row.strategy} | {row.size:,} |" in plain
    assert tested.conclusion() in page


def test_every_number_of_a_result_comes_from_a_function():
    source = (find_root() / "book" / "pages" / "tested.md.j2").read_text(encoding="utf-8")
    written = re.sub(r"\{\{.*?\}\}|\{figure\} \S+", "", source)
    assert not re.findall(r"\b\d+\.\d\d+|(?<!\w)[+-]\d", written)


def test_its_references_are_all_in_the_bibliography_and_all_are_used(page):
    cited = set(re.findall(r"\{cite:[tp]\}`([^`]+)`", page))
    known = re.findall(r"@\w+\{(\w+),", (find_root() / "book" / "references.bib").read_text(encoding="utf-8"))
    assert len(set(known)) == len(known)
    assert cited == set(known)


def test_figures_are_written_and_told_in_sentences(tmp_path, page):
    tested.write_figures(tmp_path)
    named = re.findall(r"```\{figure\} figures/(\w+)\.png", page)
    assert sorted(named) == sorted(path.stem for path in tmp_path.iterdir())
    assert all(imread(tmp_path / f"{name}.png").shape[1] > 800 for name in named)
    alternatives = re.findall(r"^:alt: (.+)$", page, flags=re.MULTILINE)
    assert len(alternatives) == len(named)
    assert all(text.endswith(".") and ":" not in text for text in alternatives)
    assert "told from zero are response-micro at N = 30,000; response-micro, Llama-2-70B" in alternatives[0]
    assert "with length free, mean response tokens lie between 565 and 860" in alternatives[1]
    assert "with length held, mean response tokens lie between 495 and 525" in alternatives[1]


def test_slopes_agree_with_table_1_but_for_hidden_points():
    assert tested.agreement_with_table_1() == (
        "Of 18 slopes, 16 come within 0.13 of the printed ones. The others are off, where markers hide points: "
        "response-meso at N = 20,000 by +1.3; response-meso at N = 30,000 by +0.7."
    )
