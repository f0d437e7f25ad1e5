"""What training from nothing and fine-tuning share: the learning rate over the steps, and one update of the weights."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from macromicro.models.sharding import whole

MAX_GRADIENT_NORM = 1.0


def rate_shares(n_steps: int, *, warmup_share: float, final_share: float) -> NDArray[np.float64]:
    """Share of the learning rate at each step, shape (n_steps,): linear warm-up, then a cosine down to `final_share`.

    >>> rate_shares(5, warmup_share=0.4, final_share=0.0).round(2).tolist()
    [0.5, 1.0, 1.0, 0.75, 0.25]
    """
    n_warmup = max(1, round(warmup_share * n_steps))
    steps = np.arange(n_steps)
    progress = np.clip((steps - n_warmup) / max(1, n_steps - n_warmup), 0, 1)
    cosine = final_share + (1 - final_share) * (1 + np.cos(np.pi * progress)) / 2
    return np.minimum((steps + 1) / n_warmup, 1) * cosine


def update(rates: Mapping[torch.optim.Optimizer, float]) -> float:
    """Let every optimiser move its weights at its learning rate, and forget their gradients.

    The gradient of all of them together is first cut to a norm of `MAX_GRADIENT_NORM`. Returns the norm that it had.
    """
    weights = [weight for optimizer in rates for group in optimizer.param_groups for weight in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(weights, MAX_GRADIENT_NORM)
    for optimizer, rate in rates.items():
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
    return float(whole(norm))
