import torch
from macromicro.models.padding import pad_rows


def test_padding_is_on_the_side_that_is_asked_for() -> None:
    padded, mask = pad_rows([[5, 6], [7]], 0, left=True)
    assert torch.equal(padded, torch.tensor([[5, 6], [0, 7]]))
    assert torch.equal(mask, torch.tensor([[1, 1], [0, 1]]))
    assert pad_rows([[5, 6], [7]], -1, left=False)[0].tolist() == [[5, 6], [7, -1]]
