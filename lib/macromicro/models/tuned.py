"""Fine-tuned models as they are read: checkpoints, and adapters with the base model that they stand on."""

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from macromicro.models.basemodel import load_tokenizer, load_weights
from macromicro.models.serve import ADAPTER
from macromicro.models.trainable import LARGE_MODEL


def load_models(paths: Iterable[Path], base: str | Path, *, dtype: torch.dtype = torch.float32) -> Iterator[Any]:
    """The fine-tuned model of each path, in evaluation mode, one after the other, weights loaded in `dtype`.

    A LoRA adapter becomes part of a copy of its base model, added up in float32, where that is small: 135 million
    parameters answer a quarter faster so. On a large one adapters take turns: use a model before the next one.
    """
    tokenizer = load_tokenizer(base)
    shared = None
    for path in paths:
        if not (path / ADAPTER).is_file():
            yield load_weights(path, tokenizer, dtype=dtype)
            continue
        from peft import PeftModel

        shared = shared or load_weights(base, tokenizer, dtype=dtype)
        if shared.num_parameters() < LARGE_MODEL:
            whole: Any = PeftModel.from_pretrained(copy.deepcopy(shared).float(), path).merge_and_unload()
            yield whole.to(dtype).eval()
            continue
        adapted: Any = PeftModel.from_pretrained(shared, path).eval()
        yield adapted
        shared = adapted.unload()
