"""How diverse samples are, alone, beside what they were chosen from, or beside others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from macromicro.api.annotation import as_folder, check_token_maker, embedder, token_maker, why_not_embed
from macromicro.api.reading import Source, open_groups
from macromicro.api.samples import Samples
from macromicro.api.settings import Settings, make_settings
from macromicro.corpus.clean import lack_text
from macromicro.measure.comparison import (
    PARTS,
    Comparison,
    Rows,
    add_difference,
    compare_datasets,
    count_shared,
    join_datasets,
)
from macromicro.measure.rarefaction import draw_halves, draw_smaller
from macromicro.measure.single import MAX_NOVELSUM, OF_EMBEDDINGS
from macromicro.measure.summary import OF_SIZE, sum_up, tell_apart
from macromicro.select.select import draw_baseline
from macromicro.study.sections import TypeSettings

MAX_NAME = 60  # characters; a longer name, such as that of many files, is cut in sentences
HALVES = ("random half", "other random half")
Corpus: TypeAlias = Samples | Source | Sequence[Source]
"""Samples, of which those that are left in count; or one or several sources, all of whose samples do."""


@dataclass(frozen=True)
class Measured:
    """Metrics of datasets, and what is to be said about them.

    Attributes
    ----------
    about : what was measured, and how; `n_without_text` are samples without instruction or response, which count too.
    table : a row per part and metric, a column per dataset, and for intervals NAME_low and NAME_high.
    missing : why values are missing: part, metric, dataset, reason.
    summary : by part, in a sentence, which dataset is more diverse, by its name; `my.jsonl (one)` where both have one.
    at_sizes : the metrics that move with size at other sizes, where two datasets are not of one size.
    """

    about: Mapping[str, Any]
    table: pd.DataFrame
    missing: pd.DataFrame
    summary: Mapping[str, str]
    at_sizes: pd.DataFrame | None = None


class _How(NamedTuple):
    """Arguments that both functions have."""

    tokenizer: str
    vendi_order: float
    intervals: bool
    seed: int
    cache: Path | None
    settings: TypeSettings


def measure(
    samples: Corpus,
    *,
    before: Corpus | None = None,
    reference: Corpus | None = None,
    tokenizer: str = "words",
    vendi_order: float = 1.0,
    intervals: bool = False,
    seed: int = 0,
    cache: Path | str | None = None,
    settings: Settings = None,
) -> Measured:
    """All metrics of samples and, if given, of those `before` a choice and of a random draw of these of equal size.

    Parameters: samples, of a source all are measured, of `Samples` those that are left in; reference, among which
    NovelSum measures density, by default all; tokenizer, cache and settings as in `annotate`; vendi_order, of the Vendi
    score; intervals, whether 95 % intervals are made, which takes 50 times as long.
    Metrics of embeddings are missing where the model does not read the language of the texts.
    Raises ValueError if a setting is wrong, a tokenizer cannot be loaded or there is one sample only, and as `read`.

    >>> measured = measure(pd.DataFrame({"instruction": ["a", "b"], "response": ["red", "red blue"]}))
    >>> float(measured.table.set_index(["part", "metric"]).loc[("response", "SL"), "value"])
    1.5
    """
    how = _how(tokenizer, vendi_order, intervals, seed, cache, settings)
    name = "value" if before is None else "after"
    read = _read_all(({} if before is None else {"before": before}) | {name: samples}, reference)
    datasets = dict(read.rows)
    if before is not None:
        n_before, rng = len(read.rows["before"]), np.random.default_rng(seed)
        drawn = draw_baseline(n_before, min(len(read.rows[name]), n_before), rng)
        datasets = {"before": read.rows["before"], "random": drawn, name: read.rows[name]}
    n_trained = len(read.rows.get("before", read.rows[name]))
    interval_of = [role for role in datasets if role != "before"]
    (table, missing), unit = _compare(read, datasets, n_trained=n_trained, interval_of=interval_of, how=how)
    counts = {"n_samples": {role: len(rows) for role, rows in datasets.items()}, **_count_without_text(read)}
    summary = {}
    if before is not None:
        table, names = add_difference(table, "random", name), tell_apart(read.names, most=MAX_NAME)
        summary = sum_up(table, name, "random", {**names, "random": "the random draw"})
    return Measured(_about(read, counts, unit, how), table, missing, summary)


def compare(
    one: Corpus,
    two: Corpus,
    *,
    reference: Corpus | None = None,
    tokenizer: str = "words",
    vendi_order: float = 1.0,
    intervals: bool = False,
    seed: int = 0,
    cache: Path | str | None = None,
    settings: Settings = None,
) -> Measured:
    """All metrics of two datasets at equal size, their differences, and how many instructions both hold.

    Beside the difference stands how far two random halves of both together differ (`chance`), and where they are not of
    one size follow the metrics that move with it at other sizes. Parameters and errors: as of `measure`.
    """
    how = _how(tokenizer, vendi_order, intervals, seed, cache, settings)
    read = _read_all({"one": one, "two": two}, reference)
    sizes = {name: len(rows) for name, rows in read.rows.items()}
    n_compared, rng = min(sizes.values()), np.random.default_rng(seed)
    equal = {name: rows[draw_baseline(sizes[name], n_compared, rng)] for name, rows in read.rows.items()}
    halves = dict(zip(HALVES, draw_halves(equal["one"], equal["two"], rng), strict=True))
    others = _draw_sizes(equal, read.rows, rng) if len(set(sizes.values())) > 1 else {}
    (measured, missing), unit = _compare(
        read, equal | halves | others, n_trained=sum(sizes.values()), interval_of=list(equal), how=how
    )
    table = add_difference(measured.drop(columns=[*HALVES, *others]), "one", "two")
    table = table.assign(chance=(measured[HALVES[1]] - measured[HALVES[0]]).abs())
    at_sizes = _tabulate_sizes(measured, n_compared) if others else None
    shown = missing["metric"].isin(OF_SIZE) | ~missing["dataset"].isin(others)
    counts = {"n_samples": sizes, **_count_without_text(read), "n_compared": n_compared}
    counts["n_shared_instructions"] = count_shared(read.tables["one"], read.tables["two"])
    summary = sum_up(table, "one", "two", tell_apart(read.names, most=MAX_NAME))
    return Measured(_about(read, counts, unit, how), table, missing[shown], summary, at_sizes)


def list_left_out(tables: Iterable[pd.DataFrame], settings: TypeSettings) -> dict[str, str]:
    """The metrics that would mean nothing, with the reason: those of embeddings, where the model cannot read the texts.

    They are left out of both parts and of all datasets as soon as one part of one of the tables is such, so that every
    value stands beside the one that it is compared with.
    """
    texts = (table[part] for table in tables for part in PARTS)
    reason = next((why for one in texts if (why := why_not_embed(one, settings))), "")
    return dict.fromkeys(OF_EMBEDDINGS, reason) if reason else {}


class _Read(NamedTuple):
    """What the datasets are called and hold by role, all samples and those of the reference together, and their rows.

    `rows` are those of the datasets, `reference` those of the reference, None where there is none.
    """

    names: Mapping[str, str]
    tables: dict[str, pd.DataFrame]
    samples: pd.DataFrame
    rows: dict[str, Rows]
    reference: Rows | None


def _read_all(datasets: Mapping[str, Corpus], reference: Corpus | None) -> _Read:
    """The samples of all datasets and of the reference."""
    given = {**datasets, **({} if reference is None else {"reference": reference})}
    held = {role: samples if isinstance(samples, Samples) else _open(samples) for role, samples in given.items()}
    tables = {role: samples.table for role, samples in held.items()}
    samples, rows = join_datasets(tables)
    names = {role: found.name for role, found in held.items()}
    return _Read(names, tables, samples, {role: rows[role] for role in datasets}, rows.get("reference"))


def _open(corpus: Corpus) -> Samples:
    """All samples of one or several sources."""
    return open_groups({"": corpus if isinstance(corpus, list | tuple) else [corpus]})[""]


def _how(
    tokenizer: str, vendi_order: float, intervals: bool, seed: int, cache: Path | str | None, settings: Settings
) -> _How:
    """The arguments. Raises ValueError if the tokenizer cannot be loaded or a setting is wrong."""
    check_token_maker(tokenizer)
    return _How(tokenizer, vendi_order, intervals, seed, as_folder(cache), make_settings(settings))


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
    read: _Read, datasets: Mapping[str, Rows], *, n_trained: int, interval_of: list[str], how: _How
) -> tuple[Comparison, str]:
    """All metrics of the datasets, and their unit in words; a tokenizer is trained on the first `n_trained` samples."""
    tokenize, unit = token_maker(
        how.tokenizer, read.samples if how.tokenizer == "words" else read.samples.iloc[:n_trained]
    )
    compared = compare_datasets(
        read.samples,
        datasets,
        tokenize=tokenize,
        embed=embedder(how.cache, how.settings),
        left_out=list_left_out(read.tables.values(), how.settings),
        reference=read.reference,
        vendi_order=how.vendi_order,
        interval_of=interval_of if how.intervals else (),
        seed=how.seed,
    )
    return compared, unit


def _count_without_text(read: _Read) -> dict[str, dict[str, int]]:
    """Of each dataset how many samples have no instruction or no response; they are measured like all others."""
    return {"n_without_text": {role: int(lack_text(read.tables[role]).sum()) for role in read.rows}}


def _about(read: _Read, counts: Mapping[str, Any], unit: str, how: _How) -> dict[str, Any]:
    """What is to be said about the table."""
    names = tell_apart(read.names)
    world = "all samples read" if read.reference is None else f"the samples of {names['reference']}"
    return {
        "files": {role: names[role] for role in read.rows},
        **counts,
        "unit": unit,
        "Vendi": f"order {how.vendi_order:g}",
        "NovelSum": f"density among {world}; not computed above {MAX_NOVELSUM:,} samples",
        "seed": how.seed,
    }
