"""Pages from executed notebooks: titles, links, and what is left out."""

import base64

import nbformat
import pytest
from finished_study import DOT, executed, finish_study, write
from macromicro.book import pages
from macromicro.graph.cells import Cell, list_cells
from macromicro.study import params
from nbformat.v4 import new_markdown_cell, new_notebook


def page_of(tmp_path, given="", **parameters):
    path = write(executed("Annotate: which types?", given), tmp_path / "page.ipynb")
    name = parameters.get("strategy", "")
    return pages.page_notebook(pages.Page(Cell("3_annotate", name, parameters, {}, (), ()), path))


def test_a_page_names_its_cell_and_keeps_its_question(tmp_path):
    page = page_of(tmp_path, strategy="response-micro", seed=2)
    assert page.cells[0].source.startswith("# Annotate: response-micro, seed 2\n\n*Which types?*\n")
    assert "What we will see" in page.cells[0].source


def test_a_stage_with_one_notebook_keeps_its_title(tmp_path):
    assert page_of(tmp_path).cells[0].source.startswith("# Annotate: which types?\n")


def test_a_page_shows_no_standard_error_no_machine_path_and_no_papermill_record(tmp_path):
    shown = nbformat.writes(page_of(tmp_path, strategy="response-micro"))
    assert "a long warning" not in shown
    assert "/home/someone" not in shown
    assert "papermill" not in shown
    assert "saved outputs/tiny/x.parquet" in shown
    assert 'preset = \\"outputs/tiny/params.yaml\\"' in shown
    assert "lib/macromicro/x.py" in shown


def test_given_parameters_replace_the_defaults_only_where_all_were_given(tmp_path):
    def first_parameters(given):
        page = page_of(tmp_path, given, strategy="response-micro")
        return next(cell.source for cell in page.cells if cell.cell_type == "code")

    assert 'preset = "outputs/tiny/params.yaml"' in first_parameters('part = "instruction"')
    assert first_parameters("") == 'preset = "smoke"\npart = "response"'


def test_imports_are_folded_and_results_are_not(tmp_path):
    page = page_of(tmp_path, 'part = "response"')
    folded = [cell.source for cell in page.cells if "hide-input" in cell.metadata.get("tags", [])]
    assert folded == ["import pandas as pd\nfrom macromicro.plots.training import plot_losses"]


def test_links_between_notebooks_become_links_between_pages(tmp_path):
    notebook = executed("Annotate: which types?")
    notebook.cells.append(new_markdown_cell("Next: [`4_select`](4_select.ipynb), later [more](9_more.ipynb)."))
    page = pages.Page(Cell("3_annotate", "", {}, {}, (), ()), write(notebook, tmp_path / "page.ipynb"))
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


def test_pages_are_those_of_the_present_grid_in_order(tmp_path):
    study = finish_study(tmp_path)
    write(executed("Fine-tune: what?"), tmp_path / "notebooks" / "5_finetune" / "response-micro" / "s7.ipynb")
    (tmp_path / "notebooks" / "6_answer" / "longest" / "s1.ipynb").unlink()
    found = pages.find_pages(tmp_path, study)
    assert [page.cell.id for page in found] == [one for one in list_cells(study) if one != "6_answer/longest/s1"]
    assert all(page.notebook.is_file() for page in found)


def test_a_seed_that_all_cells_share_is_left_out_of_the_menu(tmp_path):
    def titles(**how):
        study = finish_study(tmp_path, **how)
        return pages.menu_titles([cell for cell in list_cells(study).values() if cell.stage == "5_finetune"])

    assert titles(seeds=(4,))[:2] == ["baseline", "response-micro"]
    assert titles(seeds=(0, 1))[:2] == ["baseline, seed 0", "baseline, seed 1"]
    assert titles(seeds=(4,), models_per_job=2)[1:3] == ["response-micro, batch 1", "response-micro, batch 2"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'/home/a/b c/outputs/x'", "'/home/a/b c/outputs/x'"),
        ("see /srv/x/notebooks/1.ipynb", "see notebooks/1.ipynb"),
        ("outputs/smoke and a/outputs/b", "outputs/smoke and a/outputs/b"),
        ("https://example.org/a/outputs/b", "https://example.org/a/outputs/b"),
        ("a fraction 1/2 and /usr/lib/x", "a fraction 1/2 and /usr/lib/x"),
    ],
)
def test_only_machine_paths_are_cut(text, shown):
    assert pages.without_machine_paths(text) == shown
