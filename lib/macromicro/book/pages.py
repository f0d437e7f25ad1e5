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

from macromicro.graph.cells import Cell, list_cells
from macromicro.study.layout import Layout, find_root
from macromicro.study.settings import Study

LINK = re.compile(r"\[([^\]]+)\]\((?:notebooks/)?(\d_\w+)\.ipynb\)")
MACHINE_FOLDER = re.compile(
    r"(?<![\w.:/])/(?:[^\s\"'`<>(),;:=\\/]+/)+(?=(?:outputs|params|notebooks|lib/macromicro|\.venv)/)"
)
FOLDED = ("import ", "from ", "run.finish(")


@dataclass(frozen=True)
class Page:
    """The executed notebook of a cell of a study."""

    cell: Cell
    notebook: Path

    @property
    def stage(self) -> str:
        """The notebook's name, such as `3_annotate`."""
        return self.cell.stage

    @property
    def name(self) -> str:
        """Document name in the book, such as `stages/4_select/response-micro/s0`."""
        return f"stages/{self.cell.id}" if self.cell.name else f"stages/{self.stage}"

    @property
    def title(self) -> str:
        """The cell's coordinates in words, empty where a stage has one notebook."""
        return ", ".join(coordinates(self.cell))


def find_pages(root: Path, study: Study) -> list[Page]:
    """Pages of all notebooks that a study has executed for its present grid, in reading order.

    Parameters: root, the study's folder. Raises ValueError if the study has not come to its end.
    """
    out = Layout(root)
    found = [Page(cell, out.notebook(cell.stage, cell.name)) for cell in list_cells(study).values()]
    pages = [page for page in found if page.notebook.is_file()]
    if not any(page.stage == "8_analyse" for page in pages):
        raise ValueError(f"{out.root / 'notebooks'}: the book needs a finished study, but 8_analyse is not there: "
                         "run make report")  # fmt: skip
    return pages


def coordinates(cell: Cell) -> list[str]:
    """Which cell of its stage this is, in words: strategy, seed, and batch where its models are in several.

    >>> coordinates(Cell("3_annotate", "response-micro", {"strategy": "response-micro"}, {}, (), ()))
    ['response-micro']
    >>> given = {"strategy": "response-micro", "seed": 1, "batch": 2}
    >>> coordinates(Cell("5_finetune", "response-micro/s1-2", given, {}, (), ()))
    ['response-micro', 'seed 1', 'batch 2']
    """
    given = cell.parameters
    words = [str(given["strategy"])] if "strategy" in given else []
    if given.get("seed") is not None:
        words.append(f"seed {given['seed']}")
        if "batch" in given and cell.name != f"{given['strategy']}/s{given['seed']}":
            words.append(f"batch {given['batch']}")
    return words


def menu_titles(cells: Sequence[Cell]) -> list[str]:
    """Words for the cells of a stage as a menu shows them: a seed that all share is left out."""
    shared = {f"seed {seed}" for seed in {cell.parameters.get("seed") for cell in cells} - {None}}
    dull = shared if len(shared) == 1 else set()
    return [", ".join(word for word in coordinates(cell) if word not in dull) for cell in cells]


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
    notebook.metadata.pop("papermill", None)
    notebook.cells = _given_parameters(notebook.cells)
    for cell in notebook.cells:
        cell.metadata = NotebookNode({"tags": list(cell.metadata.get("tags", []))})
        cell.source = without_machine_paths(cell.source)
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(lambda link: _book_link(link, stages), cell.source)
        if cell.cell_type == "code":
            cell.outputs = [_without_paths(output) for output in cell.outputs if output.get("name") != "stderr"]
            if any(cell.source.startswith(word) or f"\n{word}" in f"\n{cell.source}" for word in FOLDED):
                cell.metadata.tags.append("hide-input")
    if page.cell.name:
        _, _, rest = notebook.cells[0].source.partition("\n")
        stage, _, question = title.partition(": ")
        asked = f"\n\n*{question[:1].upper()}{question[1:]}*\n" if question else "\n"
        notebook.cells[0].source = f"# {stage}: {page.title}{asked}{rest}"
    return notebook


def without_machine_paths(text: str) -> str:
    """The text without the folders above `outputs/` and other parts of a checkout, this one or another.

    >>> without_machine_paths("saved /mnt/disk/clone/outputs/smoke/x.parquet, see https://a.org/b/outputs/c")
    'saved outputs/smoke/x.parquet, see https://a.org/b/outputs/c'
    """
    return MACHINE_FOLDER.sub("", text.replace(f"{find_root()}/", ""))


def _without_paths(output: NotebookNode) -> NotebookNode:
    """The output with the machine paths cut from its texts."""
    kept = NotebookNode(output)
    if "text" in kept:
        kept["text"] = without_machine_paths(kept["text"])
    if "data" in kept:
        texts = {kind: without_machine_paths(text) for kind, text in kept["data"].items() if kind.startswith("text/")}
        kept["data"] = NotebookNode({**kept["data"], **texts})
    return kept


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
        if given and "parameters" in cell.metadata.get("tags", []) and set(_assigned(cell)) <= given[0] | {"changes"}
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
