"""How diverse the data are: all metrics, beside a random draw of equal size where it is known what they come from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from macromicro.measure.comparison import PARTS, Comparison, Embed, Tokenize, compare_datasets, join_datasets
from macromicro.measure.single import ALL_METRICS
from macromicro.measure.summary import MORE_DIVERSE, find_more_diverse, sum_up
from macromicro.report.blocks import Section, Table

FILE, DRAW = "file", "draw"
MEANINGS = {
    "1-NR": "different words over all words",
    "2-NR": "different pairs of words over all pairs",
    "ED": "mean distance of two texts (embeddings)",
    "SL": "mean length in words",
    "CR": "compression ratio: how repetitive",
    "BL": "mean self-BLEU: how alike",
    "IE": "entropy of the words, bits",
    "MTLD": "words over which 72 % stay different",
    "HD-D": "share of different ones among 42 words",
    "Vendi": "effective number of different texts",
    "NovelSum": "distance to the others, dense regions first",
}
ONE_FILE = (
    "Without the corpus that these samples were chosen from (--before) there is no random draw to hold them against: "
    "values that move with the number of samples and with length mean little alone."
)


@dataclass(frozen=True)
class Measured:
    """What is measured: the samples, a random draw of equal size from where they come from, and what they are called.

    `draw` is None where that is not known; `name` and `origin` are names of files.
    """

    samples: pd.DataFrame
    draw: pd.DataFrame | None
    name: str
    origin: str = ""


def measure_diversity(
    measured: Measured, *, tokenize: Tokenize, embed: Embed, left_out: Mapping[str, str], notes: list[str]
) -> Section:
    """The section on diversity. Parameters: left_out, metrics that would mean nothing, with the reason; notes."""
    tables = {FILE: measured.samples} | ({} if measured.draw is None else {DRAW: measured.draw})
    tables, n_unread = (tables, 0) if left_out else _keep_read(tables, embed)
    if n_unread:
        notes = [*notes, f"Left out of all metrics, since the embeddings know no word of them: {n_unread:,}."]
    if len(tables[FILE]) < 2:
        return _section([*notes, "Metrics compare texts, and there are not two samples to compare."], [], [])
    samples, rows = join_datasets(tables)
    asked = tuple(name for name in ALL_METRICS if name not in left_out)
    found = compare_datasets(samples, rows, tokenize=tokenize, embed=embed, metrics=dict.fromkeys(PARTS, asked))
    missing = list_missing(found, left_out)
    if measured.draw is None:
        return _section([*notes, ONE_FILE], [_tabulate_alone(found.table, part) for part in PARTS], missing)
    names = {FILE: measured.name, DRAW: "the random draw"}
    blocks = [_tabulate_both(found.table, part, names) for part in PARTS]
    equal = (
        f"Both have {len(tables[FILE]):,} samples; the draw is one of {measured.origin}, and another would differ "
        "a little. The density of NovelSum is that among both."
    )
    return _section([*sum_up(found.table, FILE, DRAW, names).values(), *notes, equal], blocks, missing)


def list_missing(found: Comparison, left_out: Mapping[str, str]) -> list[str]:
    """A sentence per reason for values that are missing."""
    said = [f"{metric} is left out: {reason}." for metric, reason in left_out.items()]
    for (part, metric, reason), own in found.missing.groupby(["part", "metric", "reason"], sort=False):
        of = " and ".join({FILE: "the file", DRAW: "the random draw"}[name] for name in own["dataset"])
        said.append(f"{metric} of the {part}s is missing for {of}: {reason}.")
    return said


def _keep_read(tables: Mapping[str, pd.DataFrame], embed: Embed) -> tuple[dict[str, pd.DataFrame], int]:
    """The samples whose embeddings have a direction, as many of both, and how many have none.

    The static model has zeros for a text without a known token, and no metric of embeddings has a value then.
    """
    read = {name: np.all([embed(table[part]).any(axis=1) for part in PARTS], axis=0) for name, table in tables.items()}
    n_both = min(int(held.sum()) for held in read.values())
    kept = {name: table[read[name]][:n_both].reset_index(drop=True) for name, table in tables.items()}
    return kept, sum(int((~held).sum()) for held in read.values())


def _section(sentences: list[str], blocks: list[Table], missing: list[str]) -> Section:
    return Section("diversity", "How diverse it is", sentences, blocks, missing)


def _tabulate_alone(table: pd.DataFrame, part: str) -> Table:
    own = table[table["part"] == part]
    rows = [
        (metric, _number(value), MORE_DIVERSE[metric] or "–", MEANINGS[metric])
        for metric, value in zip(own["metric"], own[FILE], strict=True)
    ]
    return Table(
        f"Metrics of the {part}s",
        ("metric", "value", "more diverse if", "what it is"),
        rows,
        "'More diverse if' says which way a metric points, between datasets of equal size. SL judges no diversity, but "
        "most metrics move with it; MTLD and HD-D do not.",
        words=(0, 2, 3),
    )


def _tabulate_both(table: pd.DataFrame, part: str, names: Mapping[str, str]) -> Table:
    own = table[table["part"] == part]
    more = find_more_diverse(own, FILE, DRAW).set_index("metric")["more"].replace(dict(names))
    rows = [
        (metric, _number(one), _number(other), more.get(metric, "–"), MORE_DIVERSE[metric] or "–", MEANINGS[metric])
        for metric, one, other in zip(own["metric"], own[FILE], own[DRAW], strict=True)
    ]
    return Table(
        f"Metrics of the {part}s beside a random draw",
        ("metric", names[FILE], "random draw", "more diverse", "more diverse if", "what it is"),
        rows,
        "'More diverse' is which of the two a metric says it is, and 'more diverse if' which way it points. "
        "SL judges no diversity, but most metrics move with it; MTLD and HD-D do not.",
        words=(0, 3, 4, 5),
    )


def _number(value: float) -> str:
    """Four digits, or a dash for what is missing.

    >>> _number(12345.6), _number(0.123456), _number(float("nan"))
    ('12,346', '0.1235', '–')
    """
    if np.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
