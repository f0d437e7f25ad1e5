"""The library as the book shows it: its rooms in the order in which data passes through them, and their modules."""

import ast
from pathlib import Path

import pandas as pd

LIBRARY = Path(__file__).parents[1]
ROOMS = (
    *("study", "graph", "corpus", "models", "annotate", "measure", "select", "judge"),
    *("analyse", "plots", "book", "api", "report", "cli"),
)


def list_rooms() -> dict[str, list[str]]:
    """Names of the modules of every room, such as `judge.score`, in alphabetical order.

    Raises ValueError if a folder of the library is no room.
    """
    folders = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    if folders != set(ROOMS):
        raise ValueError(f"the rooms are {', '.join(ROOMS)}, but the folders differ in {sorted(folders ^ set(ROOMS))}")
    return {room: sorted(_modules(LIBRARY / room)) for room in ROOMS}


def _modules(folder: Path) -> list[str]:
    files = [file for file in folder.rglob("*.py") if not file.stem.startswith("__")]
    return [".".join(file.relative_to(LIBRARY).with_suffix("").parts) for file in files]


def describe_room(room: str) -> str:
    """The description of a room: what comes in, what goes out, where to start reading."""
    return _docstring(LIBRARY / room / "__init__.py")


def tabulate_rooms() -> pd.DataFrame:
    """A row per room: its name with a link to its page, what happens in it, and how many modules it has."""
    rows = [(f"[{room}](api/{room}.md)", _first_line(describe_room(room)), len(names))
            for room, names in list_rooms().items()]  # fmt: skip
    return pd.DataFrame(rows, columns=["room", "what happens in it", "modules"])


def tabulate_modules(room: str) -> pd.DataFrame:
    """A row per module of a room: its name, and the first line of its description."""
    paths = {name: LIBRARY.joinpath(*name.split(".")).with_suffix(".py") for name in list_rooms()[room]}
    rows = [(f"`{name.partition('.')[2]}`", _first_line(_docstring(path))) for name, path in paths.items()]
    return pd.DataFrame(rows, columns=["module", "what it holds"])


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
