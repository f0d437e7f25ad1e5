"""Lexical diversity by number of tokens: what a measure says of ever longer prefixes of the same shuffled responses.

python benchmarks/lexical.py [CORPUS.parquet] [--column response] [--draws 10]

Texts are shuffled `--draws` times and read to the first that passes the number of tokens; the table gives means over
the draws, so that only the length differs between rows, and below them the seconds of 10,000 texts (median of 5).
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd
from macromicro.annotate.tokens import TokenizedTexts, tokenize
from macromicro.measure.lexical import measure_lexical
from macromicro.measure.metrics import ngram_ratio, take
from macromicro.measure.selfbleu import Ngrams

CORPUS = Path(__file__).parents[1] / ".." / "shared" / "data" / "corpus.parquet"
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", default=str(CORPUS))
    parser.add_argument("--column", default="response")
    parser.add_argument("--draws", type=int, default=10)
    asked = parser.parse_args()
    table = pd.read_parquet(asked.corpus, columns=["id", asked.column]).sort_values("id", ignore_index=True)
    tokens = tokenize(table[asked.column].tolist(), None, unit="bare-word")
    print("| tokens | 1-NR | MTLD | HD-D |\n|--:|--:|--:|--:|")
    for size in SIZES:
        draws = pd.DataFrame([measure_all(prefix(tokens, size, seed)) for seed in range(asked.draws)])
        ratio, mtld, hdd = draws[["1-NR", "MTLD", "HD-D"]].mean()
        print(f"| {size:,} | {ratio:.3f} | {mtld:.1f} | {hdd:.3f} |", flush=True)
    some = take(tokens, np.arange(10_000))
    print(f"\n10,000 texts, {len(some.tokens):,} tokens: {seconds(some):.2f} s")


def prefix(tokens: TokenizedTexts, size: int, seed: int) -> TokenizedTexts:
    """The first texts of a shuffle that hold at least `size` tokens."""
    order = np.random.default_rng(seed).permutation(len(tokens.lengths))
    return take(tokens, order[: np.searchsorted(np.cumsum(tokens.lengths[order]), size) + 1])


def measure_all(tokens: TokenizedTexts) -> dict[str, float]:
    return {"1-NR": ngram_ratio(Ngrams(tokens)), **measure_lexical(tokens)}


def seconds(tokens: TokenizedTexts) -> float:
    """Median time of five."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        measure_lexical(tokens)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
