"""Other ways to choose N samples of a corpus, to hold against type-aware sampling.

Each returns sorted row indices of `size` samples, as `select.sample_evenly` does; `choose_rows` takes them by name.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from macromicro.annotate.types import TypeMatrix
from macromicro.select.peel import cover_greedily
from macromicro.select.select import draw_baseline

Rival = Literal["random", "longest", "k-center", "facility-location", "max-coverage"]
Rows = NDArray[np.int64]
BLOCK_BYTES = 64 << 20


def choose_rows(
    method: Rival,
    n_samples: int,
    *,
    size: int,
    rng: Generator,
    lengths: Callable[[], ArrayLike],
    vectors: Callable[[], ArrayLike],
    types: TypeMatrix | None = None,
) -> Rows:
    """Row indices of `size` of `n_samples` samples, sorted, chosen by the method of this name.

    Parameters: lengths, gives what `longest` goes by, shape (n_samples,); vectors, gives the embeddings that `k-center`
    and `facility-location` go by, shape (n_samples, dim), L2-normalised; both are called only if needed, and after
    `size` is known to be possible. types, what `max-coverage` covers.
    Raises ValueError if the method is unknown or lacks types, or there are fewer than `size` samples.
    """
    if method not in get_args(Rival):
        raise ValueError(f"method={method!r} must be one of {', '.join(get_args(Rival))}")
    _check_size(size, n_samples)
    if method == "random":
        return draw_baseline(n_samples, size, rng)
    if method == "longest":
        return take_longest(lengths(), size)
    if method == "k-center":
        return spread_out(vectors(), size, rng)
    if method == "facility-location":
        return locate_facilities(vectors(), size, rng)
    if types is None:
        raise ValueError(f"method {method!r} needs types: give a granularity")
    return cover_most(types, size, rng)


def take_longest(lengths: ArrayLike, size: int) -> Rows:
    """The samples with the largest `lengths`, shape (n_samples,); of equals, those with the smallest rows.

    Raises ValueError if there are fewer than `size` samples. Source: Zhao et al. 2024, arXiv 2402.04833.
    """
    lengths = np.asarray(lengths)
    _check_size(size, len(lengths))
    return np.sort(np.argsort(-lengths, kind="stable")[:size])


def cover_most(types: TypeMatrix, size: int, rng: Generator) -> Rows:
    """Samples taken greedily, each the one that adds most types to those before it (max coverage).

    Exact lazy greedy, within 1 - 1/e of the most types that `size` samples can cover; ties are random, and so are the
    samples taken once all types are covered.
    Raises ValueError if there are fewer than `size` samples. Source: Nemhauser et al. 1978; Minoux 1978.
    """
    _check_size(size, types.n_samples)
    order = rng.permutation(types.n_samples)
    return np.sort(cover_greedily(types.matrix.indptr, types.matrix.indices, types.n_types, order, size))


def spread_out(embeddings: ArrayLike, size: int, rng: Generator) -> Rows:
    """Samples taken greedily, each the one least similar to its most similar one before it (k-center).

    The first is random. Taken in this order, every sample passes the Repr Filter of DEITA at the largest threshold that
    still lets `size` samples pass, without a quality score.

    Parameters: embeddings, shape (n_samples, dim), L2-normalised. Takes O(size n_samples dim).
    Raises ValueError if there are fewer than `size` samples. Source: Gonzalez 1985; Liu et al. 2024, arXiv 2312.15685.
    """
    embeddings = np.asarray(embeddings)
    _check_size(size, len(embeddings))
    chosen = np.empty(size, dtype=np.int64)
    chosen[0] = rng.integers(len(embeddings))
    nearest = np.full(len(embeddings), -np.inf, dtype=embeddings.dtype)
    for n_chosen in tqdm(range(1, size), desc="k-center", unit="sample"):
        last = chosen[n_chosen - 1]
        np.maximum(nearest, embeddings @ embeddings[last], out=nearest)
        nearest[last] = np.inf
        chosen[n_chosen] = nearest.argmin()
    return np.sort(chosen)


def locate_facilities(embeddings: ArrayLike, size: int, rng: Generator, *, epsilon: float = 0.1) -> Rows:
    """Samples that represent all others: greedy on the sum over samples of the cosine to the most similar one taken.

    Each step tries n_samples / size * ln(1 / epsilon) random samples of those left and takes the best (stochastic
    greedy): within 1 - 1/e - epsilon of the optimum on average, in O(n_samples^2 dim ln(1 / epsilon)) for any size.
    Similarities are formed in blocks of bounded memory, never as one matrix; negative cosines count as 0.

    Parameters: embeddings, shape (n_samples, dim), L2-normalised.
    Raises ValueError if there are fewer than `size` samples or epsilon is not between 0 and 1.
    Source: Mirzasoleiman et al. 2015, arXiv 1409.7938.
    """
    embeddings = np.asarray(embeddings)
    n_samples = len(embeddings)
    _check_size(size, n_samples)
    if not 0 < epsilon < 1:
        raise ValueError(f"epsilon={epsilon} must be above 0 and below 1")
    n_tried = int(np.ceil(n_samples / size * np.log(1 / epsilon)))
    left = np.arange(n_samples)
    nearest = np.zeros(n_samples, dtype=embeddings.dtype)
    chosen = np.empty(size, dtype=np.int64)
    for n_chosen in tqdm(range(size), desc="facility location", unit="sample"):
        tried = rng.choice(len(left), min(n_tried, len(left)), replace=False)
        best = tried[_gains(embeddings, left[tried], nearest).argmax()]
        chosen[n_chosen] = left[best]
        np.maximum(nearest, embeddings @ embeddings[left[best]], out=nearest)
        left = np.delete(left, best)
    return np.sort(chosen)


def _gains(embeddings: NDArray[np.floating], tried: Rows, nearest: NDArray[np.floating]) -> NDArray[np.float64]:
    """What each of `tried` adds to the sum of similarities, shape (n_tried,)."""
    gains = np.zeros(len(tried))
    candidates = embeddings[tried]
    n_rows = max(1, BLOCK_BYTES // (embeddings.itemsize * len(tried)))
    for start in range(0, len(embeddings), n_rows):
        block = slice(start, start + n_rows)
        likeness = candidates @ embeddings[block].T
        likeness -= nearest[block]
        gains += np.maximum(likeness, 0, out=likeness).sum(axis=1, dtype=np.float64)
    return gains


def _check_size(size: int, n_samples: int) -> None:
    if not 1 <= size <= n_samples:
        raise ValueError(f"size={size} must be between 1 and the {n_samples} samples of the corpus")
