"""The book: assembled from a finished study and built into HTML that needs no network."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import finished_study
import pandas as pd
import pytest
from finished_study import executed, finish_study, write
from macromicro.analyse import findings, paper
from macromicro.book import book, library, pages
from macromicro.study.layout import Layout, find_root


def test_a_study_that_never_ran_is_an_error_and_not_a_traceback(tmp_path, capsys):
    assert book.main(["--study", str(tmp_path)]) == 1
    assert "run make report first" in capsys.readouterr().err


def test_a_study_whose_notebooks_show_no_pictures_has_no_book(tmp_path):
    finish_study(tmp_path / "study")
    notebook = executed("Analyse: what is it?")
    notebook.cells[-1].outputs = []
    write(notebook, Layout(tmp_path / "study").notebook("8_analyse"))
    with pytest.raises(ValueError, match="shows no picture"):
        book.assemble(tmp_path / "study", tmp_path / "source")


def test_the_graph_runs_notebooks_such_that_they_show_their_figures():
    snakefile = (find_root() / "Snakefile").read_text(encoding="utf-8")
    assert "MPLBACKEND=agg" not in snakefile, "a kernel with this backend shows no figure"


def test_the_contents_hold_every_page_once(tmp_path):
    found = pages.find_pages(tmp_path, finish_study(tmp_path))
    listed = re.findall(r"'file': '([^']+)'", str(book.contents(found)))
    assert len(set(listed)) == len(listed)
    assert {page.name for page in found} <= set(listed)
    assert "stages/5_finetune" in listed
    assert {f"api/{room}" for room in library.ROOMS} <= set(listed)


def test_fine_tuning_is_one_page_per_batch_of_models(tmp_path):
    study = finish_study(tmp_path, seeds=(0,))
    found = [page for page in pages.find_pages(tmp_path, study) if page.stage == "5_finetune"]
    n_models = sum(len(page.cell.members) for page in found)
    assert (n_models, len(found)) == (1 + 3 + 3 + 1, 4)
    (chapter,) = [
        one for part in book.contents(found)["parts"] for one in part["chapters"] if one["file"] == "stages/5_finetune"
    ]
    titles = [section["title"] for section in chapter["sections"]]
    assert titles == ["baseline", "response-micro", "narrow_band", "longest"]


def test_a_bar_in_a_cell_does_not_split_it():
    table = pd.DataFrame({"text": ["a|b"], "n": [3]})
    assert book.markdown_table(table) == "| text | n |\n| :-- | --: |\n| a\\|b | 3 |"


def test_pictures_come_from_a_strategy_that_the_study_has(tmp_path):
    study = finish_study(tmp_path)
    found = pages.find_pages(tmp_path, study)
    drawn = {name: page.cell.id for name, page in book.draw_from(study, found).items()}
    assert drawn["pool"] == "4_select/response-micro/s0"
    assert drawn["bands"] == "3_annotate/response-micro"
    others = [page for page in found if page.cell.parameters.get("strategy") != "response-micro"]
    kept = {name: own for name, own in study.strategies.items() if name != "response-micro"}
    drawn = book.draw_from(study.model_copy(update={"strategies": kept}), others)
    assert drawn["pool"].cell.id == "4_select/narrow_band/s0"


class Loaded(HTMLParser):
    """Addresses that a browser fetches when it opens a page, and the headings of the first order."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.n_titles = 0

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in {"script", "img", "iframe", "source", "video"} and given.get("src"):
            self.addresses.append(given["src"])
        if tag == "link" and given.get("rel") not in {"search", "next", "prev", "index", "canonical"}:
            self.addresses.append(given.get("href") or "")
        self.n_titles += tag == "h1"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The book of a study that was moved to another folder after it had been run."""
    made = tmp_path_factory.mktemp("made") / "tiny"
    finish_study(made)
    root = tmp_path_factory.mktemp("moved") / "elsewhere"
    shutil.move(made, root)
    source = tmp_path_factory.mktemp("sources") / "tiny"
    book.assemble(root, source)
    book.build(source, root / "book")
    return root / "book"


def test_no_page_needs_the_network(site):
    for html in site.rglob("*.html"):
        page = Loaded()
        page.feed(html.read_text(encoding="utf-8"))
        far = [address for address in page.addresses if re.match(r"(https?:)?//", address)]
        assert not far, f"{html.relative_to(site)} loads {far}"
    for css in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )[\"']?(https?:)?//", css.read_text(encoding="utf-8")), css


def test_formulas_are_drawn_by_the_bundle_that_lies_in_the_book(site):
    scripts = re.findall(r'<script[^>]* src="([^"?]+)', (site / "method.html").read_text(encoding="utf-8"))
    assert {script for script in scripts if "tex-" in script or "mathjax" in script.lower()} == {"_static/tex-svg.js"}
    assert (site / "_static" / "tex-svg.js").stat().st_size > 1_000_000


def test_every_page_has_one_title(site):
    generated = {"genindex", "py-modindex", "search", "index"}
    written = [html for html in site.rglob("*.html") if html.stem not in generated and "_static" not in html.parts]
    assert len(written) > 50
    for html in written:
        page = Loaded()
        # Before its article the theme has the title once more, for printing.
        page.feed(html.read_text(encoding="utf-8").partition("<article")[2])
        assert page.n_titles == 1, html


def words(site: Path, name: str) -> str:
    text = re.sub(r"<[^>]+>", " ", (site / name).read_text(encoding="utf-8"))
    return re.sub(r"\s+", " ", text)


def test_numbers_come_from_the_outputs(site):
    assert "1,234 samples" in words(site, "paper.html")
    assert "no levels 0 % 50 % 100 % baseline baseline 0 4.25" in words(site, "stages/5_finetune.html")
    assert "paper response-micro 1 4.25 4.25 4.25" in words(site, "stages/5_finetune.html")
    assert "response-micro 0 48.0 52.5 51.0" in words(site, "stages/7_judge.html")
    assert "response-micro 1 49.0 53.5 52.5" in words(site, "stages/7_judge.html")
    assert "rivals longest 1 49.0" in words(site, "stages/7_judge.html")
    assert "untuned untuned 1 5.5" in words(site, "stages/7_judge.html")
    assert "untuned untuned – 1 1 9.0 2.02" in words(site, "stages/6_answer.html")
    assert "paper response-micro 1 3 to 5 30 to 50 % 5 to 7 0.50 to 0.70 40 to 60" in words(
        site, "stages/4_select.html"
    )
    assert "longest longest 1 7.0 40.0" in words(site, "stages/4_rival.html")
    # Of three samples one was left without a type and has those of another; they carry two, one and one.
    assert "narrow_band 2 3 1 nearest 1.3" in words(site, "stages/3_annotate.html")
    # 0.7 nats per byte are 1.01 bits.
    assert "1.01" in words(site, "stages/6_answer.html")
    assert "abcdef012345" in words(site, "provenance.html")


def test_strategies_of_the_study_are_named_with_what_is_their_own(site):
    assert "narrow_band bands response micro even tokens.low: 9 baseline" in words(site, "settings.html")
    assert "longest rivals response – longest – baseline" in words(site, "method.html")


def test_no_reader_meets_the_name_of_a_file_of_a_dataset(site):
    for html in [*site.glob("*.html"), *site.glob("stages/**/*.html")]:
        assert not re.search(r"n\d+-(d\d+-)?s\d", words(site, html.relative_to(site))), html


def test_no_machine_path_reaches_a_page(site):
    for page in [*site.rglob("*.html"), *site.rglob("*.ipynb"), *site.glob("searchindex.js")]:
        text = page.read_text(encoding="utf-8")
        for path in ("/home/someone", str(find_root()), str(site.parents[1])):
            assert path not in text, f"{page.relative_to(site)} holds {path}"


def test_every_room_has_a_page_that_says_where_to_start(site):
    for room, modules in library.list_rooms().items():
        text = words(site, f"api/{room}.html")
        assert "In comes" in text or "In come" in text, room
        assert all(f"macromicro.{module}" in (site / "api" / f"{room}.html").read_text() for module in modules)


def test_the_paper_stands_beside_the_run(site):
    text = words(site, "paper.html")
    assert "paper, N=10,000" in text
    assert "paper response-micro" in text
    slope = (
        paper.load_slopes().query("part == 'response' and granularity == 'micro' and size == 30_000")["slope"].item()
    )
    assert f"{slope:+.1f}" in text


def test_the_paper_is_tested_on_a_page_with_references_and_linked_from_the_introduction(site):
    text, source = words(site, "tested.html"), (site / "tested.html").read_text(encoding="utf-8")
    assert "Of 22 slopes, 3 differ from zero" in text
    assert "simple sequentially rejective multiple test procedure" in text
    assert 'href="#id' in source and "Holm" in text
    assert source.count('<img alt="') - source.count('<img alt=""') >= 2
    assert 'href="tested.html"' in (site / "intro.html").read_text(encoding="utf-8").partition("<article")[2]


def test_the_introduction_says_what_was_found(site):
    out, text = Layout(site.parent), words(site, "intro.html")
    (sentence,) = findings.load_decisions(out).query("strategy == 'response-micro'")["sentence"]
    assert sentence in text, "the verdict on a claim"
    assert "Of 400 prompts over 2 seeds, the most diverse model of response-micro (N = 5, 100 %) wins 207" in text
    assert findings.agreement(out).replace("'", "’") in text
    assert text.index("tiny") < text.index(sentence) < text.index("Score against diversity, a panel")
    assert "The base model without any fine-tuning scores 5.0 (4.5 to 5.5 over 2 seeds)" in text
    assert "2 seeds were run, and intervals cover other seeds and prompts." in text
    assert text.index("does harm") < text.index(sentence), "the claim comes first"
    for word in ("how little", "in nothing else", "there is no effect", "There is no effect"):
        assert word not in text


def test_every_verdict_is_on_the_page_beside_the_paper(site):
    text = words(site, "paper.html")
    assert all(sentence in text for sentence in findings.load_decisions(Layout(site.parent))["sentence"])
    assert "200 judged, of 206 that were asked" in text


def test_a_study_of_rivals_alone_has_a_book_without_slopes(tmp_path, monkeypatch):
    monkeypatch.setattr(finished_study, "STRATEGIES", {"longest": {"method": "longest", "family": "rivals"}})
    finish_study(tmp_path / "study")
    book.assemble(tmp_path / "study", tmp_path / "source")
    texts = {name: (tmp_path / "source" / f"{name}.md").read_text(encoding="utf-8") for name in ("intro", "paper")}
    for text in texts.values():
        assert "No strategy of this study has diversity levels, so there is no slope." in text
    assert "figures/scores.png" not in texts["intro"]
    assert "star marks a slope" not in texts["paper"]


def test_a_warning_of_the_builder_is_an_error(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "_config.yml").write_text("title: A\n")
    (source / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    (source / "intro.md").write_text("# A\n\n[nowhere](missing.md)\n")
    with pytest.raises(RuntimeError, match=r"missing\.md"):
        book.build(source, tmp_path / "site")
    assert not (tmp_path / "site").exists()
