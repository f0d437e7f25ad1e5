"""What the commands `measure` and `compare` do once their options are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from macromicro.cli.comparison_output import Found, write_comparison
from macromicro.cli.input import embedder, token_maker
from macromicro.cli.reading import read_files
from macromicro.corpus.sources import source_name
from macromicro.measure.comparison import (
    Comparison,
    Rows,
    add_difference,
    compare_datasets,
    count_shared,
    join_datasets,
)
from macromicro.measure.rarefaction import draw_halves, draw_smaller
from macromicro.measure.single import MAX_NOVELSUM
from macromicro.measure.summary import OF_SIZE, sum_up
from macromicro.select.select import draw_baseline
from macromicro.study.sections import TypeSettings

HALVES = ("random half", "other random half")


@dataclass(frozen=True)
class Options:
    """Options that both commands have, by the names of the command line."""

    reference: str | None
    tokenizer: str
    vendi_order: float
    intervals: bool
    as_json: bool
    seed: int
    cache: Path | None
    columns: list[str]
    settings: TypeSettings


def measure_file(file: str, before: str | None, options: Options) -> None:
    """Print all metrics of a file and, if given, of the file that it was chosen from and of a random draw of that."""
    name = "after" if before else "value"
    read = _read_all({"before": before, name: file} if before else {name: file}, options)
    datasets = dict(read.rows)
    if before:
        n_before = len(read.rows["before"])
        drawn = draw_baseline(n_before, min(len(read.rows[name]), n_before), np.random.default_rng(options.seed))
        datasets = {"before": read.rows["before"], "random": drawn, name: read.rows[name]}
    n_trained = len(read.rows["before" if before else name])
    interval_of = ["random", name] if before else [name]
    (table, missing), unit = _compare(read, datasets, n_trained=n_trained, interval_of=interval_of, options=options)
    counts = {"n_samples": {role: len(rows) for role, rows in datasets.items()}}
    summary = {}
    if before:
        table = add_difference(table, "random", name)
        summary = sum_up(table, name, "random", {name: "FILE", "random": "the random draw"})
    found = Found(_about(read, counts, unit, options), table, missing, summary)
    write_comparison(found, as_json_text=options.as_json)


def compare_files(one: str, two: str, options: Options) -> None:
    """Print all metrics of two files at equal size, their differences, and how many instructions both hold.

    Beside the difference stands how far two random halves of both together differ, and where the files are not of one
    size follow the metrics that move with it at other sizes.
    """
    read = _read_all({"one": one, "two": two}, options)
    sizes = {name: len(rows) for name, rows in read.rows.items()}
    n_compared, rng = min(sizes.values()), np.random.default_rng(options.seed)
    equal = {name: rows[draw_baseline(sizes[name], n_compared, rng)] for name, rows in read.rows.items()}
    halves = dict(zip(HALVES, draw_halves(equal["one"], equal["two"], rng), strict=True))
    others = _draw_sizes(equal, read.rows, rng) if len(set(sizes.values())) > 1 else {}
    (measured, missing), unit = _compare(
        read, equal | halves | others, n_trained=sum(sizes.values()), interval_of=list(equal), options=options
    )
    table = add_difference(measured.drop(columns=[*HALVES, *others]), "one", "two")
    table = table.assign(chance=(measured[HALVES[1]] - measured[HALVES[0]]).abs())
    at_sizes = _tabulate_sizes(measured, n_compared) if others else None
    shown = missing["metric"].isin(OF_SIZE) | ~missing["dataset"].isin(others)
    counts = {"n_samples": sizes, "n_compared": n_compared}
    counts["n_shared_instructions"] = count_shared(read.tables["one"], read.tables["two"])
    summary = sum_up(table, "one", "two", {"one": "ONE", "two": "TWO"})
    found = Found(_about(read, counts, unit, options), table, missing[shown], summary, at_sizes)
    write_comparison(found, as_json_text=options.as_json)


class _Read(NamedTuple):
    """The files by role, the samples of each, those of all and of the reference together, and the rows of each there.

    `rows` are those of the files, `reference` those of the reference, None where there is none.
    """

    files: Mapping[str, str]
    tables: dict[str, pd.DataFrame]
    samples: pd.DataFrame
    rows: dict[str, Rows]
    reference: Rows | None


def _read_all(files: Mapping[str, str], options: Options) -> _Read:
    """The samples of all files and of the reference."""
    given = {"reference": options.reference} if options.reference else {}
    tables = read_files({**files, **given}, options.columns)
    samples, rows = join_datasets(tables)
    return _Read(files, tables, samples, {role: rows[role] for role in files}, rows.get("reference"))


def _draw_sizes(equal: Mapping[str, Rows], whole: Mapping[str, Rows], rng: np.random.Generator) -> dict[str, Rows]:
    """A quarter and a half of both datasets at equal size, and the larger one whole, named such as `one 250`."""
    drawn: dict[str, Rows] = {}
    for name, rows in equal.items():
        smaller = draw_smaller(rows, rng)
        larger = {len(whole[name]): whole[name]} if len(whole[name]) > len(rows) else {}
        drawn |= {f"{name} {n}": held for n, held in {**smaller, **larger}.items()}
    return drawn


def _tabulate_sizes(measured: pd.DataFrame, n_compared: int) -> pd.DataFrame:
    """The metrics that move with the number of samples: part, metric and a column per dataset and size."""
    named = measured.rename(columns={name: f"{name} {n_compared}" for name in ("one", "two")})
    sized = [str(name) for name in named.columns if str(name).startswith(("one ", "two "))]
    sized.sort(key=lambda name: (name[:3], int(name[4:])))
    return named.loc[named["metric"].isin(OF_SIZE), ["part", "metric", *sized]].reset_index(drop=True)


def _compare(
    read: _Read, datasets: Mapping[str, Rows], *, n_trained: int, interval_of: list[str], options: Options
) -> tuple[Comparison, str]:
    """All metrics of the datasets, and their unit in words; a tokenizer is trained on the first `n_trained` samples."""
    tokenize, unit = token_maker(options.tokenizer, read.samples.iloc[:n_trained])
    compared = compare_datasets(
        read.samples,
        datasets,
        tokenize=tokenize,
        embed=embedder(options.cache, options.settings),
        reference=read.reference,
        vendi_order=options.vendi_order,
        interval_of=interval_of if options.intervals else (),
        seed=options.seed,
    )
    return compared, unit


def _about(read: _Read, counts: Mapping[str, Any], unit: str, options: Options) -> dict[str, Any]:
    """What is to be said about the table."""
    world = f"the samples of {source_name(options.reference)}" if options.reference else "all samples read"
    return {
        "files": {role: source_name(place) for role, place in read.files.items()},
        **counts,
        "unit": unit,
        "Vendi": f"order {options.vendi_order:g}",
        "NovelSum": f"density among {world}; not computed above {MAX_NOVELSUM:,} samples",
        "seed": options.seed,
    }
