"""What the offline tagger gives on a corpus file, and what YAKE gives on the same texts.

python benchmarks/tags.py CORPUS.parquet [--column response] [--limit 20000] [--yake] [--likeness 4000 --cache FOLDER]

A row per tagger, after the same normalisation with the default settings. Columns: raw = distinct raw tags, once = share
of raw tags (with repeats) that a single text carries; types = tags left, and how many of them a text carries; untyped =
share of texts without any; likeness = mean cosine of two texts that share a tag, over tags, less that of any two texts
(of the first `--likeness` texts; embeddings are kept in FOLDER and not timed). YAKE: pip install yake.
"""

import argparse
import resource
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from macromicro.annotate.embed import embed_texts
from macromicro.annotate.tag_normalisation import normalise_tags
from macromicro.annotate.tags import collect_tags, tag_offline
from macromicro.annotate.types import TypeMatrix
from macromicro.study.sections import EmbedParams, TagsParams
from numpy.typing import NDArray
from tqdm import tqdm

SETTINGS = TagsParams()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--column", default="response")
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--yake", action="store_true")
    parser.add_argument("--likeness", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=None)
    asked = parser.parse_args()
    table = pq.read_table(asked.corpus, columns=["id", asked.column]).slice(0, asked.limit).sort_by("id")
    ids, texts = table["id"].to_pylist(), table[asked.column].to_pylist()
    vectors = embed_texts(texts[: asked.likeness], cache=asked.cache, **dict(EmbedParams())) if asked.likeness else None
    taggers = {"scikit-learn": tag_by_terms} | ({"yake": tag_by_yake} if asked.yake else {})
    print("| tagger | texts | raw | once | types | types per text | untyped | likeness | tagging s | normalising s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, tag in taggers.items():
        start = time.perf_counter()
        raw = tag(ids, texts)
        middle = time.perf_counter()
        types = normalise(raw)
        seconds = f"{middle - start:.1f} | {time.perf_counter() - middle:.1f}"
        once = (raw.samples_per_type == 1).sum() / max(raw.matrix.nnz, 1)
        untyped = len(types.untyped) / len(ids)
        shown = "" if vectors is None else f"{likeness(types, vectors):.3f}"
        counts = f"{raw.n_types} | {once:.0%} | {types.n_types} | {types.types_per_sample.mean():.2f} | {untyped:.1%}"
        print(f"| {name} | {len(ids)} | {counts} | {shown} | {seconds} |", flush=True)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def tag_by_terms(ids: Sequence[str], texts: Sequence[str]) -> TypeMatrix:
    return tag_offline(ids, texts, n_tags=SETTINGS.n_tags, min_count=SETTINGS.min_count)


def tag_by_yake(ids: Sequence[str], texts: Sequence[str]) -> TypeMatrix:
    from yake import KeywordExtractor

    extractor = KeywordExtractor(n=2, top=SETTINGS.n_tags)
    tags = [[tag for tag, _ in extractor.extract_keywords(text)] for text in tqdm(texts, desc="yake")]
    return collect_tags(ids, tags, {"tagger": "yake"})


def normalise(raw: TypeMatrix) -> TypeMatrix:
    settings = {name: value for name, value in dict(SETTINGS).items() if name not in ("tagger", "n_tags")}
    return normalise_tags(raw, embed=lambda tags: embed_texts(tags, **dict(EmbedParams())), **settings)


def likeness(types: TypeMatrix, vectors: NDArray[np.float32]) -> float:
    """Mean over tags of the mean cosine of two texts that share the tag, less the mean cosine of any two texts."""
    carried = types.matrix[: len(vectors)].astype(np.float64)
    n_texts = np.asarray(carried.sum(axis=0))
    within = (np.square(carried.T @ vectors).sum(axis=1) - n_texts)[n_texts > 1]
    n_pairs = (n_texts * (n_texts - 1))[n_texts > 1]
    n = len(vectors)
    anyhow = (np.square(vectors.sum(axis=0, dtype=np.float64)).sum() - n) / (n * (n - 1))
    return float((within / n_pairs).mean() - anyhow)


if __name__ == "__main__":
    main()
