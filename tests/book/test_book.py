"""The book: pages from executed notebooks, a table of contents, and HTML that needs no network."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import nbformat
import numpy as np
import pandas as pd
import pytest
from macromicro.analyse import paper, readings, stats
from macromicro.annotate.types import TypeMatrix, save_types
from macromicro.book import book, pages, summary
from macromicro.study import params, provenance
from macromicro.study.layout import Layout
from macromicro.study.sections import Part
from macromicro.study.settings import Study
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from scipy import sparse

DOT = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
).decode()


def executed(title: str, given: str = "") -> nbformat.NotebookNode:
    """A notebook as papermill leaves it, with a picture, a table and noise on standard error."""
    here = '"/home/someone/clone/outputs/tiny/params.yaml"'
    return new_notebook(
        metadata={"papermill": {"duration": 3}, "language_info": {"name": "python", "pygments_lexer": "ipython3"}},
        cells=[
            new_markdown_cell(f"# {title}\n\nWhat we will see: $k$ types. Next: [select](4_select.ipynb)."),
            new_code_cell('preset = "smoke"\npart = "response"', metadata={"tags": ["parameters"]}),
            new_code_cell(f"preset = {here}\n{given}", metadata={"tags": ["injected-parameters"]}),
            new_code_cell("import pandas as pd"),
            new_markdown_cell("## The table"),
            new_code_cell(
                "table",
                outputs=[
                    new_output("stream", name="stderr", text="a long warning\n"),
                    new_output("stream", name="stdout", text="saved /home/someone/clone/outputs/tiny/x.parquet\n"),
                    new_output("display_data", {"image/png": DOT, "text/plain": "/home/someone/clone/x"}),
                ],
            ),
        ],
    )


def write(notebook: nbformat.NotebookNode, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def text_of(notebook: nbformat.NotebookNode) -> str:
    return nbformat.writes(notebook)


def page_of(tmp_path: Path, cell: str, given: str) -> nbformat.NotebookNode:
    path = write(executed("Annotate: which types?", given), tmp_path / "page.ipynb")
    return pages.page_notebook(pages.Page("3_annotate", cell, path))


def test_a_page_names_its_cell_and_keeps_its_question(tmp_path):
    page = page_of(tmp_path, "response-micro", 'part = "response"')
    assert page.cells[0].source.startswith("# Annotate: response micro\n\n*Which types?*\n")
    assert "What we will see" in page.cells[0].source


def test_a_stage_with_one_notebook_keeps_its_title(tmp_path):
    assert page_of(tmp_path, "", "").cells[0].source.startswith("# Annotate: which types?\n")


def test_a_page_shows_no_standard_error_no_machine_path_and_no_papermill_record(tmp_path):
    shown = text_of(page_of(tmp_path, "response-micro", 'part = "response"'))
    assert "a long warning" not in shown
    assert "/home/someone" not in shown
    assert "papermill" not in shown
    assert "saved outputs/tiny/x.parquet" in shown
    assert 'preset = \\"outputs/tiny/params.yaml\\"' in shown


def test_given_parameters_replace_the_defaults_only_where_all_were_given(tmp_path):
    def first_parameters(given):
        page = page_of(tmp_path, "response-micro", given)
        return next(cell.source for cell in page.cells if cell.cell_type == "code")

    assert 'preset = "outputs/tiny/params.yaml"' in first_parameters('part = "instruction"')
    assert first_parameters("") == 'preset = "smoke"\npart = "response"'


def test_imports_are_folded_and_results_are_not(tmp_path):
    page = page_of(tmp_path, "response-micro", 'part = "response"')
    folded = [cell.source for cell in page.cells if "hide-input" in cell.metadata.get("tags", [])]
    assert folded == ["import pandas as pd"]


def test_links_between_notebooks_become_links_between_pages(tmp_path):
    notebook = executed("Annotate: which types?")
    notebook.cells.append(new_markdown_cell("Next: [`4_select`](4_select.ipynb), later [more](9_more.ipynb)."))
    page = pages.Page("3_annotate", "", write(notebook, tmp_path / "page.ipynb"))
    shown = pages.page_notebook(page, stages={"3_annotate", "4_select"}).cells[-1].source
    assert shown == "Next: {doc}`4_select </stages/4_select>`, later more."


def test_a_notebook_without_a_heading_is_refused():
    with pytest.raises(ValueError, match="must begin with a heading"):
        pages.heading(new_notebook(cells=[new_markdown_cell("Hello")]))


def test_the_pictures_of_a_notebook_come_in_order():
    assert pages.figures(executed("A")) == [base64.b64decode(DOT)]


def test_an_unfinished_study_has_no_book(tmp_path):
    write(executed("Corpus"), tmp_path / "notebooks" / "1_corpus" / "1_corpus.ipynb")
    with pytest.raises(ValueError, match="8_analyse is not there"):
        pages.find_pages(tmp_path, params.load("smoke"))


def test_a_study_that_never_ran_is_an_error_and_not_a_traceback(tmp_path, capsys):
    assert book.main(["--study", str(tmp_path)]) == 1
    assert "run make report first" in capsys.readouterr().err


def test_cells_of_an_earlier_grid_are_left_out(tmp_path):
    finished_study(tmp_path)
    out, study = Layout(tmp_path), summary.load_study(tmp_path)
    before = pages.find_pages(tmp_path, study), len(summary.load_manifests(tmp_path))
    write(executed("Fine-tune: what?"), out.notebook("5_finetune", "response-micro/n9-d000-s0"))
    write_manifest(
        out.manifest("5_finetune", "response-micro/n9-d000-s0"), study, "5_finetune", "response-micro/n9-d000-s0"
    )
    assert (pages.find_pages(tmp_path, study), len(summary.load_manifests(tmp_path))) == before


def test_a_study_whose_notebooks_show_no_pictures_has_no_book(tmp_path):
    finished_study(tmp_path / "study")
    notebook = executed("Analyse: what is it?")
    notebook.cells[-1].outputs = []
    write(notebook, Layout(tmp_path / "study").notebook("8_analyse"))
    with pytest.raises(ValueError, match="shows no picture"):
        book.assemble(tmp_path / "study", tmp_path / "source")


def test_the_graph_runs_notebooks_such_that_they_show_their_figures():
    snakefile = (Path(__file__).parents[2] / "Snakefile").read_text(encoding="utf-8")
    assert "MPLBACKEND=agg" not in snakefile, "a kernel with this backend shows no figure"


def test_the_contents_hold_every_page_once():
    found = [
        pages.Page("1_corpus", "", Path()),
        pages.Page("5_finetune", "response-micro/n500-d000-s0", Path()),
        pages.Page("5_finetune", "response-micro/n500-d033-s0", Path()),
        pages.Page("8_analyse", "", Path()),
    ]
    listed = re.findall(r"'file': '([^']+)'", str(book.contents(found)))
    assert len(set(listed)) == len(listed)
    assert {page.name for page in found} <= set(listed)
    assert "stages/5_finetune" in listed


def test_a_bar_in_a_cell_does_not_split_it():
    table = pd.DataFrame({"text": ["a|b"], "n": [3]})
    assert book.markdown_table(table) == "| text | n |\n| :-- | --: |\n| a\\|b | 3 |"


def test_the_settings_table_tells_what_differs_from_the_default():
    study = params.load("smoke")
    _, table = summary.settings(study)["select"]
    rows = table.set_index("setting")
    assert rows.loc["`sizes`", "in this run"] == ", ".join(map(str, study.select.sizes))
    assert rows.loc["`levels`", "default"] == "the same"
    assert rows.loc["`sizes`", "default"] == "10000"


def finished_study(root: Path) -> None:
    """The folder of a finished study with one strategy at three levels, small but with all that the book reads."""
    settings = params.load("smoke").model_dump()
    settings["select"].update(parts=["response"], granularities=["micro"], levels=[0, 50, 100], sizes=[5])
    settings["study"] = "tiny"
    study = Study.model_validate(settings)
    out = Layout(root)
    cells = {stage: [""] for stage in ("0_base_model", "1_corpus", "2_respond", "4_baseline", "8_analyse")}
    cells |= dict.fromkeys(("3_annotate", "4_select"), study.strategies)
    cells |= {stage: [*study.strategies, "baseline"] for stage in ("6_answer", "7_judge")}
    models = [f"{name}/{dataset}" for name in study.strategies for dataset in study.datasets]
    cells["5_finetune"] = [*models, *(f"baseline/{dataset}" for dataset in study.baselines)]
    for stage, names in cells.items():
        for name in names:
            write(executed(f"{stage.partition('_')[2].capitalize()}: what is it?"), out.notebook(stage, name))
            write_manifest(out.manifest(stage, name), study, stage, name)
    out.params.write_text(params.dump(study), encoding="utf-8")
    write_tables(out, study)


def write_manifest(path: Path, study: Study, stage: str, cell: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"stage": stage, "cell": cell, "seed": 0, "packages": provenance.package_versions(), "python": "3.11.7"}
    facts |= {"commit": "abcdef012345", "device": "a processor", "wall_seconds": 12.4, "peak_memory_mib": 812}
    path.write_text(pd.Series(facts).to_json(), encoding="utf-8")


def write_tables(out: Layout, study: Study) -> None:
    strategy = study.strategies[0]
    matrix = sparse.csr_array(np.array([[1, 1], [0, 1], [0, 0]], dtype=np.uint8))
    ids = np.array(["a", "b", "c"], dtype=object)
    types = TypeMatrix(matrix=matrix, ids=ids, labels=np.array(["x", "y"], dtype=object), report={})
    out.types(strategy).parent.mkdir(parents=True)
    save_types(types, out.types(strategy))
    grid = pd.DataFrame({"dataset": study.datasets, "size": 5, "level": study.select.levels, "seed": 0})
    scored = grid[["dataset"]].assign(score=[48.0, 52.5, 51.0], low=40.0, high=60.0, n_wins=1, n_ties=1, n_losses=1)
    points = grid.merge(scored, on="dataset").assign(strategy=strategy, part="response", granularity="micro")
    metrics = [{"part": part, "metric": "IE", "n": 3, "r": 0.5, "low": -1.0, "high": 1.0} for part in get_args(Part)]
    tables = {
        out.levels(strategy): grid.assign(
            n_types_covered=[3, 4, 5], pool_size=[5, 6, 7], coverage=[0.3, 0.4, 0.5], evenness=[0.5, 0.6, 0.7]
        ),
        out.scores(strategy): scored,
        out.results / "slopes.parquet": stats.fit_slopes(points),
        out.results / "correlations.parquet": pd.DataFrame(metrics),
        out.responded: pd.DataFrame({"id": range(1234)}),
        out.prompts: pd.DataFrame({"id": range(20)}),
    }
    for name, datasets in {strategy: study.datasets, "baseline": study.baselines}.items():
        likelihood = {"prompt_id": "p", "n_answer_tokens": 4, "log_likelihood": -70.0, "n_bytes": 100}
        tables[out.answers(name)] = pd.DataFrame([{"dataset": dataset, **likelihood} for dataset in datasets])
        tables |= {
            out.model(name, dataset) / "loss.parquet": pd.DataFrame({"loss": [5.0, 4.25]}) for dataset in datasets
        }
    for path, table in tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(path)


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
    root = tmp_path_factory.mktemp("study")
    finished_study(root)
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
    assert (
        'src="_static/tex-svg.js' in (site / "method.html").read_text()
        or "tex-svg.js" in (site / "method.html").read_text()
    )
    assert (site / "_static" / "tex-svg.js").stat().st_size > 1_000_000


def test_every_page_has_one_title(site):
    generated = {"genindex", "py-modindex", "search", "index"}
    written = [html for html in site.rglob("*.html") if html.stem not in generated and "_static" not in html.parts]
    assert len(written) > 30
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
    assert "4.25" in words(site, "stages/5_finetune.html")
    assert "48.0 52.5 51.0" in words(site, "stages/7_judge.html")
    assert "3 to 5 30 to 50 % 5 to 7 0.50 to 0.70" in words(site, "stages/4_select.html")
    # One sample of three has no type; the others carry two and one.
    assert "response micro 2 2 1 1.5" in words(site, "stages/3_annotate.html")
    # 0.7 nats per byte are 1.01 bits.
    assert "1.01" in words(site, "stages/6_answer.html")
    assert "abcdef012345" in words(site, "provenance.html")


def test_the_paper_stands_beside_the_run(site):
    text = words(site, "paper.html")
    assert "paper, N=10,000" in text
    slope = (
        paper.load_slopes().query("part == 'response' and granularity == 'micro' and size == 30_000")["slope"].item()
    )
    assert f"{slope:+.1f}" in text


def test_the_introduction_says_what_was_found(site):
    slopes = pd.read_parquet(site.parent / "results" / "slopes.parquet")
    found = readings.describe_slopes(slopes, alpha=0.05).split("**")[1]
    assert found in words(site, "intro.html")


def test_a_warning_of_the_builder_is_an_error(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "_config.yml").write_text("title: A\n")
    (source / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    (source / "intro.md").write_text("# A\n\n[nowhere](missing.md)\n")
    with pytest.raises(RuntimeError, match=r"missing\.md"):
        book.build(source, tmp_path / "site")
    assert not (tmp_path / "site").exists()
