"""What it took to make a study, as small tables: time, memory, versions, read from the manifests of its cells."""

import html
import json
from collections.abc import Iterable
from typing import Any

import pandas as pd

from macromicro.book.links import link_licence, link_package
from macromicro.book.pages import stage_name
from macromicro.graph.cells import Cell, list_cells
from macromicro.graph.kept import count_sources
from macromicro.study import params
from macromicro.study.layout import Layout
from macromicro.study.settings import Study

Manifest = dict[str, Any]


def load_manifests(out: Layout, study: Study) -> list[tuple[Manifest, list[Manifest]]]:
    """The manifest of every notebook of the study's present grid, with those of the models that it computed."""
    found = []
    for cell in list_cells(study).values():
        for manifest in _read(out, [cell]):
            found.append((manifest, _read(out, cell.members)))
    return found


def _read(out: Layout, cells: Iterable[Cell]) -> list[Manifest]:
    """The manifests of those cells that have one."""
    paths = [out.manifest(cell.stage, cell.name) for cell in cells]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def tabulate_time(out: Layout, study: Study) -> pd.DataFrame:
    """A row per stage: notebooks run, wall time of all and of the longest, peak memory of the largest process.

    A notebook that went on after a crash took only the time of the models that were missing; then its models together
    say how long it takes.
    """
    rows = []
    for manifest, members in load_manifests(out, study):
        seconds = max(manifest["wall_seconds"], sum(member["wall_seconds"] for member in members))
        memory = max(one["peak_memory_mib"] for one in (manifest, *members))
        rows.append((stage_name(manifest["stage"]), seconds, memory))
    table = pd.DataFrame(rows, columns=["stage", "seconds", "memory"])
    stages = table.groupby("stage", sort=False).agg(
        notebooks=("stage", "size"), seconds=("seconds", "sum"), longest=("seconds", "max"), memory=("memory", "max")
    )
    stages = stages.round({"seconds": 0, "longest": 0}).astype(int).reset_index()
    stages.columns = ["stage", "notebooks", "seconds in all", "longest (s)", "peak memory (MiB)"]
    return stages


def distinct(out: Layout, study: Study, key: str) -> list[str]:
    """The different values of one entry of the manifests, in order; more than one is worth the reader's notice."""
    every = [one for manifest, members in load_manifests(out, study) for one in (manifest, *members)]
    return sorted({str(manifest[key]) for manifest in every})


def list_precisions(out: Layout, study: Study) -> list[str]:
    """The types of weights in which models answered, in order; `auto` stands for another on another machine."""
    used = [one.get("used", {}) for _, members in load_manifests(out, study) for one in members]
    return sorted({one["dtype"] for one in used if "dtype" in one})


def tabulate_licences(out: Layout, *, n_named: int = 5) -> pd.DataFrame:
    """A row per licence of the samples: how many of them, and from which sources, the `n_named` largest by name."""
    rows = []
    for licence, sources in count_sources(out).groupby("licence"):
        names = list(sources.sort_values(["samples", "source"], ascending=[False, True])["source"])
        more = [f"{len(names) - n_named} more"] if len(names) > n_named else []
        named = ", ".join([*map(html.escape, names[:n_named]), *more])
        rows.append((link_licence(html.escape(str(licence))) or "not stated", sources["samples"].sum(), named))
    return pd.DataFrame(rows, columns=["licence", "samples", "sources"]).sort_values("samples", ascending=False)


def describe_kept(study: Study) -> str:
    """What there is of a study that is shown from kept numbers: its strategies with their seeds, and what is to come.

    What is to come is read from the preset of the study's name.
    """
    declared = params.load(study.study, check_corpus=False)
    there, planned = ({name: one.strategy(name).select.seeds for name in one.strategies} for one in (study, declared))
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, seeds in there.items():
        groups.setdefault(tuple(seeds), []).append(f"`{name}`")
    said = [f"{', '.join(names)}: seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
            for seeds, names in groups.items()]  # fmt: skip
    n, of = (sum(map(len, one.values())) for one in (there, planned))
    rest = (
        f" Not computed yet: {of - n} of the {of} pairs of strategy and seed that the preset names." if n < of else ""
    )
    return f"{'; '.join(said)}.{rest}"


def tabulate_versions(out: Layout, study: Study) -> pd.DataFrame:
    """Packages and the versions that the notebooks ran with."""
    found: dict[str, set[str]] = {}
    for manifest, members in load_manifests(out, study):
        for one in (manifest, *members):
            for package, version in one["packages"].items():
                found.setdefault(package, set()).add(version)
    rows = [(link_package(package), " and ".join(sorted(found[package]))) for package in sorted(found)]
    return pd.DataFrame(rows, columns=["package", "version"])
