"""How fast datasets are selected, against the same algorithm in plain Python and against coverage greedy of peers.

python benchmarks/selection.py [CORPUS.parquet] [--limit ROWS] [--repeats 5] [--naive 2000] [--patience 600]

Token types of the responses: byte-level BPE of 32,000 tokens learnt from them, band 10 to 500. All on one core;
compiled code is run once before it is timed. `heapq` is the same algorithm with the heap of Python's library; `naive`
recounts everything in every step and runs on the first `--naive` samples only, where the advantage is smallest. Both
must give identical datasets. Peers are optional: pip install --no-deps submodlib-py apricot-select
"""

import argparse
import importlib.util
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from heapq import heapify, heappop, heappush, heapreplace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from macromicro.annotate.tokens import annotate_tokens
from macromicro.annotate.types import TypeMatrix, build_types
from macromicro.select import pools, select
from macromicro.select.describe import compare_coverage
from macromicro.select.rivals import cover_most, take_longest
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

LEVELS = [0, 16, 33, 50, 66, 83, 100]
SIZES = [10_000, 20_000, 30_000]
FULL = 117_000
IntArray = NDArray[np.integer]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", type=Path, default=Path("../shared/data/corpus.parquet"))
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--naive", type=int, default=2000)
    parser.add_argument("--patience", type=float, default=600, help="seconds that a peer is given")
    asked = parser.parse_args()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        types, lengths = pool.submit(annotate, asked.corpus, asked.limit).result()
    print(f"{types.n_samples:,} samples, {types.n_types:,} types, {types.matrix.nnz:,} nonzeros")
    grid = scaled_grid(types.n_samples)
    compile_all(types)
    _, peel_seconds = timed(lambda: pools.peel(types, seed=0), asked.repeats)
    by_sample, sample_seconds = timed(lambda: pools.peel(types, seed=0, pruning="sample"), asked.repeats)
    chosen, seconds = timed(lambda: draw(types, grid), asked.repeats)
    print(f"peel by type, all k          {peel_seconds:8.3f} s")
    print(f"peel by sample, all k        {sample_seconds:8.3f} s   {sample_seconds / peel_seconds:.2f}x")
    show_smallest_pools(types, by_sample, grid["sizes"][0])
    print(f"select, 7 levels x 3 sizes   {seconds:8.2f} s   peak memory {peak_mib():,.0f} MiB")
    compare_plain("heapq", types, grid, chosen, seconds, (heapq_peel, heapq_draw))
    small = first_rows(types, asked.naive)
    few, seconds = timed(lambda: draw(small, scaled_grid(small.n_samples)), asked.repeats)
    compare_plain("naive", small, scaled_grid(small.n_samples), few, seconds, (naive_peel, naive_draw))
    show_coverage(types, lengths, grid["sizes"][0])
    compare_peers(types, grid["sizes"][0], repeats=asked.repeats, patience=asked.patience)


def annotate(corpus: Path, limit: int | None) -> tuple[TypeMatrix, IntArray]:
    """Token types of the responses, and their lengths in characters."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    samples = pd.read_parquet(corpus, columns=["id", "response"])[:limit].sort_values("id")
    texts = samples["response"].tolist()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=32_000, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    types = annotate_tokens(samples["id"].tolist(), texts, tokenizer, low=10, high=500, unit="token")
    return types, samples["response"].str.len().to_numpy()


def draw(types: TypeMatrix, grid: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, IntArray]]:
    """Peel, and draw all datasets of the grid."""
    return select.select_datasets(types, pools.peel(types, seed=0), **grid)


def scaled_grid(n_samples: int) -> dict[str, Any]:
    """The paper's grid, with sizes in proportion where the corpus is smaller than the paper's."""
    sizes = [max(2, round(size * n_samples / FULL)) for size in SIZES] if n_samples < FULL else SIZES
    return {"levels": LEVELS, "sizes": sizes, "seed": 0}


def first_rows(types: TypeMatrix, n_rows: int) -> TypeMatrix:
    """The first samples, with the types that at least two of them carry."""
    matrix = types.matrix[:n_rows]
    kept = np.flatnonzero(np.bincount(matrix.indices, minlength=types.n_types) > 1)
    rows, columns = matrix[:, kept].nonzero()
    return build_types(types.ids[:n_rows], rows, columns, types.labels[kept], report={})


def compile_all(types: TypeMatrix) -> None:
    pools.peel(types, seed=0, pruning="sample")
    pool = pools.peel(types, seed=0).pool(types.n_types)
    select.sample_evenly(types, pool, 2, default_rng(0))
    cover_most(types, 2, default_rng(0))


def timed(call: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """The result of a call and the median of its seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return result, median(seconds)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare_plain(
    name: str, types: TypeMatrix, grid: dict[str, Any], ours: Any, seconds: float, loops: tuple[Callable, Callable]
) -> None:
    """Time selection with its two compiled loops replaced, and check that the datasets are the same."""
    with patch.object(pools, "peel_types", loops[0]), patch.object(select, "draw_evenly", loops[1]):
        (table, rows), plain_seconds = timed(lambda: draw(types, grid), 1)
    same = table.equals(ours[0]) and all(np.array_equal(rows[dataset], ours[1][dataset]) for dataset in rows)
    print(
        f"{name}, {types.n_samples:,} samples: {plain_seconds:.2f} s against {seconds:.3f} s, "
        f"{plain_seconds / seconds:,.0f}x; identical: {same}"
    )
    if not same:
        raise SystemExit(f"{name} chose other datasets")


