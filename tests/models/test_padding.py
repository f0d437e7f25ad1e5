import torch
from hypothesis import given
from hypothesis import strategies as st
from macromicro.models.padding import fill_batches, pad_rows


@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 200), st.integers(0, 20))
def test_batches_hold_every_row_once_and_no_more_tokens_than_they_may(
    lengths: list[int], batch_tokens: int, n_new: int
) -> None:
    batches = fill_batches([[0] * length for length in lengths], batch_tokens, n_new=n_new)
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    found = [lengths[row] for rows in batches for row in rows]
    assert found == sorted(found, reverse=True)
    for place, rows in enumerate(batches):
        longest = lengths[rows[0]] + n_new
        assert len(rows) * longest <= batch_tokens or len(rows) == 1
        if place < len(batches) - 1:
            assert (len(rows) + 1) * longest > batch_tokens


def test_padding_is_on_the_side_that_is_asked_for() -> None:
    padded, mask = pad_rows([[5, 6], [7]], 0, left=True)
    assert torch.equal(padded, torch.tensor([[5, 6], [0, 7]]))
    assert torch.equal(mask, torch.tensor([[1, 1], [0, 1]]))
    assert pad_rows([[5, 6], [7]], -1, left=False)[0].tolist() == [[5, 6], [7, -1]]
