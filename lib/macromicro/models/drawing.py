"""Drawing tokens such that every prompt has draws of its own: neither batch nor order changes an answer."""

import hashlib

import numpy as np
import torch
from transformers import LogitsProcessor, LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

from macromicro.study.sections import AnswerParams


def draw_tokens(names: list[str], seed: int, settings: AnswerParams) -> LogitsProcessorList:
    """What happens to the scores of a batch of prompts before the largest is taken; nothing at temperature 0.

    Parameters: names, the ids of the prompts in the order of the batch; seed, of all draws.
    """
    if settings.temperature == 0:
        return LogitsProcessorList()
    warpers = [TemperatureLogitsWarper(settings.temperature), TopPLogitsWarper(settings.top_p)]
    return LogitsProcessorList([*warpers, _GumbelNoise(names, seed)])


class _GumbelNoise(LogitsProcessor):
    """Adds Gumbel noise, so that the largest score is a draw from the distribution (the Gumbel-max trick).

    Every prompt has a generator of its own, seeded with its name: batch and order do not matter.
    """

    def __init__(self, names: list[str], seed: int) -> None:
        digests = [hashlib.sha256(f"{seed}|{name}".encode()).digest()[:8] for name in names]
        self._rngs = [np.random.default_rng(int.from_bytes(digest)) for digest in digests]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (n_prompts, n_tokens) plus noise."""
        noise = np.stack([rng.gumbel(size=scores.shape[1]) for rng in self._rngs])
        return scores + torch.from_numpy(noise).to(scores)
