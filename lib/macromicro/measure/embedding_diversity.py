"""How diverse texts are as points: Vendi score and NovelSum, exact, in blocks of bounded memory.

Both take embeddings, one row per text, scaled to unit length first, so that only directions count.
"""

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from macromicro.measure.metrics import normalise

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

SAME = 1e-6  # cosine distance below which two embeddings are the same text, just above float32 rounding
BLOCK_BYTES = 8 << 20
VENDI_ROWS = 1024
DENSITY_POWER = 0.5


def vendi_score(embeddings: ArrayLike, *, q: float = 1.0) -> float:
    """Effective number of different texts, between 1 and n_texts: the Hill number of order `q` of the spectrum.

    The eigenvalues of the n x n matrix of cosines over n are those of the dim x dim matrix X'X/n, which costs
    n dim^2 instead of n^3, in blocks of rows. Order 1 is the exponential of Shannon's entropy; small orders count rare
    directions more, `q=numpy.inf` only the strongest one. All is computed in float64: rounding in float32 adds weak
    directions that are not there, and an order of 0.1 would count them.

    Raises ValueError if `q` is negative, or a row is zero or not finite.
    Source: Friedman and Dieng 2023; of order q: Pasarkar and Dieng 2024.

    >>> round(vendi_score([[1, 0], [0, 1], [0, 2]], q=2), 6)  # shares 1/3 and 2/3: 1 / (1/9 + 4/9)
    1.8
    """
    if not q >= 0:
        raise ValueError(f"q={q} must be at least 0")
    rows = np.asarray(embeddings)
    n_texts, dim = rows.shape
    if n_texts < dim:
        units = normalise(rows)
        products = units @ units.T
    else:
        products = np.zeros((dim, dim))
        for start in range(0, n_texts, VENDI_ROWS):
            units = normalise(rows[start : start + VENDI_ROWS], first_row=start)
            products += units.T @ units
    shares = np.linalg.eigvalsh(products) / n_texts
    shares = shares[shares > n_texts * np.finfo(float).eps]
    shares /= shares.sum()
    if q == 1:
        return float(np.exp(-(shares * np.log(shares)).sum()))
    if np.isinf(q):
        return float(1 / shares.max())
    return float(np.exp(logsumexp(q * np.log(shares)) / (1 - q)))


def novelsum(
    embeddings: ArrayLike,
    reference: ArrayLike,
    *,
    proximity_power: float = 1.0,
    density_power: float = DENSITY_POWER,
    n_neighbors: int = 10,
) -> float:
    """Mean novelty of the texts: distance to all others, near ones weighing more, those in dense regions too.

    The novelty of text i is the average over the other texts j of density(j)**density_power times the cosine distance
    of i and j, with weights rank**-proximity_power, where rank is 1 for the text nearest to i, 2 for the next.
    density(j) is 1 over the mean cosine distance of j to its `n_neighbors` nearest texts of `reference`, the sample of
    the world in which density is measured (shape (n_reference, dim); usually the whole corpus).

    A text is never its own neighbour: neither in the ranks nor in `reference`, where rows equal to it (cosine distance
    under 1e-6) are passed over; other equal rows of `reference` count once. The published code differs: it leaves
    every text at rank 1 of itself, weighs by the density of i, passes over the nearest row even of a reference that
    does not hold the text, and measures density by squared Euclidean distances of embeddings as they come, not scaled
    to unit length, plus 1e-9. Averages stand in for its sums, as there, so that sizes can be compared.

    Raises ValueError if there are fewer than two texts or too few reference rows, or a row is zero or not finite.
    Source: arXiv 2502.17184, section 3, with the powers and neighbours that its authors select with; the formula as
    equation 1 of arXiv 2602.19000 repeats it.
    """
    factors = np.ones(len(np.asarray(embeddings)))
    if density_power:
        factors = local_density(embeddings, reference, n_neighbors=n_neighbors) ** density_power
    return mean_novelty(embeddings, factors, proximity_power=proximity_power)


