"""Texts that say nearly the same as others, by the word n-grams that they share: exact, with no pair left out.

A text of m different n-grams can only share t m of them with another if it shares one of its m - t m + 1 rarest. So
only these are looked up in the other texts, and the texts found are then compared in full. An n-gram that half of all
texts have, such as a common head of prompts, is hardly ever looked up.
"""

from typing import Literal, TypeAlias

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from macromicro.corpus.shingles import Shingles, shingle

By: TypeAlias = Literal["containment", "jaccard"]
IntArray = NDArray[np.int64]

ROUNDING = 1e-9  # of the product of a threshold and a number of n-grams


def find_overlaps(
    texts: pd.Series, others: pd.Series, *, n: int = 5, threshold: float = 0.5, by: By = "containment", n_most: int = 10
) -> pd.DataFrame:
    """Columns id, other_id, similarity: for each text the `n_most` most similar others with at least `threshold`.

    Similarity counts the different word `n`-grams (`shingles.shingle`) of the text A and the other B, between 0 and 1:

    - containment, |A and B| / |A|: how much of A stands in B, however long B is. A prompt quoted in a sample has 1.
    - jaccard, |A and B| / |A or B|: how alike the two are, the same in both directions.

    Texts of fewer than `n` words are similar (1) to their equals only. Rows are sorted by id, from most to least
    similar, then by other_id, and do not depend on the order of texts and others.

    Parameters: texts and others, indexed by id. Raises ValueError if an id repeats, a text is not a str, or `threshold`
    is not above 0 and at most 1.
    """
    texts, others = _by_id(texts, threshold), _by_id(others, threshold)
    ours, theirs = shingle(texts, n=n), shingle(others, n=n)
    a, b = _rank(ours, theirs)
    postings = b.tocsc()
    sizes = theirs.sizes
    met, found, shared = (np.full(len(others), -1, dtype=np.int64) for _ in range(3))
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    ends = a.indptr[:-1] + _n_rarest(ours.sizes, threshold)
    for row, (start, end, stop) in enumerate(zip(a.indptr[:-1], ends, a.indptr[1:], strict=True)):
        rare = a.indices[start : min(end, stop)]
        n_found = _look_up(rare, row, postings.indices, postings.indptr, met, found)
        _count_shared(a.indices[start:stop], b.indices, b.indptr, found[:n_found], shared)
        both = shared[:n_found]
        similarity = both / (stop - start + (sizes[found[:n_found]] - both if by == "jaccard" else 0))
        similar = np.flatnonzero(similarity >= threshold)
        similar = similar[np.lexsort((found[similar], -similarity[similar]))[:n_most]]
        parts.append((np.full(len(similar), row), found[similar], similarity[similar]))
    rows, places, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    return pd.DataFrame({"id": texts.index[rows], "other_id": others.index[places], "similarity": values})


def near_duplicates(texts: pd.Series, *, n: int = 5, threshold: float = 0.7) -> pd.DataFrame:
    """Columns id, group: the texts that have a near-duplicate, and the first id of their group; by group and id.

    Two texts are near-duplicates if the Jaccard similarity of their word `n`-grams is at least `threshold`; texts of
    fewer than `n` words if they are equal. A group holds the near-duplicates of its members too, so that two of its
    texts may be less alike. Rows less groups is how many texts repeat another.

    Parameters: texts, indexed by id. Raises as `find_overlaps`.
    """
    texts = _by_id(texts, threshold)
    shingles = shingle(texts, n=n)
    a, _ = _rank(shingles, shingles)
    sizes = np.diff(a.indptr)
    place = np.arange(len(a.indices)) - np.repeat(a.indptr[:-1], sizes)
    alike = shingles.first_alike
    n_rarest = np.where(alike == np.arange(len(alike)), _n_rarest(sizes, threshold), 0)  # copies are in a group already
    rare = place < np.repeat(n_rarest, sizes)
    offsets = np.r_[0, np.cumsum(rare)][a.indptr]
    rarest = csr_array((a.data[rare], a.indices[rare], offsets), shape=a.shape)
    postings = rarest.tocsc()
    found = (rarest.indices, rarest.indptr, postings.indices, postings.indptr)
    first = _group(alike, a.indices, a.indptr, *found, threshold)
    grouped = np.flatnonzero(np.bincount(first, minlength=len(first))[first] > 1)
    grouped = grouped[np.lexsort((grouped, first[grouped]))]
    return pd.DataFrame({"id": texts.index[grouped], "group": texts.index[first[grouped]]})


