"""What the result of a notebook depends on, read from its source.

The Snakefile asks, so that a changed module or setting reruns the stages that use it and no others, and nobody has to
keep a list by hand.
"""

import ast
import re
from functools import cache
from pathlib import Path

import nbformat

PACKAGE = "macromicro"
LIBRARY = Path(__file__).parents[1]
COMMON = ("seed", "study", "out", "strategies", "datasets", "baselines")


def modules_of(notebook: Path) -> list[Path]:
    """Files of the library modules that a notebook imports, directly or through other modules, sorted."""
    found: set[str] = set()
    waiting = _imported(_code(notebook))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting |= _imported_by_module(name)
    return sorted(_file(name) for name in found)


def sections_of(notebook: Path) -> list[str]:
    """Names of the settings that a notebook reads as `study.<name>`, sorted.

    The grid (`select`) counts where the notebook goes through `study.strategies`, `study.datasets` or
    `study.baselines`.
    """
    names = set(re.findall(r"\bstudy\.(\w+)", _code(notebook)))
    grid = {"select"} if names & {"strategies", "datasets", "baselines"} else set()
    return sorted((names - set(COMMON)) | grid | (names & {"seed"}))


def coordinates_of(notebook: Path) -> list[str]:
    """Names assigned in the cell tagged `parameters`, in order.

    Raises ValueError if no cell, or more than one, is tagged so.
    """
    cells = [cell for cell in _read(notebook).cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ValueError(f"{notebook}: exactly one cell must be tagged 'parameters', found {len(cells)}")
    assigned = [node for node in ast.parse(cells[0].source).body if isinstance(node, ast.Assign)]
    return [target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)]


def _read(notebook: Path) -> nbformat.NotebookNode:
    return nbformat.read(notebook, as_version=4)


def _code(notebook: Path) -> str:
    """All code cells as one module, without IPython magics."""
    cells = [cell.source for cell in _read(notebook).cells if cell.cell_type == "code"]
    return "\n".join(line for cell in cells for line in cell.splitlines() if not line.lstrip().startswith(("%", "!")))


@cache
def _imported_by_module(name: str) -> set[str]:
    return _imported(_file(name).read_text(encoding="utf-8"))


def _imported(source: str) -> set[str]:
    """Modules of the library that the source imports anywhere, functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith(f"{PACKAGE}.") and _file(name).is_file()}


def _file(name: str) -> Path:
    """File of a module of the library, such as `macromicro.select.peel`."""
    return LIBRARY.joinpath(*name.split(".")[1:]).with_suffix(".py")