def heapq_peel(
    starts: IntArray, columns: IntArray, type_starts: IntArray, rows: IntArray, order: IntArray
) -> tuple[IntArray, IntArray, int]:
    """`peel.peel_types` with heapq: an entry is pushed again whenever a count falls, stale ones are skipped."""
    starts, columns, type_starts, rows = (array.tolist() for array in (starts, columns, type_starts, rows))
    ranks = np.argsort(order).tolist()
    counts = [end - begin for begin, end in pairwise(type_starts)]
    heap = [(count, ranks[t], t) for t, count in enumerate(counts) if count]
    heapify(heap)
    sample_steps, type_steps, step = [-1] * (len(starts) - 1), [-1] * len(counts), 0
    while heap:
        count, _, lightest = heappop(heap)
        if count != counts[lightest] or not count:
            continue
        for row in rows[type_starts[lightest] : type_starts[lightest + 1]]:
            if sample_steps[row] < 0:
                sample_steps[row] = step
                for t in columns[starts[row] : starts[row + 1]]:
                    counts[t] -= 1
                    if counts[t]:
                        heappush(heap, (counts[t], ranks[t], t))
                    else:
                        type_steps[t] = step
        step += 1
    return np.array(sample_steps, dtype=np.int32), np.array(type_steps, dtype=np.int32), step


def heapq_draw(
    starts: IntArray,
    columns: IntArray,
    type_starts: IntArray,
    rows: IntArray,
    order: IntArray,
    in_pool: NDArray[np.bool_],
    weights: IntArray,
    budget: int,
    rng: Generator,
) -> IntArray:
    """`peel.draw_evenly` with heapq."""
    starts, columns = starts.tolist(), columns.tolist()
    left = [rows[begin:end] for begin, end in pairwise(type_starts)]
    left = [carriers[in_pool[carriers]].tolist() for carriers in left]
    begins, counts = [0] * len(left), [0] * len(left)
    heap = [(0, rank, t) for rank, t in enumerate(order.tolist())]
    drawn, draws, spent = set(), [], 0
    while spent < budget:
        count, rank, served = heap[0]
        carriers, begin = left[served], begins[served]
        if begin == len(carriers):
            heappop(heap)
        elif count < counts[served]:
            heapreplace(heap, (counts[served], rank, served))
        else:
            at = begin + int(rng.random() * (len(carriers) - begin))
            row, carriers[at] = carriers[at], carriers[begin]
            begins[served] += 1
            if row not in drawn:
                drawn.add(row)
                draws.append(row)
                spent += weights[row]
                for t in columns[starts[row] : starts[row + 1]]:
                    counts[t] += 1
    return np.array(draws)


def naive_peel(
    starts: IntArray, columns: IntArray, type_starts: IntArray, rows: IntArray, order: IntArray
) -> tuple[IntArray, IntArray, int]:
    """`peel.peel_types` that counts the live samples of every type again in every step."""
    carriers = [set(rows[begin:end].tolist()) for begin, end in pairwise(type_starts)]
    live = set(rows.tolist())
    ranks = np.argsort(order).tolist()
    sample_steps, type_steps, step = np.full(len(starts) - 1, -1), np.full(len(carriers), -1), 0
    while live:
        counts = [(len(samples & live), ranks[t], t) for t, samples in enumerate(carriers)]
        lightest = min(entry for entry in counts if entry[0])[2]
        leaving = carriers[lightest] & live
        live -= leaving
        sample_steps[list(leaving)] = step
        for count, _, t in counts:
            if count and not carriers[t] & live:
                type_steps[t] = step
        step += 1
    return sample_steps, type_steps, step


