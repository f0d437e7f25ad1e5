"""The inner loops of selection, compiled: an indexed heap, peeling, type-aware sampling, greedy coverage.

Heap entries are single integers, `count << 32 | rank`: comparing two of them compares counts first and seeded ranks
second, so that every minimum is unique and results depend on labels and seeds only, never on row or column order.
"""

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

IntArray = NDArray[np.integer]
BoolArray = NDArray[np.bool_]
ONE = np.int64(1) << 32
RANK = ONE - 1


@njit(cache=True)
def peel_types(
    starts: IntArray, columns: IntArray, type_starts: IntArray, rows: IntArray, order: IntArray
) -> tuple[IntArray, IntArray, int]:
    """Step at which each sample and each type leaves, and the number of steps.

    Each step removes the type carried by the fewest live samples (ties: first in `order`) with all of those samples;
    types that lose their last live sample on the way leave in the same step. Samples and types that were never live
    get -1. Takes O(n log n_types) for n nonzeros.

    Parameters: starts, columns, the CSR matrix (sample to types); type_starts, rows, its CSC twin (type to samples);
    order, all types in the order that breaks ties, shape (n_types,).
    """
    sample_steps = np.full(len(starts) - 1, -1, np.int32)
    type_steps = np.full(len(order), -1, np.int32)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    heap, places, n_heap = _heap_of_counts(type_starts, order)
    step = 0
    while n_heap:
        lightest = order[heap[0] & RANK]
        for row in rows[type_starts[lightest] : type_starts[lightest + 1]]:
            if sample_steps[row] < 0:
                sample_steps[row] = step
                for column in columns[starts[row] : starts[row + 1]]:
                    place = places[ranks[column]]
                    _lift(heap, places, place, heap[place] - ONE)
        while n_heap and heap[0] < ONE:
            type_steps[order[heap[0]]] = step
            n_heap -= 1
            _sink(heap, places, n_heap, heap[n_heap])
        step += 1
    return sample_steps, type_steps, step


@njit(cache=True)
def peel_samples(
    starts: IntArray, columns: IntArray, type_starts: IntArray, rows: IntArray, order: IntArray
) -> tuple[IntArray, IntArray, int]:
    """`peel_types` by sample: each step removes the one with fewest types that no other live sample carries.

    Ties go to the first in `order`, the samples that carry a type, shape (n_typed,). When one carrier of a type is left
    the type becomes its own; the xor of the live carriers tells which it is. Own types only grow in number, so an entry
    of the heap is brought up to date when it reaches the top. Takes O(n + (n_typed + n_types) log n_typed).
    """
    sample_steps = np.full(len(starts) - 1, -1, np.int32)
    type_steps = np.full(len(type_starts) - 1, -1, np.int32)
    counts, carriers, n_own = _own_types(len(sample_steps), type_starts, rows)
    n_heap = len(order)
    heap, places = np.empty(n_heap, np.int64), np.empty(n_heap, np.int64)
    for rank in range(n_heap):
        _lift(heap, places, rank, n_own[order[rank]] * ONE + rank)
    step = 0
    while n_heap:
        rank = heap[0] & RANK
        row = order[rank]
        if heap[0] >> 32 < n_own[row]:
            _sink(heap, places, n_heap, n_own[row] * ONE + rank)
            continue
        n_heap -= 1
        _sink(heap, places, n_heap, heap[n_heap])
        sample_steps[row] = step
        for t in columns[starts[row] : starts[row + 1]]:
            counts[t] -= 1
            carriers[t] ^= row
            if counts[t] == 1:
                n_own[carriers[t]] += 1
            elif counts[t] == 0:
                type_steps[t] = step
        step += 1
    return sample_steps, type_steps, step


