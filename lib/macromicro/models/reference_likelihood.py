"""How likely a model finds the reference responses; it does not depend on which prompts share a batch."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.corpus.batches import token_batches
from macromicro.models.chat import IGNORED, SAMPLE_COLUMNS, encode_samples, sort_samples
from macromicro.models.padding import pad_rows
from macromicro.study.compute import reproducible

TOKENS_SCORED = 256
"""Tokens whose scores over the vocabulary are held at once."""


def reference_log_likelihood(model: Any, tokenizer: Any, prompts: pd.DataFrame, *, batch_tokens: int) -> pd.DataFrame:
    """How likely the model finds each reference response: prompt_id, log_likelihood, n_bytes, sorted by id.

    log_likelihood is the sum of log p over the response tokens, end token included, in nats; n_bytes the length of the
    response in UTF-8. Their ratio compares models whatever their tokenizers.
    Parameters: prompts, columns id, instruction, response; batch_tokens, how many tokens are read at once.
    Raises ValueError if a response is empty, a likelihood is not a number, or the model makes of its scores more than
    its output layer does.
    """
    prompts = sort_samples(prompts, SAMPLE_COLUMNS)
    encoded = encode_samples(prompts, tokenizer)
    n_bytes = prompts["response"].map(lambda text: len(text.encode())).to_numpy(dtype=np.int64)
    if (n_bytes == 0).any():
        raise ValueError(f"a reference must not be empty, but that of prompt {prompts['id'][n_bytes == 0].iloc[0]} is")
    labels = encoded.labels
    sums = np.empty(len(prompts), dtype=np.float64)
    with reproducible(0), torch.inference_mode():
        _check_output_layer(model, min(encoded.tokens, key=len))
        batches = list(token_batches(encoded.lengths, batch_tokens))
        for rows in tqdm(batches, desc="likelihood", unit="batch", leave=False):
            tokens, mask = pad_rows([encoded.tokens[row] for row in rows], tokenizer.pad_token_id, left=False)
            targets, _ = pad_rows([labels[row] for row in rows], IGNORED, left=False)
            sums[rows] = _response_log_likelihood(model, tokens, mask, targets)
    if not np.isfinite(sums).all():
        wrong = prompts["id"][~np.isfinite(sums)].iloc[0]
        raise ValueError(f"the likelihood of every reference must be a number, but that of prompt {wrong} is not")
    return pd.DataFrame({"prompt_id": prompts["id"], "log_likelihood": sums, "n_bytes": n_bytes})


def _response_log_likelihood(
    model: Any, tokens: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor
) -> NDArray[np.float64]:
    """Sum of log p of the labelled tokens of each row (nats); tokens, mask and labels of shape (n_rows, n_tokens).

    Scores over the vocabulary are computed for a few labelled tokens at a time: those of a whole batch would be larger
    than the model.
    """
    on = model.device
    hidden = model.get_decoder()(input_ids=tokens.to(on), attention_mask=mask.to(on), use_cache=False)
    rows, places = torch.nonzero(labels[:, 1:].to(on) != IGNORED, as_tuple=True)
    states, targets = hidden.last_hidden_state[rows, places], labels.to(on)[rows, places + 1]
    score, loss = model.get_output_embeddings(), torch.nn.functional.cross_entropy
    pairs = zip(states.split(TOKENS_SCORED), targets.split(TOKENS_SCORED), strict=True)
    losses = torch.cat([loss(score(part).float(), wanted, reduction="none") for part, wanted in pairs]).double()
    return -torch.zeros(len(labels), dtype=torch.float64, device=on).index_add(0, rows, losses).cpu().numpy()


def _check_output_layer(model: Any, tokens: list[int]) -> None:
    """Refuse a model whose scores are not what its output layer makes of its last states (capped or scaled, say)."""
    row = torch.tensor([tokens], device=model.device)
    whole = model(input_ids=row, use_cache=False, logits_to_keep=1).logits[0, -1]
    states = model.get_decoder()(input_ids=row, use_cache=False).last_hidden_state
    ours = model.get_output_embeddings()(states[0, -1])
    if not torch.allclose(whole.float(), ours.float(), rtol=0.02, atol=0.02, equal_nan=True):
        raise ValueError(
            f"the likelihood of references needs scores straight from the output layer, but {type(model).__name__} "
            f"changes them by up to {float((whole - ours).abs().max()):.3g} afterwards: use another judge"
        )
