"""What `select` leaves out before it chooses, where that is asked for: poor samples, overlaps, near-duplicates."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from macromicro.cli.input import say_all
from macromicro.cli.reading import Read, Sieve, find_column, read_prompts
from macromicro.corpus.readers import ROW
from macromicro.corpus.shapes import FILE
from macromicro.select.filters import find_below_share, find_near_duplicates, find_overlapping

HALF = "50%"


def parse_band(length: str | None) -> tuple[int, int] | None:
    """The lowest and highest length of LOW:HIGH, either of which may be missing."""
    if length is None:
        return None
    low, colon, high = length.partition(":")
    if colon and all(not end or (end.isascii() and end.isdigit()) for end in (low, high)):
        band = (int(low or 0), int(high or sys.maxsize))
        if band[0] <= band[1]:
            return band
    raise ValueError(f"--length {length}: expected LOW:HIGH in tokens of the response, such as 5:200 or :400")


def read_quality(read: Read, samples: pd.DataFrame, column: str) -> pd.Series:
    """The quality of each of the samples, by id: a column of the files that holds numbers, or text that is one (CSV).

    Raises ValueError if there is no such column, or names the first row whose value is no finite number.
    """
    values = find_column(samples, column, "--quality")
    quality = np.array([_number(value) for value in values], dtype=np.float64)
    if not np.isfinite(quality).all():
        bad = samples[~np.isfinite(quality)].sort_values([FILE, ROW])
        value = bad[column].iloc[0]
        missing = value == "" if isinstance(value, str) else pd.api.types.is_scalar(value) and pd.isna(value)
        shown = f"{'missing' if missing else f'{value!s:.60}'}, the first of {len(bad):,} such"
        raise ValueError(
            f"{read.places(bad[:1])[0]}: --quality needs a number in {column!r}, but it is {shown}; "
            "--bad-rows skip does not apply to it: fill it in, or take such rows out of the file"
        )
    return pd.Series(quality, index=samples["id"])


def leave_out(
    sieve: Sieve, *, quality: pd.Series | None, share: str, exclude: str | None, drop_near_duplicates: bool
) -> dict[str, Any]:
    """Leave out what is not good enough, what overlaps the evaluation set and what is nearly said twice; in numbers.

    Parameters: quality, of the samples that the sieve has kept, None to keep them whatever it is; share, in percent, of
    the best of them; exclude, the file of the evaluation set, None for none. Raises ValueError as `read_prompts`.
    """
    facts: dict[str, Any] = {}
    if quality is not None:
        reasons, lowest = find_below_share(quality, float(share.removesuffix("%")) / 100)
        facts["mean quality of these"] = f"{quality.mean():.4g}"
        facts[f"quality below {lowest}, dropped"] = sieve.drop(reasons)
    if exclude:
        reasons, counts = find_overlapping(sieve.kept, read_prompts(exclude))
        sieve.drop(reasons)
        name = Path(exclude).name
        facts |= {f"prompts of {name}": counts["prompts"], "of these overlap": counts["prompts that overlap"]}
        facts[f"samples that overlap with {name}, dropped"] = counts["samples left out"]
    if drop_near_duplicates:
        facts["near-duplicates, dropped"] = sieve.drop(find_near_duplicates(sieve.kept))
    say_all(facts)
    return facts


def _number(value: Any) -> float:
    """The number that a value is or spells, NaN if none."""
    try:
        return float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
