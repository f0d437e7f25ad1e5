"""Batches of a bounded number of tokens: every text once, longest first, and as many as fit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from macromicro.corpus.batches import token_batches


@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 200), st.integers(0, 20))
def test_batches_hold_every_row_once_and_no_more_tokens_than_they_may(
    lengths: list[int], batch_tokens: int, n_new: int
) -> None:
    batches = list(token_batches(np.array(lengths, dtype=np.int64), batch_tokens, n_new=n_new))
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    found = [lengths[row] for rows in batches for row in rows]
    assert found == sorted(found, reverse=True)
    for place, rows in enumerate(batches):
        longest = lengths[rows[0]] + n_new
        assert len(rows) * longest <= batch_tokens or len(rows) == 1
        if place < len(batches) - 1:
            assert (len(rows) + 1) * longest > batch_tokens


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 200))
def test_batches_hold_every_text_once_within_the_budget(n_tokens, batch_tokens):
    n_tokens = np.array(n_tokens, dtype=np.int64)
    found = list(token_batches(n_tokens, batch_tokens))
    assert sorted(row for rows in found for row in rows) == list(range(len(n_tokens)))
    assert all(len(rows) == 1 or len(rows) * n_tokens[rows].max() <= batch_tokens for rows in found)
