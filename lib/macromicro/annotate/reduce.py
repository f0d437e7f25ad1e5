"""Sentence embeddings in fewer dimensions, for clusters and for maps: PCA or UMAP, the same for the same seed."""

import warnings
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from macromicro.study.files import write_aside

Reducer = Literal["pca", "umap"]
UMAP_EPOCHS = 200  # what UMAP takes for 10,000 points and more; half the time of its 500 for fewer, for equal topics
MAX_EXACT = 20_000  # up to here all cosines take less time than compiling the search that UMAP would do
BLOCK = 1024
LIBRARIES = ("umap-learn", "pynndescent", "numba", "numpy", "scipy", "scikit-learn")
"""What coordinates of UMAP depend on."""


def reduce(
    embeddings: NDArray[np.float32],
    *,
    seed: int,
    reducer: Reducer,
    n_components: int,
    n_neighbors: int,
    cache: Path | None = None,
) -> NDArray[np.float32]:
    """Embeddings with fewer dimensions: at most `n_components`, fewer where there are too few samples.

    Parameters: embeddings, shape (n_samples, n_dimensions), L2-normalised; reducer, `pca` (exact, n_neighbors is not
    used) or `umap` (cosine, `n_neighbors` neighbours, seeded; the neighbours are exact up to `MAX_EXACT` samples);
    cache, folder in which what UMAP found is kept, by embeddings, settings and versions of the libraries.
    """
    n_samples, n_dimensions = embeddings.shape
    kept = min(n_components, n_samples, n_dimensions)
    if n_samples < 2 or not np.ptp(embeddings, axis=0).any():
        return np.zeros((n_samples, kept), dtype=np.float32)
    if reducer == "umap" and enough_for_umap(n_samples, n_components):
        neighbours = min(n_neighbors, n_samples - 1)
        how = {"n_components": n_components, "n_neighbors": neighbours, "random_state": seed, "n_epochs": UMAP_EPOCHS}
        return _reduce_by_umap(embeddings, how) if cache is None else _keep_umap(embeddings, how, cache / "umap")
    from sklearn.decomposition import PCA

    model = PCA(kept, svd_solver="covariance_eigh") if n_samples > n_dimensions else PCA(kept, svd_solver="full")
    return np.asarray(model.fit_transform(embeddings.astype(np.float64)), dtype=np.float32)


def enough_for_umap(n_samples: int, n_components: int) -> bool:
    """Whether UMAP can find so many dimensions in so few samples."""
    return n_samples > max(n_components + 1, 3)


def find_neighbours(embeddings: NDArray[np.float32], n_neighbors: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Rows and cosine distances of the nearest neighbours of each row, nearest first, itself as the first of them.

    Both have the shape (n_samples, n_neighbors). Parameters: embeddings, L2-normalised. On one thread, so that sums
    add up in the same order on every machine of one kind; memory for one block of rows.
    """
    n_samples = len(embeddings)
    rows = np.empty((n_samples, n_neighbors), dtype=np.int32)
    distances = np.empty((n_samples, n_neighbors), dtype=np.float32)
    with threadpool_limits(1):
        for start in range(0, n_samples, BLOCK):
            block = np.maximum(1 - embeddings[start : start + BLOCK] @ embeddings.T, 0)
            own = np.arange(len(block))
            block[own, start + own] = -1
            near = np.sort(np.argpartition(block, n_neighbors - 1, axis=1)[:, :n_neighbors], axis=1)
            found = np.take_along_axis(block, near, axis=1)
            order = np.argsort(found, axis=1, kind="stable")
            rows[start : start + BLOCK] = np.take_along_axis(near, order, axis=1)
            distances[start : start + BLOCK] = np.take_along_axis(found, order, axis=1)
    distances[:, 0] = 0
    return rows, distances


def _keep_umap(embeddings: NDArray[np.float32], how: dict[str, Any], folder: Path) -> NDArray[np.float32]:
    """Coordinates of UMAP out of a folder, computed where it has none of the same embeddings, settings and versions."""
    made_of = (how, len(embeddings) <= MAX_EXACT, embeddings.shape, [version(name) for name in LIBRARIES])
    mark = blake2b(repr(made_of).encode(), digest_size=12)
    mark.update(np.ascontiguousarray(embeddings).data)
    file = folder / f"{mark.hexdigest()}.npy"
    if not file.is_file():
        points = _reduce_by_umap(embeddings, how)
        with write_aside(file) as aside, aside.open("wb") as opened:
            np.save(opened, points)
    return np.load(file)


def _reduce_by_umap(embeddings: NDArray[np.float32], how: dict[str, Any]) -> NDArray[np.float32]:
    """Coordinates of UMAP, shape (n_samples, n_components)."""
    from umap import UMAP

    exact = find_neighbours(embeddings, how["n_neighbors"]) if len(embeddings) <= MAX_EXACT else (None, None)
    model = UMAP(min_dist=0.0, metric="cosine", n_jobs=1, precomputed_knn=(*exact, None), **how)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="precomputed_knn")  # new data cannot be transformed; there is none
        return np.asarray(model.fit_transform(embeddings), dtype=np.float32)
