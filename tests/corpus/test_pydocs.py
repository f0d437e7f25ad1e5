import json
import os
import subprocess
import sys

import pytest
from macromicro.corpus.pydocs.collect import collect_pydocs
from macromicro.corpus.pydocs.docstrings import parse_docstring
from macromicro.corpus.pydocs.markup import clean_example, clean_markup
from macromicro.corpus.pydocs.questions import MAX_CHARS, Pair, gist, make_pairs

NUMPY_STYLE = """scale(a, factor=2)

Scale an array by a factor.

The array is multiplied with :math:`f` as in [1]_, see :func:`~demo.shrink`.

.. versionadded:: 1.2
   Never seen.

Parameters
----------
a : array_like
    The array to scale.
factor : float, optional
    What to multiply with:

    - 1 changes nothing,
    - 2 doubles
      every value.

Returns
-------
scaled : ndarray
    The scaled array.

Raises
------
ValueError
    If `factor` is not a number.

See Also
--------
shrink : Divide an array by a factor.

Notes
-----
Scaling is linear.

References
----------
.. [1] Nobody, "A book".

Examples
--------
>>> scale([1, 2])
[2, 4]
"""
GOOGLE_STYLE = """Applies a filter.

Args:
    input (Tensor): the input of shape
        ``(N, C)``.
    bias: whether to add a bias.

Returns:
    Tensor: the filtered input.

.. note::
    Slow on purpose.

Example::

    >>> filter(x)
    x
"""


def test_numpydoc_is_taken_apart():
    parsed = parse_docstring(NUMPY_STYLE)
    assert parsed.summary == "Scale an array by a factor."
    assert parsed.description == "The array is multiplied with `f` as in, see `shrink`."
    a, factor = parsed.entries["parameters"]
    assert (a.name, a.type, a.text) == ("a", "array_like", "The array to scale.")
    assert factor.text == "What to multiply with:\n\n- 1 changes nothing,\n- 2 doubles every value."
    assert [(entry.name, entry.type) for entry in parsed.entries["returns"]] == [("scaled", "ndarray")]
    assert [(entry.name, entry.text) for entry in parsed.entries["raises"]] == [
        ("ValueError", "If `factor` is not a number.")
    ]
    assert parsed.texts["notes"] == "Scaling is linear."
    assert parsed.texts["examples"] == ">>> scale([1, 2])\n[2, 4]"
    assert "Nobody" not in repr(parsed)


def test_google_style_is_taken_apart():
    parsed = parse_docstring(GOOGLE_STYLE)
    entries = [(entry.name, entry.type, entry.text) for entry in parsed.entries["parameters"]]
    assert entries == [("input", "Tensor", "the input of shape `(N, C)`."), ("bias", "", "whether to add a bias.")]
    assert parsed.entries["returns"][0].text == "Tensor: the filtered input."
    assert parsed.description == "Slow on purpose."
    assert parsed.texts["examples"] == ">>> filter(x)\nx"


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        (":class:`Thing <demo.Thing>` and :py:meth:`~a.b.run`", "`Thing` and `run`"),
        ("`a page <https://example.org>`_ and **bold**, *slanted*", "a page and bold, slanted"),
        ("[`~demo.Thing`] or [text](https://example.org)", "`Thing` or text"),
        ("2 * x * y and a**b", "2 * x * y and a**b"),
        ("one\ntwo\n\n* a\n  b\n* c", "one two\n\n* a b\n* c"),
        ("name : int\n    The name.\nother : str\n    The other.", "name : int The name.\nother : str The other."),
        ("===  ===\na    b\n===  ===", ""),
        (".. math::\n\n    x = y", "x = y"),
        (".. plot::\n\n    plt.plot()\n\nafter", "after"),
        ("<Tip warning={true}>\nBe careful.\n</Tip>", "Be careful."),
        (
            "Usage::\n\n    def f():\n        pass\n\n    f()\n\nThat is all.",
            "Usage:\n\ndef f():\n    pass\n\nf()\n\nThat is all.",
        ),
        (".. note::\n\n    Run::\n\n        f()\n\n    and\n    wait.", "Run:\n\nf()\n\nand wait."),
        ("Use it:\n\n.. code-block:: python\n   :linenos:\n\n   x = 1\n   y = 2", "Use it:\n\nx = 1\ny = 2"),
        ("", ""),
    ],
)
def test_markup_becomes_prose(markup, plain):
    assert clean_markup(markup) == plain