@njit(cache=True)
def _own_types(n_samples: int, type_starts: IntArray, rows: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Carriers of each type, how many and their xor, and for each sample how many types it alone carries."""
    counts = np.diff(type_starts)
    carriers = np.zeros(len(counts), np.int64)
    n_own = np.zeros(n_samples, np.int64)
    for t in range(len(counts)):
        for row in rows[type_starts[t] : type_starts[t + 1]]:
            carriers[t] ^= row
        if counts[t] == 1:
            n_own[carriers[t]] += 1
    return counts, carriers, n_own


@njit(cache=True)
def _heap_of_counts(type_starts: IntArray, order: IntArray) -> tuple[IntArray, IntArray, int]:
    """Indexed min-heap of the types that any sample carries, keyed by (samples, rank), and the place of each rank."""
    heap = np.empty(len(order), np.int64)
    places = np.full(len(order), -1, np.int64)
    n_heap = 0
    for rank in range(len(order)):
        count = type_starts[order[rank] + 1] - type_starts[order[rank]]
        if count:
            _lift(heap, places, n_heap, count * ONE + rank)
            n_heap += 1
    return heap, places, n_heap


@njit(cache=True)
def _lift(heap: IntArray, places: IntArray, place: int, key: np.int64) -> None:
    """Put `key` at `place` of the heap, or above it where it belongs."""
    while place:
        parent = (place - 1) >> 1
        if heap[parent] <= key:
            break
        heap[place] = heap[parent]
        places[heap[place] & RANK] = place
        place = parent
    heap[place] = key
    places[key & RANK] = place


@njit(cache=True)
def _sink(heap: IntArray, places: IntArray, n_heap: int, key: np.int64) -> None:
    """Put `key` at the top of a heap of `n_heap` entries, or below it where it belongs."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= n_heap:
            break
        if child + 1 < n_heap and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[place] = heap[child]
        places[heap[place] & RANK] = place
        place = child
    heap[place] = key
    places[key & RANK] = place


@njit(cache=True)
def draw_evenly(
    starts: IntArray,
    columns: IntArray,
    type_starts: IntArray,
    rows: IntArray,
    order: IntArray,
    in_pool: BoolArray,
    weights: IntArray,
    budget: int,
    rng: Generator,
) -> IntArray:
    """Rows of samples of a pool, in the order drawn: least-covered type first, one of its samples at random.

    Samples are drawn until their weights reach `budget`. A type whose samples are all drawn is served no more. Every
    sample of the pool must carry a type, and the pool must weigh `budget`. Counts only grow, so an entry of the heap is
    brought up to date when it reaches the top.

    Parameters: as for `peel_types`; in_pool and weights, shape (n_samples,).
    """
    undrawn, begins, ends = _rows_in_pool(type_starts, rows, in_pool)
    n_heap = len(order)
    heap, places = np.arange(n_heap), np.empty(n_heap, np.int64)
    counts = np.zeros(n_heap, np.int64)
    drawn = np.zeros(len(in_pool), np.bool_)
    draws = np.empty(np.count_nonzero(in_pool), np.int64)
    n_drawn = spent = 0
    while spent < budget:
        rank = heap[0] & RANK
        served = order[rank]
        begin, end = begins[served], ends[served]
        if begin == end:
            n_heap -= 1
            _sink(heap, places, n_heap, heap[n_heap])
        elif heap[0] >> 32 < counts[served]:
            _sink(heap, places, n_heap, counts[served] * ONE + rank)
        else:
            at = begin + np.int64(rng.random() * (end - begin))
            row = undrawn[at]
            undrawn[at] = undrawn[begin]
            begins[served] += 1
            if not drawn[row]:
                drawn[row] = True
                draws[n_drawn] = row
                n_drawn += 1
                spent += weights[row]
                counts[columns[starts[row] : starts[row + 1]]] += 1
    return draws[:n_drawn]


@njit(cache=True)
def _rows_in_pool(type_starts: IntArray, rows: IntArray, in_pool: BoolArray) -> tuple[IntArray, IntArray, IntArray]:
    """The samples of the pool by type: flat rows, and where those of each type begin and end."""
    n_types = len(type_starts) - 1
    kept = np.empty(len(rows), rows.dtype)
    begins = np.empty(n_types, np.int64)
    ends = np.empty(n_types, np.int64)
    n_kept = 0
    for t in range(n_types):
        begins[t] = n_kept
        for at in range(type_starts[t], type_starts[t + 1]):
            if in_pool[rows[at]]:
                kept[n_kept] = rows[at]
                n_kept += 1
        ends[t] = n_kept
    return kept, begins, ends


@njit(cache=True)
def cover_greedily(starts: IntArray, columns: IntArray, n_types: int, order: IntArray, size: int) -> IntArray:
    """Rows of `size` samples, each the one that adds most types to those before it, in the order taken.

    Ties go to the first in `order`, and so does everything once all types are covered. Gains only shrink, so an entry
    of the heap is brought up to date when it reaches the top (lazy greedy).

    Parameters: starts, columns, the CSR matrix; order, all samples in the order that breaks ties, shape (n_samples,).
    """
    heap, places = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    for rank in range(len(order)):
        row = order[rank]
        _lift(heap, places, rank, (n_types - (starts[row + 1] - starts[row])) * ONE + rank)
    n_heap = len(order)
    covered = np.zeros(n_types, np.bool_)
    draws = np.empty(size, np.int64)
    n_drawn = 0
    while n_drawn < size:
        rank = heap[0] & RANK
        row = order[rank]
        added = columns[starts[row] : starts[row + 1]]
        missing = n_types - np.int64(np.sum(~covered[added]))
        if missing > heap[0] >> 32:
            _sink(heap, places, n_heap, missing * ONE + rank)
            continue
        draws[n_drawn] = row
        n_drawn += 1
        covered[added] = True
        n_heap -= 1
        _sink(heap, places, n_heap, heap[n_heap])
    return draws
