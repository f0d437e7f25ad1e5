"""How the commands `measure` and `compare` print what they found, for people or as JSON."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from macromicro.cli.output import show_facts, show_table
from macromicro.measure.comparison import as_json
from macromicro.measure.summary import MORE_DIVERSE


class Found(NamedTuple):
    """What is to be said about a table of metrics, the table, why values are missing, the sentences, and more sizes.

    `missing` is that of `Comparison`, `summary` a sentence per part; `at_sizes` has the columns part, metric and one
    per dataset and size, None where the datasets are of one size.
    """

    about: dict[str, Any]
    table: pd.DataFrame
    missing: pd.DataFrame
    summary: Mapping[str, str]
    at_sizes: pd.DataFrame | None = None


def write_comparison(found: Found, *, as_json_text: bool) -> None:
    """Print what was found."""
    if as_json_text:
        print(json.dumps(_as_json(found), indent=1, sort_keys=True))
        return
    show_facts(found.about)
    table = found.table.copy()
    table.insert(2, "more diverse", [MORE_DIVERSE[metric] or "-" for metric in table["metric"]])
    show_table(table)
    if found.at_sizes is not None:
        print("\nmetrics that move with the number of samples, of draws of several sizes:")
        show_table(found.at_sizes)
    for line in ("", *_list_missing(found.missing)) if len(found.missing) else ():
        print(line)
    for sentence in ("", *found.summary.values()) if found.summary else ():
        print(sentence)


def _list_missing(missing: pd.DataFrame) -> list[str]:
    """A line per metric and part that has no value, with the datasets that share the reason."""
    return [
        f"missing: {metric} of the {part}s, {', '.join(own['dataset'])}: {reason}"
        for (part, metric, reason), own in missing.groupby(["part", "metric", "reason"], sort=False)
    ]


def _as_json(found: Found) -> dict[str, Any]:
    """The metrics as nested values, beside which way they point, why some are missing, and the sentences."""
    beside: dict[str, Any] = {
        "more_diverse": {metric: way or None for metric, way in MORE_DIVERSE.items()},
        "missing": found.missing.to_dict("records"),
        "summary": dict(found.summary),
    }
    if found.at_sizes is not None:
        beside["at_sizes"] = as_json(found.at_sizes, {})["metrics"]
    return as_json(found.table, {**found.about, **beside})
