"""Time and peak memory of the dataset metrics beside their peers, on 10,000 samples of a corpus file.

python benchmarks/metrics.py [CORPUS.parquet] [--size 10000] [--repeats 5] [--case self-bleu]

Every case runs in a process of its own with one thread, ours and the peer's, and fails where the two disagree by more
than their bound. Embeddings are given: random points around 200 centres, since their values do not change the work.
Peers: NLTK (200 documents against each other, compared per pair of documents); the package vendi-score
(`pip install --no-deps vendi-score==0.0.3`), its n x n function and its dual one; NovelSum's published formula written
down pair by pair (300 texts, compared per pair of texts), as one matrix of broadcast cosine similarities in PyTorch (as
its authors compute it), and in NumPy with a product per text. `spread` measures seven overlapping datasets, each a
quarter of `--size` random points, together and one by one.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from macromicro.annotate.tokens import tokenize
from macromicro.measure import embedding_diversity, metrics, selfbleu
from macromicro.select import describe

CORPUS = Path(__file__).parents[1] / ".." / "shared" / "data" / "corpus.parquet"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
N_NLTK = 200
N_PAIRWISE = 300
SAME_BLEU = 1e-12  # largest difference of a value
SAME_SPREAD = 1e-4  # of a value, as a share of it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", default=str(CORPUS))
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--case", choices=CASES, action="append", help="only this case; may be repeated")
    parser.add_argument("--here", choices=CASES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        print(json.dumps(CASES[asked.here](asked.corpus, asked.size, asked.repeats)))
        return
    environment = os.environ | dict.fromkeys(THREADS, "1")
    print("| what | median s | peak MiB | ratio | largest difference |\n|:--|--:|--:|--:|--:|")
    for case in asked.case or CASES:
        again = [sys.executable, __file__, asked.corpus, "--size", str(asked.size), "--repeats", str(asked.repeats)]
        done = subprocess.run([*again, "--here", case], env=environment, check=True, stdout=subprocess.PIPE, text=True)
        for row in json.loads(done.stdout.splitlines()[-1]):
            print("| " + " | ".join(row) + " |", flush=True)


def timed(call: Callable[[], Any], repeats: int, *, warm_up: bool = False) -> tuple[Any, float, float]:
    """Result, median seconds, and peak memory of the process so far in MiB."""
    if warm_up:
        call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(what: str, seconds: float, peak: float, ratio: str = "", difference: str = "") -> tuple[str, ...]:
    return what, f"{seconds:.3g}", f"{peak:.0f}", ratio, difference


def agreed(difference: float, bound: float) -> str:
    """The difference as text. Raises ValueError if it is above its bound."""
    if not difference <= bound:
        raise ValueError(f"the two differ by {difference:.1e}; they must agree to {bound:.0e}")
    return f"{difference:.0e}"


def sample(corpus: str, size: int) -> pd.DataFrame:
    """`size` samples drawn with a seed, sorted by id."""
    table = pd.read_parquet(corpus, columns=["id", "instruction", "response"])
    return table.sample(size, random_state=0).sort_values("id", ignore_index=True)


def points(size: int, dim: int = 384) -> np.ndarray:
    """Embeddings of float32 around 200 centres."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, dim))
    return (centres[rng.integers(0, 200, size)] + rng.standard_normal((size, dim))).astype(np.float32)


