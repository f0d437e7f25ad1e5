"""What the commands `measure` and `compare` do once their options are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from macromicro.cli.input import embedder, token_maker
from macromicro.cli.output import write_table
from macromicro.cli.reading import read_files
from macromicro.corpus.sources import source_name
from macromicro.measure.comparison import (
    MAX_NOVELSUM,
    Rows,
    add_difference,
    compare_datasets,
    count_shared,
    join_datasets,
)
from macromicro.select.select import draw_baseline
from macromicro.study.sections import TypeSettings


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
    table, unit = _tabulate(read, datasets, n_trained=n_trained, interval_of=[name], options=options)
    counts = {"n_samples": {role: len(rows) for role, rows in datasets.items()}}
    write_table(table, _about(read, counts, unit, options), as_json_text=options.as_json)


def compare_files(one: str, two: str, options: Options) -> None:
    """Print all metrics of two files at equal size, their differences, and how many instructions both hold."""
    read = _read_all({"one": one, "two": two}, options)
    sizes = {name: len(rows) for name, rows in read.rows.items()}
    n_compared, rng = min(sizes.values()), np.random.default_rng(options.seed)
    equal = {name: rows[draw_baseline(sizes[name], n_compared, rng)] for name, rows in read.rows.items()}
    table, unit = _tabulate(read, equal, n_trained=sum(sizes.values()), interval_of=list(equal), options=options)
    n_shared = count_shared(read.tables["one"], read.tables["two"])
    counts = {"n_samples": sizes, "n_compared": n_compared, "n_shared_instructions": n_shared}
    table = add_difference(table, "one", "two")
    write_table(table, _about(read, counts, unit, options), as_json_text=options.as_json)


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


def _tabulate(
    read: _Read, datasets: Mapping[str, Rows], *, n_trained: int, interval_of: list[str], options: Options
) -> tuple[pd.DataFrame, str]:
    """All metrics of the datasets, and their unit in words; a tokenizer is trained on the first `n_trained` samples."""
    tokenize, unit = token_maker(options.tokenizer, read.samples.iloc[:n_trained])
    table = compare_datasets(
        read.samples,
        datasets,
        tokenize=tokenize,
        embed=embedder(options.cache, options.settings),
        reference=read.reference,
        vendi_order=options.vendi_order,
        interval_of=interval_of if options.intervals else (),
        seed=options.seed,
    )
    return table, unit


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
