"""Executed notebooks as pages of the book.

A page keeps what its notebook showed, under a title of its own that names the cell of the grid. Standard error, machine
paths and the execution times of papermill are left out; cells that only import or write the manifest are folded.
"""

import base64
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from macromicro.study.settings import Study

DATASET = re.compile(r"n(?P<size>\d+)(-d(?P<level>\d+))?-s(?P<seed>\d+)")
LINK = re.compile(r"\[([^\]]+)\]\((?:notebooks/)?(\d_\w+)\.ipynb\)")
FOLDED = ("import ", "from ", "run.finish(")


@dataclass(frozen=True)
class Page:
    """An executed notebook: a stage (`1_corpus`), or a cell of its grid (`3_annotate`, `response-micro`)."""

    stage: str
    cell: str
    notebook: Path

    @property
    def name(self) -> str:
        """Document name in the book, such as `stages/3_annotate/response-micro`."""
        return f"stages/{self.stage}/{self.cell}" if self.cell else f"stages/{self.stage}"

    @property
    def title(self) -> str:
        """The cell's coordinates in words, empty where a stage has one notebook."""
        return coordinates(self.cell)


def grid_cells(study: Study) -> set[str]:
    """Names of the cells of a study's grid, of all stages; notebooks of other cells are of an earlier grid."""
    models = [f"{strategy}/{dataset}" for strategy in study.strategies for dataset in study.datasets]
    return {*study.strategies, "baseline", *models, *(f"baseline/{dataset}" for dataset in study.baselines)}


def find_pages(root: Path, study: Study) -> list[Page]:
    """Pages of all notebooks that a study has executed for its present grid, in reading order.

    Parameters: root, the study's folder. Raises ValueError if the study has not come to its end.
    """
    cells = grid_cells(study)
    folder = root / "notebooks"
    pages = []
    for notebook in sorted(folder.rglob("*.ipynb")):
        stage, *rest = notebook.relative_to(folder).with_suffix("").parts
        cell = "/".join(rest)
        if cell == stage or cell in cells:
            pages.append(Page(stage, "" if cell == stage else cell, notebook))
    if not any(page.stage == "8_analyse" for page in pages):
        raise ValueError(f"{folder}: the book needs a finished study, but 8_analyse is not there: run make report")
    return pages


def coordinates(cell: str) -> str:
    """Words for the name of a cell.

    >>> coordinates("response-micro/n500-d033-s0")
    'response micro, n=500, level 33 %, seed 0'
    >>> coordinates("baseline/n500-s1")
    'baseline, n=500, seed 1'
    """
    strategy, _, dataset = cell.partition("/")
    words = [strategy.replace("-", " ")]
    if match := DATASET.fullmatch(dataset):
        words.append(f"n={match['size']}")
        if match["level"]:
            words.append(f"level {int(match['level'])} %")
        words.append(f"seed {match['seed']}")
    elif dataset:
        words.append(dataset)
    return ", ".join(words)


def short_titles(cells: Sequence[str]) -> list[str]:
    """Words for the names of cells as a menu shows them: a size or seed that all cells share is left out.

    >>> short_titles(["response-micro/n500-d000-s0", "response-micro/n500-d033-s0"])
    ['response micro, 0 %', 'response micro, 33 %']
    """
    titles = [coordinates(cell) for cell in cells]
    for pattern in (r", n=\d+", r", seed \d+"):
        if len({match[0] for title in titles if (match := re.search(pattern, title))}) == 1:
            titles = [re.sub(pattern, "", title) for title in titles]
    return [title.replace("level ", "") for title in titles]


def heading(notebook: NotebookNode) -> str:
    """Text of the notebook's first heading. Raises ValueError if its first cell does not begin with one."""
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not first.source.startswith("# "):
        raise ValueError(f"a notebook must begin with a heading, not {first.source[:60]!r}")
    return str(first.source.splitlines()[0][2:].strip())


def page_notebook(page: Page, *, stages: Collection[str] = ()) -> NotebookNode:
    """The notebook as the book shows it: titled, without standard error and machine paths, dull cells folded.

    Parameters: stages, those that the book has; links to the notebook of any other become plain words.
    Raises ValueError if it does not begin with a heading.
    """
    notebook = nbformat.read(page.notebook, as_version=4)
    title = heading(notebook)
    here = machine_folder(notebook)
    notebook.metadata.pop("papermill", None)
    notebook.cells = _given_parameters(notebook.cells)
    for cell in notebook.cells:
        cell.metadata = NotebookNode({"tags": list(cell.metadata.get("tags", []))})
        cell.source = cell.source.replace(here, "") if here else cell.source
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(lambda link: _book_link(link, stages), cell.source)
        if cell.cell_type == "code":
            cell.outputs = [_without(output, here) for output in cell.outputs if output.get("name") != "stderr"]
            if any(cell.source.startswith(word) or f"\n{word}" in f"\n{cell.source}" for word in FOLDED):
                cell.metadata.tags.append("hide-input")
    if page.cell:
        _, _, rest = notebook.cells[0].source.partition("\n")
        stage, _, question = title.partition(": ")
        asked = f"\n\n*{question[:1].upper()}{question[1:]}*\n" if question else "\n"
        notebook.cells[0].source = f"# {stage}: {page.title}{asked}{rest}"
    return notebook


def machine_folder(notebook: NotebookNode) -> str:
    """The folder, with a slash at its end, in which the notebook ran; empty if its parameters do not tell."""
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            match = re.search(r'^preset = "(/.*/)outputs/', cell.source, flags=re.MULTILINE)
            return match[1] if match else ""
    return ""


def _book_link(link: re.Match, stages: Collection[str]) -> str:
    """A link between notebooks as one between pages of the book."""
    words, stage = link[1].replace("`", ""), link[2]
    return f"{{doc}}`{words} </stages/{stage}>`" if stage in stages else words


def _given_parameters(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells without the default parameters, where papermill put the ones that were given below them."""
    given = [set(_assigned(cell)) for cell in cells if "injected-parameters" in cell.metadata.get("tags", [])]
    hidden = [
        cell
        for cell in cells
        if given and "parameters" in cell.metadata.get("tags", []) and set(_assigned(cell)) <= given[0]
    ]
    return [cell for cell in cells if cell not in hidden]


def _assigned(cell: NotebookNode) -> list[str]:
    return re.findall(r"^(\w+) = ", cell.source, flags=re.MULTILINE)


def figures(notebook: NotebookNode) -> list[bytes]:
    """All PNG pictures that the notebook shows, in order."""
    return [
        base64.b64decode(output["data"]["image/png"])
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def _without(output: NotebookNode, folder: str) -> NotebookNode:
    """The output with `folder` cut from its text."""
    if not folder:
        return output
    kept = NotebookNode(output)
    if "text" in kept:
        kept["text"] = kept["text"].replace(folder, "")
    if "data" in kept:
        texts = {kind: text.replace(folder, "") for kind, text in kept["data"].items() if kind.startswith("text/")}
        kept["data"] = NotebookNode({**kept["data"], **texts})
    return kept