def leave_out(
    prompts: pd.DataFrame, overlaps: pd.DataFrame, *, threshold: float, reason: str = "near-duplicate"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The prompts without an overlap of at least `threshold`, and a table id, reason, other_id, similarity of the rest.

    The table names the most similar text that each overlaps. Parameters: prompts, column id; overlaps, as
    `find_overlaps` returns them for `threshold` or a lower one, or several such tables under each other; what other
    columns they have, the table has too.
    """
    ordered = overlaps.sort_values(["id", "similarity", "other_id"], ascending=[True, False, True])
    strong = ordered[(ordered["similarity"] >= threshold) & ordered["id"].isin(prompts["id"])].drop_duplicates("id")
    kept = prompts[~prompts["id"].isin(strong["id"])].reset_index(drop=True)
    left = strong.reset_index(drop=True)
    left.insert(1, "reason", reason)
    return kept, left


def _by_id(texts: pd.Series, threshold: float) -> pd.Series:
    """The texts sorted by id. Raises ValueError if an id repeats or the threshold cannot be one."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold} must be above 0 and at most 1")
    if not texts.index.is_unique:
        raise ValueError(f"ids must be unique, but {texts.index[texts.index.duplicated()][0]!r} occurs twice")
    return texts.sort_index(kind="stable")


def _n_rarest(sizes: IntArray, threshold: float) -> IntArray:
    """Of a text of each size, how many of its rarest n-grams have to be looked up."""
    return sizes - np.ceil(sizes * threshold - ROUNDING).astype(np.int64) + 1


def _rank(ours: Shingles, theirs: Shingles) -> tuple[csr_array, csr_array]:
    """Both as sets of columns ascending within a row, where a lower column is an n-gram that fewer of theirs have.

    Columns are the n-grams of ours; others of theirs are gone.
    """
    codes, known = pd.factorize(ours.keys)
    places = codes if theirs is ours else pd.Index(known).get_indexer(pd.Index(theirs.keys))
    held = places >= 0
    rank = np.empty(len(known), dtype=np.int64)
    rank[np.argsort(np.bincount(places[held], minlength=len(known)), kind="stable")] = np.arange(len(known))
    a = _sets(rank[codes], ours.offsets, len(known))
    return a, a if theirs is ours else _sets(rank[places[held]], np.r_[0, np.cumsum(held)][theirs.offsets], len(known))


def _sets(columns: IntArray, offsets: IntArray, n_columns: int) -> csr_array:
    """A matrix with a one in each of the columns of each row, columns ascending."""
    shape = (len(offsets) - 1, n_columns)
    matrix = csr_array((np.ones(len(columns), np.int8), columns.astype(np.int32), offsets), shape=shape)
    matrix.sort_indices()
    return matrix


@numba.njit(cache=True)
def _look_up(rare: IntArray, row: int, postings: IntArray, starts: IntArray, met: IntArray, found: IntArray) -> int:
    """Write the rows that hold an n-gram of `rare` into `found`, and return how many; `met` marks them by `row`."""
    n_found = 0
    for column in rare:
        for other in postings[starts[column] : starts[column + 1]]:
            if met[other] != row:
                met[other] = row
                found[n_found] = other
                n_found += 1
    return n_found


@numba.njit(cache=True)
def _count_shared(a: IntArray, columns: IntArray, offsets: IntArray, rows: IntArray, shared: IntArray) -> None:
    """Write into `shared` how many columns each of the rows has in common with `a`."""
    for place, row in enumerate(rows):
        shared[place] = _n_common(a, columns[offsets[row] : offsets[row + 1]])


@numba.njit(cache=True)
def _n_common(a: IntArray, b: IntArray) -> int:
    """Size of the intersection of two ascending arrays."""
    i = j = n_common = 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            n_common += 1
        step = a[i] <= b[j]
        j += a[i] >= b[j]
        i += step
    return n_common


@numba.njit(cache=True)
def _group(
    alike: IntArray,
    columns: IntArray,
    offsets: IntArray,
    rare: IntArray,
    rare_offsets: IntArray,
    postings: IntArray,
    starts: IntArray,
    threshold: float,
) -> IntArray:
    """The first row of the group of each row; rows of at least `threshold` Jaccard similarity are in one group.

    Groups begin as `alike`, the first row that each is equal to. Rows are looked up by their columns in `rare`.
    """
    n_rows = len(offsets) - 1
    parent = alike.copy()
    met = np.full(n_rows, -1)
    for row in range(n_rows):
        a = columns[offsets[row] : offsets[row + 1]]
        for column in rare[rare_offsets[row] : rare_offsets[row + 1]]:
            for other in postings[starts[column] : starts[column + 1]]:
                if other >= row:
                    break
                if met[other] == row:
                    continue
                met[other] = row
                root, top = _root(parent, row), _root(parent, other)
                if root == top:
                    continue
                b = columns[offsets[other] : offsets[other + 1]]
                if min(len(a), len(b)) < threshold * max(len(a), len(b)) - ROUNDING:
                    continue
                n_common = _n_common(a, b)
                if n_common / (len(a) + len(b) - n_common) >= threshold:
                    parent[max(root, top)] = min(root, top)
    for row in range(n_rows):
        parent[row] = _root(parent, row)
    return parent


@numba.njit(cache=True)
def _root(parent: IntArray, row: int) -> int:
    """The first row of the group so far, with the way to it halved."""
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row
