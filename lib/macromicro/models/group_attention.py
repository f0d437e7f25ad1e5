"""Attention of a model that answers: what transformers computes, without what it computes in vain.

transformers masks the padding of prompts, and computes it; and where several heads of the query share one of key and
value, as in SmolLM2 and Llama 3, it copies keys and values for every one of them, at each token that is written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

BY_GROUP = "by_group"
"""Name under which transformers finds `attend_by_group`."""


@contextmanager
def attending_by_group(model: Any) -> Iterator[None]:
    """The model as it answers fastest: with `attend_by_group` where it is a Llama, else with its own attention.

    Before the last tokens of prompts are scored they are laid side by side: else bfloat16 scores are computed on
    processors with a copy of the vocabulary's weights for each prompt.
    """
    config, own = model.config.get_text_config(), model.config._attn_implementation
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _, states: (states[0].contiguous(),))
    if config.model_type == "llama":
        model.set_attn_implementation(BY_GROUP)
    try:
        yield
    finally:
        model.set_attn_implementation(own)
        hook.remove()


def attend_by_group(
    module: Any, query: Any, key: Any, value: Any, mask: torch.Tensor | None, *, scaling: float, **_: Any
) -> tuple[torch.Tensor, None]:
    """Attention of prompts of different lengths, which end together, and then of one new token of each row at a time.

    A prompt is read without its padding. Of a new token the heads that share a key and a value stand where else tokens
    do, under the one mask.
    Parameters: query, shape (n_rows, n_heads, n_new, head_size); key and value, shape (n_rows, n_groups, n_tokens,
    head_size), with n_new tokens or, if n_new is 1, any number; mask, shape (n_rows, 1, n_new, n_tokens), True for what
    is seen, or None for all.
    """
    attend = torch.nn.functional.scaled_dot_product_attention
    n_rows, n_heads, n_new, size = query.shape
    if n_new == 1:
        grouped = query.reshape(n_rows, key.shape[1], -1, size)
        seen = None if mask is None else mask.expand(-1, -1, grouped.shape[2], -1)
        found = attend(grouped, key, value, attn_mask=seen, scale=scaling)
        return found.reshape(n_rows, 1, n_heads, size), None
    n_padding = [0] * n_rows if mask is None else (~mask[:, 0, -1]).sum(dim=1).tolist()
    whole = query.new_zeros(n_rows, n_new, n_heads, size)
    for row, start in enumerate(n_padding):
        q, k, v = (states[row : row + 1, :, start:] for states in (query, key, value))
        whole[row, start:] = attend(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)[0].transpose(0, 1)
    return whole, None


AttentionInterface.register(BY_GROUP, attend_by_group)
AttentionMaskInterface.register(BY_GROUP, sdpa_mask)