def mean_novelty(embeddings: ArrayLike, factors: ArrayLike, *, proximity_power: float = 1.0) -> float:
    """NovelSum where the factor of every text is known, for instance `local_density(...)**0.5` of a larger dataset.

    Parameters: factors, shape (n_texts,), what the distances to each text are multiplied by; the others as `novelsum`.
    Raises ValueError if there are fewer than two texts, or a row is zero or not finite.
    """
    points, factors = normalise(embeddings).astype(np.float32), np.asarray(factors, dtype=np.float64)
    if len(points) < 2:
        raise ValueError(f"novelty is relative to the other texts, but n_texts={len(points)}; give at least 2")
    weights = np.arange(1, len(points), dtype=np.float64) ** -proximity_power
    weights /= weights.sum()
    total = 0.0
    n_rows = _block_rows(len(points))
    for start in range(0, len(points), n_rows):
        distances = _distances(points[start : start + n_rows], points)
        rows = np.arange(len(distances))
        distances[rows, start + rows] = np.inf
        total += _weighted_sum(_sort_with_places(distances), distances, factors, weights)
    return total / len(points)


def local_density(embeddings: ArrayLike, reference: ArrayLike, *, n_neighbors: int = 10) -> FloatArray:
    """1 over the mean cosine distance of each row to its nearest rows of `reference`, shape (n_texts,).

    Equal rows of `reference` count once, and a row equal to the text itself not at all.
    Raises ValueError if some text has fewer than `n_neighbors` others in `reference`.
    """
    points = normalise(embeddings).astype(np.float32)
    world = _distinct_rows(normalise(reference).astype(np.float32))
    if len(world) < n_neighbors:
        raise ValueError(f"n_neighbors={n_neighbors} must be at most the {len(world)} distinct rows of reference")
    mean = np.empty(len(points))
    n_rows = _block_rows(len(world))
    for start in range(0, len(points), n_rows):
        block = slice(start, start + n_rows)
        distances = _distances(points[block], world)
        distances[distances < SAME] = np.inf
        mean[block] = np.partition(distances, n_neighbors - 1, axis=1)[:, :n_neighbors].mean(axis=1, dtype=np.float64)
    if not np.isfinite(mean).all():
        row = int(np.flatnonzero(~np.isfinite(mean))[0])
        raise ValueError(f"n_neighbors={n_neighbors}: text {row} has fewer rows of reference other than itself")
    return 1 / mean


def _block_rows(n_columns: int) -> int:
    """Rows of a block of float32 distances that fits `BLOCK_BYTES`."""
    return max(1, BLOCK_BYTES // (4 * n_columns))


def _distances(rows: Float32Array, columns: Float32Array) -> Float32Array:
    """Cosine distances of unit vectors, never below 0."""
    cosines = rows @ columns.T
    return np.maximum(np.subtract(1, cosines, out=cosines), 0, out=cosines)


def _distinct_rows(rows: Float32Array) -> Float32Array:
    """Each different row once."""
    keys = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    return rows[np.unique(keys, return_index=True)[1]]


def _sort_with_places(distances: Float32Array) -> NDArray[np.uint64]:
    """Every row ascending, each entry holding the bits of the distance above those of its column number.

    A float that is not negative sorts as its bits do, so distance and column are sorted as one integer, which is
    several times faster than an argsort; equal distances come in order of columns.
    """
    keys = distances.view(np.uint32).astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= np.arange(distances.shape[1], dtype=np.uint64)
    keys.sort(axis=1)
    return keys


@numba.njit(cache=True)
def _weighted_sum(places: NDArray[np.uint64], distances: Float32Array, factors: FloatArray, ranks: FloatArray) -> float:
    """Sum over all rows and ranks of weight of the rank, distance and factor of the column found there."""
    total = 0.0
    for row in range(places.shape[0]):
        for rank in range(len(ranks)):
            column = places[row, rank] & 0xFFFFFFFF
            total += ranks[rank] * factors[column] * distances[row, column]
    return total