def bench_self_bleu(corpus: str, size: int, repeats: int) -> list[tuple[str, ...]]:
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    tokens = tokenize(sample(corpus, size)["response"], None, unit="bare-word")
    _, seconds, peak = timed(lambda: selfbleu.self_bleu(tokens), repeats, warm_up=True)
    few = metrics.take(tokens, np.arange(N_NLTK))
    texts = [part.tolist() for part in np.split(few.tokens, few.offsets[1:-1])]
    method1 = SmoothingFunction().method1

    def nltk() -> list[float]:
        others = (texts[:i] + texts[i + 1 :] for i in range(N_NLTK))
        return [sentence_bleu(rest, text, smoothing_function=method1) for rest, text in zip(others, texts, strict=True)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, their_seconds, their_peak = timed(nltk, repeats)
    ratio = (their_seconds / (N_NLTK * (N_NLTK - 1))) / (seconds / (size * (size - 1)))
    difference = agreed(np.abs(np.array(theirs) - selfbleu.self_bleu(few)).max(), SAME_BLEU)
    words = f"{len(tokens.tokens) / size:.0f} words each"
    return [
        row(f"self-BLEU of {size:,} responses, {words}", seconds, peak),
        row(f"NLTK, {N_NLTK} of them (ratio per pair)", their_seconds, their_peak, f"{ratio:,.0f}x", difference),
    ]


def bench_all_seven(corpus: str, size: int, repeats: int) -> list[tuple[str, ...]]:
    table, embeddings = sample(corpus, size), points(size)
    parts = {part: table[part].tolist() for part in ("instruction", "response")}

    def both() -> list[dict[str, float]]:
        return [metrics.measure(t, tokenize(t, None, unit="bare-word"), embeddings) for t in parts.values()]

    _, seconds, peak = timed(both, repeats, warm_up=True)
    return [row(f"all seven metrics, {size:,} samples, both parts, words counted too", seconds, peak)]


def bench_vendi(corpus: str, size: int, repeats: int) -> list[tuple[str, ...]]:
    embeddings = points(size)
    value, seconds, peak = timed(lambda: embedding_diversity.vendi_score(embeddings), repeats, warm_up=True)
    rows = [row(f"Vendi, {size:,} x 384", seconds, peak)]
    if find_spec("vendi_score") is None:
        return [*rows, ("vendi-score is not installed", "", "", "", "")]
    from vendi_score import vendi

    for name, peer in (("score_dual", vendi.score_dual), ("score_X", vendi.score_X)):
        theirs, their_seconds, their_peak = timed(lambda peer=peer: peer(embeddings), repeats)
        difference = agreed(abs(theirs - value) / value, SAME_SPREAD)
        ratio = f"{their_seconds / seconds:.3g}x"
        rows.append(row(f"vendi-score, {name}", their_seconds, their_peak, ratio, f"{difference} of it"))
    few = embeddings[:50][np.random.default_rng(0).integers(0, 50, size)]
    ours, theirs = embedding_diversity.vendi_score(few, q=0.1), vendi.score_dual(few, q=0.1)
    rows.append((f"order 0.1 of 50 texts repeated: ours {ours:.4g}, score_dual {theirs:.4g}", "", "", "", ""))
    return rows


def bench_novelsum(corpus: str, size: int, repeats: int) -> list[tuple[str, ...]]:
    embeddings = points(size)
    value, seconds, peak = timed(lambda: embedding_diversity.novelsum(embeddings, embeddings), repeats, warm_up=True)
    rows = [row(f"NovelSum, {size:,} x 384, reference the same", seconds, peak)]
    few = embeddings[:N_PAIRWISE]
    theirs, their_seconds, their_peak = timed(lambda: novelsum_by_pair(few), repeats)
    ratio = (their_seconds / (N_PAIRWISE * (N_PAIRWISE - 1))) / (seconds / (size * (size - 1)))
    difference = agreed(abs(theirs / embedding_diversity.novelsum(few, few) - 1), SAME_SPREAD)
    name = f"published formula pair by pair, {N_PAIRWISE} texts (ratio per pair)"
    rows.append(row(name, their_seconds, their_peak, f"{ratio:.3g}x", f"{difference} of it"))
    for name, peer in (("one matrix, PyTorch", novelsum_by_matrix), ("a product per text, NumPy", novelsum_by_text)):
        theirs, their_seconds, their_peak = timed(lambda peer=peer: peer(embeddings), repeats)
        difference = agreed(abs(theirs - value) / value, SAME_SPREAD)
        ratio = f"{their_seconds / seconds:.3g}x"
        rows.append(row(f"published formula, {name}", their_seconds, their_peak, ratio, f"{difference} of it"))
    return rows


def bench_spread(corpus: str, size: int, repeats: int) -> list[tuple[str, ...]]:
    """Seven datasets of one corpus, each a random quarter, together and one by one."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((size, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    table = pd.DataFrame({"instruction": [""] * size, "response": [""] * size})
    rows = {f"d{level}": rng.permutation(size)[: size // 4] for level in range(7)}
    first = {"d0": rows["d0"]}

    def spread(chosen: dict[str, np.ndarray]) -> pd.DataFrame:
        return describe.measure_spread(table, chosen, embed=lambda texts, part: vectors)

    def apart() -> list[float]:
        return [embedding_diversity.novelsum(vectors[chosen], vectors) for chosen in rows.values() for _ in "ab"]

    _, one_seconds, peak = timed(lambda: spread(first), repeats, warm_up=True)
    together, seconds, seven_peak = timed(lambda: spread(rows), repeats)
    theirs, their_seconds, their_peak = timed(apart, repeats)
    ours = together.sort_values(["dataset", "part"])["NovelSum"].to_numpy()
    difference = agreed(float(np.abs(ours / np.array(theirs) - 1).max()), SAME_SPREAD)
    name = f"{size // 4:,} of {size:,}, both parts"
    return [
        row(f"Vendi and NovelSum of a dataset of {name}", one_seconds, peak),
        row("of 7 such datasets together (ratio to one)", seconds, seven_peak, f"{seconds / one_seconds:.2f}x"),
        row(
            "NovelSum of the 7, each on its own (ratio to together)",
            their_seconds,
            their_peak,
            f"{their_seconds / seconds:.2f}x",
            f"{difference} of it",
        ),
    ]


def novelsum_by_pair(embeddings: np.ndarray) -> float:
    """The formula as it is written: two sums over texts, the distance of each pair on its own."""

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return 1 - np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))

    def others(i: int) -> list[tuple[float, int]]:
        return sorted((distance(embeddings[i], other), j) for j, other in enumerate(embeddings) if j != i)

    density = [1 / (sum(away for away, _ in others(i)[:10]) / 10) for i in range(len(embeddings))]
    weights = [1 / rank for rank in range(1, len(embeddings))]
    novelty = 0.0
    for i in range(len(embeddings)):
        terms = (weight * density[j] ** 0.5 * away for weight, (away, j) in zip(weights, others(i), strict=True))
        novelty += sum(terms) / sum(weights)
    return novelty / len(embeddings)


def novelsum_by_text(embeddings: np.ndarray) -> float:
    """The formula with one matrix product per text: its distances, their order, the weighted sum."""
    size = len(embeddings)
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)

    def distances(i: int) -> np.ndarray:
        return np.delete(1 - units @ units[i], i)

    density = np.array([1 / np.sort(distances(i))[:10].mean() for i in range(size)])
    weights = 1 / np.arange(1, size)
    novelty = []
    for i in range(size):
        away = distances(i)
        order = np.argsort(away)
        terms = weights * (np.delete(density, i) ** 0.5 * away)[order]
        novelty.append(terms.sum() / weights.sum())
    return float(np.mean(novelty))


def novelsum_by_matrix(embeddings: np.ndarray, block: int = 500) -> float:
    """The same from one matrix of distances, filled block by block, then row by row."""
    import torch
    from torch.nn.functional import cosine_similarity

    size, rows = len(embeddings), torch.from_numpy(embeddings)
    away = torch.empty((size, size))
    for i in range(0, size, block):
        for j in range(0, size, block):
            similar = cosine_similarity(rows[i : i + block, None], rows[None, j : j + block], dim=2)
            away[i : i + block, j : j + block] = 1 - similar
    away = away.fill_diagonal_(torch.inf).numpy()
    density = 1 / np.sort(away, axis=1)[:, :10].mean(axis=1)
    weights = 1 / np.arange(1, size)

    def novelty(distances: np.ndarray) -> float:
        order = np.argsort(distances)[:-1]
        return np.average(density[order] ** 0.5 * distances[order], weights=weights)

    return float(np.apply_along_axis(novelty, 1, away).mean())


CASES = {
    "self-bleu": bench_self_bleu,
    "all-seven": bench_all_seven,
    "vendi": bench_vendi,
    "novelsum": bench_novelsum,
    "spread": bench_spread,
}

if __name__ == "__main__":
    main()
