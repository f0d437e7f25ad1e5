"""The graph is read from the notebooks' own source."""

import nbformat
import pytest
from macromicro.graph.cells import list_cells
from macromicro.study import dependencies, params
from macromicro.study.layout import find_root

NOT_SETTINGS = {"out", "strategy", "strategies", "baselines", "datasets", "name", "baseline", "study"}
WITH_RIVAL = {"strategies": {"long": {"method": "longest", "family": "rivals"}}}
WITH_VARIANT = {
    "strategies.response-micro": {"granularity": "micro"},
    "strategies.words": {"granularity": "micro", "tokens": {"unit": "word"}},
}
WITH_LLM = {"tags.tagger": "llm", "tag_llm.model": "some", "judge.kinds": ["llm"], "judge_llm.model": "some"}
NOTEBOOKS = sorted((find_root() / "notebooks").glob("*.ipynb"))
STAGES = [path for path in NOTEBOOKS if path.stem[0].isdigit()]  # the others are run by people, not by the graph


def notebook(path, *sources, tags=()):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    for position in tags:
        cells[position].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_modules_are_followed_through_other_modules_of_rooms_that_make_results(tmp_path):
    source = "from macromicro.graph import provenance\nfrom macromicro.select import describe\nimport numpy"
    path = notebook(tmp_path / "n.ipynb", source, "%matplotlib inline")
    found = {module.relative_to(dependencies.LIBRARY).as_posix() for module in dependencies.modules_of(path)}
    assert {"select/describe.py", "measure/metrics.py", "annotate/tokens.py", "corpus/batches.py"} <= found
    assert not any(name.startswith(("graph/", "study/")) for name in found), "they decide what is computed, not how"


def test_a_comment_or_a_docstring_is_not_code(tmp_path):
    module = tmp_path / "module.py"
    hashes = []
    for source in (
        "def f():\n    return 1\n",
        "def f():\n    'Says.'\n    return 1  # one\n",
        "def f():\n    return 2\n",
    ):
        module.write_text(source)
        dependencies._code_hash.cache_clear()
        hashes.append(dependencies._code_hash(module))
    assert hashes[0] == hashes[1] != hashes[2]


def test_sections_are_those_that_the_notebook_reads(tmp_path):
    path = notebook(tmp_path / "n.ipynb", "f(study.out.samples, **dict(chosen.tokens))", "g(study.seed, study.embed)")
    assert dependencies.sections_of(path) == {"out", "tokens", "seed", "embed"}


def test_coordinates_are_the_assigned_names(tmp_path):
    path = notebook(tmp_path / "n.ipynb", 'preset = "smoke"\npart = "response"', "other = 1", tags=[0])
    assert dependencies.parameters_of(path) == {"preset": "smoke", "part": "response"}


@pytest.mark.parametrize("tags", [(), (0, 1)])
def test_one_cell_must_be_tagged(tmp_path, tags):
    with pytest.raises(ValueError, match="exactly one cell"):
        dependencies.parameters_of(notebook(tmp_path / "n.ipynb", "a = 1", "b = 2", tags=tags))


@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.stem)
def test_every_notebook_reads_only_the_settings_of_its_cells(path):
    studies = [params.load("smoke", changes=changes) for changes in ({}, WITH_RIVAL, WITH_VARIANT, WITH_LLM)]
    stage = [cell for study in studies for cell in list_cells(study).values() if cell.stage == path.stem]
    declared = {key for cell in stage for key in cell.settings}
    assert dependencies.sections_of(path) - NOT_SETTINGS <= declared
    coordinates = list(dependencies.parameters_of(path))
    assert coordinates[:2] == ["preset", "changes"]
    assert set(coordinates[2:]) == set(stage[0].parameters)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_keeps_the_house_form(path):
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert len(code) <= 12
    assert all(len(cell.source.splitlines()) <= 10 for cell in code)
    assert not any(line.startswith("def ") for cell in code for line in cell.source.splitlines())
    assert not any(cell.outputs or cell.execution_count for cell in code)
