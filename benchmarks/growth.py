"""How time and memory of the micro annotator grow: a corpus, and ten times its texts, with shuffled words.

python benchmarks/growth.py CORPUS.parquet [--column response] [--factor 10]

Texts are streamed from Parquet, each size in a process of its own. The last row counts the corpus in two shards, in
two processes, and says whether the merged matrix is the same as that of one pass.

Where it breaks: one pass keeps the presence matrix, a nonzero for each distinct token of each text (about 38 in
responses of 62 tokens). 100 million such texts have 3.8e9 nonzeros, which pass int32 (from about 56 million texts on),
so that SciPy keeps 8 bytes of index and 1 of data for each: 30 GB and 3.8 GB, besides the ids, and 60 GB or more at the
peak, where batches are put together. Sharded counting carries them: one job per shard counts, the counts are added up,
and the mid band, a third of the nonzeros, is cut from each shard alone: benchmarks/shards.smk, on Snakemake.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from macromicro.annotate.tokens import TokenCounts, band_types, count_tokens, merge_counts
from tokenizers import Tokenizer
from tokens import train_tokenizer

BATCH_ROWS = 8192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("--column", default="response")
    parser.add_argument("--factor", type=int, default=10)
    parser.add_argument("--tokenizer", help="file of a trained tokenizer; with it, one run is measured here")
    asked = parser.parse_args()
    if asked.tokenizer:
        print(json.dumps(measure(asked.corpus, asked.column, asked.tokenizer)))
        return
    with tempfile.TemporaryDirectory() as folder:
        tokenizer, larger = f"{folder}/tokenizer.json", f"{folder}/larger.parquet"
        train_tokenizer(asked.corpus, asked.column).save(tokenizer)
        shuffle_words(asked.corpus, larger, asked.column, asked.factor)
        print("| texts | tokens | nonzeros | seconds | peak MiB |\n|---|---|---|---|---|")
        runs = []
        for corpus in (asked.corpus, larger):
            command = [sys.executable, __file__, corpus, "--column", asked.column, "--tokenizer", tokenizer]
            runs.append(json.loads(subprocess.check_output(command)))
            run = runs[-1]
            print(f"| {run['texts']} | {run['tokens']} | {run['nonzeros']} | {run['seconds']:.1f} | {run['mib']:.0f} |")
        seconds, mib = (runs[1][name] / runs[0][name] for name in ("seconds", "mib"))
        print(f"| x {asked.factor} | | | x {seconds:.1f} | x {mib:.1f} |")
        print(f"\ntwo shards give the same matrix as one pass: {compare_shards(asked.corpus, asked.column, tokenizer)}")


def shuffle_words(corpus: str, larger: str, column: str, factor: int) -> None:
    """Write a corpus `factor` times as large: every text again and again, its words in another order each time."""
    rng = np.random.default_rng(0)
    schema = pa.schema([("id", pa.string()), (column, pa.string())])
    with pq.ParquetWriter(larger, schema) as writer:
        for copy in range(factor):
            for batch in pq.ParquetFile(corpus).iter_batches(BATCH_ROWS, columns=["id", column]):
                ids = [f"{copy}-{name}" for name in batch["id"].to_pylist()]
                words = [np.array(text.split(" "), dtype=object) for text in batch[column].to_pylist()]
                texts = [" ".join(rng.permutation(each)) for each in words]
                writer.write_table(pa.table({"id": ids, column: texts}, schema=schema))


def stream(corpus: str, column: str, start: int = 0, stop: int | None = None) -> Iterator[str]:
    """Values of a column from row `start` to `stop`, read batch by batch."""
    row = 0
    for batch in pq.ParquetFile(corpus).iter_batches(BATCH_ROWS, columns=[column]):
        values = batch[column][max(start - row, 0) : None if stop is None else max(stop - row, 0)]
        row += len(batch)
        yield from values.to_pylist()


def measure(corpus: str, column: str, tokenizer: str) -> dict[str, float]:
    """One run: seconds and peak memory of counting and banding."""
    start = time.perf_counter()
    counts = count_tokens(stream(corpus, "id"), stream(corpus, column), Tokenizer.from_file(tokenizer))
    types = band_types(counts, low=10, high=500)
    return {
        "seconds": time.perf_counter() - start,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "texts": types.n_samples,
        "tokens": types.report["n_tokens"],
        "nonzeros": int(counts.presence.nnz),
    }


def count_shard(corpus: str, column: str, tokenizer: str, start: int, stop: int | None) -> TokenCounts:
    """Counts of the rows from `start` to `stop`."""
    ids, texts = stream(corpus, "id", start, stop), stream(corpus, column, start, stop)
    return count_tokens(ids, texts, Tokenizer.from_file(tokenizer))


def compare_shards(corpus: str, column: str, tokenizer: str) -> bool:
    """Whether two shards, counted in two processes, give the matrix of one pass."""
    half = pq.read_metadata(corpus).num_rows // 2
    with ProcessPoolExecutor(2) as pool:
        jobs = [
            pool.submit(count_shard, corpus, column, tokenizer, *bounds)
            for bounds in ((0, None), (0, half), (half, None))
        ]
        whole, *shards = [job.result() for job in jobs]
    one, two = (band_types(counts, low=10, high=500) for counts in (whole, merge_counts(shards)))
    same_names = np.array_equal(one.ids, two.ids) and np.array_equal(one.labels, two.labels)
    return bool(same_names and one.report == two.report and (one.matrix != two.matrix).nnz == 0)


if __name__ == "__main__":
    main()
