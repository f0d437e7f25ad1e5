"""What a corpus, a model or a file says is never code: held by reading the library and the notebooks."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle"}
CALLS = {"torch.load", "joblib.load", "eval", "exec", "os.system", "os.popen", "pd.read_pickle", "pandas.read_pickle"}
CALLS |= {"torch.hub.load", "yaml.unsafe_load", "yaml.full_load"}
KEYWORDS = {"allow_pickle", "trust_remote_code", "trust_repo"}


def code() -> dict[str, str]:
    """The source of every module and notebook, by its name."""
    found = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "lib").rglob("*.py")}
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
        found[str(path.relative_to(ROOT))] = re.sub(r"^%.*$", "", text, flags=re.MULTILINE)
    return found


SOURCES = code()


def dangers(source: str) -> Iterator[str]:
    """What turns data into code, a line each."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0], *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call):
            names = [ast.unparse(node.func)]
            names += [str(keyword.arg) for keyword in node.keywords]
            if any(keyword.arg == "shell" and ast.unparse(keyword.value) != "False" for keyword in node.keywords):
                yield f"line {node.lineno}: shell"
            if any(keyword.arg == "weights_only" and ast.unparse(keyword.value) != "True" for keyword in node.keywords):
                yield f"line {node.lineno}: weights_only"
        yield from (f"line {node.lineno}: {name}" for name in names if name in MODULES | CALLS | KEYWORDS)


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_that_is_read_is_run(name):
    assert list(dangers(SOURCES[name])) == []


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from pickle import load", "from torch import load", "torch.load(path)", "eval(text)"),
        *("np.load(path, allow_pickle=True)", "AutoModel.from_pretrained(x, trust_remote_code=flag)"),
        *("subprocess.run(text, shell=True)", "read(path, weights_only=False)"),
    ],
)
def test_a_danger_is_seen(source):
    assert len(list(dangers(source))) == 1


def chains(source: str) -> Iterator[tuple[int, list[ast.Call]]]:
    """Line and method calls, first to last, of every table that is styled."""
    tree = ast.parse(source)
    inner = {node.func.value for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_method(node)}
    for node in ast.walk(tree):
        calls, place = [], node
        while isinstance(place, ast.Call) and _is_method(place):
            calls.append(place)
            place = place.func.value
        if isinstance(place, ast.Attribute) and place.attr == "style" and node not in inner:
            yield node.lineno, calls[::-1]


def _is_method(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute)


def unescaped(source: str) -> Iterator[str]:
    """Where pandas would write the text of a styled table as HTML: it escapes only where it is told to, each time."""
    for line, calls in chains(source):
        by_name: dict[str, list[ast.Call]] = {}
        for call in calls:
            by_name.setdefault(call.func.attr, []).append(call)
        hidden = by_name.get("hide", [])
        hides_index = any("axis" not in ast.unparse(call) or "index" in ast.unparse(call) for call in hidden)
        needed = ["format"] if hides_index else ["format", "format_index"]
        for method in needed:
            escaped = [
                any(keyword.arg == "escape" and ast.unparse(keyword.value) == "'html'" for keyword in call.keywords)
                for call in by_name.get(method, [])
            ]
            if not escaped or not all(escaped):
                yield f"line {line}: .{method}(escape='html')"


@pytest.mark.parametrize("name", SOURCES)
def test_styled_tables_show_text_as_text(name):
    assert list(unescaped(SOURCES[name])) == []


@pytest.mark.parametrize(
    ("source", "n"),
    [
        *(("table.style", 2), ("table.style.hide()", 1), ("table.style.hide(axis='columns')", 2)),
        *(
            ("table.style.format(precision=2).hide()", 1),
            ("table.style.format(escape='html').format('{:,}').hide()", 1),
        ),
        *(("table.style.format(escape='html')", 1), ("table.style.format(escape='html').hide()", 0)),
        ("table.style.format(escape='html').format_index(escape='html')", 0),
    ],
)
def test_a_table_that_is_not_escaped_is_seen(source, n):
    assert len(list(unescaped(source))) == n
