"""The numbers of a study in a few tables, which a repository can hold, and the study laid out from them elsewhere.

A study whose models took days need not be computed again to be read. `keep` puts what the analysis reads of every
strategy and seed that is done into `outputs/<study>/kept/`, beside what was kept before: levels, metrics, verdicts,
scores, losses and ids of samples, no text and no answer; and the manifests and the report on the corpus. `lay_out`
writes it where the stages would have put it, so that the analysis runs on it. On the command line they are
`python -m macromicro.graph.kept keep` and `... show`.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from macromicro.graph.cells import Cell, list_cells
from macromicro.graph.execute import compute
from macromicro.graph.freshness import reconcile, relative
from macromicro.study import params
from macromicro.study.files import digest, write_aside
from macromicro.study.layout import Layout
from macromicro.study.portable import portable
from macromicro.study.settings import Strategy, Study

KEYS = ["strategy", "seed"]
KINDS = ("levels", "metrics", "verdicts", "scores", "losses", "datasets")
"""Tables that are kept, each of all strategies and seeds; of datasets the ids of their samples."""
SHOWN = ("8_analyse", "9_ablations")
"""Stages that are computed from what is kept."""
MANIFESTS, REPORT = "manifests", "corpus.json"
Pair = tuple[str, int]


def keep(study: Study) -> list[Pair]:
    """Keep the tables of every strategy and seed that is judged, and return these; what was kept before stays.

    Kept with them are the baseline and the untuned model of their seeds, and the manifests of all cells that they
    come from. Raises ValueError if nothing is judged.
    """
    reasons, cells = reconcile(study), list_cells(study)
    done = [pair for pair in _pairs(study, study.strategies) if not reasons[f"7_judge/{pair[0]}/s{pair[1]}"]]
    if not done:
        raise ValueError(f"{study.out.root.name}: no strategy is judged, so there is nothing to keep")
    seeds = {(study.strategy(name).baseline, seed) for name, seed in done}
    beside = [(name, seed) for name, seed in _pairs(study, study.baselines) if (name, seed) in seeds]
    untuned = [
        (name, seed)
        for name, seed in _pairs(study, study.untuned)
        if (study.strategy(name).baseline, seed) in seeds and not reasons[f"7_judge/{name}/s{seed}"]
    ]
    pairs = [*done, *beside, *untuned]
    for kind in KINDS:
        _replace(study.out, kind, [table for pair in pairs for table in _read(study, kind, *pair)], KEYS)
    _keep_sources(study.out)
    own = [{"cell": cell.id, "manifest": text} for cell, text in _manifests(study, cells, pairs)]
    _replace(study.out, MANIFESTS, [pd.DataFrame(own)], ["cell"])
    return done


def _pairs(study: Study, names: Sequence[str] | Mapping[str, Any]) -> list[Pair]:
    """Strategies, baselines or untuned models with their seeds."""
    return [(name, seed) for name in names for seed in study.strategy(name).select.seeds]


def _read(study: Study, kind: str, name: str, seed: int) -> Iterator[pd.DataFrame]:
    """The tables of one kind, where there are any: a baseline is not judged, the untuned model not trained."""
    for path, dataset in _places(study.out, kind, study.strategy(name), seed):
        if path.is_file():
            table = pd.read_parquet(path, columns=["id"] if kind == "datasets" else None)
            yield (table if dataset is None else table.assign(dataset=dataset)).assign(strategy=name, seed=seed)


def _places(out: Layout, kind: str, strategy: Strategy, seed: int) -> list[tuple[Path, str | None]]:
    """The files of a table of a strategy and seed; losses and datasets have one for each dataset, which is named."""
    if each := {"losses": out.losses, "datasets": out.dataset}.get(kind):
        return [(each(strategy.name, one.name), one.name) for one in strategy.datasets(seed)]
    return [(getattr(out, kind)(strategy.name, seed), None)]


def _manifests(study: Study, cells: Mapping[str, Cell], pairs: Sequence[Pair]) -> Iterator[tuple[Cell, str]]:
    """The manifests of what those strategies and seeds come from: their own cells, and those that all share."""
    wanted = set(pairs)
    for cell in cells.values():
        name, seed = cell.parameters.get("strategy"), cell.parameters.get("seed")
        shared = name is None or (seed is None and name in {pair[0] for pair in wanted})
        if cell.stage not in SHOWN and (shared or (name, seed) in wanted):
            for one in (*cell.members, cell):
                path = study.out.manifest(one.stage, one.name)
                if path.is_file():
                    yield one, json.dumps(json.loads(path.read_text(encoding="utf-8")), sort_keys=True)


def _keep_sources(out: Layout) -> None:
    """The report on the corpus, and how many samples each source gave under which licence."""
    with write_aside(out.kept / REPORT) as path:
        shutil.copyfile(out.corpus_report, path)
    with write_aside(out.kept_sources) as path:
        count_sources(out).to_parquet(path, index=False, compression="zstd")


def count_sources(out: Layout) -> pd.DataFrame:
    """A row per licence and source with the number of its samples; of a study that is laid out, as it was kept."""
    if out.is_laid_out:
        return pd.read_parquet(out.kept_sources)
    counts = pd.read_parquet(out.responded, columns=["licence", "source"]).value_counts(dropna=False, sort=False)
    return counts.rename("samples").reset_index()


def _replace(out: Layout, kind: str, tables: Sequence[pd.DataFrame], keys: Sequence[str]) -> None:
    """Write a kept table with these rows in place of those that have the same keys."""
    new, path = pd.concat(tables, ignore_index=True), out.kept / f"{kind}.parquet"
    if path.is_file():
        old = pd.read_parquet(path)
        same = pd.MultiIndex.from_frame(old[keys]).isin(pd.MultiIndex.from_frame(new[keys]))
        new = pd.concat([old[~same], new], ignore_index=True)
    new = new.sort_values(list(keys), kind="stable", ignore_index=True)
    first = [*keys, *new.columns.difference(list(keys), sort=False)]
    with write_aside(path) as aside:
        new[first].to_parquet(aside, index=False, compression="zstd")


def kept_study(study: Study) -> Study:
    """The part of a study that is kept: its strategies, each with the seeds that are complete for its whole family.

    Raises FileNotFoundError if nothing is kept of it, ValueError if a family has no seed in common.
    """
    path = study.out.kept / "scores.parquet"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: no numbers of {study.out.root.name} are kept")
    there = pd.read_parquet(path, columns=KEYS).groupby("strategy")["seed"].agg(set)
    strategies = study.model_dump()["strategies"]
    kept = {name: given for name, given in strategies.items() if name in there.index}
    for name, given in kept.items():
        family = [other for other, one in kept.items() if one["family"] == given["family"]]
        common = set.intersection(*(there[other] for other in family)) & set(study.strategy(name).select.seeds)
        if not common:
            raise ValueError(f"the strategies of the family {given['family']!r} that are kept have no seed in common")
        given["select"] = {**given["select"], "seeds": sorted(common)}
    seeds = sorted({seed for given in kept.values() for seed in given["select"]["seeds"]})
    settings = study.model_dump()
    return Study.model_validate({**settings, "strategies": kept, "select": {**settings["select"], "seeds": seeds}})


def lay_out(study: Study) -> Study:
    """Write the kept tables of a study to where its stages put them, with the manifests of their cells; what it is.

    Parameters: study, as its preset has it. Raises as `kept_study`; ValueError if the study was computed here, whose
    own tables these would replace.
    """
    out = study.out
    if out.samples.is_file():
        raise ValueError(f"{out.root.name} was computed here: its own tables stay")
    part = kept_study(study)
    tables = {kind: pd.read_parquet(out.kept / f"{kind}.parquet") for kind in KINDS}
    for name, seed in [*_pairs(part, part.strategies), *_pairs(part, part.baselines), *_pairs(part, part.untuned)]:
        for kind, table in tables.items():
            own = table[(table["strategy"] == name) & (table["seed"] == seed)]
            for path, dataset in _places(out, kind, part.strategy(name), seed) if len(own) else []:
                rows = own if dataset is None else own[own["dataset"] == dataset].drop(columns="dataset")
                with write_aside(path) as aside:
                    rows.drop(columns=KEYS if kind != "levels" else KEYS[:1]).to_parquet(aside, index=False)
    _write_manifests(out)
    with write_aside(out.corpus_report) as path:
        shutil.copyfile(out.kept / REPORT, path)
    with write_aside(out.params) as path:
        path.write_text(params.dump(portable(part)), encoding="utf-8")
    return part


def _write_manifests(out: Layout) -> None:
    """The kept manifests as files; the hashes of tables are those of the files that were laid out."""
    for row in pd.read_parquet(out.kept / f"{MANIFESTS}.parquet").to_dict("records"):
        manifest = json.loads(row["manifest"])
        for name in manifest["outputs"]:
            if name.endswith(".parquet") and (out.root / name).is_file():
                manifest["outputs"][name] = digest(out.root / name)
        stage, _, name = row["cell"].partition("/")
        with write_aside(out.manifest(stage, "" if name == stage else name)) as path:
            path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def show(preset: str) -> int:
    """Lay out a study and run its analysis; the exit status. Nothing is done for one without kept numbers."""
    study = params.load(preset, check_corpus=False)
    if not study.out.is_laid_out:
        return 0
    part = lay_out(study)
    n = sum(len(part.strategy(name).select.seeds) for name in part.strategies)
    of = sum(len(study.strategy(name).select.seeds) for name in study.strategies)
    print(f"{study.study}: {n} of {of} strategies and seeds are kept in {relative(study.out.kept, Path.cwd())}")
    shown = [cell.id for cell in list_cells(part).values() if cell.stage in SHOWN]
    return int(any(compute(os.path.relpath(study.out.params), cell) for cell in shown))


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep the numbers of a study, or show those that are kept; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m macromicro.graph.kept", description="Keep a study's numbers.")
    parser.add_argument("what", choices=("keep", "show"))
    parser.add_argument("--preset", default=os.environ.get("PRESET") or "smoke", help="name or file of the preset")
    given = parser.parse_args(arguments)
    try:
        if given.what == "show":
            return show(given.preset)
        done = keep(params.load(given.preset))
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("kept: " + ", ".join(f"{name} (seed {seed})" for name, seed in done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
