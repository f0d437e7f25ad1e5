"""Small type matrices for the tests of selection, and the order of types by its words."""

import numpy as np
from hypothesis import strategies as st
from macromicro.annotate.types import build_types
from numpy.random import default_rng


def make(rows, n_types=None):
    """Type matrix of samples given as lists of column numbers; ids and labels are in order."""
    n_types = n_types or 1 + max((column for row in rows for column in row), default=0)
    pairs = [(row, column) for row, columns in enumerate(rows) for column in sorted(set(columns))]
    ids = [f"s{row:04d}" for row in range(len(rows))]
    labels = [f"t{column:04d}" for column in range(n_types)]
    return build_types(ids, [row for row, _ in pairs], [column for _, column in pairs], labels, report={})


def slow_order(types, rng):
    """Rank of every type: a random order of the sorted labels."""
    by_label = sorted(range(types.n_types), key=lambda column: types.labels[column])
    return [by_label[place] for place in rng.permutation(types.n_types)]


def token_like(n_samples=600, n_types=150, seed=0, untyped=5):
    """Samples with Zipf-like types, as mid-band tokens have."""
    rng = default_rng(seed)
    weights = 1 / np.arange(5, n_types + 5)
    rows = [
        rng.choice(n_types, rng.integers(1, 9), replace=False, p=weights / weights.sum()).tolist()
        for _ in range(n_samples - untyped)
    ]
    return make([*rows, *[[] for _ in range(untyped)]], n_types)


matrices = st.integers(1, 12).flatmap(
    lambda n_types: st.lists(st.sets(st.integers(0, n_types - 1), max_size=5), min_size=1, max_size=25).map(
        lambda rows: make([sorted(row) for row in rows], n_types)
    )
)
