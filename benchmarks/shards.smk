"""The micro annotator in shards, on the engine of the study: what carries a corpus too large for one process.

snakemake -s benchmarks/shards.smk --cores 2 --directory FOLDER --config corpus=CORPUS.parquet tokenizer=tokenizer.json \
    [column=response] [shards=2] [low=10] [high=500]

Every job streams its own rows. Only the counts of the vocabulary meet in one place; the mid band, a third of the
nonzeros, is then cut from each shard alone by the counts of all, and `joined.npz` is the type matrix of one pass.
"""

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from macromicro.study.files import write_aside
from macromicro.annotate.tokens import band_types
from macromicro.annotate.types import TypeMatrix, load_types, save_types
from scipy.sparse import csr_array, vstack

sys.path.insert(0, workflow.basedir)
from growth import count_shard

CORPUS, COLUMN = config["corpus"], config.get("column", "response")
SHARDS = range(int(config.get("shards", 2)))
BAND = {name: int(config.get(name, default)) for name, default in (("low", 10), ("high", 500))}


rule all:
    input:
        "joined.npz",


rule count:
    input:
        corpus=CORPUS,
        tokenizer=config["tokenizer"],
    output:
        shard="shards/{shard}.pickle",
        counts="counts/{shard}.npy",
    run:
        bounds = np.linspace(0, pq.read_metadata(input.corpus).num_rows, len(SHARDS) + 1).astype(int)
        start, stop = (int(bound) for bound in bounds[int(wildcards.shard) :][:2])
        counted = count_shard(input.corpus, COLUMN, input.tokenizer, start, stop)
        np.save(output.counts, counted.counts)
        with write_aside(output.shard) as path:
            path.write_bytes(pickle.dumps(counted, protocol=5))


rule add:
    input:
        [f"counts/{shard}.npy" for shard in SHARDS],
    output:
        "counts.npy",
    run:
        np.save(output[0], sum(np.load(path) for path in input))


rule band:
    input:
        shard="shards/{shard}.pickle",
        counts="counts.npy",
    output:
        "types/{shard}.npz",
    run:
        shard = pickle.loads(Path(input.shard).read_bytes())
        save_types(band_types(replace(shard, counts=np.load(input.counts)), **BAND), output[0])


rule join:
    input:
        [f"types/{shard}.npz" for shard in SHARDS],
    output:
        "joined.npz",
    run:
        parts = [load_types(path) for path in input]
        ids = np.concatenate([part.ids for part in parts])
        order = np.argsort(ids, kind="stable")
        matrix = csr_array(csr_array(vstack([part.matrix for part in parts], format="csr"))[order])
        save_types(TypeMatrix(matrix, ids[order], parts[0].labels, parts[0].report), output[0])
