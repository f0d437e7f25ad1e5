"""What sizes and chance do to a metric: smaller draws of a dataset, and random halves of two."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def draw_smaller(rows: Rows, rng: Generator) -> dict[int, Rows]:
    """Rows of a quarter and of a half of a dataset, by their number, the quarter drawn from the half; sorted.

    Draws of fewer than two rows are left out, since metrics compare texts.
    """
    shuffled = rng.permutation(rows)
    return {n: np.sort(shuffled[:n]) for n in (len(rows) // 4, len(rows) // 2) if n >= 2}


def draw_halves(one: Rows, two: Rows, rng: Generator) -> tuple[Rows, Rows]:
    """Rows of two datasets mixed and dealt out again, as many to each as before; sorted.

    The two differ by chance alone, so that their difference is what a metric gives where there is nothing to find.
    """
    mixed = rng.permutation(np.concatenate([one, two]))
    return np.sort(mixed[: len(one)]), np.sort(mixed[len(one) :])
