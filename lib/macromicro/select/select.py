"""Draw datasets of one size that differ in diversity level.

The diversity level is the share of types (topics, tags or mid-band tokens) that a dataset of fixed size covers. Per
size, 0 % is what a dataset drawn from the smallest pool that holds `size` samples covers, 100 % what one drawn from the
whole corpus covers, and levels are linear in the number of types covered between the two. Each level draws from the
smallest pool that lets it cover its number of types: that of exactly so many types wherever a dataset can cover them
all, as it can at the paper's scale, and else a larger one. If a step of the peel jumps over a number, the next lower
one is taken. Our reading of algorithms 1 and 2 of arXiv 2505.24768; the loops themselves are compiled, in
`macromicro.select.peel`.

What goes along with diversity is not held fixed: a sample with many types is mostly a long one. So length is shown
beside every level, and can be bounded (`allowed` of the peel) or be the measure of size (`weights`).
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from macromicro.annotate.types import TypeMatrix
from macromicro.select.peel import IntArray, draw_evenly
from macromicro.select.pools import Links, Peeling, link, order_types
from macromicro.study.settings import dataset_name
from macromicro.study.streams import stream


class NoRoomError(ValueError):
    """A size at which all diversity levels are one: the smallest pool covers as many types as the whole corpus."""


class _Source(NamedTuple):
    """What all datasets of one size are drawn from: each must weigh `budget`; `names` are those of their stream."""

    types: TypeMatrix
    links: Links
    peeling: Peeling
    weights: IntArray
    size: int
    budget: int
    names: tuple[str | int, ...]


def sample_evenly(types: TypeMatrix, pool: ArrayLike, size: int, rng: Generator) -> NDArray[np.int64]:
    """Row indices of `size` samples of `pool`, sorted, drawn such that their types are covered evenly.

    The type with fewest samples drawn so far is served first (ties by a random order of the labels, drawn once) with
    one of its undrawn samples at random, until `size` is reached; a type that runs out of samples is passed over. With
    one type per sample this is an even draw over types.

    Parameters: types, shape (n_samples, n_types); pool, shape (n_pool,), rows that may be drawn.
    Raises ValueError if the pool holds a row twice, one without types or outside the matrix, or fewer than `size`.
    Source: algorithm 2 of arXiv 2505.24768, our reading.
    """
    pool = np.asarray(pool)
    if size < 1 or size > len(pool):
        raise ValueError(f"size={size} must be between 1 and the {len(pool)} samples of the pool")
    if pool.min() < 0 or pool.max() >= types.n_samples or len(np.unique(pool)) < len(pool):
        raise ValueError(f"pool must hold distinct rows between 0 and {types.n_samples - 1}")
    untyped = pool[types.types_per_sample[pool] == 0]
    if len(untyped):
        raise ValueError(f"row {untyped[0]} of the pool ({types.ids[untyped[0]]!r}) has no type to be drawn for")
    return _draw(link(types), pool, np.ones(types.n_samples, np.int64), size, rng)


def draw_baseline(rows: int | ArrayLike, size: int, rng: Generator) -> NDArray[np.int64]:
    """Row indices of `size` samples, sorted, drawn at random without replacement.

    Parameters: rows, what is drawn from: distinct row indices, or a number n for the rows 0 to n - 1.
    Raises ValueError if there are fewer than `size`.
    """
    rows = np.arange(rows) if isinstance(rows, int | np.integer) else np.asarray(rows)
    if not 1 <= size <= len(rows):
        raise ValueError(f"size={size} must be between 1 and the {len(rows)} samples to draw from")
    return np.sort(rng.choice(rows, size, replace=False))


def draw_alike(n_samples: int, rows: IntArray, rng: Generator, weights: IntArray | None = None) -> NDArray[np.int64]:
    """Rows of a random draw that is as large as `rows`: of as many samples, or that reaches the same weight; sorted.

    Parameters: weights, what each sample costs, shape (n_samples,), at least 1.
    """
    if weights is None:
        return draw_baseline(n_samples, len(rows), rng)
    order = rng.permutation(n_samples)
    return np.sort(order[: 1 + np.searchsorted(weights[order].cumsum(), weights[rows].sum())])


def select_datasets(
    types: TypeMatrix,
    peeling: Peeling,
    *,
    levels: Sequence[int],
    sizes: Sequence[int],
    seed: int,
    names: Sequence[str | int] = (),
    weights: IntArray | None = None,
) -> tuple[pd.DataFrame, dict[str, NDArray[np.int64]]]:
    """Table of the datasets of one strategy and seed, and the rows of each, for every size and level (see the module).

    Parameters: peeling, of these types: rows that were not allowed in it are in no dataset; seed and names, the stream
    of random numbers that they are drawn with (`streams.stream`), the seed in the names of datasets too; weights, whole
    numbers, shape (n_samples,), what each sample costs, such as its response tokens: a dataset of size N is then as
    many samples as reach N times the mean weight of all in the peel.
    Table, a row per dataset: dataset, size, level, seed, k_target (types to cover), k (types of the pool), pool_size,
    n_samples, n_types_covered, coverage (share of the types that any sample carries), evenness (see `evenness`).
    Raises ValueError where a level is no percentage, more samples are asked for than are in the peel, or weights do not
    fit; NoRoomError for several levels, or one other than 100, where size leaves no room between 0 and 100 %.
    """
    links, costs = link(types), _weigh(types, peeling, weights)
    records, rows = [], {}
    for size in sizes:
        budget = set_budget(peeling, costs, size)
        source = _Source(types, links, peeling, costs, size, budget, (*names, seed, size))
        for level, (target, k) in zip(levels, _choose_pools(source, levels), strict=True):
            name = dataset_name(size, level, seed)
            rows[name] = _draw_dataset(source, k, "dataset")
            records.append((name, size, level, seed, target, k, *_describe(source, k, rows[name])))
    columns = ["dataset", "size", "level", "seed", "k_target", "k", "pool_size", "n_samples"]
    return pd.DataFrame(records, columns=[*columns, "n_types_covered", "coverage", "evenness"]), rows


def count_types(types: TypeMatrix, rows: ArrayLike) -> NDArray[np.int64]:
    """Samples among `rows` that carry each type, shape (n_types,)."""
    return np.bincount(types.matrix[np.asarray(rows)].indices, minlength=types.n_types).astype(np.int64)


def evenness(counts: ArrayLike) -> float:
    """How evenly the types covered are represented: entropy of their counts over its maximum, between 0 and 1.

    Types with count 0 do not enter. One type alone is even; no type at all gives NaN. Source: Pielou 1966.

    >>> evenness([3, 3, 0]), round(evenness([5, 1, 0]), 3)
    (1.0, 0.65)
    """
    found = np.sort(np.asarray(counts, dtype=float))
    shares = found[found > 0] / found.sum()
    if len(shares) < 2:
        return 1.0 if len(shares) else float("nan")
    return float(-(shares * np.log(shares)).sum() / np.log(len(shares)))


def _weigh(types: TypeMatrix, peeling: Peeling, weights: IntArray | None) -> NDArray[np.int64]:
    """The weight of every sample, one each if none are given, shape (n_samples,)."""
    if weights is None:
        return np.ones(types.n_samples, np.int64)
    weights = np.asarray(weights)
    if weights.shape != (types.n_samples,) or not np.issubdtype(weights.dtype, np.integer):
        raise ValueError(
            f"weights must be {types.n_samples} whole numbers, one per sample, not {weights.dtype} of {weights.shape}"
        )
    light = np.flatnonzero((weights < 1) & (peeling.sample_steps >= 0))
    if len(light):
        raise ValueError(f"weights must be at least 1, but sample {types.ids[light[0]]!r} weighs {weights[light[0]]}")
    return weights.astype(np.int64)


def set_budget(peeling: Peeling, weights: IntArray, size: int) -> int:
    """What a dataset of `size` samples of the peel weighs on average. Raises ValueError if the peel has fewer."""
    n_typed = int(peeling.pool_sizes[0])
    if not 1 <= size <= n_typed:
        raise ValueError(
            f"size={size} must be between 1 and the {n_typed} samples that carry a type and are allowed; "
            "types.untyped=nearest gives every sample types"
        )
    return round(size * int(weights[peeling.sample_steps >= 0].sum()) / n_typed)


def _choose_pools(source: _Source, levels: Sequence[int]) -> list[tuple[int, int]]:
    """Types to cover and types of the pool to draw from, for each level (rule in the module).

    What a pool lets a dataset cover is found by drawing once, unless it is certain to cover all: each sample drawn
    serves a type not covered yet, and a dataset holds at least as many samples as would all be the heaviest.
    """
    for level in levels:
        if not 0 <= level <= 100:
            raise ValueError(f"level={level} must be a percentage, between 0 and 100")
    peeling = source.peeling
    ks = peeling.ks.tolist()
    heaviest = int(source.weights[peeling.sample_steps >= 0].max())

    @cache
    def covered(state: int) -> int:
        k = ks[state]
        if (k - 1) * heaviest < source.budget:
            return k
        return int(np.count_nonzero(count_types(source.types, _draw_dataset(source, k, "trial"))))

    lowest = peeling.smallest_state(source.budget, source.weights)
    k_min, k_max = covered(lowest), covered(0)
    if k_max <= k_min and set(levels) != {100}:
        raise NoRoomError(
            f"size={source.size} leaves no room for levels={list(levels)}: a dataset from the smallest pool that holds "
            f"it covers {k_min} types, and one from the whole corpus {k_max}; take another size, or level 100 alone"
        )
    choices = []
    for level in levels:
        target = k_min + round((k_max - k_min) * level / 100)
        state = min(lowest, peeling.state(target))
        state = _last_that_covers(covered, min(target, ks[state]), state)
        choices.append((target, ks[state]))
    return choices


def _last_that_covers(covered: Callable[[int], int], goal: int, state: int) -> int:
    """The last state up to this one from whose pool a dataset covers `goal` types, else the first.

    What is covered grows with the pool but for chance, so that it is found by bisection; where pools are covered in
    full none is needed.
    """
    if covered(state) >= goal:
        return state
    missed, state = state, 0
    while missed - state > 1:
        middle = (missed + state) // 2
        missed, state = (missed, middle) if covered(middle) >= goal else (middle, state)
    return state


def _draw_dataset(source: _Source, k: int, use: str) -> NDArray[np.int64]:
    """Rows of a dataset drawn from the pool of `k` types, sorted; levels that share a pool are one dataset."""
    rng = stream(*source.names, use, k)
    return _draw(source.links, source.peeling.pool(k), source.weights, source.budget, rng)


def _describe(source: _Source, k: int, rows: IntArray) -> tuple[int, int, int, float, float]:
    """Size of the pool and of the dataset, types covered, as a number and as a share of the corpus, and evenness."""
    counts = count_types(source.types, rows)
    n_covered = int(np.count_nonzero(counts))
    share = n_covered / int(np.count_nonzero(source.types.samples_per_type))
    return len(source.peeling.pool(k)), len(rows), n_covered, share, evenness(counts)


def _draw(links: Links, pool: IntArray, weights: IntArray, budget: int, rng: Generator) -> NDArray[np.int64]:
    """Samples of the pool, least-covered type first, until they weigh `budget`, sorted."""
    in_pool = np.zeros(len(links.starts) - 1, dtype=bool)
    in_pool[pool] = True
    return np.sort(draw_evenly(*links[:4], order_types(links, rng), in_pool, weights, budget, rng))
