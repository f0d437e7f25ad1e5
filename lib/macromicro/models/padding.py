"""Rows of tokens padded to one length."""

import torch


def pad_rows(tokens: list[list[int]], filler: int, *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of equal length, and the mask that is 1 where a row had a token; both of shape (n_rows, longest)."""
    side = "left" if left else "right"
    rows = [torch.tensor(row) for row in tokens]
    pad = torch.nn.utils.rnn.pad_sequence
    ones = [torch.ones_like(row) for row in rows]
    return pad(rows, True, filler, padding_side=side), pad(ones, True, 0, padding_side=side)
