"""Prune the types of a corpus: a pool of samples for every number of types that may be left.

Two readings of algorithm 1 of arXiv 2505.24768 (inverse greedy pruning). By `type`, our default, the cheapest type goes
with every sample that carries it; by `sample`, the literal one, the sample that contributes least goes. By sample no
type is lost while the samples left cover all, so that its pools are nearly the smallest covers of their types: one that
still holds N samples covers about as many types as N samples can, and leaves `select.select_datasets` no levels.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from macromicro.annotate.types import TypeMatrix
from macromicro.select.peel import BoolArray, IntArray, peel_samples, peel_types

Pruning = Literal["type", "sample"]


@dataclass(frozen=True, eq=False)
class Peeling:
    """The order in which types and samples leave when the least one goes first: a nested pool for every k.

    One step may empty several types at once, so that not every k has a pool; `nearest` gives the next lower one. Pruned
    by sample, many steps empty none: of the pools with the same types, all methods take the largest.

    Attributes
    ----------
    sample_steps : int32, shape (n_samples,), step at which each sample leaves; -1 for samples without types.
    type_steps : int32, shape (n_types,), step at which each type leaves; -1 for types without samples.
    ks : int64, shape (n_steps + 1,), types left before each step, falling to 0, strictly if pruned by type.
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
        """Rows of the largest pool of `nearest(k)` types, sorted; by type, all samples that carry only those types."""
        return np.flatnonzero(self.sample_steps >= self.state(k))

    def fewest_types(self, size: int) -> int:
        """The smallest k whose pool holds `size` samples. Raises ValueError if too few samples carry a type."""
        return int(self.ks[self.smallest_state(size)])

    def smallest_state(self, budget: int, weights: ArrayLike | None = None) -> int:
        """The first step with the fewest types that leave samples whose weights sum to `budget`.

        Parameters: weights, shape (n_samples,); None: one each, so that `budget` is a number of samples.
        Raises ValueError if all samples that carry a type weigh less.
        """
        left = self.pool_sizes if weights is None else _left_before(self.sample_steps, len(self.ks), weights)
        if not 1 <= budget <= left[0]:
            what = "samples" if weights is None else "units of weight of the samples"
            raise ValueError(f"size={budget} must be between 1 and the {left[0]} {what} that carry a type")
        return self.state(int(self.ks[np.searchsorted(-left, -budget, side="right") - 1]))

    def state(self, k: int) -> int:
        """The first step before which at most `k` types are left. Raises ValueError if k is negative."""
        if k < 0:
            raise ValueError(f"k={k} must be at least 0, a number of types")
        return int(np.searchsorted(-self.ks, -k))


class Links(NamedTuple):
    """Both directions of a type matrix as flat arrays, and the columns in the order of their labels."""

    starts: IntArray
    columns: IntArray
    type_starts: IntArray
    rows: IntArray
    by_label: IntArray


def peel(types: TypeMatrix, *, seed: int, pruning: Pruning = "type", allowed: BoolArray | None = None) -> Peeling:
    """Remove again and again the type or the sample that is missed least, until nothing is left.

    By `type`: the type that fewest live samples carry, with all of these; types that lose their last live sample on the
    way leave in the same step, at no cost. Ties are broken by a seeded permutation of the sorted labels.
    By `sample`: the sample with fewest types that no other live sample carries, of these one with fewest types, ties
    broken by a seeded permutation of the ids; with it go the types that it was the last to carry.
    One pass gives the pools of all k, in O(n log n_types) for n nonzeros by type, and by sample in
    O(n + (n_samples + n_types) log n_samples).

    Parameters: allowed, shape (n_samples,), the rows that may be in a pool; others count as samples without types.
    Raises ValueError if `pruning` is unknown, or `allowed` does not fit. Source: algorithm 1 of arXiv 2505.24768, our
    reading, and its literal one, in which contribution is not defined; types of its own are our definition.
    """
    links, rng = link(types, allowed), default_rng(seed)
    if pruning == "type":
        sample_steps, type_steps, n_steps = peel_types(*links[:4], order_types(links, rng))
    elif pruning == "sample":
        sample_steps, type_steps, n_steps = peel_samples(*links[:4], _order_samples(links, rng))
    else:
        raise ValueError(f"pruning={pruning!r} must be 'type' or 'sample'")
    ks, pool_sizes = (_left_before(steps, n_steps + 1) for steps in (type_steps, sample_steps))
    return Peeling(sample_steps, type_steps, ks, pool_sizes)


def link(types: TypeMatrix, allowed: BoolArray | None = None) -> Links:
    """The arrays that the compiled loops read, in which rows that are not allowed have no types."""
    matrix = types.matrix if allowed is None else _empty_rows(types.matrix, np.asarray(allowed))
    by_type = matrix.tocsc()
    return Links(matrix.indptr, matrix.indices, by_type.indptr, by_type.indices, np.argsort(types.labels))


def order_types(links: Links, rng: Generator) -> IntArray:
    """All types in a random order that depends on their labels, not on their columns, shape (n_types,)."""
    return links.by_label[rng.permutation(len(links.by_label))]


def _order_samples(links: Links, rng: Generator) -> IntArray:
    """Samples that carry a type, fewest types first, else in a random order of all rows, shape (n_typed,)."""
    n_types = np.diff(links.starts)
    order = rng.permutation(len(n_types))
    order = order[n_types[order] > 0]
    return order[np.argsort(n_types[order], kind="stable")]


def _empty_rows(matrix: csr_array, allowed: BoolArray) -> csr_array:
    """The matrix without the entries of the rows that are not allowed."""
    if allowed.shape != (matrix.shape[0],) or allowed.dtype != bool:
        raise ValueError(
            f"allowed must be {matrix.shape[0]} truth values, one per sample, not {allowed.dtype} of {allowed.shape}"
        )
    counts = np.diff(matrix.indptr)
    kept = np.repeat(allowed, counts)
    starts = np.zeros_like(matrix.indptr)
    np.cumsum(counts * allowed, out=starts[1:])
    return csr_array((matrix.data[kept], matrix.indices[kept], starts), shape=matrix.shape)


def _left_before(steps: IntArray, n_states: int, weights: ArrayLike | None = None) -> IntArray:
    """How many, or how much weight, leave at each step or later, shape (n_states,)."""
    live = steps >= 0
    shares = None if weights is None else np.asarray(weights)[live]
    leaving = np.bincount(steps[live], shares, minlength=n_states).astype(np.int64)
    return leaving[::-1].cumsum()[::-1]
