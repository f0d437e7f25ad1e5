"""What the commands `measure` and `compare` of the command line do once their options are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from macromicro.cli.input import embedder, file_name, read_files, token_maker
from macromicro.cli.output import write_table
from macromicro.cli.settings import TypeSettings
from macromicro.measure.comparison import (
    MAX_NOVELSUM,
    Rows,
    add_difference,
    compare_datasets,
    count_shared,
    join_datasets,
)
from macromicro.select.select import draw_baseline


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
    files = {"before": before, name: file} if before else {name: file}
    _, samples, rows = _read(files, options)
    datasets = {role: rows[role] for role in files}
    if before:
        rng, n_before = np.random.default_rng(options.seed), len(rows["before"])
        drawn = draw_baseline(n_before, min(len(rows[name]), n_before), rng)
        datasets = {"before": rows["before"], "random": drawn, name: rows[name]}
    tokenize, unit = token_maker(options.tokenizer, samples.iloc[: len(rows[next(iter(files))])])
    how = _how(rows, [name], options)
    table = compare_datasets(samples, datasets, tokenize=tokenize, **how)
    about = {"n_samples": {role: len(chosen) for role, chosen in datasets.items()}}
    write_table(table, _about(files, about, unit, options), as_json_text=options.as_json)


def compare_files(one: str, two: str, options: Options) -> None:
    """Print all metrics of two files at equal size, their differences, and how many instructions both hold."""
    files = {"one": one, "two": two}
    read, samples, rows = _read(files, options)
    size, rng = min(len(rows[name]) for name in files), np.random.default_rng(options.seed)
    equal = {name: rows[name][draw_baseline(len(rows[name]), size, rng)] for name in files}
    tokenize, unit = token_maker(options.tokenizer, samples.iloc[: len(rows["one"]) + len(rows["two"])])
    how = _how(rows, list(files), options)
    table = compare_datasets(samples, equal, tokenize=tokenize, **how)
    about = {
        "n_samples": {name: len(rows[name]) for name in files},
        "n_compared": size,
        "n_shared_instructions": count_shared(read["one"], read["two"]),
    }
    table = add_difference(table, "one", "two")
    write_table(table, _about(files, about, unit, options), as_json_text=options.as_json)


def _read(files: Mapping[str, str], options: Options) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, dict[str, Rows]]:
    """The samples of each file and of the reference, all of them together, and the rows of each among them."""
    given = {"reference": options.reference} if options.reference else {}
    read = read_files({**files, **given}, options.columns)
    return read, *join_datasets(read)


def _how(rows: Mapping[str, Rows], interval_of: list[str], options: Options) -> dict[str, Any]:
    """Arguments of `compare_datasets` that both commands give."""
    return {
        "embed": embedder(options.cache, options.settings),
        "reference": rows.get("reference"),
        "vendi_order": options.vendi_order,
        "interval_of": interval_of if options.intervals else (),
        "seed": options.seed,
    }


def _about(files: Mapping[str, str], counts: Mapping[str, Any], unit: str, options: Options) -> dict[str, Any]:
    """What is to be said about the table."""
    world = f"the samples of {file_name(options.reference)}" if options.reference else "all samples read"
    return {
        "files": {role: file_name(place) for role, place in files.items()},
        **counts,
        "unit": unit,
        "Vendi": f"order {options.vendi_order:g}",
        "NovelSum": f"density among {world}; not computed above {MAX_NOVELSUM:,} samples",
        "seed": options.seed,
    }
