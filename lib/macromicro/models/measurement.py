"""The speed of this machine, measured for a minute at most: a model of the right shape is trained and answers.

Its weights and tokens are random, which changes how long nothing takes. As many processes measure at once as will run
side by side, since they share the memory and, on some machines, the cores. On a processor seconds are those that it
works for us, so that other jobs do not count. Where a model is large a shallower one is measured, and its rates are
scaled by the parameters.
"""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr
from dataclasses import dataclass, fields
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from macromicro.models.architecture import Architecture
from macromicro.models.attention import attend_text_by_text
from macromicro.models.chat import EncodedSamples
from macromicro.models.finetune import add_gradient
from macromicro.models.optimise import update
from macromicro.models.pretrain import pretrain
from macromicro.models.speed import Speed
from macromicro.models.trainable import adapt, computes_twice
from macromicro.study.compute import compute_dtype, device, quiet, reproducible, use_bf16
from macromicro.study.sections import AnswerParams, BaseModelParams, FinetuneParams

LARGEST = 300_000_000
"""Parameters of the largest model that is measured."""
TRAINED_FOR, ANSWERED_FOR = 12.0, 12.0
"""Seconds after which no further step is measured."""
N_STEPS = 8
KERNEL = 6.0
"""Seconds that papermill and the kernel of a notebook take besides its imports (`smoke`, on a slow core)."""

IntArray = NDArray[np.int64]
_clock = time.perf_counter if torch.cuda.is_available() else time.process_time


@dataclass(frozen=True)
class Asked:
    """What is measured: a model, its settings, and how long the study's texts are (tokens)."""

    shape: Architecture
    finetune: FinetuneParams
    answer: AnswerParams
    base_model: BaseModelParams | None
    sample_tokens: int
    prompt_tokens: int
    batch_prompts: int


def measure_speed(asked: Asked, *, n_at_once: int) -> Speed:
    """The speed of each of `n_at_once` processes that work side by side: the mean of all."""
    with ProcessPoolExecutor(n_at_once, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(_measure, [asked] * n_at_once))
    return Speed(**{one.name: float(np.mean([getattr(speed, one.name) for speed in found])) for one in fields(Speed)})


def _measure(asked: Asked) -> Speed:
    """The speed of this process, which has imported what a notebook does by now."""
    from transformers import LlamaForCausalLM  # a notebook imports it as well

    start = time.process_time() + KERNEL
    measured = asked.shape.shallower(LARGEST)
    scale = asked.shape.n_multiplied / measured.n_multiplied
    with reproducible(0), quiet(), redirect_stderr(StringIO()):  # progress bars of all processes at once
        model: Any = LlamaForCausalLM(_config(measured))
        model.to(device())
        pretraining = _pretraining(model, asked) if asked.base_model else 0.0
        loading = _loading(model)
        reading, step = _answering(model, asked)
        training = _training(model, asked)
    return Speed(training / scale, reading / scale, step * scale, loading * scale, start, pretraining / scale)


def _pretraining(model: Any, asked: Asked) -> float:
    """Tokens a second of training from nothing, as many steps as fit a few seconds."""
    assert asked.base_model is not None
    settings, rng = asked.base_model, np.random.default_rng(0)
    texts = [text.tolist() for text in _texts(asked.shape, rng, 40, max(2, asked.sample_tokens // 2))]
    n_tokens = N_STEPS * settings.batch_tokens
    began = _clock()
    pretrain(
        model, texts, rng=rng, context_length=settings.context_length, n_tokens=n_tokens,
        batch_tokens=settings.batch_tokens, learning_rate=1e-6,
    )  # fmt: skip
    return n_tokens / (_clock() - began)


def _loading(model: Any) -> float:
    """Seconds to save the model."""
    with TemporaryDirectory() as folder:
        began = _clock()
        model.save_pretrained(Path(folder) / "model")
        return _clock() - began


def _answering(model: Any, asked: Asked) -> tuple[float, float]:
    """Tokens of prompts read in a second, and seconds for the next token of all prompts of a batch."""
    from transformers import GenerationConfig

    answering = model.eval().to(compute_dtype(asked.answer.bf16))
    prompts = np.stack(_texts(asked.shape, np.random.default_rng(1), asked.batch_prompts, asked.prompt_tokens))
    row = torch.from_numpy(prompts).to(model.device)

    def seconds(n_new: int) -> float:
        how = GenerationConfig(max_new_tokens=n_new, min_new_tokens=n_new, do_sample=False, pad_token_id=0)
        began = _clock()
        with torch.inference_mode():
            answering.generate(input_ids=row, attention_mask=torch.ones_like(row), generation_config=how)
        return _clock() - began

    seconds(1)  # the first call is slower than all others
    first = seconds(1)
    n_more = int(np.clip(ANSWERED_FOR / max(first, 1e-3), 2, asked.answer.max_new_tokens))
    step = max(seconds(1 + n_more) - first, 1e-6) / n_more
    model.to(torch.float32)
    return row.numel() / first, step


def _training(model: Any, asked: Asked) -> float:
    """Tokens a second of fine-tuning."""
    settings = asked.finetune
    trained = model if settings.method == "full" else adapt(model.to(compute_dtype(settings.bf16)), settings)
    if computes_twice(settings, asked.shape.n_parameters):
        trained.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    trained.train()
    n_samples = settings.batch_size * settings.gradient_accumulation
    texts = _texts(asked.shape, np.random.default_rng(2), n_samples, asked.sample_tokens)
    starts = np.full(n_samples, min(asked.prompt_tokens, asked.sample_tokens - 1))
    encoded = EncodedSamples([str(row) for row in range(n_samples)], [text.tolist() for text in texts], starts)
    weights = [weight for weight in trained.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, weight_decay=0.0, fused=True)
    attend_text_by_text(trained)
    bf16 = use_bf16(settings.bf16)

    def step() -> None:
        add_gradient(trained, encoded, np.arange(n_samples), batch_size=settings.batch_size, bf16=bf16)
        update({optimizer: 1e-6})

    return n_samples * asked.sample_tokens / _repeat(step, TRAINED_FOR)


def _repeat(step: Callable[[], None], seconds: float) -> float:
    """Mean seconds of a step, the first one left out, of as many as begin within `seconds`."""
    step()
    took: list[float] = []
    while len(took) < N_STEPS and sum(took) < seconds:
        began = _clock()
        step()
        took.append(_clock() - began)
    return float(np.mean(took))


def _texts(shape: Architecture, rng: np.random.Generator, n_texts: int, n_tokens: int) -> list[IntArray]:
    """Random tokens."""
    return list(rng.integers(0, shape.vocabulary, (n_texts, n_tokens)))


def _config(shape: Architecture) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        head_dim=shape.head_size,
        tie_word_embeddings=shape.tied,
        bos_token_id=None,
        eos_token_id=None,
    )
