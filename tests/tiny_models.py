"""A base model of a few thousand parameters, trained once per test process, and samples for it."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from macromicro.models.basemodel import train_base_model
from torch.utils._python_dispatch import TorchDispatchMode

FOLDER = tempfile.TemporaryDirectory()
MODEL = {"vocab_size": 320, "hidden_size": 32, "n_layers": 2, "n_heads": 2, "context_length": 64}
TRAINING = {"n_tokens": 8192, "batch_tokens": 512, "learning_rate": 2e-2}
FINETUNING = {
    "method": "full",
    "n_epochs": 1,
    "learning_rate": 3e-3,
    "warmup_share": 0.0,
    "batch_size": 8,
    "gradient_accumulation": 1,
    "max_tokens": 64,
    "bf16": False,
    "lora_rank": 4,
    "lora_alpha": 8,
}
LLAMA_SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
TOKEN_TEXTS = [[3, 1, 4, 1, 5], [9], [2, 6, 5, 3, 5, 8, 9, 7]]
"""Of a model with random weights, and texts of its tokens of different lengths."""
THINGS = "apple bread chair dog engine flower garden horse island jacket kettle lamp".split()
PLACES = "attic barn cellar desert engine-room forest gallery harbour".split()


def make_samples(n_samples: int, seed: int) -> pd.DataFrame:
    """Questions where a thing is, with answers of varying length; ids are unique over seeds."""
    rng = np.random.default_rng(seed)
    things, places = rng.choice(THINGS, n_samples), rng.choice(PLACES, n_samples)
    tails = [" and so it stays"[: rng.integers(0, 17)] for _ in range(n_samples)]
    rows = zip(things, places, tails, strict=True)
    table = [
        (f"{seed:02d}-{i:04d}", f"Where is the {thing}?", f"The {thing} is in the {place}{tail}.")
        for i, (thing, place, tail) in enumerate(rows)
    ]
    return pd.DataFrame(table, columns=["id", "instruction", "response"])


PROMPTS = make_samples(12, seed=6)


def varied_prompts() -> pd.DataFrame:
    """`PROMPTS` and two of other lengths, with references beyond ASCII."""
    extra = pd.DataFrame(
        {"id": ["x1", "x2"], "instruction": ["Où?", "dog " * 20], "response": ["Là-bas, à l'orée 🌲", "no"]}
    )
    return pd.concat([PROMPTS, extra], ignore_index=True)


@cache
def tiny_base() -> Path:
    """Folder of the trained base model."""
    path = Path(FOLDER.name) / "base"
    train_base_model(make_samples(200, seed=90), path=path, seed=0, **MODEL, **TRAINING)
    return path


class LargestScores(TorchDispatchMode):
    """How many rows of scores over a vocabulary of `width` any tensor holds at most."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.n_rows = width, 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = operation(*args, **(kwargs or {}))
        shaped = isinstance(made, torch.Tensor)
        if shaped and made.ndim > 1 and not made._is_view() and made.shape[-1] == self.width:
            self.n_rows = max(self.n_rows, made.numel() // self.width)
        return made
