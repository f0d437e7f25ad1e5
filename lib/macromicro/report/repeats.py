"""What is said twice: near-duplicates within the data, and overlap with an evaluation set."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.corpus.overlap import near_duplicates
from macromicro.report.blocks import Section, Table, shorten
from macromicro.select.describe import NEAR
from macromicro.select.filters import MIN_OVERLAP, find_overlapping, whole_texts

N_EXAMPLES = 5
NO_EXAMPLES = "No evaluation set was given (--exclude FILE), so it is not known whether these samples hold its prompts."


def find_repeats(samples: pd.DataFrame, prompts: pd.DataFrame | None, name: str) -> Section:
    """The section on repeats.

    Parameters: samples, sorted by id, with columns id, instruction, response; prompts, of the evaluation set, columns
    id and instruction, None where there is none; name, of that set.
    """
    texts = whole_texts(samples)
    groups = near_duplicates(texts, threshold=NEAR)
    n, n_repeats = len(groups), len(groups) - groups["group"].nunique()
    sentences = [
        f"{n:,} of {len(samples):,} samples ({n / len(samples):.1%}) say nearly the same as another: {n_repeats:,} "
        f"({n_repeats / len(samples):.1%}) would go if one of each group stayed (`select --near-duplicates drop`)."
    ]
    blocks = [_show_groups(groups, texts)] if n else []
    if prompts is None:
        return Section("repeats", "What is said twice", sentences, blocks, [NO_EXAMPLES])
    reasons, counts = find_overlapping(samples, prompts)
    sentences.append(_say_overlap(counts, len(samples), name))
    if counts["samples left out"]:
        blocks.append(_show_overlaps(samples, reasons, name))
    return Section("repeats", "What is said twice", sentences, blocks)


def _say_overlap(counts: Mapping[str, int], n_samples: int, name: str) -> str:
    met, n = counts["prompts that overlap"], counts["samples left out"]
    return (
        f"{met:,} of the {counts['prompts']:,} prompts of {name} ({met / max(counts['prompts'], 1):.1%}) stand in "
        f"{n:,} samples ({n / n_samples:.1%}), which `select --exclude` would leave out; they are counted on this page."
    )


def _show_groups(groups: pd.DataFrame, texts: pd.Series) -> Table:
    """One sample and another of it of the largest groups."""
    sizes = groups["group"].value_counts().reset_index().sort_values(["count", "group"], ascending=[False, True])
    rows = []
    for group, size in sizes[:N_EXAMPLES].itertuples(index=False):
        other = next(name for name in groups.loc[groups["group"] == group, "id"] if name != group)
        rows.append((shorten(texts[group], 200), shorten(texts[other], 200), f"{size:,}"))
    return Table(
        f"The largest groups of near-duplicates{_say_first(len(rows), len(sizes))}",
        ("a sample", "and another of its group", "samples"),
        rows,
        f"Two samples are near-duplicates where the word 5-grams of instruction and response have a Jaccard similarity "
        f"of {NEAR} or more. Templates filled in many times show up here first.",
        words=(0, 1),
    )


def _show_overlaps(samples: pd.DataFrame, reasons: NDArray[np.object_], name: str) -> Table:
    overlapping = np.flatnonzero(reasons != "")
    rows = [(shorten(samples["instruction"].iloc[row], 200), str(reasons[row])) for row in overlapping[:N_EXAMPLES]]
    return Table(
        f"Samples that overlap with {name}{_say_first(len(rows), len(overlapping))}",
        ("instruction", "why"),
        rows,
        f"A sample overlaps if it asks what a prompt asks, or holds {MIN_OVERLAP:.0%} or more of a prompt's word "
        "5-grams. A model that has seen its test scores too high on it.",
        words=(0, 1),
    )


def _say_first(n: int, n_all: int) -> str:
    """How many of all a table lists, as the end of its title; '' where it lists all.

    >>> _say_first(5, 55), _say_first(3, 3)
    (': the first 5 of 55', '')
    """
    return f": the first {n:,} of {n_all:,}" if n < n_all else ""
