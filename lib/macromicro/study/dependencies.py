"""What the result of a notebook depends on, read from its source: library modules, parameters, settings.

Nobody has to keep a list by hand, and a comment or a docstring of the library is not code: changing one recomputes
nothing.
"""

import ast
import hashlib
import json
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from macromicro.study.layout import find_root

PACKAGE = "macromicro"
LIBRARY = Path(__file__).parents[1]
NO_RESULT = (f"{PACKAGE}.study.", f"{PACKAGE}.graph.")
"""Rooms that say where files lie and which settings there are: they decide what is computed, and not what comes out."""
RESULT = frozenset({f"{PACKAGE}.study.compute"})


def notebook_path(stage: str) -> Path:
    """The notebook of a stage, such as `3_annotate`. Raises FileNotFoundError that lists the stages."""
    folder = find_root() / "notebooks"
    path = folder / f"{stage}.ipynb"
    if not path.is_file():
        known = (file.stem for file in folder.glob("*.ipynb"))
        raise FileNotFoundError(f"no notebook {stage!r}; the nearest is {closest(stage, known)!r}")
    return path


@cache
def code_of(notebook: Path) -> dict[str, str]:
    """Hashes of the notebook and of every library module that it imports, by path in the repository."""
    cells = [f"{cell.kind}\0{cell.source}" for cell in _read(notebook)]
    own = hashlib.sha256("\0".join(cells).encode()).hexdigest()
    return {f"notebooks/{notebook.name}": own, **module_code_of(notebook)}


@cache
def module_code_of(notebook: Path) -> dict[str, str]:
    """Hashes of every library module that a notebook imports, by path in the repository."""
    return {f"lib/{PACKAGE}/{path.relative_to(LIBRARY).as_posix()}": _code_hash(path) for path in modules_of(notebook)}


def modules_of(notebook: Path) -> list[Path]:
    """Files of the library modules that a notebook imports, directly or through other modules, sorted."""
    found: set[str] = set()
    waiting = _imported(_code(notebook))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting |= _imported_by_module(name)
    return sorted(_file(name) for name in found if not name.startswith(NO_RESULT) or name in RESULT)


def sections_of(notebook: Path) -> set[str]:
    """Names of what a notebook reads as `study.<name>`, or of a strategy as `chosen.<name>`."""
    read = [node for node in ast.walk(ast.parse(_code(notebook))) if isinstance(node, ast.Attribute)]
    return {node.attr for node in read if isinstance(node.value, ast.Name) and node.value.id in ("study", "chosen")}


def parameters_of(notebook: Path) -> dict[str, Any]:
    """Names and values assigned in the cell tagged `parameters`, in order.

    Raises ValueError if no cell, or more than one, is tagged so.
    """
    cells = [cell for cell in _read(notebook) if "parameters" in cell.tags]
    if len(cells) != 1:
        raise ValueError(f"{notebook}: exactly one cell must be tagged 'parameters', found {len(cells)}")
    assigned = [node for node in ast.parse(cells[0].source).body if isinstance(node, ast.Assign)]
    pairs = [(target.id, node.value) for node in assigned for target in node.targets if isinstance(target, ast.Name)]
    return {name: ast.literal_eval(value) for name, value in pairs}


def closest(name: str, known: Iterable[str]) -> str:
    """The known name that is spelled most like a given one.

    >>> closest("tokens.lo", ["tokens.low", "tags.min_count"])
    'tokens.low'
    """
    return max(known, key=lambda candidate: SequenceMatcher(None, name, candidate).ratio(), default="none")


class _NotebookCell(NamedTuple):
    kind: str
    source: str
    tags: list[str]


def _read(notebook: Path) -> list[_NotebookCell]:
    """The cells of a notebook, read as JSON: every kernel does this, and nbformat takes seconds to load."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [
        _NotebookCell(cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", [])) for cell in cells
    ]


def _code(notebook: Path) -> str:
    """All code cells as one module, without IPython magics."""
    cells = [cell.source for cell in _read(notebook) if cell.kind == "code"]
    return "\n".join(line for cell in cells for line in cell.splitlines() if not line.lstrip().startswith(("%", "!")))


@cache
def _code_hash(path: Path) -> str:
    """Hash of what a module does: of its syntax tree, without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


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
