"""What is left out before a choice, where that is asked for: poor samples, overlaps, near-duplicates, lengths."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.api.evaluation import read_prompts
from macromicro.api.messages import say, say_all
from macromicro.api.samples import Samples
from macromicro.corpus.readers import ROW
from macromicro.corpus.shapes import FILE
from macromicro.corpus.sources import source_name
from macromicro.select.filters import find_below_share, find_near_duplicates, find_outside, find_overlapping
from macromicro.study.files import name_only

LIKELIHOOD = "likelihood"
"""The quality that a model gives, where no column has this name: `likelihood`, or `likelihood:MODEL`."""


def find_quality(samples: Samples, name: str, *, cache: Path | None) -> pd.Series:
    """The quality of each sample, by id, higher is better: a column of numbers, or what a model says (`LIKELIHOOD`).

    Raises ValueError as `read_quality` and `rate_likelihood`.
    """
    kind, _, model = name.partition(":")
    if name in samples.table or kind != LIKELIHOOD:
        return read_quality(samples, name)
    from macromicro.models.sample_likelihood import rate_likelihood

    say(f"reading {len(samples):,} samples for their likelihood, which takes a second or more for each three")
    try:
        return rate_likelihood(samples.table, cache=cache, **({"model": model} if model else {}))
    except OSError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"quality {name_quality(name)}: no model of this name can be loaded ({reason})") from None


def read_quality(samples: Samples, column: str) -> pd.Series:
    """The quality of each sample, by id: a column of the sources that holds numbers, or text that is one (CSV).

    Raises ValueError if there is no such column, or names the first row whose value is no finite number.
    """
    values = samples.find_column(column, "quality")
    quality = np.array([_number(value) for value in values], dtype=np.float64)
    if not np.isfinite(quality).all():
        bad = samples.table[~np.isfinite(quality)].sort_values([FILE, ROW])
        value = bad[column].iloc[0]
        missing = value == "" if isinstance(value, str) else pd.api.types.is_scalar(value) and pd.isna(value)
        shown = f"{'missing' if missing else f'{value!s:.60}'}, the first of {len(bad):,} such"
        raise ValueError(
            f"{samples.places(bad[:1])[0]}: quality needs a number in {column!r}, but it is {shown}; such rows are "
            "not skipped as bad ones: fill it in, or take such rows out of the file"
        )
    return pd.Series(quality, index=samples.table["id"])


def keep_best(samples: Samples, quality: pd.Series, share: float) -> Samples:
    """The samples whose quality, by id, is among the best share."""
    reasons, lowest = find_below_share(quality.loc[samples.table["id"]], share)
    facts = {
        "mean quality of these": f"{quality.mean():.4g}",
        f"quality below {round(lowest, 6)}, dropped": _count(reasons),
    }
    return _leave_out(samples, reasons, facts)


def leave_out_overlaps(samples: Samples, evaluation_set: Any) -> Samples:
    """The samples that do not overlap with an evaluation set. Raises ValueError as `read_prompts`."""
    name = name_source(evaluation_set)
    reasons, counts = find_overlapping(samples.table, read_prompts(evaluation_set))
    facts = {f"prompts of {name}": counts["prompts"], "of these overlap": counts["prompts that overlap"]}
    return _leave_out(
        samples, reasons, {**facts, f"samples that overlap with {name}, dropped": counts["samples left out"]}
    )


def leave_out_near_duplicates(samples: Samples) -> Samples:
    """The samples without those that say nearly the same as another; one of each group stays."""
    reasons = find_near_duplicates(samples.table)
    return _leave_out(samples, reasons, {"near-duplicates, dropped": _count(reasons)})


def hold_length(
    samples: Samples, lengths: NDArray[np.int64], band: Sequence[int | None], unit: str, shown: str
) -> Samples:
    """The samples whose response has a length of the band, None for no limit. Parameters: shown, what it is called."""
    low, high = band
    limits = (low or 0, sys.maxsize if high is None else high)
    reasons = find_outside(lengths, limits, f"{unit} in the response")
    return _leave_out(samples, reasons, {f"responses outside {shown} {unit}, dropped": _count(reasons)})


def name_quality(name: str) -> str:
    """What a quality is called, without folders of the machine.

    >>> name_quality("likelihood:/data/model"), name_quality("score")
    ('likelihood:model', 'score')
    """
    kind, colon, model = name.partition(":")
    return f"{kind}{colon}{name_only(model)}"


def name_source(source: Any) -> str:
    """What a source is called, without folders of the machine."""
    if isinstance(source, Samples):
        return source.name
    return source_name(str(source)) if isinstance(source, str | Path) else type(source).__name__


def _leave_out(samples: Samples, reasons: NDArray[Any], facts: dict[str, Any]) -> Samples:
    say_all(facts)
    return samples.drop(reasons, **facts)


def _count(reasons: NDArray[Any]) -> int:
    return int((reasons != "").sum())


def _number(value: Any) -> float:
    """The number that a value is or spells, NaN if none."""
    try:
        return float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
