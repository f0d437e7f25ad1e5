"""The embedded corpus: instructions and responses from the docstrings of installed packages.

Importing a package has side effects, so the docstrings are collected in a process of their own
(`python -m macromicro.corpus.pydocs.collect PACKAGE...`). The result depends on the versions of the packages and on
nothing else: modules and names are walked in alphabetical order, and texts that show object addresses or file paths are
left out.
"""

import functools
import importlib.util
import inspect
import json
import logging
import os
import pkgutil
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import pandas as pd

from macromicro.corpus.pydocs.questions import Pair, gist, make_pairs

SKIPPED_MODULES = re.compile(  # private, vendored, deprecated or generated; their public names are found elsewhere
    r"_.*|tests?|testing.*|test_.*|conftest|setup|core|internals|compat|externals|distutils|sandbox|cython_.*"
    r"|models|convert_.*"
)


def collect_pydocs(packages: Sequence[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Instruction/response pairs of `packages`, and a report (versions, modules that could not be imported).

    Returns columns instruction, response, source (the package), kind (of question); instructions and responses are
    each unique. Runs in a process of its own and takes about half a minute for ten large packages.
    Raises ValueError if a package is not installed or the process fails, with the end of what it wrote.
    """
    for name in packages:
        if importlib.util.find_spec(name.partition(".")[0]) is None:
            raise ValueError(f"corpus.packages: {name!r} is not installed")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pydocs.json"
        command = [sys.executable, "-m", "macromicro.corpus.pydocs.collect", str(path), *packages]
        quiet = {"PYTHONHASHSEED": "0", "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(command, env={**os.environ, **quiet}, cwd=folder, capture_output=True, text=True)
        if done.returncode or not path.is_file():
            raise ValueError(f"collecting docstrings of {', '.join(packages)} failed: {done.stderr.strip()[-2000:]}")
        found = json.loads(path.read_text(encoding="utf-8"))
    return pd.DataFrame(found["pairs"], columns=list(Pair._fields), dtype="str"), found["report"]


def _documented(packages: Sequence[str], failed: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Docstring and package of every documented thing, by its shortest public name."""
    found: list[tuple[tuple[int, int, int, str], str, str]] = []
    for package in packages:
        for module in list(_modules(package, failed)):
            for distance, name, doc in _members(module, package, failed):
                found.append(((distance, name.count("."), len(name), name), doc, package))
    docs: dict[str, tuple[str, str]] = {}
    seen: set[str] = set()
    for (_, _, _, name), doc, package in sorted(found):
        if doc not in seen and name not in docs:
            seen.add(doc)
            docs[name] = (doc, package)
    return docs


def _modules(name: str, failed: dict[str, str]) -> Iterator[ModuleType]:
    """The module `name` and its public submodules in alphabetical order; those that fail are noted."""
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        failed[name] = type(error).__name__
        return
    yield module
    for found in sorted(pkgutil.iter_modules(getattr(module, "__path__", [])), key=lambda found: found.name):
        if not SKIPPED_MODULES.fullmatch(found.name):
            yield from _modules(f"{name}.{found.name}", failed)


def _members(module: ModuleType, package: str, failed: dict[str, str]) -> Iterator[tuple[int, str, str]]:
    """(distance, name, docstring) of a module, its public functions and classes, and their public members.

    The distance is 1 for members that a class inherits, else 0.
    """
    if isinstance(module.__doc__, str):
        yield 0, module.__name__, module.__doc__
    for name in sorted(set(dir(module))):
        thing = None if name.startswith("_") else _public_thing(module, name, package, failed)
        doc = _docstring(thing)
        if doc:
            yield 0, f"{module.__name__}.{name}", doc
        if isinstance(thing, type):
            for distance, attribute, doc in _class_members(thing):
                yield distance, f"{module.__name__}.{name}.{attribute}", doc


@functools.cache
def _class_members(owner: type) -> list[tuple[int, str, str]]:
    """(distance, name, docstring) of the public members of a class, those of its base classes in one package too."""
    root = owner.__module__.split(".")[0]
    found: dict[str, tuple[int, str]] = {}
    for base in owner.__mro__:
        if base.__module__.split(".")[0] == root:
            for name, thing in vars(base).items():
                if not name.startswith("_"):
                    found.setdefault(name, (int(base is not owner), _docstring(thing)))
    return [(distance, name, doc) for name, (distance, doc) in found.items() if doc]


def _public_thing(module: ModuleType, name: str, package: str, failed: dict[str, str]) -> object:
    """A function or class of `package` that the module offers (not one it merely imports), else None.

    Placeholders for packages that are not installed are noted.
    """
    try:
        thing = getattr(module, name)
        home = getattr(thing, "__module__", None)
    except Exception as error:
        failed[f"{module.__name__}.{name}"] = type(error).__name__
        return None
    ours = not isinstance(home, str) or home.split(".")[0] == package.split(".")[0]
    defined_here = home == module.__name__ or (isinstance(home, str) and hasattr(module, "__path__"))
    shown = name in module.__all__ if hasattr(module, "__all__") else defined_here
    return thing if ours and shown and callable(thing) else None


def _docstring(thing: object) -> str:
    """The docstring of a class, function, method or property itself; '' if it has none."""
    documented = callable(thing) or isinstance(thing, property | classmethod | staticmethod)
    doc = getattr(thing, "__doc__", None) if documented or inspect.isdatadescriptor(thing) else None
    if not isinstance(doc, str) or doc == type(thing).__doc__:
        return ""
    return doc


def _main(path: str, packages: Sequence[str]) -> None:
    """Write the pairs and the report of `packages` as JSON."""
    warnings.simplefilter("ignore")
    logging.disable()
    failed: dict[str, str] = {}
    docs = _documented(sorted(packages), failed)
    pairs = [pair for name in sorted(docs) for pair in make_pairs(name, *docs[name])]
    by_gist = {gist(pair): pair for pair in reversed(pairs)}
    unique = {pair.instruction: pair for pair in sorted(by_gist.values())}
    names = packages_distributions()
    roots = {package: package.split(".")[0] for package in sorted(packages)}
    report = {
        "versions": {package: version(names[root][0]) if root in names else "" for package, root in roots.items()},
        "failed_modules": dict(sorted(failed.items())),
        "n_documented": len(docs),
        "n_boilerplate": len(pairs) - len(unique),
    }
    Path(path).write_text(json.dumps({"pairs": list(unique.values()), "report": report}), encoding="utf-8")


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
