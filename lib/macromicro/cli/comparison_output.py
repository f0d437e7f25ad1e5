"""How the commands `measure` and `compare` print what they found, for people or as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from macromicro.api.measures import Measured
from macromicro.api.reading import Use, open_groups
from macromicro.api.samples import Samples
from macromicro.cli.output import parse_columns, show_facts, show_table
from macromicro.corpus.conversations import Turns
from macromicro.measure.comparison import as_json
from macromicro.measure.summary import MORE_DIVERSE


def open_datasets(
    given: Mapping[str, str | Sequence[str] | None], columns: Sequence[str] | None, turns: Turns, bad_rows: Use
) -> dict[str, Samples]:
    """All samples of the datasets that are given, by their names, each of one file or several."""
    groups = {name: [files] if isinstance(files, str) else files for name, files in given.items() if files}
    return open_groups(groups, columns=parse_columns(columns), turns=turns, bad_rows=bad_rows)


def write_comparison(found: Measured, *, as_json_text: bool) -> None:
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
    """A line per reason and datasets that have it in common, with the metrics and parts that have no value."""
    table = missing
    for column, between in (("dataset", ", "), ("part", "s and "), ("metric", ", ")):
        others = [name for name in ("reason", "dataset", "part", "metric") if name != column]
        table = table.groupby(others, sort=False)[column].agg(between.join).reset_index()
    return [
        f"missing: {row['metric']} of the {row['part']}s, {row['dataset']}: {row['reason']}"
        for row in table.to_dict("records")
    ]


def _as_json(found: Measured) -> dict[str, Any]:
    """The metrics as nested values, beside which way they point, why some are missing, and the sentences."""
    beside: dict[str, Any] = {
        "more_diverse": {metric: way or None for metric, way in MORE_DIVERSE.items()},
        "missing": found.missing.to_dict("records"),
        "summary": dict(found.summary),
    }
    if found.at_sizes is not None:
        beside["at_sizes"] = as_json(found.at_sizes, {})["metrics"]
    return as_json(found.table, {**found.about, **beside})
