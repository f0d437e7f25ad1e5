"""How fast texts become vectors, what eight bits would cost, and how far the static model agrees with MiniLM.

python benchmarks/embed.py CORPUS.parquet --limit 5000    texts per second, and recall of neighbours in eight bits
python benchmarks/embed.py CORPUS.parquet --whole         all responses as a study embeds them, on all cores
python benchmarks/embed.py CORPUS.parquet --agreement     topics and metrics of 4,000 texts, static beside MiniLM

Texts are drawn at random. Seconds of processor are shown beside those of the clock, since other jobs may run; the
Recall@10 is the share of the ten nearest neighbours in float32 that are still among the ten.
"""

import argparse
import copy
import resource
import time
from collections.abc import Callable

import numpy as np
import pyarrow.parquet as pq
import torch
from macromicro.annotate import embed
from macromicro.annotate.embed_models import load_encoder, resolve_dtype
from macromicro.annotate.topics import annotate_topics
from macromicro.measure.embedding_diversity import novelsum, vendi_score
from macromicro.measure.metrics import embedding_distance
from macromicro.study.sections import EmbedParams, TopicsParams
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_mutual_info_score

SETTINGS = EmbedParams(dtype="float32")
NAMED = (SETTINGS.model, None, SETTINGS.max_tokens, "float32", None)
STATIC = ("static", None, SETTINGS.max_tokens, "float32", None)
N_DATASETS = 14


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("--limit", type=int, default=5000)
    parser.add_argument("--agreement", action="store_true")
    parser.add_argument("--whole", action="store_true")
    asked = parser.parse_args()
    if asked.whole:
        whole(pq.read_table(asked.corpus, columns=["response"])["response"].to_pylist())
        return
    torch.set_num_threads(1)
    table = pq.read_table(asked.corpus, columns=["id", "source", "response"])
    limit = 4000 if asked.agreement else asked.limit
    table = table.take(np.random.default_rng(0).choice(len(table), limit, replace=False))
    if asked.agreement:
        compare(table["id"].to_pylist(), table["response"].to_pylist(), table["source"].to_pylist())
    else:
        race(table["response"].to_pylist())
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB of this process")


def whole(texts: list[str]) -> None:
    """Seconds of the clock for all texts by the settings of a study."""
    settings = EmbedParams()
    began = time.perf_counter()
    vectors = embed.embed_texts(texts, **settings.model_dump())
    print(f"{len(vectors):,} texts, {resolve_dtype(settings.dtype)}: {time.perf_counter() - began:.0f} s")


def race(texts: list[str]) -> None:
    """A row for each way to embed the texts."""
    texts = sorted(texts, key=len, reverse=True)
    print("| way | texts | seconds | of processor | texts/s of clock |\n|---|--:|--:|--:|--:|")
    model = load_encoder(*NAMED)._model
    timed("64 texts a batch", texts, lambda: model.encode(texts, batch_size=64, show_progress_bar=False))
    ours = timed("1,024 tokens a batch", texts, lambda: shared(texts, 1))
    two = timed("the same, two processes, their start included", texts, lambda: shared(texts, 2))
    print(f"two processes give the bits of one: {np.array_equal(ours, two)}")
    timed("static, distilled", texts, lambda: load_encoder(*STATIC))
    timed("static", texts, lambda: load_encoder(*STATIC).encode(texts, batch_tokens=SETTINGS.batch_tokens))
    small = copy.deepcopy(load_encoder(*NAMED))
    torch.ao.quantization.quantize_dynamic(small._model, {torch.nn.Linear}, inplace=True)
    eight = timed("eight bits", texts, lambda: small.encode(texts, batch_tokens=SETTINGS.batch_tokens))
    print(f"eight bits: recall@10 {recall(ours, eight):.3f}, mean cosine {(ours * eight).sum(axis=1).mean():.3f}")


def shared(texts: list[str], n_processes: int) -> NDArray[np.float32]:
    """Vectors of the texts in shards of 512, by some processes."""
    shards = (texts[start : start + 512] for start in range(0, len(texts), 512))
    return np.concatenate(list(embed._share_out(shards, NAMED, SETTINGS.batch_tokens, n_processes)))


def timed(name: str, texts: list[str], run: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """What `run` gives; prints a row."""
    clock, processor = time.perf_counter(), time.process_time()
    found = run()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"| {name} | {len(texts)} | {clock:.1f} | {processor:.1f} | {len(texts) / clock:.0f} |", flush=True)
    return found


def recall(exact: NDArray[np.float32], rough: NDArray[np.float32]) -> float:
    """Share of the ten nearest neighbours that both have."""
    near = [np.argsort(-(each @ each.T) + 9 * np.eye(len(each)), axis=1)[:, :10] for each in (exact, rough)]
    return float(np.mean([len(np.intersect1d(one, other)) / 10 for one, other in zip(*near, strict=True)]))


def compare(ids: list[str], texts: list[str], sources: list[str]) -> None:
    """Agreement of topics, and of the order of datasets by each metric."""
    vectors = [load_encoder(*named).encode(texts, batch_tokens=SETTINGS.batch_tokens) for named in (NAMED, STATIC)]
    topics = [find_topics(ids, texts, each) for each in vectors]
    source = np.array(sources)[np.argsort(ids)]
    print("| agreement | |\n|---|--:|")
    print(f"| topics, AMI of MiniLM and static | {adjusted_mutual_info_score(*topics):.2f} |")
    for name, found in zip(("MiniLM", "static"), topics, strict=True):
        agreement = adjusted_mutual_info_score(source, found)
        print(f"| {found.max() + 1} topics of {name}, AMI with source | {agreement:.2f} |")
    drawn = draw(texts, sources, topics[0][np.argsort(np.argsort(ids))])
    for name, metric in {"ED": embedding_distance, "Vendi": vendi_score}.items():
        values = [
            [metric(each[rows], each) if metric is novelsum else metric(each[rows]) for rows in drawn]
            for each in vectors
        ]
        print(f"| {name}, Spearman over {len(drawn)} datasets | {spearmanr(*values).statistic:.2f} |", flush=True)
    values = [[novelsum(each[rows], each) for rows in drawn] for each in vectors]
    print(f"| NovelSum, Spearman over {len(drawn)} datasets | {spearmanr(*values).statistic:.2f} |")


def find_topics(ids: list[str], texts: list[str], vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Topic of each text by order of id, -1 for none."""
    types = annotate_topics(ids, texts, vectors, seed=0, **dict(TopicsParams()))
    found = np.full(len(ids), -1)
    found[types.types_per_sample > 0] = types.matrix.indices
    return found


def draw(texts: list[str], sources: list[str], topics: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Fourteen datasets of 300 rows: 4 random, 2 by length, the rest from 1 to 32 topics of MiniLM or some sources."""
    rng = np.random.default_rng(1)
    n_characters = np.argsort([len(text) for text in texts])
    pools = [np.arange(len(texts))] * 4 + [n_characters[:600], n_characters[-600:]]
    by_size = np.argsort(-np.bincount(topics[topics >= 0]))
    pools += [np.flatnonzero(np.isin(topics, by_size[:n_topics])) for n_topics in (1, 2, 4, 8, 16, 32)]
    names = np.unique(sources)
    pools += [np.flatnonzero(np.isin(sources, names[rows])) for rows in (slice(0, 1), slice(1, 3))]
    return [rng.choice(pool, min(300, len(pool)), replace=False) for pool in pools[:N_DATASETS]]


if __name__ == "__main__":
    main()
