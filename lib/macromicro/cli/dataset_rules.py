"""What the command `check` does once its options are read: rules, values of a dataset, and which rules are broken."""

import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from macromicro.api.annotation import check_token_maker, embedder, token_maker
from macromicro.api.measures import list_left_out
from macromicro.api.reading import Use, open_groups
from macromicro.cli.output import parse_columns
from macromicro.corpus.clean import find_unusable
from macromicro.corpus.conversations import Turns
from macromicro.corpus.overlap import near_duplicates
from macromicro.corpus.sources import source_name
from macromicro.measure.comparison import PARTS, compare_datasets
from macromicro.measure.single import ALL_METRICS, OF_TOKENS
from macromicro.select.describe import NEAR
from macromicro.select.filters import whole_texts
from macromicro.study.dependencies import closest
from macromicro.study.params import read_yaml
from macromicro.study.sections import TypeSettings

SHARES = ("without_text", "repeated_instructions", "near_duplicates")
METRIC_OF = {f"{part}.{metric}": (part, metric) for part in PARTS for metric in ALL_METRICS}
METRIC_OF |= {f"{part}.mean_length": (part, "SL") for part in PARTS}
"""Part and metric by the names that rules have; SL is the mean length."""
NAMES = ("samples", *SHARES, *METRIC_OF)


class Bounds(NamedTuple):
    """The least and the largest value that a rule allows; infinite where it sets none."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        bounds = {"min": self.low, "max": self.high}
        return ", ".join(f"{name} {bound:,g}" for name, bound in bounds.items() if math.isfinite(bound))


class Value(NamedTuple):
    """A value of a dataset; NaN where it is missing, and why."""

    number: float
    missing: str = ""


def check_dataset(
    file: str,
    rules: Path,
    *,
    tokenizer: str,
    as_json: bool,
    turns: Turns,
    bad_rows: Use,
    cache: Path | None,
    columns: Sequence[str],
    settings: TypeSettings,
) -> int:
    """Print for each rule the value, the bounds and whether it holds; 1 if one is broken, else 0.

    Raises ValueError as `read_rules`, and if the tokenizer cannot be loaded or the file read or tokenized.
    """
    bounds = read_rules(rules)
    check_token_maker(tokenizer)
    samples = open_groups({"": [file]}, columns=parse_columns(columns), turns=turns, bad_rows=bad_rows)[""].table
    values = find_facts(samples, bounds)
    metrics = [METRIC_OF[name] for name in bounds if name in METRIC_OF]
    unit = None
    if metrics:
        wanted = {part: [metric for metric in ALL_METRICS if (part, metric) in metrics] for part, _ in metrics}
        measured, unit = _measure(samples, wanted, tokenizer, cache, settings)
        values |= {name: measured[METRIC_OF[name]] for name in bounds if name in METRIC_OF}
    holds = {name: low <= values[name].number <= high for name, (low, high) in bounds.items()}
    about = {"file": source_name(file), "rules": rules.name, **({"unit": unit} if unit else {})}
    if as_json:
        print(json.dumps(_as_json(about, bounds, values, holds), indent=1))
    else:
        _show(about, bounds, values, holds)
    return 0 if all(holds.values()) else 1


def read_rules(path: Path) -> dict[str, Bounds]:
    """The bounds of a rules file by name, in its order.

    Raises FileNotFoundError, or ValueError naming the file, the rule and what is wrong with it: no mapping of names to
    min and max, an unknown name (with the nearest known), a bound that is no number or out of reach.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {str(path)!r}")
    read = read_yaml(path)
    if not read:
        raise ValueError(f"{path}: holds no rule, such as 'samples: {{min: 1000}}'")
    if not isinstance(read, dict):
        raise ValueError(f"{path}: rules must be a mapping such as 'samples: {{min: 1000}}', not {type(read).__name__}")
    for name in read:
        if name not in NAMES:
            raise ValueError(f"{path}: no metric or fact {name!r}; the nearest is {closest(str(name), NAMES)!r}")
    return {name: _read_bounds(given, f"{path}: {name}", is_share=name in SHARES) for name, given in read.items()}


