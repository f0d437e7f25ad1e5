"""How topics depend on reducer, library and selection, and what the defaults cost, on a corpus file.

python benchmarks/topics.py CORPUS.parquet --cache FOLDER [--limit 4000] [--column response]   compares variants
python benchmarks/topics.py CORPUS.parquet --cache FOLDER --defaults                          times the defaults

Embeddings are kept in FOLDER and are not timed. Columns: topics; noise share; AMI with the column `source` (adjusted
mutual information, noise as a class of its own); seeds = mean AMI between the topics of three seeds; order = AMI
between the topics of sorted and of shuffled rows when rows are *not* sorted by id first (with sorting it is 1).
`fast_hdbscan` (pip install fast-hdbscan) is left out where it is not installed.
"""

import argparse
import importlib.util
import resource
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from macromicro.annotate.embed import embed_texts
from macromicro.annotate.reduce import reduce
from macromicro.annotate.topics import annotate_topics
from macromicro.study.sections import EmbedParams, TopicsParams
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score

REDUCERS = {
    "pca 5": ("pca", 5),
    "pca 15": ("pca", 15),
    "pca 50": ("pca", 50),
    "umap 5": ("umap", 5),
    "umap 15": ("umap", 15),
}
LIBRARIES = ("hdbscan", "fast_hdbscan", "sklearn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--column", default="response")
    parser.add_argument("--defaults", action="store_true")
    asked = parser.parse_args()
    table = pq.read_table(asked.corpus, columns=["id", "source", asked.column]).slice(0, asked.limit)
    embeddings = embed_texts(table[asked.column], cache=asked.cache, **dict(EmbedParams()))
    if asked.defaults:
        time_defaults(table["id"].to_pylist(), table[asked.column], table["source"].to_pylist(), embeddings)
    else:
        compare(embeddings, table["source"].to_pylist())


def time_defaults(ids: list[str], texts: object, sources: list[str], embeddings: NDArray[np.float32]) -> None:
    """One row: the whole macro annotator with the default settings."""
    start = time.perf_counter()
    types = annotate_topics(ids, texts, embeddings, seed=0, **dict(TopicsParams()))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = np.full(len(ids), -1)
    found[types.types_per_sample > 0] = types.matrix.indices
    agreement = adjusted_mutual_info_score(np.array(sources)[np.argsort(ids)], found)
    print("| texts | topics | noise share | AMI source | seconds | peak MiB |\n|---|---|---|---|---|---|")
    noise = types.report["noise_share"]
    print(f"| {len(ids)} | {types.n_types} | {noise:.2f} | {agreement:.2f} | {seconds:.0f} | {peak:.0f} |")


def compare(embeddings: NDArray[np.float32], sources: list[str]) -> None:
    """A row per reducer, library and selection."""
    columns = [
        "reducer",
        "library",
        "selection",
        "min_samples",
        "reduce s",
        "cluster s",
        "topics",
        "noise",
        "AMI source",
    ]
    columns += ["seeds", "order"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    shuffled = np.random.default_rng(0).permutation(len(embeddings))
    for name, (reducer, n_components) in REDUCERS.items():
        settings = {"reducer": reducer, "n_components": n_components, "n_neighbors": 15}
        start = time.perf_counter()
        points = [reduce(embeddings, seed=seed, **settings) for seed in range(3)]
        reduce_seconds = (time.perf_counter() - start) / 3
        moved = np.empty_like(points[0])
        moved[shuffled] = reduce(embeddings[shuffled], seed=0, **settings)
        for library in LIBRARIES:
            if importlib.util.find_spec(library) is None and library != "sklearn":
                continue
            for selection, min_samples in (("leaf", 5), ("eom", 5), ("eom", 1)):
                start = time.perf_counter()
                found = [fit(library, each, selection, min_samples) for each in points]
                cluster_seconds = (time.perf_counter() - start) / 3
                back = np.empty_like(found[0])
                back[shuffled] = fit(library, moved[shuffled], selection, min_samples)
                seeds = np.mean([adjusted_mutual_info_score(a, b) for a, b in combinations(found, 2)])
                cells = [reduce_seconds, cluster_seconds, found[0].max() + 1, (found[0] == -1).mean()]
                cells += [
                    adjusted_mutual_info_score(sources, found[0]),
                    seeds,
                    adjusted_mutual_info_score(found[0], back),
                ]
                shown = " | ".join(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in cells)
                print(f"| {name} | {library} | {selection} | {min_samples} | {shown} |", flush=True)


def fit(library: str, points: NDArray[np.float32], selection: str, min_samples: int) -> NDArray[np.int64]:
    """Cluster of every point with one of the three libraries, clusters of at least 15."""
    settings = {"min_cluster_size": 15, "min_samples": min_samples, "cluster_selection_method": selection}
    if library == "hdbscan":
        from hdbscan import HDBSCAN

        return HDBSCAN(core_dist_n_jobs=1, **settings).fit_predict(points)
    if library == "fast_hdbscan":
        from fast_hdbscan import HDBSCAN

        return HDBSCAN(**settings).fit_predict(points)
    from sklearn.cluster import HDBSCAN

    return HDBSCAN(copy=True, **settings).fit_predict(points)


if __name__ == "__main__":
    main()
