"""The graph is read from the notebooks' own source."""

import nbformat
import pytest
from macromicro.study import dependencies
from macromicro.study.layout import find_root
from macromicro.study.settings import Study

NOTEBOOKS = sorted((find_root() / "notebooks").glob("*.ipynb"))


def notebook(path, *sources, tags=()):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    for position in tags:
        cells[position].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_modules_are_followed_through_other_modules(tmp_path):
    path = notebook(tmp_path / "n.ipynb", "from macromicro.study import provenance\nimport numpy", "%matplotlib inline")
    assert [module.stem for module in dependencies.modules_of(path)] == ["files", "layout", "provenance", "settings"]


def test_sections_are_those_that_the_notebook_reads(tmp_path):
    path = notebook(tmp_path / "n.ipynb", "f(study.out.samples, **dict(study.tokens))", "g(study.seed, study.datasets)")
    assert dependencies.sections_of(path) == ["seed", "select", "tokens"]


def test_coordinates_are_the_assigned_names(tmp_path):
    path = notebook(tmp_path / "n.ipynb", 'preset = "smoke"\npart = "response"', "other = 1", tags=[0])
    assert dependencies.coordinates_of(path) == ["preset", "part"]


@pytest.mark.parametrize("tags", [(), (0, 1)])
def test_one_cell_must_be_tagged(tmp_path, tags):
    with pytest.raises(ValueError, match="exactly one cell"):
        dependencies.coordinates_of(notebook(tmp_path / "n.ipynb", "a = 1", "b = 2", tags=tags))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_reads_settings_that_exist_and_keeps_the_house_form(path):
    assert set(dependencies.sections_of(path)) <= set(Study.model_fields)
    assert dependencies.coordinates_of(path)[0] == "preset"
    assert "params" in {module.stem for module in dependencies.modules_of(path)}
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert len(code) <= 12
    assert all(len(cell.source.splitlines()) <= 10 for cell in code)
    assert not any(line.startswith("def ") for cell in code for line in cell.source.splitlines())
    assert not any(cell.outputs or cell.execution_count for cell in code)
