"""A corpus that attacks its readers, and a machine with secrets: the real study is run on both, and its book opened.

Every stage runs, since every stage shows text or writes files of its own.
"""

import getpass
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest
import yaml
from conftest import TINY

pytestmark = pytest.mark.slow

ATTACKS = [
    "<script>attack('script')</script>",
    "<img src=x onerror=attack('image')>",
    "</td></tr></table><svg onload=attack('svg')>",
    "<style>body { display: none }</style>",
    "{{ attack('jinja') }} {% include '/etc/passwd' %}",
    r"$\href{javascript:attack('dollar')}{x}$ $$\href{javascript:attack('dollars')}{y}$$ \(\alpha\)",
    r"\begin{equation}\href{javascript:attack('environment')}{z}\end{equation}",
    "`a` ``b`` ```c``` | d | e |\n|---|---|\n| f | g |",
    "[click](javascript:attack('link')) ![x](javascript:attack('picture'))",
    "# A heading\n\n## Another\n\n```{raw} html\n<script>attack('directive')</script>\n```",
    "{raw-html}`<script>attack('role')</script>` {doc}`/intro` {download}`/etc/passwd`",
    "&lt;script&gt;attack('entity')&lt;/script&gt; <a href=\"javascript:attack('anchor')\">x</a>",
]
SECRETS = {"OPENAI_API_KEY": "sk-hunter2-hunter2", "USER": "mariecurie", "LOGNAME": "mariecurie"}
STRATEGIES = {
    "response-micro": {"granularity": "micro", "tokens": {"unit": "word"}},
    "instruction-meso": {"part": "instruction", "granularity": "meso"},
    "response-macro": {"granularity": "macro"},
    "longest": {"method": "longest", "family": "rivals"},
}
DEFINE = "window.attacks = []; window.attack = name => window.attacks.push(name);"
LOOK = """() => ({
    attacks: window.attacks,
    links: [...document.querySelectorAll('a[href^="javascript:"], a[*|href^="javascript:"]')]
        .filter(link => String(link.href.baseVal || link.href).includes('attack')).length,
    elements: document.querySelectorAll('article img[src="x"], article svg[onload], article td style').length,
    formulas: document.querySelectorAll('.cell_output mjx-container').length,
    torn: [...document.querySelectorAll('article table')].filter(table => new Set(
        [...table.rows].filter(row => row.cells.length > 0)
            .map(row => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0))).size > 1
        && !table.querySelector('[rowspan]')).length,
    hidden: getComputedStyle(document.body).display === 'none',
    text: document.querySelector('article')?.textContent ?? '',
})"""


