"""What a choice is made from: samples after all that is left out, their types and lengths."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.annotate.types import TypeMatrix
from macromicro.api.annotation import embedder, find_types, token_maker
from macromicro.api.filtering import (
    find_quality,
    hold_length,
    keep_best,
    leave_out_near_duplicates,
    leave_out_overlaps,
)
from macromicro.api.samples import Repeats, Samples
from macromicro.api.settings import check_choice, check_whole
from macromicro.study.sections import Granularity, Method, Part, TypeSettings

Budget: TypeAlias = Literal["samples", "tokens"]
Band: TypeAlias = tuple[int | None, int | None]
"""The least and the largest length, None for no limit."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """How samples are chosen: the arguments of `select`, by their names."""

    size: int | str
    part: Part | None
    granularity: Granularity | None
    level: int
    method: Method
    tokenizer: str
    types: TypeMatrix | Path | None
    quality: str | None
    quality_share: float
    stratify: str | None
    length: Band | None
    budget: Budget
    near_duplicates: Repeats
    exclude: Any
    seed: int
    cache: Path | None
    settings: TypeSettings

    def __post_init__(self) -> None:
        """Check what the command line's parser would."""
        for name, known in (("method", Method), ("budget", Budget), ("near_duplicates", Repeats)):
            check_choice(name, getattr(self, name), known)
        for name, known in (("part", Part), ("granularity", Granularity)):
            if getattr(self, name) is not None:
                check_choice(name, getattr(self, name), known)
        check_whole("level", self.level, 100)
        check_whole("seed", self.seed)
        if self.length is not None:
            _check_band(self.length)
        if not isinstance(self.types, TypeMatrix | Path | None):
            raise ValueError(f"types must be those of annotate, or a file of them, not {type(self.types).__name__}")
        for name in ("quality", "stratify"):
            if not isinstance(getattr(self, name), str | None):
                raise ValueError(f"{name}={getattr(self, name)!r} must be the name of a column")
        if not isinstance(self.quality_share, int | float) or not 0 < self.quality_share <= 1:
            raise ValueError(
                f"quality_share={self.quality_share!r} must be a number above 0 and at most 1, such as 0.3"
            )
        if self.budget == "tokens" and self.method != "even":
            raise ValueError(f"budget=tokens is for method=even, not {self.method}")


@dataclass(frozen=True, eq=False)
class Pool:
    """Samples to choose from, and what a choice needs to know of them.

    `lengths` are those of the responses, shape (n_samples,), in `unit`; None where nothing asks for them. `quality` is
    that of each sample by id.
    """

    samples: Samples
    types: TypeMatrix | None
    part: Part
    lengths: NDArray[np.int64] | None
    unit: str
    quality: pd.Series | None
    recipe: Recipe

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """Embeddings of the part, shape (n_samples, n_dimensions)."""
        return embedder(self.recipe.cache, self.recipe.settings)(self.samples.table[self.part])


def count_samples(size: int | str, n_samples: int) -> int:
    """The number of samples that a size means, at least one. Raises ValueError if it is no size.

    >>> count_samples(500, 2_000), count_samples("2.5%", 2_000)
    (500, 50)
    """
    text = "" if isinstance(size, bool) else str(size)
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = 0
    if not (0 < number <= 100 if text.endswith("%") else number >= 1 and number.is_integer()):
        raise ValueError(f"size={size} is neither a number of samples from 1 on nor a percentage such as 10%")
    return max(1, round(n_samples * number / 100)) if text.endswith("%") else int(number)


def fill_pool(usable: Samples, recipe: Recipe) -> Pool:
    """The samples to choose from, with what the recipe needs to know of them."""
    quality = find_quality(usable, recipe.quality, cache=recipe.cache) if recipe.quality else None
    samples = usable if quality is None else keep_best(usable, quality, recipe.quality_share)
    samples = samples if recipe.exclude is None else leave_out_overlaps(samples, recipe.exclude)
    samples = leave_out_near_duplicates(samples) if recipe.near_duplicates == "drop" else samples
    lengths, unit = _measure(samples, recipe) if recipe.length or recipe.budget == "tokens" else (None, "")
    if recipe.length and lengths is not None:
        held = hold_length(samples, lengths, recipe.length, unit, show_band(recipe.length))
        lengths = lengths[np.isin(samples.table["id"], held.table["id"])]
        samples = held
    check_size(samples, recipe)
    types, part = _find_types(usable, samples, recipe)
    return Pool(samples, types, part, lengths, unit, quality, recipe)


def check_size(samples: Samples, recipe: Recipe) -> int:
    """The number of samples to choose. Raises ValueError if there are fewer."""
    size = count_samples(recipe.size, len(samples))
    if size > len(samples):
        raise ValueError(f"size={recipe.size} must be at most the {len(samples)} usable samples of {samples.name}")
    return size


def _measure(samples: Samples, recipe: Recipe) -> tuple[NDArray[np.int64], str]:
    """The length of every response, and its unit: tokens of the tokenizer, or words."""
    words = recipe.settings.tokens.unit != "token"
    name = "words" if words else recipe.settings.tokens.tokenizer or recipe.tokenizer
    tokenize, _ = token_maker(name, samples.table)
    return tokenize(samples.table["response"]).lengths, "words" if words else "tokens"


def _find_types(usable: Samples, samples: Samples, recipe: Recipe) -> tuple[TypeMatrix | None, Part]:
    """The types of the samples; those that are given must be of all usable ones. Raises as `find_types`."""
    needs = recipe.method in ("even", "max-coverage") and recipe.types is None
    types, part = find_types(
        samples.table, recipe.part, recipe.granularity or ("micro" if needs else None), given=recipe.types,
        tokenizer=recipe.tokenizer, seed=recipe.seed, cache=recipe.cache, settings=recipe.settings,
    )  # fmt: skip
    if types is not None and recipe.types is not None:
        ids = usable.table["id"].to_numpy(dtype=object)
        if np.array_equal(types.ids, ids):
            types = types.take(np.isin(types.ids, samples.table["id"].to_numpy(dtype=object)))
    return types, part


def _check_band(band: Band) -> None:
    """Raise ValueError if a band is not a least and a largest length."""
    try:
        low, high = band
        whole = all(end is None or (isinstance(end, int | np.integer) and end >= 0) for end in band)
        rising = whole and (low is None or high is None or low <= high)
    except (TypeError, ValueError):
        rising = False
    if not rising:
        raise ValueError(f"length={band!r} must be the least and the largest length, such as (5, 200) or (None, 400)")


def show_band(band: Band | None) -> str:
    """A band of lengths as the command line has it, such as `5:200`."""
    return "" if band is None else ":".join("" if end is None else str(end) for end in band)
