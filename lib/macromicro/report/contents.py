"""What is in the data: how many samples, from where, under which licence, how long, in which scripts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.corpus.scripts import count_scripts
from macromicro.measure.comparison import PARTS
from macromicro.report.blocks import Block, Histogram, Table, share_of, shorten

N_ROWS = 12
N_SCRIPTS = 6
N_BINS = 24
QUANTILES = {"5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95}
NOT_STATED = "not stated"

Lengths = Mapping[str, NDArray[np.int64]]
"""Words in each sample of either part."""


def describe_samples(samples: pd.DataFrame, about: Mapping[str, Any], lengths: Lengths) -> list[Block]:
    """Tables and a figure of the samples that can be used.

    Parameters: samples, columns instruction, response, source and licence; about, what was read and dropped, name to
    value; lengths, of each sample.
    """
    return [
        _tabulate_reading(about),
        _tabulate_groups(samples, "source", lengths),
        _tabulate_groups(samples, "licence", lengths),
        _tabulate_lengths(lengths),
        _draw_lengths(lengths),
        _tabulate_scripts(samples),
    ]


def _tabulate_reading(about: Mapping[str, Any]) -> Table:
    return Table(
        "What was read, and what was dropped",
        ("", "samples"),
        [(name, f"{n:,}") for name, n in about.items() if isinstance(n, int)],
        "From the file to the samples that can be used, which all else on this page is about. A sample is dropped "
        "where a text shows nothing, or where its instruction stands in another sample already.",
    )


def _tabulate_groups(samples: pd.DataFrame, column: str, lengths: Lengths) -> Table:
    """The largest groups of samples of one source or licence."""
    named = samples[column].astype("str").replace("", NOT_STATED)
    counts = named.value_counts().reset_index().sort_values(["count", column], ascending=[False, True])
    shown, rest = counts[:N_ROWS], counts[N_ROWS:]
    words = pd.Series(lengths["response"]).groupby(named.to_numpy()).mean()
    rows = [
        (shorten(name, 60), f"{n:,}", f"{n / len(samples):.1%}", f"{words[name]:,.1f}")
        for name, n in shown.itertuples(index=False)
    ]
    if len(rest):
        others = ~named.isin(shown[column]).to_numpy()
        mean = lengths["response"][others].mean()
        rows.append((_count_others(len(rest)), f"{others.sum():,}", f"{others.mean():.1%}", f"{mean:,.1f}"))
    shares = [*shown["count"], *([rest["count"].sum()] if len(rest) else [])]
    return Table(
        f"{column.capitalize()}s",
        (column, "samples", "share", "words per response"),
        rows,
        {
            "source": "Where the samples come from, as their rows say, or else their file. A source with much longer "
            "or shorter responses than the others pulls on every measure of length below.",
            "licence": f"What the rows state about their licence; '{NOT_STATED}' is not a permission. A mix is as "
            "restricted as its most restricted part.",
        }[column],
        bars={2: share_of(shares)},
    )


def _tabulate_lengths(lengths: Lengths) -> Table:
    rows = []
    for part in PARTS:
        words = lengths[part]
        cuts = [f"{np.quantile(words, q):,.0f}" for q in QUANTILES.values()]
        rows.append((part, f"{words.mean():,.1f}", *cuts, f"{words.max():,}"))
    return Table(
        "Lengths in words",
        ("", "mean", *QUANTILES, "longest"),
        rows,
        "Half of the samples lie between the columns 25 % and 75 %. A mean far above the median says that a few long "
        "samples make up much of what a model learns from.",
    )


def _draw_lengths(lengths: Lengths) -> Histogram:
    top = max(int(lengths[part].max()) for part in PARTS)
    edges = np.unique(np.r_[0, np.geomspace(1, top + 1, N_BINS).round().astype(np.int64)])
    counts = {part: np.histogram(lengths[part], bins=edges)[0].tolist() for part in PARTS}
    return Histogram(
        "How lengths are spread",
        edges.tolist(),
        counts,
        "words",
        "Each pair of bars counts the instructions and the responses of one range of lengths; ranges widen to the "
        "right. Two humps are often two kinds of data, such as labels and essays.",
    )


def _count_others(n: int) -> str:
    return f"{n:,} other{'s' * (n != 1)}"


def _tabulate_scripts(samples: pd.DataFrame) -> Table:
    found = {part: count_scripts(samples[part]) for part in PARTS}
    in_all = sum(map(Counter, found.values()), Counter[str]())
    names = sorted(in_all, key=lambda name: (-in_all[name], name))
    rest = _count_others(len(names) - N_SCRIPTS)
    found = {part: _join_small(own, names[N_SCRIPTS:], rest) for part, own in found.items()}
    names = [*names[:N_SCRIPTS], *([rest] if len(names) > N_SCRIPTS else [])]
    shares = {part: _shares(names, found[part]) for part in PARTS}
    rows = [(name, *(_percent(shares[part][row]) for part in PARTS)) for row, name in enumerate(names)]
    return Table(
        "Scripts",
        ("script", *(f"letters of {part}s" for part in PARTS)),
        rows,
        "Shares of all letters. Scripts and not languages can be told here: English, Spanish and Turkish are all "
        "Latin.",
        bars={column: shares[part] for column, part in enumerate(PARTS, 1)},
    )


def _join_small(counts: Mapping[str, int], small: Sequence[str], name: str) -> dict[str, int]:
    """The counts, with those of the small ones under one name."""
    kept = {own: n for own, n in counts.items() if own not in small}
    return {**kept, name: sum(counts.get(own, 0) for own in small)}


def _shares(names: Sequence[str], counts: Mapping[str, int]) -> list[float]:
    total = sum(counts.values())
    return [counts.get(name, 0) / total if total else 0.0 for name in names]


def _percent(share: float) -> str:
    """One digit, and no zero for what is there.

    >>> _percent(0.25), _percent(0.0), _percent(0.0001)
    ('25.0%', '0.0%', '< 0.1%')
    """
    return "< 0.1%" if 0 < share < 0.0005 else f"{share:.1%}"
