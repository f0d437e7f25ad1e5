"""Which of two datasets is more diverse: which way every metric points, and how many of them say so, in a sentence."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from macromicro.measure.comparison import PARTS, add_difference
from macromicro.measure.lexical import LEXICAL_METRICS

MORE_DIVERSE: Mapping[str, str] = {
    "1-NR": "higher",
    "2-NR": "higher",
    "ED": "higher",
    "SL": "",
    "CR": "lower",
    "BL": "lower",
    "IE": "higher",
    "MTLD": "higher",
    "HD-D": "higher",
    "Vendi": "higher",
    "NovelSum": "higher",
}
"""Which value of each metric is that of the more diverse dataset, at equal size; '' where it says nothing of that."""
OF_SIZE = ("1-NR", "2-NR", "CR", "BL", "IE", "Vendi", "NovelSum")
"""Metrics that move with the number of samples; the others are means over texts, pairs or stretches of tokens."""
MUCH_LONGER = 1.1
"""Ratio of mean lengths from which on a comparison is doubtful. A vocabulary grows about with the square root of the
tokens (Heaps' law), so that texts 10 % longer have a 1-NR about 5 % lower, of no less diverse a dataset."""


def find_more_diverse(table: pd.DataFrame, one: str, two: str) -> pd.DataFrame:
    """The rows of metrics that judge diversity, with a column `more`: one, two, 'neither' or 'missing'.

    Where both datasets have intervals, 'neither' is more diverse if that of their difference holds zero; else if their
    values are equal. Parameters: table, that of `compare_datasets`.
    """
    judging = add_difference(table[table["metric"].map(MORE_DIVERSE) != ""], two, one)
    sign = np.where(judging["metric"].map(MORE_DIVERSE) == "higher", 1, -1)
    gain = sign * judging["difference"]
    if "difference_low" in judging:
        beyond_zero = (judging["difference_low"] > 0) | (judging["difference_high"] < 0)
        gain = gain.where(beyond_zero, 0 * judging["difference_low"])  # a missing interval stays missing
    more = np.select([gain > 0, gain < 0, gain == 0], [one, two, "neither"], "missing")
    return judging.assign(more=more)


def sum_up(table: pd.DataFrame, one: str, two: str, names: Mapping[str, str]) -> dict[str, str]:
    """In plain words, for each part, by how many metrics the dataset `one` is more diverse than `two`.

    The metrics that length leaves alone (MTLD, HD-D) are named, and a difference in mean length of more than a tenth.
    Parameters: table, as in `find_more_diverse`; names, what both datasets are called.
    """
    judging = find_more_diverse(table, one, two)
    neither = "with an interval that holds zero" if "difference_low" in judging else "equal"
    is_length = table["metric"] == "SL"
    said = {}
    for part in PARTS:
        more = judging[judging["part"] == part].set_index("metric")["more"]
        n = more.value_counts().reindex([one, two, "neither", "missing"], fill_value=0)
        others = {neither: n["neither"], "missing": n["missing"]}
        rest = ", ".join(f"{count} {kind}" for kind, count in others.items() if count)
        says = {
            one: f"says {names[one]}",
            two: f"says {names[two]}",
            "neither": "says neither",
            "missing": "is missing",
        }
        robust = " and ".join(f"{metric} {says[more[metric]]}" for metric in LEXICAL_METRICS)
        said[part] = (
            f"{names[one]} is more diverse than {names[two]} by {n[one]} of {len(more)} metrics of the {part}s and "
            f"less by {n[two]}{f' ({rest})' if rest else ''}; of the two that length leaves alone, {robust}."
        ) + _warn_of_length(*table.loc[is_length & (table["part"] == part), [one, two]].iloc[0])
    return said


def tell_apart(names: Mapping[str, str], *, most: int | None = None) -> dict[str, str]:
    """What datasets are called, by role: their names, with the role behind those that several have.

    Parameters: names, by role; most, the number of characters after which a name is cut.

    >>> tell_apart({"one": "my.jsonl", "two": "my.jsonl", "reference": "all.jsonl"}, most=8)
    {'one': 'my.jsonl (one)', 'two': 'my.jsonl (two)', 'reference': 'all.jso…'}
    """
    cut = {role: name if most is None or len(name) <= most else f"{name[: most - 1]}…" for role, name in names.items()}
    n_called = Counter(cut.values())
    return {role: f"{name} ({role})" if n_called[name] > 1 else name for role, name in cut.items()}


def _warn_of_length(one: float, two: float) -> str:
    """A further sentence where the mean lengths differ much."""
    if max(one, two) <= MUCH_LONGER * min(one, two):
        return ""
    return (
        f" Mean length differs much (SL {one:.4g} and {two:.4g}), and most metrics move with it: trust these two first."
    )
