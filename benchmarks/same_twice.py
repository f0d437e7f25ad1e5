"""Whether two runs of a study gave the same: `python benchmarks/same_twice.py outputs/smoke other/outputs/smoke`.

Datasets must be the same byte for byte, scores the same numbers. Exit status 1 if they are not.
"""

import hashlib
import sys
from pathlib import Path

import pandas as pd


def differing_datasets(first: Path, second: Path) -> list[str]:
    """Names of datasets whose bytes differ, or that only one of the runs has."""
    hashes = [
        {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found(root)}
        for root in (first, second)
    ]
    return sorted(name for name in hashes[0].keys() | hashes[1].keys() if hashes[0].get(name) != hashes[1].get(name))


def found(root: Path) -> list[Path]:
    """Files of all selected datasets of a study."""
    return sorted((root / "datasets").glob("*/n*.parquet"))


def main() -> int:
    """Print what differs."""
    first, second = map(Path, sys.argv[1:3])
    datasets = differing_datasets(first, second)
    scores = [pd.read_parquet(root / "results" / "scores.parquet") for root in (first, second)]
    same_scores = scores[0].equals(scores[1])
    print(f"{len(found(first))} datasets, {len(datasets)} differ: {', '.join(datasets[:5]) or 'none'}")
    print(f"{len(scores[0])} scores, {'the same' if same_scores else 'not the same'}")
    return int(bool(datasets) or not same_scores or not found(first))


if __name__ == "__main__":
    sys.exit(main())
