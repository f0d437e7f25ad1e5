"""How much the datasets of three seeds overlap, by the share of the samples that each seed peels.

python benchmarks/seeds.py CORPUS.parquet [--column response] [--sizes 1000 10000 30000]
python benchmarks/seeds.py TYPES.npz ... --sizes 500

Types of a corpus are those of `benchmarks/tokens.py`, of a file those in it (`outputs/STUDY/types`). Columns: mean
Jaccard similarity of the datasets of two seeds at 0, 50 and 100 % and of two baselines; share of all types that the
dataset of seed 0 covers at 0 and 100 %. With a share of 1 seeds differ in ties of the peel and in what is drawn.
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from macromicro.annotate.tokens import annotate_tokens
from macromicro.annotate.types import TypeMatrix, load_types
from macromicro.corpus.split import places
from macromicro.select.pools import peel
from macromicro.select.select import draw_baseline, select_datasets
from macromicro.study.streams import seed_of, stream
from numpy.typing import NDArray
from tokens import train_tokenizer

SHARES = (1.0, 0.5, 1 / 3)
SEEDS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--column", default="response")
    parser.add_argument("--sizes", nargs="+", type=int, default=[1_000, 10_000, 30_000])
    asked = parser.parse_args()
    print(
        "| types | N | share | 0 % | 50 % | 100 % | baselines | covered at 0 % | at 100 % |\n|:--|--:|--:|" + "--:|" * 6
    )
    for file in asked.files:
        types, name = (load_types(file), file.stem) if file.suffix == ".npz" else read_corpus(file, asked.column)
        for size in asked.sizes:
            for share in SHARES:
                print(
                    f"| {name} | {size:,} | {share:.2f} | {' | '.join(compare_seeds(types, size, share))} |", flush=True
                )


def read_corpus(file: Path, column: str) -> tuple[TypeMatrix, str]:
    """Token types of a column, band 10 to 500, and their name."""
    table = pq.read_table(file, columns=["id", column])
    tokenizer = train_tokenizer(str(file), column)
    return annotate_tokens(table["id"].to_pylist(), table[column], tokenizer, low=10, high=500), f"{column}-micro"


def compare_seeds(types: TypeMatrix, size: int, share: float) -> list[str]:
    """The cells of a row, from overlap on."""
    drawn, coverage = [], []
    for seed in SEEDS:
        allowed = places(types.ids, use=f"share|0|{seed}") < share
        peeling = peel(types, seed=seed_of("peel", seed), allowed=allowed)
        table, rows = select_datasets(types, peeling, levels=[0, 50, 100], sizes=[size], seed=seed)
        drawn.append([*rows.values(), draw_baseline(np.flatnonzero(allowed), size, stream("baseline", seed))])
        coverage.append(table["coverage"])
    overlaps = [np.mean([jaccard(*pair) for pair in combinations(alike, 2)]) for alike in zip(*drawn, strict=True)]
    return [*(f"{overlap:.2f}" for overlap in overlaps), *(f"{100 * coverage[0][level]:.0f} %" for level in (0, 2))]


def jaccard(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Samples that both hold, as a share of those that either holds."""
    n_common = len(np.intersect1d(a, b))
    return n_common / (len(a) + len(b) - n_common)


if __name__ == "__main__":
    main()
