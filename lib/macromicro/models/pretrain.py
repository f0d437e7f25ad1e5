"""Train a language model from nothing on texts that are already tokens.

Texts are laid end to end and cut into blocks of the context length, so that no token is padding. Positions restart with
every text, and each text attends to itself alone.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.models.attention import WITHIN_TEXTS
from macromicro.models.chat import IGNORED
from macromicro.models.muon import Muon
from macromicro.models.optimise import rate_shares, update
from macromicro.study.compute import use_bf16

VALIDATION_SHARE = 0.02
MAX_VALIDATION_TEXTS = 400
N_VALIDATIONS = 6
WARMUP_SHARE = 0.05
FINAL_SHARE = 0.02
WEIGHT_DECAY = 0.1
ADAM_SHARE = 0.2
"""Learning rate of embedding and norms, as a share of that of the matrices."""
CHUNKS = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=256)

IntArray = NDArray[np.int64]


def pretrain(
    model: Any,
    texts: list[list[int]],
    *,
    rng: Generator,
    context_length: int,
    n_tokens: int,
    batch_tokens: int,
    learning_rate: float,
) -> pd.DataFrame:
    """Train `model` in place and return the loss table.

    Parameters: texts, token numbers of each; they are read once per epoch in a new order until `n_tokens` are seen.
    batch_tokens, tokens per step. learning_rate, of the matrices, by Muon; embedding and norms take a fifth of it, by
    AdamW. It warms up and falls as a cosine. Weights in float32, computed in bfloat16 where the device has it.
    Returns: one row per step: step, tokens, loss and validation_loss (nats per token; the latter measured on a few
    texts set aside and NaN at most steps), learning_rate.
    Raises ValueError if there are fewer than two texts or n_tokens does not fill one step.
    """
    if len(texts) < 2:
        raise ValueError(f"training needs at least 2 texts, one of them to validate on, but there are {len(texts)}")
    if not context_length <= batch_tokens <= n_tokens:
        raise ValueError(f"{n_tokens=} must be at least {batch_tokens=}, and that at least {context_length=}")
    flat, offsets = _flatten(texts)
    rows = rng.permutation(len(texts))
    n_validation = min(int(np.ceil(VALIDATION_SHARE * len(texts))), MAX_VALIDATION_TEXTS)
    validation = cut_into_blocks(flat, offsets, rows[:n_validation], context_length)
    order = _epochs(rows[n_validation:], np.diff(offsets), n_tokens, rng)
    training = cut_into_blocks(flat, offsets, order, context_length)[:, : n_tokens // context_length]
    usual = model.config._attn_implementation
    model.set_attn_implementation(WITHIN_TEXTS)
    try:
        return _descend(model, training, validation, batch_tokens // context_length, learning_rate)
    finally:
        model.set_attn_implementation(usual)


def _flatten(tokens: list[list[int]]) -> tuple[IntArray, IntArray]:
    """All tokens end to end, and the offsets at which texts begin and end."""
    offsets = np.cumsum([0, *map(len, tokens)], dtype=np.int64)
    return np.concatenate([np.array(text, dtype=np.int64) for text in tokens]), offsets


def _epochs(rows: IntArray, lengths: IntArray, n_tokens: int, rng: Generator) -> IntArray:
    """The rows in a new random order per epoch, as often as it takes to hold `n_tokens`."""
    n_epochs = -(-n_tokens // int(lengths[rows].sum()))
    return np.concatenate([rng.permutation(rows) for _ in range(n_epochs)])


def cut_into_blocks(flat: IntArray, offsets: IntArray, order: IntArray, context_length: int) -> IntArray:
    """Texts in order, end to end, cut into blocks: shape (2, n_blocks, context_length), tokens and positions.

    Positions restart with every text, by which transformers keeps packed texts apart. A text that a cut divides goes
    on in the next block. The last block is filled up with the first texts.
    """
    lengths = np.diff(offsets)[order]
    ends = np.cumsum(lengths)
    starts = np.repeat(ends - lengths, lengths)
    positions = np.arange(ends[-1]) - starts
    tokens = flat[np.repeat(offsets[order], lengths) + positions]
    size = -(-len(tokens) // context_length) * context_length
    return np.stack([np.resize(tokens, size), np.resize(positions, size)]).reshape(2, -1, context_length)


def _descend(
    model: Any, training: IntArray, validation: IntArray, batch_size: int, learning_rate: float
) -> pd.DataFrame:
    """Train `model` in place on blocks of shape (2, n_blocks, context_length); the loss table."""
    n_steps = training.shape[1] // batch_size
    muon, adam = _optimizers(model)
    rates = learning_rate * rate_shares(n_steps, warmup_share=WARMUP_SHARE, final_share=FINAL_SHARE)
    checks = set(np.linspace(0, n_steps - 1, N_VALIDATIONS + 1).round().astype(int).tolist())
    rows = []
    model.train()
    for step in tqdm(range(n_steps), desc="base model", unit="step"):
        loss = _loss(model, training[:, step * batch_size : (step + 1) * batch_size])
        loss.backward()
        update({muon: rates[step], adam: rates[step] * ADAM_SHARE})
        checked = _validation_loss(model, validation, batch_size) if step in checks else np.nan
        n_seen = (step + 1) * batch_size * training.shape[2]
        rows.append((step + 1, n_seen, loss.item(), checked, rates[step]))
    return pd.DataFrame(rows, columns=["step", "tokens", "loss", "validation_loss", "learning_rate"])


def _optimizers(model: Any) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the matrices between embedding and output, AdamW for the embedding and the norms."""
    embedding = model.get_input_embeddings().weight
    matrices = [weight for weight in model.parameters() if weight.ndim > 1 and weight is not embedding]
    norms = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": [embedding], "weight_decay": WEIGHT_DECAY}, {"params": norms, "weight_decay": 0.0}]
    return (
        Muon(matrices, learning_rate=0.0, weight_decay=WEIGHT_DECAY),
        torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), fused=True),
    )


def _loss(model: Any, blocks: IntArray) -> torch.Tensor:
    """Mean loss (nats per token) of blocks of shape (2, n_blocks, context_length).

    No token is predicted from the text before its own. It is the loss that the model itself gives, without ever holding
    the scores of all tokens, or those of attention between texts.
    """
    starts = blocks[1] == 0
    starts[:, 0] = True
    lengths = np.diff(np.append(np.flatnonzero(starts), starts.size)).tolist()
    row = torch.from_numpy(blocks.reshape(2, 1, -1)).to(model.device)
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=use_bf16()):
        decoder = model.get_decoder()
        hidden = decoder(input_ids=row[0], position_ids=row[1], use_cache=False, text_lengths=lengths).last_hidden_state
    weight = model.get_output_embeddings().weight
    labels = np.where(starts, IGNORED, blocks[0]).ravel()[1:]
    targets = torch.from_numpy(labels).to(model.device)
    hidden = hidden[0, :-1].to(weight.dtype)
    return torch.nn.functional.linear_cross_entropy(hidden, weight, targets, options=CHUNKS)


def _validation_loss(model: Any, blocks: IntArray, batch_size: int) -> float:
    """Loss (nats per token) of the blocks, each with the same weight."""
    n_blocks = blocks.shape[1]
    with torch.no_grad():
        batches = [blocks[:, start : start + batch_size] for start in range(0, n_blocks, batch_size)]
        return sum(_loss(model, batch).item() * batch.shape[1] for batch in batches) / n_blocks
