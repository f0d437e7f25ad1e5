"""Intervals of a dataset metric: how much it would vary had other texts been drawn."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def bootstrap_intervals(
    measure_rows: Callable[[IntArray], Mapping[str, float]],
    n_texts: int,
    *,
    seed: int,
    confidence: float = 0.95,
    n_groups: int = 50,
    n_bootstrap: int = 2000,
) -> pd.DataFrame:
    """Table of metrics with an interval each: metric, value, low, high.

    A plain bootstrap would hold texts twice, and copies are just what diversity metrics count (a copied text has
    self-BLEU 1). So the texts are split into `n_groups` random groups, every group is left out once, and what is
    resampled `n_bootstrap` times are the jackknife pseudo-values of the groups. Where few texts decide a metric,
    such as one very long one, an interval is wide and may pass the metric's own bounds.

    Parameters: measure_rows, the metrics of some rows of the dataset by name, for instance
    `lambda rows: {"Vendi": vendi_score(embeddings[rows])}`; it is called `n_groups` + 1 times.
    Raises ValueError if there are fewer than three texts or groups, or confidence is not between 0 and 1. A metric that
    is missing (NaN) for all texts or without some group has a missing interval.
    Source: Tukey's pseudo-values (Efron and Tibshirani 1993, chapter 11).
    """
    if n_texts < 3 or n_groups < 3:
        raise ValueError(f"an interval leaves texts out: n_texts={n_texts} and n_groups={n_groups} must be at least 3")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must be between 0 and 1")
    rng = np.random.default_rng(seed)
    n_groups = min(n_groups, n_texts)
    group = rng.permutation(np.arange(n_texts) % n_groups)
    value = pd.Series(measure_rows(np.arange(n_texts)), dtype=float)
    without = pd.DataFrame([measure_rows(np.flatnonzero(group != left_out)) for left_out in range(n_groups)])
    pseudo = n_groups * value.to_numpy() - (n_groups - 1) * without[value.index].to_numpy(dtype=float)
    shares = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_bootstrap) / n_groups
    spread = shares @ (pseudo - pseudo.mean(axis=0))
    low, high = np.quantile(spread, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    whole = value.to_numpy()
    return pd.DataFrame({"metric": value.index, "value": whole, "low": whole + low, "high": whole + high})
