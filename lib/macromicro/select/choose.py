"""Choose a subset of one's own corpus: types of its samples, ways of choosing, and what the choice covers."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from macromicro.annotate.tokens import count_words
from macromicro.annotate.types import TypeMatrix
from macromicro.select.pools import peel
from macromicro.select.rivals import choose_rows
from macromicro.select.select import (
    NoRoomError,
    count_types,
    draw_alike,
    evenness,
    select_datasets,
    set_budget,
)
from macromicro.study.sections import Method, Part
from macromicro.study.streams import seed_of, stream

COVERED, BY_CHANCE = "types covered", "types that a random draw of this size covers"
Embed = Callable[[pd.Series], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Choice:
    """Rows of the chosen samples, sorted, and what can be said about them: `facts`, name to text or number.

    `reasons`, shape (n_samples,), says why each of the others was not chosen; '' for the chosen.
    """

    rows: NDArray[np.int64]
    facts: dict[str, Any]
    reasons: NDArray[np.object_]


def choose(
    samples: pd.DataFrame,
    part: Part,
    *,
    method: Method,
    size: int,
    level: int,
    seed: int,
    types: TypeMatrix | None,
    embed: Embed,
    weights: NDArray[np.int64] | None = None,
    unit: str = "weight",
) -> Choice:
    """The rows of `size` samples chosen by one method, with what they cover of `types` and what chance would cover.

    Parameters: samples sorted by id; level, the diversity level in percent of the method `even`; types, of the same
    samples in the same order, needed for `even` and `max-coverage` and else only described; embed, used by `k-center`
    and `facility-location`; weights, of `even` only: as in `select_datasets`, counted in `unit`.
    Raises ValueError if the corpus, or the pool at this level, is smaller than `size`, or types are missing.
    """
    if types is not None:
        _check_same(samples, types)
    facts: dict[str, Any] = {}
    reasons = np.full(len(samples), "not drawn", dtype=object)
    if method == "even":
        if types is None:
            raise ValueError(f"method {method!r} needs types: give a granularity")
        peeling = peel(types, seed=seed_of("peel", seed))
        table, chosen = select_datasets(types, peeling, levels=[level], sizes=[size], seed=seed, weights=weights)
        rows = next(iter(chosen.values()))
        facts = {"types in the pool": int(table["k"].iloc[0]), "samples in the pool": int(table["pool_size"].iloc[0])}
        if weights is not None:
            facts |= {
                f"{unit} to reach": set_budget(peeling, weights, size),
                f"{unit} reached": int(weights[rows].sum()),
            }
        outside = np.setdiff1d(np.arange(len(samples)), peeling.pool(int(table["k"].iloc[0])))
        reasons[outside] = "not in the pool of this level"
        reasons[types.untyped] = "carries no type"
    else:
        texts = samples[part]
        rows = choose_rows(
            method,
            len(texts),
            size=size,
            rng=stream(method, seed),
            lengths=lambda: count_words(texts),
            vectors=lambda: embed(texts),
            types=types,
        )
    if types is not None:
        facts |= describe_coverage(types, rows, stream("by chance", seed), weights)
    reasons[rows] = ""
    return Choice(rows, facts, reasons)


def choose_by_group(
    samples: pd.DataFrame,
    part: Part,
    groups: pd.Series,
    *,
    size: int,
    seed: int,
    types: TypeMatrix | None,
    weights: NDArray[np.int64] | None = None,
    level: int,
    **how: Any,
) -> Choice:
    """The rows of `size` samples, chosen as by `choose` within each group, as many of it as its share of the samples.

    Parts of samples go to the largest remainders. A group that is too small for levels is chosen from whole.
    Parameters: groups, shape (n_samples,), of any values; the others, also those of `how`, as of `choose`. Raises as
    it, naming the group.
    """
    if types is not None:
        _check_same(samples, types)
    reasons = np.full(len(samples), "not drawn", dtype=object)
    counts: Counter[str] = Counter(groups=int(groups.nunique()))
    for name, quota in share_out(groups.value_counts(), size).items():
        held = np.flatnonzero((groups == name).to_numpy())
        if not quota:
            continue
        texts, weighed = samples.iloc[held], None if weights is None else weights[held]
        found = None if types is None else types.take(held)
        given: dict[str, Any] = {"size": quota, "seed": seed, "types": found, "weights": weighed, **how}
        try:
            try:
                chosen = choose(texts, part, level=level, **given)
            except NoRoomError:
                chosen = choose(texts, part, level=100, **given)
                counts["groups too small for diversity levels"] += 1
        except ValueError as error:
            raise ValueError(f"group {name!r} of {len(held)} samples: {error}") from None
        reasons[held] = chosen.reasons
        counts.update({fact: n for fact, n in chosen.facts.items() if fact.endswith((" to reach", " reached"))})
    rows = np.flatnonzero(reasons == "")
    facts = {} if types is None else describe_coverage(types, rows, stream("by chance", seed), weights)
    return Choice(rows, {**counts, **facts}, reasons)


def share_out(counts: pd.Series, size: int) -> dict[Any, int]:
    """`size` shared out over groups in proportion to their counts, the rest to the largest remainders (Hamilton).

    >>> share_out(pd.Series({"a": 5, "b": 3, "c": 2}), 4)
    {'a': 2, 'b': 1, 'c': 1}
    """
    exact = counts.sort_index() * size / counts.sum()
    quotas = np.floor(exact).astype(int)
    order = (exact - quotas).sort_values(ascending=False, kind="stable").index
    quotas[order[: size - int(quotas.sum())]] += 1
    return {name: int(quota) for name, quota in quotas.items()}


def _check_same(samples: pd.DataFrame, types: TypeMatrix) -> None:
    if not np.array_equal(types.ids, samples["id"].to_numpy(dtype=object)):
        strangers = sorted(set(types.ids) ^ set(samples["id"]))
        raise ValueError(
            f"samples and types must have the same ids, but {len(strangers)} are in one only: {strangers[:1]}"
        )


def describe_coverage(
    types: TypeMatrix, rows: NDArray[np.int64], rng: Generator, weights: NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """Types in the corpus, covered by the rows and by a random draw of equal size (`draw_alike`); and how evenly.

    Samples without a type are those that the annotator left without, whatever was done about them afterwards.
    """
    counts = count_types(types, rows)
    by_chance = count_types(types, draw_alike(types.n_samples, rows, rng, weights))
    return {
        "types in the corpus": int(np.count_nonzero(types.samples_per_type)),
        COVERED: int(np.count_nonzero(counts)),
        BY_CHANCE: int(np.count_nonzero(by_chance)),
        "evenness (0 to 1)": round(evenness(counts), 4),
        "evenness of a random draw": round(evenness(by_chance), 4),
        "samples of the corpus without a type": types.report.get("untyped", {}).get("n", len(types.untyped)),
    }
