"""Turn raw tags into types: the normalisation that InsTag describes (arXiv 2308.07074, section 2.3).

Frequency floor; lower case and special characters; stems; near-synonyms by DBSCAN on embeddings; association rules by
FP-growth, merged until none is left. A merged tag is named after its most frequent member, so names stay readable.
"""

import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix

from macromicro.annotate.types import TypeMatrix, text_array

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

DBSCAN_MIBS = 128  # memory for a block of distances
SPECIAL = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class _Tags:
    """Tags between two steps: samples x tags, names, and the tag that each raw tag has become (-1: dropped)."""

    matrix: csr_array
    labels: NDArray[np.object_]
    origin: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Samples per tag."""
        return np.bincount(self.matrix.indices, minlength=len(self.labels))


def normalise_tags(
    raw: TypeMatrix, *, min_count: int, merge_distance: float, min_support: int, min_confidence: float, embed: Embed
) -> TypeMatrix:
    """Type matrix of normalised tags.

    Parameters: raw, samples x raw tags; min_count, fewest samples of a raw tag, rarer ones are dropped; merge_distance,
    cosine distance at which DBSCAN links two tags (0: none); min_support, fewest samples that carry both tags of a
    rule; min_confidence, share of the samples with a tag that must also carry another for the tag to merge into it;
    embed, gives L2-normalised embeddings of a list of tags, shape (n_texts, dim).
    The report gains `steps` (tags and sample-tag pairs into and out of each step) and `mapping` (raw tag to final tag,
    null where it was dropped), see `step_table` and `mapping_table`.
    Raises ValueError if a setting is out of its range.
    """
    _check(min_count, merge_distance, min_support, min_confidence)
    tags = _Tags(raw.matrix.astype(np.int32), raw.labels, np.arange(raw.n_types))
    steps: list[dict[str, Any]] = []
    for name, step in (
        ("frequency floor", lambda t: _keep(t, t.counts >= min_count)),
        ("lower case, special characters", _clean),
        ("stems", lambda t: _merge(t, [stem_tag(label) for label in t.labels])),
        ("near-synonyms", lambda t: _merge(t, group_synonyms(t.labels, embed, merge_distance).tolist())),
        ("association rules", lambda t: _merge_implied(t, min_support, min_confidence)),
    ):
        before, tags = tags, step(tags)
        steps.append(_count_step(name, before, tags))
    order = np.argsort(tags.labels, kind="stable")
    matrix = csr_array(tags.matrix[:, order], dtype=np.uint8)
    matrix.sort_indices()
    final = np.append(tags.labels, np.array([None], dtype=object))[tags.origin]
    mapping = dict(zip(raw.labels.tolist(), final.tolist(), strict=True))
    report = {**raw.report, "steps": steps, "mapping": mapping}
    return TypeMatrix(matrix, raw.ids, tags.labels[order], report)


def step_table(types: TypeMatrix) -> pd.DataFrame:
    """One row per step of the normalisation: tags, sample-tag pairs and untyped samples before and after."""
    return pd.DataFrame(types.report["steps"])


def mapping_table(types: TypeMatrix) -> pd.DataFrame:
    """One row per raw tag: `raw`, and `final` (missing where it was dropped)."""
    return pd.DataFrame(types.report["mapping"].items(), columns=["raw", "final"])


def clean_tag(tag: str) -> str:
    """The tag in lower case, with runs of anything but letters and digits as one space (NFKC).

    >>> clean_tag(" Data-Analysis: ")
    'data analysis'
    """
    return SPECIAL.sub(" ", unicodedata.normalize("NFKC", tag).lower()).strip()


def stem_tag(tag: str) -> str:
    """The tag with each word cut to its stem (Snowball, English).

    >>> stem_tag("writing stories") == stem_tag("write story")
    True
    """
    import snowballstemmer

    return " ".join(snowballstemmer.stemmer("english").stemWords(tag.split()))


def group_synonyms(labels: NDArray[np.object_], embed: Embed, merge_distance: float) -> NDArray[np.int64]:
    """Group of each tag, shape (n_tags,): linked tags, directly or in a chain, share one.

    Distances are computed in blocks of `DBSCAN_MIBS`, so memory is linear in the tags.
    """
    groups = np.arange(len(labels))
    if merge_distance == 0 or len(labels) < 2:
        return groups
    from sklearn import config_context
    from sklearn.cluster import DBSCAN

    with config_context(working_memory=DBSCAN_MIBS):
        found = DBSCAN(eps=merge_distance, min_samples=2, metric="cosine", algorithm="brute").fit_predict(
            embed(labels.tolist())
        )
    return np.where(found < 0, groups, len(labels) + found)


def find_rules(matrix: csr_array, min_support: int, min_confidence: float) -> list[tuple[int, int]]:
    """Pairs (tag, implied tag): `min_support` samples carry both, `min_confidence` of the first's samples the second.

    Only rules from the rarer tag to the more frequent one are given (of equals, from the later column), one per tag:
    the one of highest confidence, then the most frequent implied tag, then the first column.
    """
    from mlxtend.frequent_patterns import fpgrowth

    n_samples, counts = matrix.shape[0], np.bincount(matrix.indices, minlength=matrix.shape[1])
    frequent = np.flatnonzero(counts >= min_support)
    if len(frequent) < 2:
        return []
    carried = pd.DataFrame.sparse.from_spmatrix(csr_matrix(matrix[:, frequent], dtype=bool))  # type: ignore[attr-defined]
    # half a sample less than the bound: mlxtend rounds share * n_samples up, and the product may be a hair too large
    sets = fpgrowth(carried, min_support=(min_support - 0.5) / n_samples, max_len=2)
    best: dict[int, tuple[float, int, int]] = {}
    for support, members in zip(sets["support"], sets["itemsets"], strict=True):
        if len(members) < 2:
            continue
        implied, tag = sorted((int(frequent[member]) for member in members), key=lambda j: (-counts[j], j))
        confidence = round(support * n_samples) / counts[tag]
        if confidence >= min_confidence:
            best[tag] = max(best.get(tag, (0.0, 0, 0)), (confidence, int(counts[implied]), -implied))
    return sorted((tag, -place) for tag, (_, _, place) in best.items())


def _merge_implied(tags: _Tags, min_support: int, min_confidence: float) -> _Tags:
    """Tags that imply another merged into it, until no rule is left."""
    while rules := find_rules(tags.matrix, min_support, min_confidence):
        roots = np.arange(len(tags.labels))
        roots[[tag for tag, _ in rules]] = [implied for _, implied in rules]
        while (roots[roots] != roots).any():
            roots = roots[roots]
        tags = _merge(tags, roots.tolist())
    return tags


def _clean(tags: _Tags) -> _Tags:
    """Tags with clean names; equal ones are merged, those without letters or digits dropped."""
    keys = [clean_tag(label) for label in tags.labels]
    named = np.array([bool(key) for key in keys], dtype=bool)
    kept = _keep(_Tags(tags.matrix, text_array(keys), tags.origin), named)
    return _merge(kept, kept.labels.tolist())


def _keep(tags: _Tags, kept: NDArray[np.bool_]) -> _Tags:
    """Tags without those that are not `kept`."""
    new = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
    matrix = csr_array(tags.matrix[:, np.flatnonzero(kept)])
    return _Tags(matrix, tags.labels[kept], new[tags.origin])


def _merge(tags: _Tags, keys: Iterable[Hashable]) -> _Tags:
    """Tags with equal keys as one, named after the one with most samples (of equals, the alphabetically first)."""
    codes, _ = pd.factorize(pd.Series(list(keys), dtype=object))
    if not len(codes):
        return tags
    n_groups = int(codes.max()) + 1
    order = np.lexsort((pd.factorize(tags.labels, sort=True)[0], -tags.counts))[::-1]
    names = np.empty(n_groups, dtype=object)
    names[codes[order]] = tags.labels[order]
    group = csr_array((np.ones(len(codes), np.int32), (np.arange(len(codes)), codes)), shape=(len(codes), n_groups))
    matrix = csr_array(tags.matrix @ group)
    matrix.data[:] = 1
    return _Tags(matrix, names, np.append(codes, -1)[tags.origin])


def _count_step(name: str, before: _Tags, after: _Tags) -> dict[str, Any]:
    """What a step took away."""
    return {
        "step": name,
        "n_tags_in": len(before.labels),
        "n_tags_out": len(after.labels),
        "n_pairs_in": int(before.matrix.nnz),
        "n_pairs_out": int(after.matrix.nnz),
        "n_untyped_out": int((np.diff(after.matrix.indptr) == 0).sum()),
    }


def _check(min_count: int, merge_distance: float, min_support: int, min_confidence: float) -> None:
    """Refuse settings out of range."""
    for name, value in (("min_count", min_count), ("min_support", min_support)):
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    if not 0 <= merge_distance <= 2:
        raise ValueError(f"merge_distance={merge_distance} must be between 0 and 2")
    if not 0 < min_confidence <= 1:
        raise ValueError(f"min_confidence={min_confidence} must be above 0 and at most 1")
