"""Rows of tokens in batches of a bounded number of tokens, padded to one length."""

import torch


def fill_batches(tokens: list[list[int]], batch_tokens: int, *, n_new: int = 0) -> list[list[int]]:
    """Row numbers in batches of similar length, longest first (so that too little memory shows at once).

    The rows of a batch, padded to the longest and continued by `n_new` tokens, hold at most `batch_tokens`; a row that
    is longer by itself makes a batch of its own.
    """
    order = sorted(range(len(tokens)), key=lambda row: (-len(tokens[row]), row))
    found = []
    while order:
        size = max(1, batch_tokens // (len(tokens[order[0]]) + n_new))
        found.append(order[:size])
        order = order[size:]
    return found


def pad_rows(tokens: list[list[int]], filler: int, *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of equal length, and the mask that is 1 where a row had a token; both of shape (n_rows, longest)."""
    side = "left" if left else "right"
    rows = [torch.tensor(row) for row in tokens]
    pad = torch.nn.utils.rnn.pad_sequence
    ones = [torch.ones_like(row) for row in rows]
    return pad(rows, True, filler, padding_side=side), pad(ones, True, 0, padding_side=side)
