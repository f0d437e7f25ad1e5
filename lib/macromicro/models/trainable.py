"""A base model made ready for training: all of it, or an adapter (LoRA) on weights that stay as they are.

What is trained is always float32. An update of bfloat16 weights is lost where it is below half the distance of two
numbers, 1/512 of the weight, as it is at the learning rates of fine-tuning (Micikevicius et al. 2018, arXiv 1710.03740,
keep a float32 copy for it; Zamirai et al. 2020, arXiv 2010.06192, measure what is lost without). So `full` needs 16
bytes a parameter (weight, gradient and two moments of AdamW): 112 GB for 7B, more than a card of 80 GB holds. What an
adapter stands on takes no update: 2 bytes a parameter in bfloat16 (14 GB for 7B), or half a byte with `qlora`.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from macromicro.models.basemodel import load_weights
from macromicro.study.compute import compute_dtype
from macromicro.study.sections import FinetuneParams

LARGE_MODEL = 1_000_000_000
"""Parameters from which on activations are computed twice rather than kept, which saves memory and costs a third."""


def load_trainable(
    base: str | Path, tokenizer: Any, settings: FinetuneParams, *, where: torch.device | None = None
) -> Any:
    """The model at `base` in training mode, with an adapter on its layers where asked for (see `check_method`).

    Parameters: where, the device; None for the one that is there.
    """
    if settings.method == "full":
        model = load_weights(base, tokenizer, dtype=torch.float32, where=where)
    elif settings.method == "lora":
        model = adapt(load_weights(base, tokenizer, dtype=compute_dtype(settings.bf16), where=where), settings)
    else:
        model = adapt(_load_in_four_bits(base, tokenizer, settings), settings)
    if computes_twice(settings, model.num_parameters()):
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model.train()


def computes_twice(settings: FinetuneParams, n_parameters: int) -> bool:
    """Whether the activations of a model are computed twice rather than kept."""
    wanted = settings.gradient_checkpointing
    return n_parameters >= LARGE_MODEL if wanted == "auto" else wanted


def check_method(settings: FinetuneParams) -> None:
    """Raise ValueError if the method needs a package that is not there."""
    if settings.method == "qlora" and find_spec("bitsandbytes") is None:
        raise ValueError(
            "finetune.method='qlora' needs the package bitsandbytes, which is not installed: "
            "`pip install bitsandbytes`, or use finetune.method='lora'"
        )


def adapt(model: Any, settings: FinetuneParams) -> Any:
    """The model with an adapter, all else frozen; peft makes adapters float32 whatever the type of the model."""
    from peft import LoraConfig, get_peft_model

    rank, alpha = settings.lora_rank, settings.lora_alpha
    adapter = LoraConfig(r=rank, lora_alpha=alpha, target_modules=settings.lora_targets, task_type="CAUSAL_LM")
    return get_peft_model(model, adapter)


def _load_in_four_bits(base: str | Path, tokenizer: Any, settings: FinetuneParams) -> Any:
    """The frozen model of QLoRA (Dettmers et al. 2023, arXiv 2305.14314): NF4, its constants quantised as well."""
    from transformers import BitsAndBytesConfig

    dtype = compute_dtype(settings.bf16)
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    model = load_weights(base, tokenizer, dtype=dtype, quantization=quantization)
    return model.requires_grad_(False)
