"""What the pictures of a notebook show, in words, for readers who do not see them.

The first line of a plotting function says what its figure shows, so that it is written down once.
"""

import ast
import pkgutil
import re
from inspect import ismodule

from nbformat import NotebookNode

PLOTS = "macromicro.plots"
CALL = re.compile(r"\b((?:\w+\.)?plot_\w+)\(")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def describe_pictures(notebook: NotebookNode) -> dict[int, str]:
    """A sentence for every cell that shows a picture, by its place in the notebook.

    It is made of the first lines of the functions of `plots` that the cell calls; a cell that calls none is named by
    the heading above it.
    """
    known = imported(notebook)
    found, above = {}, "this page"
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            above = (HEADING.findall(cell.source) or [above])[-1]
        elif any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            drawn = [known[name] for name in dict.fromkeys(CALL.findall(cell.source)) if name in known]
            found[place] = " ".join(drawn) or f"A figure of the section “{above.strip('.?')}”."
    return found


def imported(notebook: NotebookNode) -> dict[str, str]:
    """First lines of the plotting functions that a notebook imports, by the name under which it calls them.

    What the library does not have any more, since the notebook is older, is left out.
    """
    found: dict[str, str] = {}
    for cell in notebook.cells:
        for name, path in _imports(cell.source) if cell.cell_type == "code" else []:
            try:
                own = pkgutil.resolve_name(path)
            except (ImportError, AttributeError):
                continue
            functions = {f"{name}.{key}": value for key, value in vars(own).items()} if ismodule(own) else {name: own}
            found |= {called: _first_line(function) for called, function in functions.items() if callable(function)}
    return found


def _imports(source: str) -> list[tuple[str, str]]:
    """Names that the code imports from `plots`, with their full paths; lines of IPython are no code."""
    code = "\n".join(line for line in source.splitlines() if not line.startswith(("%", "!")))
    return [
        (one.asname or one.name, f"{node.module}.{one.name}")
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PLOTS)
        for one in node.names
    ]


def _first_line(function: object) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]
