"""The book of a study: pages from its executed notebooks, figures and numbers read from its outputs.

`python -m macromicro.book --preset smoke` writes `outputs/smoke/book/index.html`; a study's folder that was moved from
another machine renders with `--study FOLDER`. Sources are the templates of `book/` and nothing in them is a result.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import yaml

from macromicro.analyse import findings
from macromicro.book import answer, library, pages, prompts, runs, settings, summary, tested
from macromicro.book.links import link_papers
from macromicro.book.markdown import as_code, as_text, markdown_table
from macromicro.judge import agreement
from macromicro.plots.loss_grid import plot_loss_grid
from macromicro.study import params
from macromicro.study.files import write_aside
from macromicro.study.layout import Layout, find_root
from macromicro.study.settings import Study

FIGURES = {"bands": "3_annotate", "pool": "4_select", "scores": "8_analyse"}
"""Pictures of the introduction, and the stage whose notebook draws each."""

READING_ORDER = (
    *("1_corpus", "0_base_model", "2_respond", "3_annotate", "3_population", "4_select", "4_rival"),
    *("5_finetune", "6_answer", "7_judge"),
)
"""Stages as the menu lists them: as data passes through them, and datasets of levels before those without."""


def assemble(root: Path, target: Path) -> None:
    """Write the sources of the book of the study in `root` to the folder `target`, which is replaced.

    Raises ValueError if the study has not come to its end, or its notebooks show no pictures.
    """
    templates = find_root() / "book"
    study = summary.load_study(root)
    found = pages.find_pages(root, study)
    if target.is_dir():
        shutil.rmtree(target)
    ignored = shutil.ignore_patterns("*.j2", "_study", "_build", "pages", "stages", "__pycache__")
    shutil.copytree(templates, target, ignore=ignored)
    (target / "_mathjax").mkdir()
    shutil.copy(mathjax(), target / "_mathjax" / "tex-svg.js")
    for page in found:
        path = target / f"{page.name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(pages.page_notebook(page, stages={page.stage for page in found}), path)
    drawn = draw_from(study, found)
    _write_figures(drawn, target / "figures")
    _draw_losses(summary.load_losses(Layout(root), study), target / "figures" / "losses.png")
    tested.write_figures(target / "figures")
    stages = {page.stage for page in found}
    context = {"study": study, "out": Layout(root), "found": found, "stages": stages, "drawn": drawn}
    _render(templates, target, **context, preset=_preset(study))
    toc = yaml.safe_dump(contents(found), sort_keys=False, allow_unicode=True)
    (target / "_toc.yml").write_text(toc, encoding="utf-8")


def _preset(study: Study) -> str:
    """What `make report` has to be given for this study: nothing for the default one."""
    return "" if study.study == "smoke" else f" PRESET=outputs/{study.study}/params.yaml"


def draw_from(study: Study, found: Sequence[pages.Page]) -> dict[str, pages.Page]:
    """The page that each picture of the introduction is taken from, as far as the study has one.

    Bands are those of tokens: of the responses if they are annotated, else of the first strategy that counts tokens.
    """
    micro = [one for one in study.all_strategies if one.granularity == "micro" and one.has_levels]
    names = [one.name for one in sorted(micro, key=lambda one: one.part != "response")][:1]
    drawn: dict[str, pages.Page] = {}
    for name, stage in FIGURES.items():
        own = [page for page in found if page.stage == stage]
        if stage != "8_analyse":
            own = [page for page in own if page.cell.parameters["strategy"] in names]
        if own:
            drawn[name] = own[0]
    return drawn


def contents(found: Sequence[pages.Page]) -> dict[str, Any]:
    """The table of contents: a page per stage, below it a page per cell of its grid."""
    chapters: list[dict[str, Any]] = []
    for stage in [stage for stage in READING_ORDER if any(page.stage == stage for page in found)]:
        grid = [page for page in found if page.stage == stage and page.cell.name]
        titles = pages.menu_titles([page.cell for page in grid])
        sections = [{"file": page.name, "title": title} for page, title in zip(grid, titles, strict=True)]
        chapters.append({"file": f"stages/{stage}", "title": pages.stage_name(stage)})
        if sections:
            chapters[-1]["sections"] = sections
    results = [
        {"file": "judges"},
        {"file": "stages/8_analyse", "title": "Results"},
        *(
            [{"file": "stages/9_ablations", "title": "Ablations"}]
            if "9_ablations" in {one.stage for one in found}
            else []
        ),
        {"file": "paper"},
        {"file": "tested"},
        {"file": "declaration"},
    ]
    about = [{"file": name} for name in ("method", "rerun", "programs", "settings", "provenance")]
    rooms = {"file": "api", "sections": [{"file": f"api/{room}"} for room in library.ROOMS]}
    parts = {"Results": results, "Stage by stage": chapters, "Behind it": [*about, rooms]}
    parts = {caption: entries for caption, entries in parts.items() if entries}  # numbers that were kept have no stages
    return {
        "format": "jb-book",
        "root": "intro",
        "parts": [{"caption": caption, "chapters": entries} for caption, entries in parts.items()],
    }


def mathjax() -> Path:
    """The MathJax bundle that the environment carries, so that formulas need no network.

    Raises FileNotFoundError if it is not there.
    """
    package = metadata.distribution("sphinx-mathjax-offline")
    path = Path(str(package.locate_file("sphinx-mathjax-offline/static/mathjax/tex-svg.js")))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no MathJax bundle; install the packages of requirements.lock")
    return path


def build(source: Path, site: Path) -> None:
    """Build the assembled book in `source` and put the pages into the folder `site`.

    Raises RuntimeError with the builder's words if anything is wrong, warnings included.
    """
    with tempfile.TemporaryDirectory() as scratch:
        command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "--all", "-q", "-W", "--keep-going"]
        done = subprocess.run([*command, str(source), "--path-output", scratch], capture_output=True, text=True)
        html = Path(scratch) / "_build" / "html"
        if done.returncode or not (html / "index.html").is_file():
            raise RuntimeError(f"the book was not built:\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}")
        with write_aside(site) as folder:
            shutil.copytree(html, folder)


def _write_figures(drawn: Mapping[str, pages.Page], folder: Path) -> None:
    """The pictures that the introduction shows, from the notebooks that drew them.

    Raises ValueError if one of these notebooks shows no picture.
    """
    folder.mkdir()
    for name, page in drawn.items():
        pictures = pages.figures(nbformat.read(page.notebook, as_version=4))
        if not pictures:
            raise ValueError(f"{page.notebook}: shows no picture; a kernel with MPLBACKEND=agg shows none")
        (folder / f"{name}.png").write_bytes(pictures[0])


def _draw_losses(losses: pd.DataFrame, path: Path) -> None:
    """The loss curves of all models, which no notebook sees together."""
    figure = plot_loss_grid(losses)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _render(templates: Path, folder: Path, **context: Any) -> None:
    """Fill the templates of `book/pages`, `book/stages` and the page of every room; plain pages stay as they are."""
    for page in (templates / "pages").glob("*.md"):
        (folder / page.name).write_text(link_papers(page.read_text(encoding="utf-8")), encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(table=markdown_table, text=as_text, code=as_code)
    environment.globals["prompts"] = prompts
    environment.globals.update(summary=summary, findings=findings, library=library, runs=runs, settings=settings)
    environment.globals["tested"] = tested
    environment.globals.update(agreement=agreement, answer=answer)
    for template in environment.list_templates(extensions=["j2"]):
        group, _, name = template.removesuffix(".j2").partition("/")
        place = {"pages": folder / name, "stages": folder / group / name}.get(group)
        if place and (group == "pages" or place.with_suffix("").is_dir()):
            text = environment.get_template(template).render(**context)
            place.write_text(link_papers(text), encoding="utf-8")
    (folder / "api").mkdir()
    for room, modules in library.list_rooms().items():
        text = environment.get_template("room.md.j2").render(room=room, modules=modules)
        (folder / "api" / f"{room}.md").write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the book of a finished study and say where it lies; 1 if that fails."""
    parser = argparse.ArgumentParser(
        prog="python -m macromicro.book", description="Build the book of a finished study."
    )
    chosen = {name: os.environ.get(name) or None for name in ("PRESET", "STUDY")}
    preset_help = "the study's preset: a name or a YAML file"
    parser.add_argument("--preset", default=chosen["PRESET"] or "smoke", help=preset_help)
    parser.add_argument("--study", type=Path, default=chosen["STUDY"], help="a study's folder, instead of a preset")
    given = parser.parse_args(arguments)
    try:
        root = given.study or params.load(given.preset, check_corpus=False).out.root
        source = find_root() / "book" / "_study" / root.resolve().name
        assemble(root, source)
        build(source, root / "book")
    except (FileNotFoundError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"The book is ready: {root / 'book' / 'index.html'}")
    return 0
