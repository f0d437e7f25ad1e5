"""Which types (topics, tags or mid-band tokens) every sample carries: the one matrix that all strategies produce.

Selection, levels and coverage plots work on this matrix and know nothing of embeddings, tags or tokens.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, hstack

from macromicro.study.files import write_aside

Policy = Literal["drop", "own", "nearest"]
BLOCK_BYTES = 256 << 20


@dataclass(frozen=True, eq=False)
class TypeMatrix:
    """Samples x types as a sparse boolean matrix, with the names of both and a report of what was dropped.

    Attributes
    ----------
    matrix : csr_array of uint8 ones, shape (n_samples, n_types), column indices sorted within each row.
    ids : object array of str, shape (n_samples,), strictly increasing.
    labels : object array of str, shape (n_types,), unique.
    report : what the annotator counted, as values that JSON can hold.

    Raises ValueError if shapes, order, uniqueness or values do not hold.
    """

    matrix: csr_array
    ids: NDArray[np.object_]
    labels: NDArray[np.object_]
    report: dict[str, Any]

    def __post_init__(self) -> None:
        """Check what every later stage relies on."""
        _check_matrix(self.matrix)
        for name, names, n in (("ids", self.ids, self.n_samples), ("labels", self.labels, self.n_types)):
            if names.shape != (n,) or names.dtype != object:
                raise ValueError(
                    f"{name} must be an object array of shape ({n},), not {names.dtype} of shape {names.shape}"
                )
        unordered = np.flatnonzero(self.ids[1:] <= self.ids[:-1])
        if len(unordered):
            row = int(unordered[0]) + 1
            raise ValueError(f"ids must be strictly increasing, but row {row} is {self.ids[row]!r}")
        if len(set(self.labels)) < self.n_types:
            raise ValueError(f"labels must be unique, but {_first_repeat(self.labels)!r} is repeated")

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.matrix.shape[0])

    @property
    def n_types(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    @property
    def types_per_sample(self) -> NDArray[np.int64]:
        """Types that each sample carries, shape (n_samples,)."""
        return np.diff(self.matrix.indptr).astype(np.int64)

    @property
    def samples_per_type(self) -> NDArray[np.int64]:
        """Samples that carry each type, shape (n_types,)."""
        return np.bincount(self.matrix.indices, minlength=self.n_types).astype(np.int64)

    @property
    def untyped(self) -> NDArray[np.int64]:
        """Rows without any type."""
        return np.flatnonzero(self.types_per_sample == 0)

    def take(self, rows: ArrayLike) -> "TypeMatrix":
        """The type matrix of some samples. Parameters: rows, a boolean per sample, or row numbers in rising order."""
        chosen = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows)
        return replace(self, matrix=csr_array(self.matrix[chosen]), ids=self.ids[chosen])


def build_types(
    ids: Iterable[str],
    rows: ArrayLike,
    columns: ArrayLike,
    labels: Iterable[str],
    *,
    report: Mapping[str, Any],
) -> TypeMatrix:
    """Type matrix from pairs of row and column; samples are sorted by id, repeated pairs count once.

    Parameters: ids, one per row in the order that `rows` refers to; rows and columns, shape (n_pairs,); labels, one
    per column. Raises ValueError if an id or label is repeated or a pair lies outside.

    >>> types = build_types(["b", "a"], [0, 1, 1], [0, 0, 1], ["x", "y"], report={})
    >>> types.ids.tolist(), types.matrix.toarray().tolist()
    (['a', 'b'], [[1, 1], [1, 0]])
    """
    names, kinds = text_array(ids), text_array(labels)
    rows, columns = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
    for axis, places, n in (("row", rows, len(names)), ("column", columns, len(kinds))):
        if places.size and (places.min() < 0 or places.max() >= n):
            raise ValueError(
                f"every {axis} must be in 0..{n - 1}, but one is {places[(places < 0) | (places >= n)][0]}"
            )
    order = np.argsort(names, kind="stable")
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    matrix = csr_array(
        (np.ones(len(rows), dtype=np.uint8), (position[rows], columns)), shape=(len(names), len(kinds)), dtype=np.uint8
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return TypeMatrix(matrix, names[order], kinds, dict(report))


def text_array(texts: Iterable[str]) -> NDArray[np.object_]:
    """One-dimensional object array of str (NumPy's own str type drops trailing null characters)."""
    texts = list(texts)
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def save_types(types: TypeMatrix, path: str | Path) -> None:
    """Write a type matrix with its labels and report to one `.npz` file; same matrix, same bytes."""
    names = {"ids": types.ids.tolist(), "labels": types.labels.tolist(), "report": types.report}
    text = np.frombuffer(json.dumps(names, sort_keys=True, allow_nan=False).encode(), dtype=np.uint8)
    with write_aside(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, indices=types.matrix.indices, indptr=types.matrix.indptr, names=text)


def load_types(path: str | Path) -> TypeMatrix:
    """Type matrix of a file that `save_types` wrote."""
    with np.load(path) as file:
        names = json.loads(file["names"].tobytes())
        indices, indptr = file["indices"], file["indptr"]
    ids, labels = text_array(names["ids"]), text_array(names["labels"])
    data = np.ones(len(indices), dtype=np.uint8)
    matrix = csr_array((data, indices, indptr), shape=(len(ids), len(labels)))
    return TypeMatrix(matrix, ids, labels, names["report"])


def apply_untyped(types: TypeMatrix, *, untyped: Policy, embeddings: NDArray[np.float32] | None = None) -> TypeMatrix:
    """Type matrix in which samples without any type follow one policy; what happened is in `report["untyped"]`.

    Parameters: untyped, `drop` keeps the rows without types, so that selection never draws them; `own` gives each a
    type of its own; `nearest` gives each the types of the most similar typed sample. embeddings, shape (n_samples,
    dim), L2-normalised, rows in the order of `types.ids`, needed for `nearest`.
    Raises ValueError for an unknown policy, and for `nearest` without embeddings or without any typed sample.
    """
    rows = types.untyped
    report = {"policy": untyped, "n": len(rows), "n_samples": types.n_samples}
    if untyped == "drop" or (not len(rows) and untyped in ("own", "nearest")):
        return replace(types, report={**types.report, "untyped": report})
    if untyped == "own":
        return _give_own(types, rows, report)
    if untyped == "nearest":
        return _give_nearest(types, rows, report, embeddings)
    raise ValueError(f"untyped={untyped!r} must be one of 'drop', 'own', 'nearest'")


def _give_own(types: TypeMatrix, rows: NDArray[np.int64], report: dict[str, Any]) -> TypeMatrix:
    """One new type per untyped sample, named after the sample."""
    ones = np.ones(len(rows), dtype=np.uint8)
    own = csr_array((ones, (rows, np.arange(len(rows)))), shape=(types.n_samples, len(rows)))
    matrix = csr_array(hstack([types.matrix, own], format="csr", dtype=np.uint8))
    labels = text_array([*types.labels, *(f"untyped {name}" for name in types.ids[rows])])
    return TypeMatrix(matrix, types.ids, labels, {**types.report, "untyped": report})


def _give_nearest(
    types: TypeMatrix, rows: NDArray[np.int64], report: dict[str, Any], embeddings: NDArray[np.float32] | None
) -> TypeMatrix:
    """The types of the typed sample with the highest cosine; of equals, the one with the smallest id."""
    if embeddings is None:
        raise ValueError(f"untyped='nearest' needs embeddings of the {types.n_samples} samples")
    if len(embeddings) != types.n_samples:
        raise ValueError(f"embeddings must have {types.n_samples} rows, one per sample, not {len(embeddings)}")
    typed = np.flatnonzero(types.types_per_sample)
    if not len(typed):
        raise ValueError(f"untyped='nearest' needs at least one typed sample, but all {types.n_samples} are untyped")
    donors = np.arange(types.n_samples)
    cosines = np.empty(len(rows), dtype=np.float32)
    known = embeddings[typed].T
    n_rows = max(1, BLOCK_BYTES // (known.itemsize * len(typed)))
    for start in range(0, len(rows), n_rows):
        block = rows[start : start + n_rows]
        likeness = embeddings[block] @ known
        best = likeness.argmax(axis=1)
        donors[block] = typed[best]
        cosines[start : start + n_rows] = likeness[np.arange(len(block)), best]
    report["mean_cosine"] = round(float(cosines.mean()), 4)
    matrix = csr_array(types.matrix[donors])
    matrix.sort_indices()
    return TypeMatrix(matrix, types.ids, types.labels, {**types.report, "untyped": report})


def _check_matrix(matrix: csr_array) -> None:
    """Refuse anything but a CSR matrix of uint8 ones with sorted, unrepeated column indices."""
    if not isinstance(matrix, csr_array) or matrix.dtype != np.uint8:
        raise ValueError(f"matrix must be a csr_array of uint8, not {type(matrix).__name__} of {matrix.dtype}")
    if len(matrix.data) and (matrix.data != 1).any():
        raise ValueError(f"matrix must hold ones only, but holds {int(matrix.data[matrix.data != 1][0])}")
    indices = matrix.indices
    rising = np.ones(len(indices), dtype=bool)
    rising[1:] = indices[1:] > indices[:-1]
    starts = matrix.indptr[:-1]
    rising[starts[starts < len(indices)]] = True
    if not rising.all():
        row = int(np.searchsorted(matrix.indptr, np.flatnonzero(~rising)[0], side="right")) - 1
        raise ValueError(f"matrix must have sorted, unrepeated column indices, but row {row} has not")


def _first_repeat(names: NDArray[np.object_]) -> str:
    """The smallest name that is there more than once."""
    known, counts = np.unique(names, return_counts=True)
    return str(known[counts > 1][0])
