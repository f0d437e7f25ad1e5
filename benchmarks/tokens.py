"""Time and peak memory of the micro annotator on a corpus file: tokenise, band, matrix.

python benchmarks/tokens.py CORPUS.parquet [--column response] [--repeats 5]

Trains a byte-level BPE of 32K on 20,000 of the texts first (not timed). Each repeat is a process of its own; reading
the file is timed too.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("--column", default="response")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokenizer", help="file of a trained tokenizer; with it, one repeat is measured here")
    asked = parser.parse_args()
    if asked.tokenizer:
        print(json.dumps(measure(asked.corpus, asked.column, asked.tokenizer)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokenizer.json"
        train_tokenizer(asked.corpus, asked.column).save(str(file))
        again = [sys.executable, __file__, asked.corpus, "--column", asked.column, "--tokenizer", str(file)]
        runs = [json.loads(subprocess.check_output(again)) for _ in range(asked.repeats)]
    print("| texts | tokens | mid-band types | nonzeros | median s | peak MiB |\n|---|---|---|---|---|---|")
    seconds = statistics.median(run["seconds"] for run in runs)
    peak = max(run["peak_mib"] for run in runs)
    sizes = " | ".join(str(runs[0][name]) for name in ("texts", "tokens", "types", "nonzeros"))
    print(f"| {sizes} | {seconds:.1f} | {peak:.0f} |")


def train_tokenizer(corpus: str, column: str) -> Tokenizer:
    """Byte-level BPE of 32,000 tokens, trained on the first 20,000 texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=32_000, initial_alphabet=alphabet, show_progress=False)
    texts = pq.read_table(corpus, columns=[column])[column].slice(0, 20_000)
    tokenizer.train_from_iterator(texts.to_pylist(), trainer)
    return tokenizer


def measure(corpus: str, column: str, tokenizer: str) -> dict[str, float]:
    """One run of `annotate_tokens`: seconds, peak memory of the process, sizes."""
    from macromicro.annotate.tokens import annotate_tokens

    loaded = Tokenizer.from_file(tokenizer)
    start = time.perf_counter()
    table = pq.read_table(corpus, columns=["id", column])
    types = annotate_tokens(table["id"].to_pylist(), table[column], loaded, low=10, high=500)
    return {
        "seconds": time.perf_counter() - start,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "texts": types.n_samples,
        "tokens": types.report["n_tokens"],
        "types": types.n_types,
        "nonzeros": int(types.matrix.nnz),
    }


if __name__ == "__main__":
    main()
