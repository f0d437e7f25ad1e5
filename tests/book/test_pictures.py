"""What the pictures of notebooks show, in words."""

import nbformat
import pytest
from finished_study import DOT
from macromicro.book.pictures import describe_pictures
from macromicro.plots import select, training
from macromicro.study.layout import find_root
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output


def shown(source):
    return new_code_cell(source, outputs=[new_output("display_data", {"image/png": DOT})])


def first_line(function):
    return function.__doc__.partition("\n")[0]


def test_a_picture_is_described_by_the_functions_that_drew_it():
    imports = "%matplotlib inline\nfrom macromicro.plots import select as drawing\n"
    imports += "from macromicro.plots.training import plot_losses"
    cells = [
        new_code_cell(imports),
        shown("drawing.plot_pools(a, b)\ndrawing.plot_coverage(b)"),
        shown("plot_losses(x);"),
    ]
    assert describe_pictures(new_notebook(cells=cells)) == {
        1: f"{first_line(select.plot_pools)} {first_line(select.plot_coverage)}",
        2: first_line(training.plot_losses),
    }


def test_a_picture_that_no_known_function_drew_is_named_by_the_heading_above_it():
    gone = "from macromicro.plots.gone import plot_it\nfrom macromicro.plots.training import plot_gone"
    cells = [new_code_cell(gone), new_markdown_cell("# A\n\n## What we see?"), shown("plot_it(x)"), new_code_cell("1")]
    assert describe_pictures(new_notebook(cells=cells)) == {2: "A figure of the section “What we see”."}


@pytest.mark.parametrize("name", [path.stem for path in sorted((find_root() / "notebooks").glob("*.ipynb"))])
def test_every_figure_of_the_notebooks_is_drawn_by_a_function_that_says_what_it_shows(name):
    notebook = nbformat.read(find_root() / "notebooks" / f"{name}.ipynb", as_version=4)
    drawing = [
        place for place, cell in enumerate(notebook.cells) if "plot_" in cell.source and "import" not in cell.source
    ]
    for place in drawing:
        notebook.cells[place].outputs = shown("").outputs
    found = describe_pictures(notebook)
    assert sorted(found) == drawing
    for sentence in found.values():
        assert sentence.endswith(".")
        assert not sentence.startswith("A figure of the section"), sentence