def samples(folder: Path) -> list[dict[str, str]]:
    """Samples of which every third one attacks, in its instruction, its response and its source."""
    plain = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    rows = []
    for number, sample in enumerate(plain):
        attack = ATTACKS[number // 3 % len(ATTACKS)]
        own = {"source": attack if number % 3 == 0 else f"$plain_{number % 2}$ \\x"}
        if number % 3 == 0:
            own |= {"instruction": f"{attack} {sample['instruction']}", "response": f"{attack} {sample['response']}"}
        rows.append({**sample, **own})
    return rows


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The home of somebody, with the checkout and the corpus in it; the study has run there and has its book."""
    home = tmp_path_factory.mktemp("home") / "mariecurie"
    folder = home / "clone"
    root = Path(__file__).resolve().parents[2]
    for name in ("notebooks", "lib", "book"):
        shutil.copytree(
            root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "_study")
        )
    shutil.copy(root / "Snakefile", folder)
    (folder / "params").mkdir()
    write_plain(folder / "corpus.jsonl")
    name = "my <b>$corpus$ {{ x }}.jsonl"
    (home / name).write_text("".join(json.dumps(row) + "\n" for row in samples(folder)))
    preset = {**TINY, "description": ATTACKS[0] + ATTACKS[5], "strategies": STRATEGIES}
    preset["corpus"] = {**TINY["corpus"], "path": str(home / name)}
    preset["population"] = {"max_dropped": 0.2}  # attacks make samples longer
    (folder / "params" / "tiny.yaml").write_text(yaml.safe_dump(preset))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(folder / "lib"),
        "PRESET": "tiny",
        "HOME": str(home),
        **SECRETS,
    }
    for command in (["macromicro.graph.report", "--cores", "2"], ["macromicro.book"]):
        done = subprocess.run([sys.executable, "-m", *command], cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return home


def write_plain(path: Path) -> None:
    """The corpus of `tiny_study`."""
    from conftest import MODULES, documented

    rows = [sample for module in MODULES for sample in documented(module)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def seen(home, browser_page) -> dict[str, dict]:
    """What a browser sees on every page of the book, by the name of the page."""
    site, found = home / "clone/outputs/tiny/book", {}
    with browser_page.context.browser.new_page() as page:
        page.add_init_script(DEFINE)
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: dialogs.append(dialog.message) or dialog.dismiss())
        for path in sorted(site.rglob("*.html")):
            name = path.relative_to(site).as_posix()
            if path.name == "index.html" or name.startswith(("_", "api/")):
                continue
            page.goto(f"file://{quote(str(path))}")
            page.wait_for_function("window.MathJax === undefined || MathJax.startup?.promise !== undefined")
            page.evaluate("window.MathJax?.startup?.promise")
            found[name] = {**page.evaluate(LOOK), "dialogs": list(dialogs)}
    return found


def test_no_word_of_a_corpus_is_run_and_no_table_breaks(seen):
    assert len(seen) > 25
    harmless = {"attacks": [], "links": 0, "elements": 0, "formulas": 0, "torn": 0, "hidden": False, "dialogs": []}
    harmed = {name: {key: page[key] for key in harmless} for name, page in seen.items()}
    assert {name: page for name, page in harmed.items() if page != harmless} == {}


def test_what_attacks_is_shown_as_it_stands(seen):
    """Else the test above would hold of a book without samples."""
    corpus = seen["stages/1_corpus.html"]["text"]
    for attack in (
        "<script>attack('script')</script>",
        "{{ attack('jinja') }}",
        "](javascript:attack('link'))",
        "$$\\href",
    ):
        assert attack in corpus, attack
    intro = seen["intro.html"]["text"].replace("‘", "'").replace("’", "'")
    assert "<script>attack('script')</script>$\\href{javascript:attack('dollar')}{x}$" in intro
    shown = "".join(page["text"] for name, page in seen.items() if name.startswith(("stages/4_", "stages/6_")))
    assert "<script>attack(" in shown


def test_the_test_sees_an_attack(browser_page, tmp_path):
    table = "<table><tr><td>a<td>b</tr><tr><td>c</tr></table>"
    (tmp_path / "page.html").write_text(f"<article>{table}{''.join(ATTACKS)}</article>")
    with browser_page.context.browser.new_page() as page:
        page.add_init_script(DEFINE)
        page.goto(f"file://{tmp_path / 'page.html'}")
        page.wait_for_timeout(300)
        found = page.evaluate(LOOK)
    assert {"script", "image", "svg"} <= set(found["attacks"])
    assert (found["links"], found["torn"], found["hidden"]) == (1, 1, True)
    assert found["elements"] >= 1


def test_no_secret_and_no_path_of_the_machine_is_in_any_byte_of_the_outputs(home):
    out = home / "clone" / "outputs" / "tiny"
    needles = [*SECRETS.values(), str(home), home.parent.name, sys.prefix, str(Path(__file__).parents[2])]
    if len(getpass.getuser()) > 5:
        needles.append(getpass.getuser())
    holds = [
        (path.relative_to(out).as_posix(), needle)
        for path in out.rglob("*")
        if path.is_file()
        for needle in needles
        if needle.encode() in path.read_bytes()
    ]
    assert holds == []
    assert len(list(out.rglob("*.json"))) > 10
    assert "jsonl" in (out / "params.yaml").read_text()


def test_the_notebooks_themselves_hold_no_script(home):
    notebooks = list((home / "clone" / "outputs" / "tiny" / "notebooks").rglob("*.ipynb"))
    assert len(notebooks) > 20
    for path in notebooks:
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                html = output.get("data", {}).get("text/html", "")
                assert "<script" not in html and "<img src=x" not in html and "<svg onload" not in html, path.name
