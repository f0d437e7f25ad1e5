"""Choose a diverse subset of samples, which knows what it left out and can be chosen again at another level or size."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from macromicro.annotate.types import TypeMatrix
from macromicro.api.annotation import as_folder, check_tokenizer, describe_types
from macromicro.api.filtering import name_quality, name_source
from macromicro.api.messages import say
from macromicro.api.pool import Band, Budget, Pool, Recipe, check_size, count_samples, fill_pool, show_band
from macromicro.api.reading import as_samples
from macromicro.api.samples import Repeats, Samples, describe_files
from macromicro.api.settings import Settings, describe_choice, make_settings
from macromicro.corpus.records import Column
from macromicro.corpus.shapes import Shape
from macromicro.corpus.writers import find_json_text, save_columns
from macromicro.select.card import save_card
from macromicro.select.choose import BY_CHANCE, COVERED, Choice, choose, choose_by_group
from macromicro.select.shift import describe_shift
from macromicro.study.files import name_only, write_aside
from macromicro.study.sections import Granularity, Method, Part
from macromicro.study.streams import stream


@dataclass(frozen=True, eq=False, repr=False)
class Selection(Samples):
    """Chosen samples; all others are left out, with their reasons.

    Attributes
    ----------
    facts : what the choice covers of the types, name to number.
    pool : what it was chosen from.
    recipe : how.
    """

    facts: Mapping[str, Any]
    pool: Pool
    recipe: Recipe

    def at(self, *, level: int | None = None, size: int | str | None = None) -> "Selection":
        """The choice at another level or size; nothing is annotated or filtered again. Raises as `select`."""
        recipe = self.recipe
        level, size = recipe.level if level is None else level, recipe.size if size is None else size
        return _choose_from(self.pool, replace(recipe, level=level, size=size))

    @cached_property
    def shift(self) -> pd.DataFrame:
        """How length, sources and near-duplicates moved: measure, all, random, chosen (`shift.describe_shift`)."""
        table = self.pool.samples.table
        rows = np.flatnonzero(table["id"].isin(self.table["id"]))
        weights = self.pool.lengths if self.recipe.budget == "tokens" else None
        rng = stream("shift", self.recipe.seed)
        return describe_shift(table, rows, rng, quality=self.pool.quality, weights=weights)

    @cached_property
    def how(self) -> dict[str, Any]:
        """How the samples were chosen, name to value."""
        recipe, pool = self.recipe, self.pool
        size = count_samples(recipe.size, len(pool.samples))
        how: dict[str, Any] = {"method": recipe.method, "part": pool.part, "size": size, "seed": recipe.seed}
        asked = {"mix kept of": recipe.stratify, "length of responses": show_band(recipe.length)}
        if recipe.quality:
            asked["quality"] = f"best {100 * recipe.quality_share:g}% by {name_quality(recipe.quality)}"
        asked["overlaps left out with"] = None if recipe.exclude is None else name_source(recipe.exclude)
        how |= {name: value for name, value in asked.items() if value}
        if pool.lengths is not None:
            how |= {"length counted in": pool.unit, "budget": recipe.budget}
        how |= {"repeated instructions": self.repeats, "near-duplicates": recipe.near_duplicates}
        file = recipe.types if isinstance(recipe.types, Path) else None
        return how | describe_choice(recipe.method, recipe.level, recipe.settings) | describe_types(pool.types, file)

    def describe(self) -> dict[str, Any]:
        """What a card says: made_from, made_how and coverage, name to value, and shift, a table."""
        made_from = {**self.pool.samples.about, "samples chosen from": len(self.pool.samples)}
        return {
            "made_from": made_from | describe_files(self.files),
            "made_how": self.how,
            "coverage": self.facts,
            "shift": self.shift,
        }

    def save(self, path: str | Path, *, shape: Shape = "same", card: str | Path | None = None) -> None:
        """Write the rows (.jsonl, .json, .csv or .parquet), and a dataset card beside them: both, or neither.

        Parameters: shape, of the rows (`Samples.rows`); card, where the card goes, by default PATH.card.md. What is
        there is replaced. Raises ValueError as `writers.save_columns`.
        """
        rows = self.rows(shape)
        with write_aside(card or f"{path}.card.md") as aside:
            save_card(
                self.table, aside, data_file=str(path), columns=rows, command=self._show_call(), **self.describe()
            )
            save_columns(rows, path)
        say_json_text(rows, path)

    def _show_call(self) -> str:
        """The call that chooses the same again; what differs from the defaults."""
        defaults = {name: argument.default for name, argument in signature(select).parameters.items()}
        told = {name: value for name, value in vars(self.recipe).items() if name not in ("size", "cache", "settings")}
        words = {name: _show_value(value) for name, value in told.items() if value is not None}
        shown = [f"{name}={word}" for name, word in words.items() if word != _show_value(defaults[name])]
        changed = self.recipe.settings.model_dump(exclude_defaults=True)
        settings = {f"{name}.{key}": value for name, keys in changed.items() for key, value in keys.items()}
        shown += [f"settings={settings}"] if settings else []
        return f"mm.select({', '.join([self.call, repr(self.recipe.size), *shown])})"


def select(
    samples: Samples | Any,
    size: int | str,
    *,
    part: Part | None = None,
    granularity: Granularity | None = None,
    level: int = 100,
    method: Method = "even",
    tokenizer: str = "bpe",
    types: TypeMatrix | Path | str | None = None,
    quality: str | None = None,
    quality_share: float = 0.5,
    stratify: str | None = None,
    length: Band | None = None,
    budget: Budget = "samples",
    near_duplicates: Repeats = "keep",
    exclude: Any = None,
    seed: int = 0,
    cache: Path | str | None = None,
    settings: Settings = None,
) -> Selection:
    """Chosen samples: `size` of them, or a share such as "10%".

    Parameters: samples, or what `read` takes; part and granularity, of the types (response and micro); level, the
    diversity level in percent of the method `even`; tokenizer, cache and settings as in `annotate`; types, of
    `annotate` or a file of them, of the same samples; quality, a column of numbers, higher is better, or `likelihood`
    (`likelihood:MODEL`), that of a response by SmolLM2-135M or another chat model (`rate_likelihood`): the choice is
    among the best `quality_share`; stratify, a column of which the mix of values is kept; length, the least and the
    largest response in tokens of `tokenizer`, None for no limit; budget, `tokens`: as many samples as reach the
    response tokens that `size` samples with a type have on average; near_duplicates, whether what says nearly the same
    as another is left out; exclude, an evaluation set with which samples must not overlap.
    Raises ValueError if an argument or setting is wrong, if the samples or the pool at this level are fewer than the
    size, and as `read` and `annotate`.

    >>> samples = pd.DataFrame({"instruction": list("abc"), "response": ["red and blue", "red", "green and red"]})
    >>> chosen = select(samples, 2, tokenizer="words", settings={"tokens.low": 1})
    >>> sorted(chosen.table["response"]), chosen.facts["types covered"], chosen.dropped["reason"].tolist()
    (['green and red', 'red and blue'], 4, ['not drawn'])
    >>> chosen.at(size=1).table["response"].tolist()
    ['red']
    """
    settings = make_settings(settings, tokenizer=tokenizer)
    check_tokenizer(tokenizer, settings)
    recipe = Recipe(
        size, part, granularity, level, method, tokenizer, Path(types) if isinstance(types, str) else types, quality,
        quality_share, stratify, length, budget, near_duplicates, exclude, seed, as_folder(cache), settings,
    )  # fmt: skip
    usable = as_samples(samples)
    if stratify is not None:
        usable.find_column(stratify, "stratify")
    return _choose_from(fill_pool(usable, recipe), recipe)


def say_json_text(rows: Mapping[str, Column], path: str | Path) -> None:
    """Which columns a Parquet file has as JSON text."""
    if Path(path).suffix == ".parquet":
        for name in find_json_text(rows):
            say(f"{name} is JSON text in {Path(path).name}: no Parquet type holds all its values; .jsonl keeps them")


def _choose_from(pool: Pool, recipe: Recipe) -> Selection:
    """The choice, by groups where the mix is kept."""
    samples, size = pool.samples, check_size(pool.samples, recipe)
    say(f"choosing {size:,} of {len(samples):,} samples, method {recipe.method}")
    given: dict[str, Any] = {"method": recipe.method, "size": size, "level": recipe.level, "seed": recipe.seed}
    given |= {"types": pool.types, "embed": lambda texts: pool.vectors[texts.index]}
    if recipe.budget == "tokens":
        given |= {"weights": pool.lengths, "unit": f"response {pool.unit}"}
    if recipe.stratify is None:
        choice = choose(samples.table, pool.part, **given)
    else:
        groups = samples.find_column(recipe.stratify, "stratify").astype("str").fillna("")
        choice = choose_by_group(samples.table, pool.part, groups, **given)
    _say_odd(choice, pool, recipe)
    chosen = samples.drop(choice.reasons)
    held = {field.name: getattr(chosen, field.name) for field in fields(Samples)}
    return Selection(**held, facts=choice.facts, pool=pool, recipe=recipe)


def _say_odd(choice: Choice, pool: Pool, recipe: Recipe) -> None:
    """What a person would not expect: samples that cannot be drawn, and fewer types than by chance at level 100."""
    if recipe.method != "even" or pool.types is None:
        return
    if n := len(pool.types.untyped):
        say(f"{n:,} samples carry no type and cannot be drawn for one: they are left out")
    covered, by_chance = choice.facts[COVERED], choice.facts[BY_CHANCE]
    if recipe.level == 100 and covered < by_chance:
        say(
            f"so few samples cover {covered:,} types, and a random draw of equal size {by_chance:,}: choose more of "
            "them, or by method max-coverage"
        )


def _show_value(value: Any) -> str:
    """An argument as one would type it, without folders of the machine."""
    if isinstance(value, str | Path):
        return repr(name_quality(name_only(str(value))))
    return repr(value) if isinstance(value, int | float | tuple) else type(value).__name__
