"""Attention among texts that lie end to end in one row, each of which sees itself alone.

transformers keeps such texts apart by a mask over the whole row, most of which is masked, and computes all of it. Text
by text it is the same attention without the rest.
"""

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface

WITHIN_TEXTS = "within_texts"
"""Name under which transformers finds `attend_within_texts`."""


def attend_text_by_text(model: Any) -> bool:
    """Let a model attend to one text at a time where it can, and whether it does.

    Llamas do. Others have windows, caps or sinks, and keep the attention of transformers, which knows texts apart by
    their positions.
    """
    config = model.config.get_text_config()
    if config.model_type != "llama" or config.attention_dropout:
        return False
    model.set_attn_implementation(WITHIN_TEXTS)
    return True


def lengths_for(model: Any, positions: torch.Tensor) -> dict[str, list[int]]:
    """What such a model has to be told besides tokens and positions, shape (1, n_tokens): the lengths of the texts."""
    if model.config._attn_implementation != WITHIN_TEXTS:
        return {}
    starts = torch.nonzero(positions[0] == 0)[:, 0]
    return {"text_lengths": torch.diff(starts, append=torch.tensor([positions.shape[1]])).tolist()}


def attend_within_texts(
    module: Any, query: Any, key: Any, value: Any, mask: None, *, scaling: float, text_lengths: list[int], **_: Any
) -> tuple[torch.Tensor, None]:
    """Causal attention of each text of a row to itself, with the signature that transformers asks for.

    Parameters: query, key and value, shape (1, n_heads, n_tokens, head_size), of which key and value may have fewer
    heads that serve several of the query's; text_lengths, tokens of each text.
    """
    attend = torch.nn.functional.scaled_dot_product_attention
    grouped = query.shape[1] != key.shape[1]
    texts = zip(*(states.split(text_lengths, dim=2) for states in (query, key, value)), strict=True)
    found = [attend(q, k, v, is_causal=True, scale=scaling, enable_gqa=grouped) for q, k, v in texts]
    return torch.cat(found, dim=2).transpose(1, 2), None


AttentionInterface.register(WITHIN_TEXTS, attend_within_texts)
AttentionMaskInterface.register(WITHIN_TEXTS, lambda *_, **__: None)