def _read_bounds(given: Any, place: str, *, is_share: bool) -> Bounds:
    """The bounds of one rule. Parameters: place, what an error begins with; is_share, whether it lies from 0 to 1."""
    if not isinstance(given, dict) or not given:
        raise ValueError(f"{place}: expected min, max or both, such as {{min: 1}}, not {given!r}")
    for key, bound in given.items():
        if key not in ("min", "max"):
            raise ValueError(f"{place}: expected min or max, not {key!r}")
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
            raise ValueError(f"{place}: {key} must be a number, not {bound!r}")
        if is_share and not 0 <= bound <= 1:
            raise ValueError(f"{place}: {key}={bound} must lie between 0 and 1, since it is a share")
    bounds = Bounds(given.get("min", -math.inf), given.get("max", math.inf))
    if bounds.low > bounds.high:
        raise ValueError(f"{place}: min={bounds.low} must be at most max={bounds.high}")
    return bounds


def find_facts(samples: pd.DataFrame, names: Mapping[str, Any] | Sequence[str]) -> dict[str, Value]:
    """The number of samples and the shares of those that repeat others or lack text, as far as they are asked for.

    `repeated_instructions` are all samples whose instruction, in normal form, an earlier one has (`find_unusable`),
    `near_duplicates` all of which there is another with nearly the same text (`overlap.near_duplicates`).
    Parameters: samples, sorted by id, columns id, instruction and response; names, what is asked for, and others.
    """
    facts: dict[str, float] = {"samples": len(samples)}
    if {"without_text", "repeated_instructions"} & set(names):
        reasons = find_unusable(samples)["reason"]
        facts["without_text"] = float((reasons == "empty").mean())
        facts["repeated_instructions"] = float(reasons.isin(["repeated_instruction", "repeated_sample"]).mean())
    if "near_duplicates" in names:
        texts = whole_texts(samples).reset_index(drop=True)  # ids may repeat here
        facts["near_duplicates"] = len(near_duplicates(texts, threshold=NEAR)) / len(texts)
    return {name: Value(number) for name, number in facts.items()}


def _measure(
    samples: pd.DataFrame,
    wanted: Mapping[str, Sequence[str]],
    tokenizer: str,
    cache: Path | None,
    settings: TypeSettings,
) -> tuple[dict[tuple[str, str], Value], str | None]:
    """The metrics wanted of each part by part and metric, and the unit of tokens where one of them reads any."""
    if len(samples) < 2:
        alone = Value(math.nan, f"metrics compare texts, but there are {len(samples)}; give at least 2")
        return {(part, metric): alone for part, metrics in wanted.items() for metric in metrics}, None
    open_tokenizer = functools.cache(lambda: token_maker(tokenizer, samples))  # which may refuse texts: not unasked
    table, missing = compare_datasets(
        samples,
        {"value": np.arange(len(samples))},
        tokenize=lambda texts: open_tokenizer()[0](texts),
        embed=embedder(cache, settings),
        metrics=wanted,
        left_out=list_left_out([samples], settings),
    )
    keys = zip(missing["part"], missing["metric"], strict=True)
    reasons = dict(zip(keys, missing["reason"].map(str), strict=True))
    numbers = zip(table["part"], table["metric"], table["value"], strict=True)
    values = {(part, metric): Value(number, reasons.get((part, metric), "")) for part, metric, number in numbers}
    return values, open_tokenizer()[1] if set(OF_TOKENS) & set(table["metric"]) else None


def _show(
    about: Mapping[str, str], bounds: Mapping[str, Bounds], values: Mapping[str, Value], holds: Mapping[str, bool]
) -> None:
    """A line per rule, for people."""
    for name, fact in about.items():
        print(f"{name}: {fact}")
    print()
    shown = [
        (name, "-" if values[name].missing else f"{values[name].number:,.6g}", str(bounds[name])) for name in bounds
    ]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for name, value, bound in shown:
        verdict = "holds" if holds[name] else "broken" + f": {values[name].missing}" * bool(values[name].missing)
        print(f"{name:<{widths[0]}}  {value:>{widths[1]}}  {bound:<{widths[2]}}  {verdict}")


def _as_json(
    about: Mapping[str, str], bounds: Mapping[str, Bounds], values: Mapping[str, Value], holds: Mapping[str, bool]
) -> dict[str, Any]:
    """The same as nested values; what does not exist as None."""
    rules = [
        {
            "name": name,
            "value": _or_none(values[name].number),
            "min": _or_none(low),
            "max": _or_none(high),
            "holds": holds[name],
            "missing": values[name].missing or None,
        }
        for name, (low, high) in bounds.items()
    ]
    return {**about, "holds": all(holds.values()), "rules": rules}


def _or_none(number: float) -> float | None:
    return number if math.isfinite(number) else None
