"""Time and peak memory of finding texts that share word 5-grams, beside MinHash with a table of bands.

python benchmarks/overlap.py [CORPUS.parquet] [EVAL.parquet] [--case prompts]

Each case runs in a process of its own with one thread. Samples are instruction and response together, prompts the
column `prompt` of the evaluation file. Peers: datasketch and rensa (`pip install --no-deps datasketch==2.0.0
rensa==0.5.0`) with 128 permutations for a Jaccard similarity of 0.7. What they count are candidates, some of which are
less alike.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from macromicro.corpus.overlap import find_overlaps, near_duplicates

SHARED = Path(__file__).parents[1] / ".." / "shared" / "data"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", default=str(SHARED / "corpus.parquet"))
    parser.add_argument("prompts", nargs="?", default=str(SHARED / "eval.parquet"))
    parser.add_argument("--case", choices=CASES, action="append", help="only this case; may be repeated")
    parser.add_argument("--here", choices=CASES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        samples = pd.read_parquet(asked.corpus, columns=["id", "instruction", "response"]).set_index("id")
        prompts = pd.read_parquet(asked.prompts, columns=["id", "prompt"]).set_index("id")["prompt"]
        tiny = pd.Series({"a": "one text to compile with"})
        find_overlaps(tiny, tiny)
        near_duplicates(tiny)
        start = time.perf_counter()
        found = CASES[asked.here](prompts, samples["instruction"] + "\n" + samples["response"])
        seconds, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {asked.here} | {seconds:.1f} | {peak:.0f} | {found} |", flush=True)
        return
    environment = os.environ | dict.fromkeys(THREADS, "1")
    print("| what | s | peak MiB | found |\n|:--|--:|--:|:--|", flush=True)
    for case in asked.case or CASES:
        again = [sys.executable, __file__, asked.corpus, asked.prompts, "--here", case]
        subprocess.run(again, env=environment, check=True)


def bench_prompts(prompts: pd.Series, samples: pd.Series) -> str:
    found = find_overlaps(prompts, samples, threshold=0.3)
    strong = found.loc[found["similarity"] >= 0.7, "id"].nunique()
    return f"{strong} of {len(prompts):,} prompts stand in {len(samples):,} samples by 0.7"


def bench_groups(prompts: pd.Series, samples: pd.Series) -> str:
    found = near_duplicates(samples)
    return f"{len(found):,} of {len(samples):,} samples in {found['group'].nunique():,} groups"


def bench_all_pairs(prompts: pd.Series, samples: pd.Series) -> str:
    found = find_overlaps(samples, samples, threshold=0.7, by="jaccard")
    others = found[found["id"] != found["other_id"]]
    return f"{others['id'].nunique():,} of {len(samples):,} samples have another by 0.7"


def grams(text: str) -> list[str]:
    words = text.lower().split()
    return list({" ".join(words[i : i + 5]) for i in range(max(len(words) - 4, 1))})


def bench_datasketch(prompts: pd.Series, samples: pd.Series) -> str:
    from datasketch import MinHash, MinHashLSH

    table = MinHashLSH(threshold=0.7, num_perm=128)
    repeated = 0
    for name, text in samples.items():
        sketch = MinHash(num_perm=128)
        sketch.update_batch([gram.encode() for gram in grams(text)])
        repeated += bool(table.query(sketch))
        table.insert(name, sketch)
    return f"{repeated:,} of {len(samples):,} samples have an earlier one"


def bench_rensa(prompts: pd.Series, samples: pd.Series) -> str:
    from rensa import RMinHash, RMinHashLSH

    table = RMinHashLSH(threshold=0.7, num_perm=128, num_bands=16)
    repeated = 0
    for row, text in enumerate(samples):
        sketch = RMinHash(num_perm=128, seed=0)
        sketch.update(grams(text))
        repeated += bool(table.query(sketch))
        table.insert(row, sketch)
    return f"{repeated:,} of {len(samples):,} samples have an earlier one in some band"


CASES = {
    "prompts": bench_prompts,
    "groups": bench_groups,
    "all pairs": bench_all_pairs,
    "datasketch": bench_datasketch,
    "rensa": bench_rensa,
}

if __name__ == "__main__":
    main()
