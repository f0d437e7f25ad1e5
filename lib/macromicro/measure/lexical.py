"""How rich the vocabulary of a set of texts is, whatever its length: MTLD and HD-D.

The share of distinct tokens (1-NR) falls as a dataset grows, so that datasets of longer texts look poorer. MTLD and
HD-D ask the same of stretches of a few dozen tokens and average over the dataset, which leaves length out of it.

Both are taken over the dataset, not per text and averaged: HD-D needs 42 tokens and MTLD about 100, which more than
half of all instructions and responses do not have; leaving those out would measure another dataset at every level.
"""

from typing import TYPE_CHECKING

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from macromicro.annotate.tokens import TokenizedTexts

IntArray = NDArray[np.int64]

LEXICAL_METRICS = ("MTLD", "HD-D")
THRESHOLD = 0.72  # share of distinct tokens below which a factor ends: McCarthy and Jarvis 2010
N_DRAWS = 42  # McCarthy and Jarvis 2007


def measure_lexical(tokens: "TokenizedTexts", *, seed: int = 0) -> dict[str, float]:
    """MTLD and HD-D of a dataset, keyed by `LEXICAL_METRICS`; higher is richer, NaN where a value does not exist."""
    return {"MTLD": mtld(tokens, seed=seed), "HD-D": hdd(tokens)}


def mtld(tokens: "TokenizedTexts", *, seed: int = 0, n_orders: int = 10, threshold: float = THRESHOLD) -> float:
    """Mean number of tokens over which the share of distinct ones stays at `threshold` or above; never below 2.

    The texts are read end to end. A factor ends with the first token at which the distinct tokens since it began are
    below `threshold` of all; what is left at the end counts as (1 - share) / (1 - threshold) of a factor. MTLD is
    tokens over factors, the mean of reading forwards and backwards. NaN where there is no part of a factor either,
    since no token repeats.

    A factor (usually 50 to 100 tokens) is longer than most texts, so the value depends on which texts follow each
    other, and an order by source would make a dataset look poorer than it is. It is averaged over `n_orders` random
    orders of the texts, drawn with `seed`; the tokens of a text stay in place.

    Raises ValueError if `threshold` is not between 0 and 1 or there is no order.
    Source: McCarthy and Jarvis 2010, whose example is the first below; they set no least length of a factor.

    >>> from macromicro.annotate.tokens import tokenize
    >>> text = "of the people by the people for the people"
    >>> mtld(tokenize([text], None, unit="word"))  # of the people by the people | for the people: 1 factor, and 1 back
    9.0
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold={threshold} must be between 0 and 1")
    if n_orders < 1:
        raise ValueError(f"n_orders={n_orders} must be at least 1")
    codes = pd.factorize(tokens.tokens)[0].astype(np.int64)
    offsets = np.asarray(tokens.offsets, dtype=np.int64)
    rng = np.random.default_rng(seed)
    total = 0.0
    for _ in range(n_orders):
        order = rng.permutation(len(offsets) - 1)
        for backwards in (False, True):
            n_factors = _count_factors(codes, offsets, order, threshold, backwards)
            total += len(codes) / n_factors if n_factors else float("nan")
    return total / (2 * n_orders)


def hdd(tokens: "TokenizedTexts", *, n_draws: int = N_DRAWS) -> float:
    """Expected share of distinct tokens among `n_draws` tokens drawn at random without replacement; above 0, at most 1.

    Of each distinct token with K of the N occurrences, the hypergeometric probability to be among the draws, summed and
    divided by `n_draws`: exact, with no order of the texts and nothing random. NaN where there are fewer tokens.

    Raises ValueError if `n_draws` is below 1. Source: McCarthy and Jarvis 2007 (HD-D).
    """
    if n_draws < 1:
        raise ValueError(f"n_draws={n_draws} must be at least 1")
    n_tokens = len(tokens.tokens)
    if n_tokens < n_draws:
        return float("nan")
    counts, n_types = np.unique(np.bincount(pd.factorize(tokens.tokens)[0]), return_counts=True)
    left = n_tokens - np.arange(n_draws)  # tokens still to be drawn from, at each draw
    with np.errstate(divide="ignore"):
        log_missed = np.log1p(-np.minimum(counts[:, None] / left, 1)).sum(axis=1)
    return float(-(n_types * np.expm1(log_missed)).sum() / n_draws)


@numba.njit(cache=True)
def _count_factors(codes: IntArray, offsets: IntArray, order: IntArray, threshold: float, backwards: bool) -> float:
    """Factors of the texts read in `order`, the last one in part; backwards, from the last token to the first."""
    seen_in = np.zeros(codes.max() + 1 if len(codes) else 0, dtype=np.int64)
    n_factors = n_tokens = n_distinct = 0
    for place in range(len(order)):
        text = order[len(order) - 1 - place] if backwards else order[place]
        start, stop = offsets[text], offsets[text + 1]
        for i in range(stop - start):
            code = codes[stop - 1 - i] if backwards else codes[start + i]
            n_tokens += 1
            if seen_in[code] != n_factors + 1:
                seen_in[code] = n_factors + 1
                n_distinct += 1
            if n_distinct < threshold * n_tokens:
                n_factors += 1
                n_tokens = n_distinct = 0
    if not n_tokens:
        return float(n_factors)
    return n_factors + (1 - n_distinct / n_tokens) / (1 - threshold)