def test_examples_keep_their_lines():
    text = "First::\n\n    x = 1\n    y = 2\n\nThen:\n\n>>> x\n1\n"
    assert clean_example(text) == "First:\n\nx = 1\ny = 2\n\nThen:\n\n>>> x\n1"


def test_a_docstring_gives_pairs_of_every_kind():
    pairs = make_pairs("demo.scale", NUMPY_STYLE, "demo")
    assert {pair.source for pair in pairs} == {"demo"}
    by_kind = {pair.kind: pair for pair in pairs}
    assert {pair.kind for pair in pairs} == {
        *("summary", "description", "parameters", "returns", "raises", "see also", "examples"),
    }
    assert by_kind["summary"].response == "Scale an array by a factor."
    assert by_kind["returns"].response == "ndarray. The scaled array."
    assert by_kind["see also"].response == "`shrink`: Divide an array by a factor."
    assert "ValueError" in by_kind["raises"].instruction
    assert all("demo.scale" in pair.instruction for pair in pairs)
    assert pairs == make_pairs("demo.scale", NUMPY_STYLE, "demo")


def test_long_texts_are_cut_between_paragraphs():
    paragraphs = [f"Paragraph {i} says a few words." for i in range(100)]
    pairs = make_pairs("demo.long", "Summary of it all here.\n\n" + "\n\n".join(paragraphs), "demo")
    response = next(pair.response for pair in pairs if pair.kind == "description")
    assert len(response) <= MAX_CHARS
    assert response.split("\n\n") == paragraphs[: response.count("\n\n") + 1]


@pytest.mark.parametrize(
    "doc",
    [
        "Shows <Thing at 0x7f3c707cb560> as its value.",
        "Reads the file /home/someone/data.csv by default.",
        f"Lies below {sys.prefix} on this machine here.",
        "Takes what %(template)s leaves to be filled.",
        "Too short.",
        "Rings the \x07 bell on every terminal.",
    ],
)
def test_texts_of_this_machine_and_empty_ones_are_left_out(doc):
    assert make_pairs("demo.thing", doc, "demo") == []


def test_boilerplate_has_one_gist():
    texts = ["The `BertModel` forward method, with 12 layers.", "The GPT2Model forward method, with 48 layers."]
    first, second = (gist(Pair("q", text, "demo", "summary")) for text in texts)
    assert first == second == "the forward method with layers"


PACKAGE = {
    "__init__.py": '"""A package that is here for a test."""\nfrom demo_docs.shapes import Circle\n',
    "shapes.py": '''
"""Shapes and what to do with them."""
from json import dumps


class _Shape:
    def area(self):
        """Area that the shape covers."""


class Circle(_Shape):
    """A circle of some radius around a point."""

    def grow(self, by):
        """Make the circle larger than it was.

        Parameters
        ----------
        by : float
            How much larger it should become.
        """

    def _hidden(self):
        """Nobody should ever read this text."""


def again(x):
    """A circle of some radius around a point."""
''',
    "broken.py": "import a_module_that_is_not_there\n",
    "_private.py": '"""Nobody should ever read this text."""\n',
    "tests/__init__.py": "raise SystemExit\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    for name, code in PACKAGE.items():
        path = tmp_path / "demo_docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "demo_docs"


def test_a_package_is_collected(package):
    pairs, report = collect_pydocs([package])
    texts = set(pairs["response"])
    assert {"A circle of some radius around a point.", "Area that the shape covers."} <= texts
    assert "float. How much larger it should become." in texts
    assert not any("Nobody" in text for text in texts)
    assert pairs["response"].is_unique
    assert pairs["instruction"].is_unique
    named = " ".join(pairs["instruction"])
    assert "demo_docs.Circle.area" in named
    assert "dumps" not in named
    assert "demo_docs.shapes.Circle" not in named
    assert report["n_documented"] == 5  # two modules, Circle, area, grow; `again` says what Circle says
    assert report["failed_modules"] == {"demo_docs.broken": "ModuleNotFoundError"}


def test_a_package_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match=r"corpus\.packages: 'not_a_package' is not installed"):
        collect_pydocs(["not_a_package"])


def test_hash_seed_and_order_of_packages_do_not_matter(package, tmp_path):
    runs = []
    for seed, packages in [("1", ["tqdm", package, "yaml"]), ("2", ["yaml", "tqdm", package])]:
        path = tmp_path / f"{seed}.json"
        command = [sys.executable, "-m", "macromicro.corpus.pydocs.collect", str(path), *packages]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True)
        runs.append(path.read_bytes())
    assert runs[0] == runs[1]
    assert len(json.loads(runs[0])["pairs"]) > 50
