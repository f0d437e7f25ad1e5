"""Draw datasets that differ in diversity level and in nothing else.

The diversity level is the share of types (topics, tags or mid-band tokens) that a dataset of fixed size covers, between
the fewest that leave it samples enough (0 %) and the most that it can cover (100 %). Our reading of algorithms
1 and 2 of arXiv 2505.24768; the loops themselves are compiled, in `macromicro.select.peel`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.random import Generator, default_rng
from numpy.typing import ArrayLike, NDArray

from macromicro.annotate.types import TypeMatrix
from macromicro.select.peel import IntArray, draw_evenly, peel_types
from macromicro.study.settings import dataset_name


@dataclass(frozen=True, eq=False)
class Peeling:
    """The order in which types and samples leave when the cheapest type goes first: a nested pool for every k.

    One step may empty several types at once, so that not every k has a pool; `nearest` gives the next lower one.

    Attributes
    ----------
    sample_steps : int32, shape (n_samples,), step at which each sample leaves; -1 for samples without types.
    type_steps : int32, shape (n_types,), step at which each type leaves; -1 for types without samples.
    ks : int64, shape (n_steps + 1,), types left before each step, strictly decreasing to 0.
    pool_sizes : int64, shape (n_steps + 1,), samples left before each step, strictly decreasing to 0.
    """

    sample_steps: IntArray
    type_steps: IntArray
    ks: IntArray
    pool_sizes: IntArray

    def nearest(self, k: int) -> int:
        """The largest number of types, at most `k`, that a pool holds exactly. Raises ValueError if k is negative."""
        return int(self.ks[self.state(k)])

    def pool(self, k: int) -> NDArray[np.int64]:
        """Rows of the pool of `nearest(k)` types, sorted: all samples that carry only those types."""
        return np.flatnonzero(self.sample_steps >= self.state(k))

    def fewest_types(self, size: int) -> int:
        """The smallest k whose pool holds `size` samples. Raises ValueError if too few samples carry a type."""
        return int(self.ks[self.smallest_state(size)])

    def smallest_state(self, size: int) -> int:
        """The last step before which `size` samples are left. Raises ValueError as `fewest_types`."""
        if not 1 <= size <= self.pool_sizes[0]:
            raise ValueError(f"size={size} must be between 1 and the {self.pool_sizes[0]} samples that carry a type")
        return int(np.searchsorted(-self.pool_sizes, -size, side="right")) - 1

    def state(self, k: int) -> int:
        """The first step before which at most `k` types are left. Raises ValueError if k is negative."""
        if k < 0:
            raise ValueError(f"k={k} must be at least 0, a number of types")
        return int(np.searchsorted(-self.ks, -k))


class _Links(NamedTuple):
    """Both directions of a type matrix as flat arrays, and the columns in the order of their labels."""

    starts: IntArray
    columns: IntArray
    type_starts: IntArray
    rows: IntArray
    by_label: IntArray


def peel(types: TypeMatrix, *, seed: int) -> Peeling:
    """Remove again and again the type that costs fewest live samples, with all live samples that carry it.

    Types that lose their last live sample on the way leave in the same step, at no cost. Ties are broken by a seeded
    permutation of the sorted labels. One pass, O(n log n_types) for n nonzeros, gives the pools of all k.
    Source: algorithm 1 of arXiv 2505.24768 (inverse greedy pruning), our reading.
    """
    return _peel(_link(types), seed)


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
    return _draw(_link(types), pool, size, rng)


def draw_baseline(n_samples: int, size: int, rng: Generator) -> NDArray[np.int64]:
    """Row indices of `size` of `n_samples` samples, sorted, drawn at random without replacement.

    Raises ValueError if there are fewer than `size`.
    """
    if not 1 <= size <= n_samples:
        raise ValueError(f"size={size} must be between 1 and the {n_samples} samples of the corpus")
    return np.sort(rng.choice(n_samples, size, replace=False))


def select_datasets(
    types: TypeMatrix, *, levels: Sequence[int], sizes: Sequence[int], seeds: Sequence[int], seed: int = 0
) -> tuple[pd.DataFrame, dict[str, NDArray[np.int64]]]:
    """Table of the datasets of one strategy, and the rows of each, for every size, level and seed.

    Per size, 0 % is what a dataset drawn from the smallest pool that holds `size` samples covers, 100 % what one drawn
    from the whole corpus covers, and levels are linear in the number of types covered between the two. Each level draws
    from the smallest pool that lets it cover its number of types: that of exactly so many types wherever a dataset
    can cover them all, as it can at the paper's scale, and else a larger one. If a step of the peel jumps over a
    number, the next lower one is taken. All share one peel; `seed` also decides pools, `seeds` vary what is drawn.

    Table, a row per dataset: dataset, size, level, seed, k_target (types to cover), k (types of the pool), pool_size,
    n_types_covered, coverage (share of the types of the corpus), evenness (see `evenness`).
    Raises ValueError where a level is no percentage, more samples are asked for than carry types, or several levels
    where size leaves no room between 0 and 100 %.
    """
    for level in levels:
        if not 0 <= level <= 100:
            raise ValueError(f"level={level} must be a percentage, between 0 and 100")
    links = _link(types)
    peeling = _peel(links, seed)
    records, rows = [], {}
    for size in sizes:
        choices = _choose_pools(types, links, peeling, size=size, levels=levels, seed=seed)
        for level, (target, k) in zip(levels, choices, strict=True):
            pool = peeling.pool(k)
            for replicate in seeds:
                name = dataset_name(size, level, replicate)
                rows[name] = _draw(links, pool, size, default_rng([seed, replicate, size, k]))
                counts = count_types(types, rows[name])
                n_covered = int(np.count_nonzero(counts))
                share = n_covered / int(peeling.ks[0])
                records.append((name, size, level, replicate, target, k, len(pool), n_covered, share, evenness(counts)))
    columns = ["dataset", "size", "level", "seed", "k_target", "k", "pool_size"]
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


def _choose_pools(
    types: TypeMatrix, links: _Links, peeling: Peeling, *, size: int, levels: Sequence[int], seed: int
) -> list[tuple[int, int]]:
    """Types to cover and types of the pool to draw from, for each level (rule in `select_datasets`).

    What a pool lets `size` samples cover is found by drawing once, unless it has no more than `size` types: each sample
    drawn serves a type not covered yet, so all are covered. It grows with the pool but for chance, so that the smallest
    pool that suffices is found by bisection, and where pools are covered in full none is needed.
    """

    @cache
    def covered(state: int) -> int:
        k, pool = int(peeling.ks[state]), np.flatnonzero(peeling.sample_steps >= state)
        if k <= size:
            return k
        return int(np.count_nonzero(count_types(types, _draw(links, pool, size, default_rng([seed, size, k])))))

    lowest = peeling.smallest_state(size)
    k_min, k_max = covered(lowest), covered(0)
    if k_max <= k_min and set(levels) != {100}:
        raise ValueError(
            f"size={size} leaves no room for levels={list(levels)}: {size} samples of the smallest pool that holds "
            f"them cover {k_min} types, and of the whole corpus {k_max}; take another size, or level 100 alone"
        )
    choices = []
    for level in levels:
        target = k_min + round((k_max - k_min) * level / 100)
        state = min(lowest, peeling.state(target))
        goal = min(target, int(peeling.ks[state]))
        if covered(state) < goal:
            missed, state = state, 0
            while missed - state > 1:
                middle = (missed + state) // 2
                missed, state = (missed, middle) if covered(middle) >= goal else (middle, state)
        choices.append((target, int(peeling.ks[state])))
    return choices


def _link(types: TypeMatrix) -> _Links:
    """The arrays that the compiled loops read."""
    by_type = types.matrix.tocsc()
    by_label = np.argsort(types.labels)
    return _Links(types.matrix.indptr, types.matrix.indices, by_type.indptr, by_type.indices, by_label)


def _order_types(links: _Links, rng: Generator) -> IntArray:
    """All types in a random order that depends on their labels, not on their columns, shape (n_types,)."""
    return links.by_label[rng.permutation(len(links.by_label))]


def _peel(links: _Links, seed: int) -> Peeling:
    """`peel` on linked arrays."""
    sample_steps, type_steps, n_steps = peel_types(*links[:4], _order_types(links, default_rng(seed)))
    ks, pool_sizes = (_left_before(steps, n_steps) for steps in (type_steps, sample_steps))
    return Peeling(sample_steps, type_steps, ks, pool_sizes)


def _left_before(steps: IntArray, n_steps: int) -> IntArray:
    """How many leave at each step or later, shape (n_steps + 1,)."""
    leaving = np.bincount(steps[steps >= 0], minlength=n_steps + 1)
    return leaving[::-1].cumsum()[::-1]


def _draw(links: _Links, pool: IntArray, size: int, rng: Generator) -> NDArray[np.int64]:
    """`sample_evenly` on linked arrays."""
    in_pool = np.zeros(len(links.starts) - 1, dtype=bool)
    in_pool[pool] = True
    return np.sort(draw_evenly(*links[:4], _order_types(links, rng), in_pool, size, rng))