def naive_draw(
    starts: IntArray,
    columns: IntArray,
    type_starts: IntArray,
    rows: IntArray,
    order: IntArray,
    in_pool: NDArray[np.bool_],
    weights: IntArray,
    budget: int,
    rng: Generator,
) -> IntArray:
    """`peel.draw_evenly` that counts what is covered again before every draw and tries every type."""
    left = [rows[begin:end] for begin, end in pairwise(type_starts)]
    left = [carriers[in_pool[carriers]].tolist() for carriers in left]
    draws = []
    while weights[draws].sum() < budget:
        counts = [0] * len(left)
        for row in draws:
            for t in columns[starts[row] : starts[row + 1]].tolist():
                counts[t] += 1
        served = min((counts[t], rank, t) for rank, t in enumerate(order.tolist()) if left[t])[2]
        carriers = left[served]
        at = int(rng.random() * len(carriers))
        row, carriers[at] = carriers[at], carriers[0]
        del carriers[0]
        if row not in draws:
            draws.append(row)
    return np.array(draws)


def show_smallest_pools(types: TypeMatrix, by_sample: pools.Peeling, largest: int) -> None:
    """What the pools of the literal reading hold, beside what an even draw of as many samples covers."""
    whole = by_sample.pool_sizes[by_sample.ks == by_sample.ks[0]].min()
    print(f"by sample, {whole:,} samples are left when the first type goes")
    typed = np.flatnonzero(types.types_per_sample)
    for size in (largest // 10, largest):
        even = np.count_nonzero(select.count_types(types, select.sample_evenly(types, typed, size, default_rng(0))))
        print(f"  fewest types of a pool of {size:,}: {by_sample.fewest_types(size):,}; an even draw covers {even:,}")


def show_coverage(types: TypeMatrix, lengths: IntArray, largest: int) -> None:
    """What our sampler covers against max coverage, a random draw and the longest samples, at equal N."""
    typed = np.flatnonzero(types.types_per_sample)
    for size in (largest // 10, largest):
        choices = {
            "type-aware": select.sample_evenly(types, typed, size, default_rng(0)),
            "max coverage": cover_most(types, size, default_rng(0)),
            "random": select.draw_baseline(types.n_samples, size, default_rng(0)),
            "longest": take_longest(lengths, size),
        }
        table = compare_coverage(types, choices)
        table["characters"] = [lengths[rows].mean() for rows in choices.values()]
        print(f"\nN = {size:,}\n{table.round(3).to_string(index=False)}")


def compare_peers(types: TypeMatrix, size: int, *, repeats: int, patience: float) -> None:
    """Coverage greedy of other libraries at `size` samples, on their own input, against ours; one run of each."""
    typed = np.flatnonzero(types.types_per_sample)
    _, even = timed(lambda: select.sample_evenly(types, typed, size, default_rng(0)), repeats)
    _, greedy = timed(lambda: cover_most(types, size, default_rng(0)), repeats)
    print(f"\n{size:,} of {types.n_samples:,}: type-aware {even:.3f} s, max coverage (ours) {greedy:.3f} s")
    for name, select_with in (("submodlib", submodlib_cover), ("apricot", apricot_cover)):
        if importlib.util.find_spec(name) is None:
            print(f"{name}: not installed")
            continue
        with multiprocessing.get_context("fork").Pool(1) as pool:
            try:
                rows, seconds = pool.apply_async(select_with, (types, size)).get(patience)
            except multiprocessing.TimeoutError:
                print(f"{name}: more than {patience:g} s (over {patience / even:,.0f}x type-aware)")
                continue
        n_covered = np.count_nonzero(select.count_types(types, rows))
        print(
            f"{name}: {seconds:.2f} s ({seconds / even:,.0f}x type-aware, {seconds / greedy:,.0f}x max coverage), "
            f"{n_covered:,} types covered by {len(rows):,} samples"
        )


def submodlib_cover(types: TypeMatrix, size: int) -> tuple[IntArray, float]:
    """SetCover with lazy greedy; making its Python sets is not timed."""
    from submodlib import SetCoverFunction

    starts, columns = types.matrix.indptr, types.matrix.indices
    sets = [set(columns[begin:end].tolist()) for begin, end in pairwise(starts)]
    function = SetCoverFunction(n=types.n_samples, cover_set=sets, num_concepts=types.n_types)
    found, seconds = timed(
        lambda: function.maximize(budget=size, optimizer="LazyGreedy", show_progress=False, verbose=False), 1
    )
    return np.array([row for row, _ in found]), seconds


def apricot_cover(types: TypeMatrix, size: int) -> tuple[IntArray, float]:
    """MaxCoverageSelection with its default optimizer on the sparse matrix."""
    from apricot import MaxCoverageSelection
    from scipy.sparse import csr_matrix

    matrix = csr_matrix(types.matrix.astype(np.float64))
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    found, seconds = timed(lambda: MaxCoverageSelection(size, optimizer="lazy").fit(matrix), 1)
    return found.ranking, seconds


if __name__ == "__main__":
    main()
