"""Whether a cell is done: computed from what lies there now, with the settings and the code of now, and unharmed.

A manifest says what a cell was computed from and what it made, with hashes. All is compared by content: time stamps,
the place of the checkout and Snakemake's own records do not matter.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from macromicro.graph.cells import Cell, list_cells
from macromicro.study.dependencies import code_of, module_code_of, notebook_path
from macromicro.study.files import digest, write_aside
from macromicro.study.settings import Study


class Digests:
    """Hashes of files and folders, remembered by size and time of change in a file of the study's folder."""

    def __init__(self, root: Path, *, remembered: bool = True) -> None:
        self._root = root
        self._file = root / ".digests.json"
        self._known: dict[str, list[Any]] = {}
        if remembered and self._file.is_file():
            self._known = json.loads(self._file.read_text(encoding="utf-8"))

    def __call__(self, path: Path) -> str:
        """Hash of a file or folder; empty if nothing is there."""
        if not path.exists():
            return ""
        mark = _mark(path)
        name = relative(path, self._root)
        if self._known.get(name, [None])[:-1] != mark:
            self._known[name] = [*mark, digest(path)]
        return str(self._known[name][-1])

    def save(self) -> None:
        """Keep what is known for the next process."""
        with write_aside(self._file) as aside:
            aside.write_text(json.dumps(self._known, indent=0, sort_keys=True), encoding="utf-8")


def _mark(path: Path) -> list[Any]:
    """What changes when a file or anything in a folder is written: sizes and times."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    stats = [file.stat() for file in files if not file.name.startswith(".") or file == path]
    return [len(stats), sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)]


def read_manifest(study: Study, cell: Cell) -> dict[str, Any] | None:
    """The manifest of a cell; None if there is none that can be read."""
    path = study.out.manifest(cell.stage, cell.name)
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None


def fingerprint(study: Study, cell: Cell, digests: Digests, *, member: bool = False) -> dict[str, Any]:
    """What a cell's outputs follow from: parameters, settings, code and inputs, the last two as hashes by path."""
    path = notebook_path(cell.stage)
    return {
        "parameters": cell.parameters,
        "settings": cell.settings,
        "code": (module_code_of if member else code_of)(path),
        "inputs": {relative(file, study.out.root): digests(file) for file in cell.inputs},
    }


def why_not_done(study: Study, cell: Cell, digests: Digests, *, member: bool = False) -> str:
    """Why a cell has to be computed, in words; empty if it is done."""
    manifest = read_manifest(study, cell)
    if manifest is None:
        return "never computed"
    for kind, now in fingerprint(study, cell, digests, member=member).items():
        if changed := _first_difference(manifest.get(kind), now):
            return f"{kind} changed: {changed}"
    root, made = study.out.root, manifest["outputs"]
    for file in cell.outputs:
        name = relative(file, root)
        if not file.exists():
            return f"{name} is missing"
        if digests(file) != made.get(name):
            return f"{name} is not what was computed"
    if not member and not study.out.notebook(cell.stage, cell.name).is_file():
        return "the executed notebook is missing"
    return ""


def reconcile(study: Study) -> dict[str, str]:
    """Give every cell that is done a stamp, take it from every other; the reasons by cell, empty for those done."""
    digests = Digests(study.out.root)
    reasons = {}
    for cell in list_cells(study).values():
        stamp = study.out.stamp(cell.stage, cell.name)
        reasons[cell.id] = why_not_done(study, cell, digests)
        if reasons[cell.id]:
            stamp.unlink(missing_ok=True)
        elif not stamp.is_file():
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.touch()
    if study.out.root.is_dir():
        digests.save()
    return reasons


def verify(root: Path) -> list[str]:
    """What is wrong in a study's folder, wherever it lies: a line per file that is not what its manifest says.

    Everything is read anew from disk. Raises FileNotFoundError if the folder holds no manifest.
    """
    manifests = sorted((root / "manifests").rglob("*.json"))
    if not manifests:
        raise FileNotFoundError(f"{root}: no manifests, so there is nothing to hold the files against")
    made_by: dict[str, tuple[str, str]] = {}
    for path in manifests:
        maker = path.relative_to(root / "manifests").with_suffix("").as_posix()
        made = json.loads(path.read_text(encoding="utf-8"))["outputs"]
        made_by |= {name: (maker, expected) for name, expected in made.items() if name not in made_by}
    wrong = []
    for name, (maker, expected) in sorted(made_by.items()):
        if not (root / name).exists():
            wrong.append(f"{name} is missing; {maker} made it")
        elif digest(root / name) != expected:
            wrong.append(f"{name} is not what {maker} made")
    return wrong


def relative(path: Path, root: Path) -> str:
    """`path` below the study's folder, or its bare name where it lies elsewhere (no machine paths in a manifest)."""
    path, root = path.absolute(), root.absolute()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _first_difference(before: Any, now: Any, place: str = "") -> str:
    """Where two nested values first differ, as a dotted name; empty where they do not."""
    if isinstance(before, dict) and isinstance(now, dict):
        return next(filter(None, (_difference_at(before, now, key, place) for key in _keys(before, now))), "")
    return "" if before == now else place or "all"


def _keys(before: dict[str, Any], now: dict[str, Any]) -> Iterable[str]:
    return sorted({*before, *now})


def _difference_at(before: dict[str, Any], now: dict[str, Any], key: str, place: str) -> str:
    return _first_difference(before.get(key), now.get(key), f"{place}.{key}" if place else key)
