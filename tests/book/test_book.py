"""The book: assembled from a finished study and built into HTML that needs no network."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import finished_study
import pandas as pd
import pytest
from finished_study import executed, finish_study, write
from macromicro.analyse import findings, paper
from macromicro.annotate.types import load_types, save_types
from macromicro.book import book, library, pages, prompts, summary
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


def test_a_stage_is_listed_where_data_passes_it(tmp_path):
    (part,) = [one for one in book.contents(pages.find_pages(tmp_path, finish_study(tmp_path)))["parts"]
               if one["caption"] == "Stage by stage"]  # fmt: skip
    titles = [chapter["title"] for chapter in part["chapters"]]
    assert titles[:3] == ["Corpus", "Base model", "Respond"]
    assert titles.index("Select") < titles.index("Baselines and rivals") < titles.index("Fine-tune")


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


def test_no_page_needs_the_network(site):
    for html in site.rglob("*.html"):
        page = Loaded()
        page.feed(html.read_text(encoding="utf-8"))
        far = [address for address in page.addresses if re.match(r"(https?:)?//", address)]
        assert not far, f"{html.relative_to(site)} loads {far}"
    for css in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )[\"']?(https?:)?//", css.read_text(encoding="utf-8")), css


def test_formulas_are_drawn_by_the_bundle_that_lies_in_the_book(site):
    assert (site / "tex-svg.js").stat().st_size > 1_000_000
    loads = {html.name: html.read_text(encoding="utf-8").count("tex-svg.js") for html in site.glob("*.html")}
    assert loads["method.html"] == 1
    assert loads["settings.html"] == 0, "a page without formulas needs no bundle"


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
    assert "paper response-micro 1 50 % 4.25 2 2,345 10" in words(site, "stages/5_finetune.html")
    assert 'href="5_finetune/response-micro/s1.html"' in (site / "stages" / "5_finetune.html").read_text(
        encoding="utf-8"
    )
    assert "CC-BY-NC-4.0 1234 alpaca" in words(site, "provenance.html")
    assert "response-micro 0 48.0 52.5 51.0" in words(site, "stages/7_judge.html")
    assert "response-micro 1 49.0 53.5 52.5" in words(site, "stages/7_judge.html")
    assert "rivals longest 1 49.0" in words(site, "stages/7_judge.html")
    assert "untuned untuned 1 5.5" in words(site, "stages/7_judge.html")
    assert "untuned untuned – 1 200 9.0 2.02" in words(site, "stages/6_answer.html")
    assert "paper response-micro 1 3 to 5 30 to 50 % 5 to 7 0.50 to 0.70 40 to 60" in words(
        site, "stages/4_select.html"
    )
    assert "longest longest 1 7.0 40.0" in words(site, "stages/4_rival.html")
    # Of all samples one was left without a type and has those of another; all but one carry one.
    assert "narrow_band 2 1234 1 nearest 1.0" in words(site, "stages/3_annotate.html")
    # 0.7 nats per byte are 1.01 bits.
    assert "1.01" in words(site, "stages/6_answer.html")
    assert "abcdef012345" in words(site, "provenance.html")


def test_papers_packages_and_licences_lead_out_of_the_book(site):
    for page, address in {
        "intro": "https://arxiv.org/abs/2505.24768",
        "method": "https://arxiv.org/abs/2308.07074",
        "provenance": "https://numpy.org",
    }.items():
        assert f'href="{address}"' in (site / f"{page}.html").read_text(encoding="utf-8")
    licence = "https://creativecommons.org/licenses/by-nc/4.0/"
    assert f'href="{licence}"' in (site / "provenance.html").read_text(encoding="utf-8")


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


def test_the_declaration_stands_after_the_paper_as_it_was_written(site):
    text, source = words(site, "declaration.html"), (site / "declaration.html").read_text(encoding="utf-8")
    assert "<title>Declared before the reference study" in re.sub(r">\s+", ">", source)
    assert 'href="method.html#rule-of-verdicts"' in source
    assert "2a. Is response-micro the strongest?" in text and "2026-11-24: samples without types" in text
    menu = re.findall(r'href="(tested|declaration|stages/1_corpus)\.html"', (site / "intro.html").read_text())
    assert menu.index("tested") < menu.index("declaration") < menu.index("stages/1_corpus")


def test_the_introduction_says_what_was_found(site):
    out, text = Layout(site.parent), words(site, "intro.html")
    (sentence,) = findings.load_decisions(out).query("strategy == 'response-micro'")["sentence"]
    sentence = sentence.replace(" at N = 5", "")  # which all datasets share
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
    assert "300 held out, 206 used, 200 answered, 200 scored" in text


PROMPTS = {"held out": 300, "used": 206, "answered": 200, "scored": 200}


def test_every_number_of_prompts_and_samples_says_which_and_agrees_on_all_pages(site):
    study = summary.load_study(site.parent)
    n_seeds, told = len(study.select.seeds), {}
    for html in [*site.glob("*.html"), *site.glob("stages/**/*.html")]:
        name, text = str(html.relative_to(site)), words(site, html.relative_to(site))
        if name == "declaration.html":  # its numbers are those of the reference study
            continue
        for number, which in re.findall(r"(?<![\d.,])(\d[\d,]*) (held out|used|answered|scored)\b", text):
            assert int(number.replace(",", "")) == PROMPTS[which], f"{name}: {number} {which}"
            told.setdefault(which, set()).add(name)
        for number in re.findall(r"(?<![\d.,])(\d[\d,]*) prompts\b", text):
            known = {*PROMPTS.values(), PROMPTS["scored"] * n_seeds}
            assert int(number.replace(",", "")) in known, f"{name}: {number} prompts are none that the study knows"
        for number in re.findall(r"(?<![\d.,])(\d[\d,]*) samples\b", text):
            known = {finished_study.N_SAMPLES, *study.select.sizes, *(size * n_seeds for size in study.select.sizes)}
            assert int(number.replace(",", "")) in known, f"{name}: {number} samples are none that the study knows"
    assert {"paper.html", "method.html", "stages/7_judge.html"} <= told["scored"] & told["used"] & told["held out"]
    answered = words(site, "stages/6_answer.html")
    assert re.findall(r"(held out|used|answered|scored) (\d+) ", answered) == [(a, str(n)) for a, n in PROMPTS.items()]
    assert "used 206 74 stand in a text that models have read, 20 are more than corpus.n_eval = 200" in answered
    assert "answered 200 6 do not fit the base model’s context" in answered
    typed = re.findall(r"response-micro 2 (\d+) (\d+) nearest", words(site, "stages/3_annotate.html"))
    assert typed == [(str(finished_study.N_SAMPLES), "1")]


def test_models_that_answered_other_numbers_of_prompts_have_no_book(tmp_path):
    study = finish_study(tmp_path)
    path = Layout(tmp_path).answers("longest", "n5-s1")
    pd.read_parquet(path).head(150).to_parquet(path)
    with pytest.raises(ValueError, match=r"answered the same prompts, but there are \[150, 200\]"):
        prompts.count(Layout(tmp_path), study)


def test_a_study_of_rivals_alone_has_a_book_without_slopes(tmp_path, monkeypatch):
    monkeypatch.setattr(finished_study, "STRATEGIES", {"longest": {"method": "longest", "family": "rivals"}})
    finish_study(tmp_path / "study")
    book.assemble(tmp_path / "study", tmp_path / "source")
    texts = {name: (tmp_path / "source" / f"{name}.md").read_text(encoding="utf-8") for name in ("intro", "paper")}
    for text in texts.values():
        assert "No strategy of this study has diversity levels, so there is no slope." in text
    assert "figures/scores.png" not in texts["intro"]
    assert "star marks a slope" not in texts["paper"]


def test_where_no_judge_reads_likelihoods_the_answers_have_none(tmp_path):
    """As in the preset `laptop`."""
    study = finish_study(tmp_path)
    study = study.model_copy(update={"judge": study.judge.model_copy(update={"kinds": ["similarity", "length"]})})
    for path in tmp_path.glob("answers/**/*.parquet"):
        pd.read_parquet(path).drop(columns=["log_likelihood", "n_bytes"]).to_parquet(path)
    table = summary.answers(Layout(tmp_path), study, pages.find_pages(tmp_path, study))
    assert table.columns[-1] == "tokens per answer" and len(table) == 1 + 2 * 4


def test_a_warning_of_the_builder_is_an_error(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "_config.yml").write_text("title: A\n")
    (source / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    (source / "intro.md").write_text("# A\n\n[nowhere](missing.md)\n")
    with pytest.raises(RuntimeError, match=r"missing\.md"):
        book.build(source, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_the_page_of_annotations_says_what_was_not_embedded(tmp_path):
    study = finish_study(tmp_path)
    found = pages.find_pages(tmp_path, study)
    assert summary.NOT_EMBEDDED not in summary.annotations(Layout(tmp_path), study, found)
    path = Layout(tmp_path).types("narrow_band")
    cut = {"n_texts": 9, "n_cut": 3, "n_pieces": 200, "n_pieces_cut": 41}
    untyped = {"policy": "nearest", "n": 0, "n_samples": 9}
    save_types(replace(load_types(path), report={"embedded": cut, "untyped": untyped}), path)
    table = summary.annotations(Layout(tmp_path), study, found)
    assert table[summary.NOT_EMBEDDED].tolist() == ["–", "20.5%"]
