"""What the command `select` does once its options are read."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.annotate.types import TypeMatrix
from macromicro.cli.filtering import HALF, leave_out, parse_band, read_quality
from macromicro.cli.input import check_tokenizer, describe_types, embedder, find_types, say, say_all, token_maker
from macromicro.cli.output import (
    check_output,
    describe_origin,
    name_inputs,
    place_card,
    shown_command,
    write_chosen,
    write_columns,
)
from macromicro.cli.reading import Read, Sieve, find_column, read_all, sift, write_bad
from macromicro.cli.settings import describe_choice, read_settings
from macromicro.corpus.conversations import Turns
from macromicro.corpus.records import BadRows
from macromicro.corpus.shapes import Shape, shape_rows
from macromicro.corpus.writers import SUFFIXES
from macromicro.select.choose import Choice, choose, choose_by_group
from macromicro.select.filters import find_outside
from macromicro.select.shift import describe_shift
from macromicro.study.sections import Granularity, Method, Part, TypeSettings
from macromicro.study.streams import stream


@dataclass(frozen=True)
class Options:
    """The options of the command, by the names of the command line."""

    files: Sequence[str]
    size: str
    output: str
    part: Part | None
    granularity: Granularity | None
    level: int
    method: Method
    tokenizer: str
    types: Path | None
    card: Path | None
    rejected: str | None
    format: Shape
    quality: str | None
    quality_share: str | None
    stratify: str | None
    length: str | None
    budget: str
    near_duplicates: str
    exclude: str | None
    turns: Turns
    repeats: str
    bad_rows: str
    seed: int
    cache: Path | None
    column: Sequence[str]
    set: Sequence[str]


def select_files(options: Options) -> None:
    """Choose samples of files, and write them with their card and, if asked to, what was not chosen."""
    card, band = _place_outputs(options), parse_band(options.length)
    _check(options)
    settings = read_settings(options.set, tokenizer=options.tokenizer)
    check_tokenizer(options.tokenizer, settings)
    bad = BadRows(skip=options.bad_rows == "skip")
    read = read_all(options.files, options.column, turns=options.turns, bad=bad)
    sieve, about = sift(read, keep_repeats=options.repeats == "keep")
    usable = sieve.kept
    quality = read_quality(read, usable, options.quality) if options.quality else None
    about |= leave_out(
        sieve, quality=quality, share=options.quality_share or HALF, exclude=options.exclude,
        drop_near_duplicates=options.near_duplicates == "drop",
    )  # fmt: skip
    measured = _measure(sieve.kept, options, settings) if band or options.budget == "tokens" else None
    if band and measured is not None:
        measured, n_outside = _hold(sieve, band, *measured)
        about[f"responses outside {options.length} {measured[1]}, dropped"] = n_outside
    samples = sieve.kept
    about["samples chosen from"] = len(samples)
    size = count_samples(options.size, len(samples))
    if size > len(samples):
        raise ValueError(f"--size {size} must be at most the {len(samples)} usable samples of {read.name}")
    types, part = _find_types(usable, samples, options, settings)
    weights = measured[0] if measured is not None and options.budget == "tokens" else None
    choice = _choose(samples, types, part, size, options, settings, weights)
    sieve.drop(choice.reasons)
    how = _describe(options, settings, types, part, size, measured)
    shift = describe_shift(samples, choice.rows, stream("shift", options.seed), quality=quality)
    chosen = samples.iloc[choice.rows].reset_index(drop=True)
    rows = shape_rows(chosen, read.records, options.format, columns=read.columns)
    write_chosen(
        rows, options.output, chosen, card, made_from=about | describe_origin(options.files), made_how=how,
        coverage=choice.facts, command=shown_command(sys.argv[1:]), shift=shift,
    )  # fmt: skip
    if options.rejected:
        write_columns(list_rejected(read, sieve), options.rejected)
    write_bad(read.bad, options.output)
    say_all({**choice.facts, **_moved(shift), **({"card": card} if card else {})})


def _check(options: Options) -> None:
    """Refuse options that mean nothing together."""
    if options.budget == "tokens" and options.method != "even":
        raise ValueError(f"--budget tokens is for --method even, not {options.method}")
    if options.quality_share and not options.quality:
        raise ValueError(f"--quality-share {options.quality_share} needs --quality COLUMN")


def _hold(
    sieve: Sieve, band: tuple[int, int], lengths: NDArray[np.int64], unit: str
) -> tuple[tuple[NDArray[np.int64], str], int]:
    """Leave out the responses outside a band: the lengths of those that stay with their unit, and how many went."""
    outside = find_outside(lengths, band, f"{unit} in the response")
    n_outside = sieve.drop(outside)
    return (lengths[outside == ""], unit), n_outside


def count_samples(size: str, n_samples: int) -> int:
    """The number of samples that a size means (see `options.check_size`), at least one.

    >>> count_samples("500", 2_000), count_samples("2.5%", 2_000)
    (500, 50)
    """
    return max(1, round(n_samples * float(size[:-1]) / 100)) if size.endswith("%") else int(size)


def list_rejected(read: Read, sieve: Sieve) -> dict[str, list[Any]]:
    """A row per sample that was not chosen: id, place, reason, instruction."""
    left = read.samples[sieve.reasons != ""]
    return {
        "id": left["id"].tolist(),
        "place": read.places(left),
        "reason": sieve.reasons[sieve.reasons != ""].tolist(),
        "instruction": left["instruction"].tolist(),
    }


def _place_outputs(options: Options) -> Path | None:
    """Where the card goes, None for nowhere. Raises ValueError if one of the files to write would replace another."""
    places = {**name_inputs(options.files), "types": options.types, "evaluation set": options.exclude}
    check_output(options.output, SUFFIXES, **places)
    if options.rejected:
        check_output(options.rejected, SUFFIXES, **places, subset=options.output)
    return place_card(options.card, options.output, **places, rejected=options.rejected)


def _measure(samples: pd.DataFrame, options: Options, settings: TypeSettings) -> tuple[NDArray[np.int64], str]:
    """The length of every response, and its unit: tokens of the tokenizer, or words."""
    words = settings.tokens.unit != "token"
    name = "words" if words else settings.tokens.tokenizer or options.tokenizer
    tokenize, _ = token_maker(name, samples)
    return tokenize(samples["response"]).lengths, "words" if words else "tokens"


def _find_types(
    usable: pd.DataFrame, samples: pd.DataFrame, options: Options, settings: TypeSettings
) -> tuple[TypeMatrix | None, Part]:
    """The types of the samples; those of a file must be of all usable ones. Raises as `find_types`."""
    needs = options.method in ("even", "max-coverage") and not options.types
    types, part = find_types(
        samples, options.part, options.granularity or ("micro" if needs else None), file=options.types,
        tokenizer=options.tokenizer, seed=options.seed, cache=options.cache, settings=settings,
    )  # fmt: skip
    if types is not None and options.types and np.array_equal(types.ids, usable["id"].to_numpy(dtype=object)):
        types = types.take(np.isin(types.ids, samples["id"].to_numpy(dtype=object)))
    return types, part


def _choose(
    samples: pd.DataFrame,
    types: TypeMatrix | None,
    part: Part,
    size: int,
    options: Options,
    settings: TypeSettings,
    weights: NDArray[np.int64] | None,
) -> Choice:
    """The choice, by groups where the mix is kept."""
    say(f"choosing {size:,} of {len(samples):,} samples, method {options.method}")
    given: dict[str, Any] = {"method": options.method, "size": size, "level": options.level, "seed": options.seed}
    given |= {"types": types, "embed": embedder(options.cache, settings), "weights": weights}
    if options.stratify is None:
        return choose(samples, part, **given)
    groups = find_column(samples, options.stratify, "--stratify")
    return choose_by_group(samples, part, groups.astype("str").fillna(""), **given)


def _describe(
    options: Options,
    settings: TypeSettings,
    types: TypeMatrix | None,
    part: Part,
    size: int,
    measured: tuple[NDArray[np.int64], str] | None,
) -> dict[str, Any]:
    """How samples were chosen, name to value."""
    how: dict[str, Any] = {"method": options.method, "part": part, "size": size, "seed": options.seed}
    asked = {"mix kept of": options.stratify, "length of responses": options.length}
    asked["quality"] = f"best {options.quality_share or HALF} by {options.quality}" if options.quality else None
    asked["overlaps left out with"] = Path(options.exclude).name if options.exclude else None
    how |= {name: value for name, value in asked.items() if value}
    if measured is not None:
        how |= {"length counted in": measured[1], "budget": options.budget}
    how |= {"repeated instructions": options.repeats, "near-duplicates": options.near_duplicates}
    return how | describe_choice(options.method, options.level, settings) | describe_types(types, options.types)


def _moved(shift: pd.DataFrame) -> dict[str, str]:
    """The lines of the summary on what moved: all, a random draw, the subset."""
    shown = shift[~shift["measure"].str.contains("characters")].to_dict("records")
    return {
        str(row["measure"]): f"{row['chosen']} (random draw {row['random']}{', all ' * bool(row['all'])}{row['all']})"
        for row in shown
    }
