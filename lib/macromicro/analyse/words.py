"""Names and numbers as a reader meets them in sentences and tables."""

from collections.abc import Mapping

import pandas as pd


def name_series(row: Mapping) -> str:
    """What a strategy and size are called.

    >>> name_series({"strategy": "response-micro", "size": 10_000})
    'response-micro at N = 10,000'
    """
    return f"{row['strategy']} at N = {row['size']:,}"


def show_estimate(row: Mapping, value: str = "slope", low: str = "low", high: str = "high", *, digits: int = 1) -> str:
    """A value of a row with its interval, both by the names of their columns; a dash where there is none.

    >>> show_estimate({"slope": 5.35, "low": -0.84, "high": 11.54})
    '+5.3 (-0.8 to +11.5)'
    """
    if pd.isna(row[value]):
        return "–"
    ends = "" if pd.isna(row[low]) else f" ({show_interval(row, low, high, digits=digits)})"
    return f"{row[value]:+.{digits}f}{ends}"


def show_interval(row: Mapping, low: str = "low", high: str = "high", *, digits: int = 2) -> str:
    """An interval of a row, by the names of its columns."""
    return f"{row[low]:+.{digits}f} to {row[high]:+.{digits}f}"
