"""Fine-tune a base model on datasets, one after the other, with loss on response tokens only.

A step is a fixed number of samples, whatever their lengths, so that datasets of one size get the same number of steps.
Samples lie end to end without padding, and positions restart with each: attention then stays within a sample, and the
loss is that of the samples apart.

The loop is written out: a trainer of the libraries takes seconds to import, as long as a small model trains, and weighs
the passes of a step rightly only where it knows how to count their tokens.
"""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.models.attention import attend_text_by_text, lengths_for
from macromicro.models.basemodel import load_tokenizer
from macromicro.models.chat import EncodedSamples, encode_samples
from macromicro.models.optimise import rate_shares, update
from macromicro.models.progress import Progress, training_key
from macromicro.models.sharding import add_up, load_in_turn, n_processes, own_passes, place, whole_weights
from macromicro.models.trainable import check_method, load_trainable
from macromicro.study.compute import quiet, reproducible, use_bf16
from macromicro.study.files import write_aside
from macromicro.study.sections import FinetuneParams

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Job:
    """A dataset (columns id, instruction, response), where its model goes, and the seed of its training."""

    dataset: pd.DataFrame
    path: Path
    seed: int


@dataclass(frozen=True, eq=False)
class Trained:
    """A model that was trained and saved.

    Attributes
    ----------
    path : its folder.
    losses : a row per step: step, tokens (seen so far, prompts included), loss (nats per response token).
    seconds : wall time of the steps alone, without reading, loading and saving.
    resumed_at : the step after which it went on, having been killed; 0 if it began at the beginning.
    """

    path: Path
    losses: pd.DataFrame
    seconds: float
    resumed_at: int = 0


def train(dataset: pd.DataFrame, *, base: str | Path, path: Path, seed: int, **section: Any) -> Trained:
    """Fine-tune the model at `base` on one dataset; keywords as in `FinetuneParams`, the rest as in `train_models`."""
    [trained] = train_models([Job(dataset, path, seed)], base=base, settings=FinetuneParams(**section))
    return trained


def train_models(jobs: Iterable[Job], *, base: str | Path, settings: FinetuneParams) -> Iterator[Trained]:
    """Fine-tune the model at `base` on each dataset anew, save it with its tokenizer, and yield it as soon as it is.

    A step takes `batch_size` times `gradient_accumulation` samples, `batch_size` of them in one pass through the model;
    the order of a dataset does not matter. Nothing is cut: what a dataset covers, its model has seen. The learning rate
    warms up over `warmup_share` of the steps and falls to zero as a cosine. AdamW, trained weights in float32
    (`trainable` says why). A model that is stopped half-way leaves nothing at its path, and beside it, if it trained
    for `save_every_minutes`, a hidden file from which it goes on (`progress`).
    Raises ValueError if a sample has more than `max_tokens` tokens, if a loss or gradient is not a number, or if the
    method needs a package that is not there.
    """
    check_method(settings)
    tokenizer = load_tokenizer(base, template=settings.template)
    for job in jobs:
        yield _train(job, base, tokenizer, settings)


def length_report(dataset: pd.DataFrame, tokenizer: Any) -> pd.DataFrame:
    """How many samples, tokens and response tokens training sees, and the tokens of the longest sample."""
    encoded = encode_samples(dataset, tokenizer)
    facts = {
        "samples": len(encoded.ids),
        "tokens": int(encoded.lengths.sum()),
        "response tokens": int((encoded.lengths - encoded.prompt_lengths).sum()),
        "longest sample": int(encoded.lengths.max()),
    }
    return pd.DataFrame({"count": facts})


def lay_end_to_end(encoded: EncodedSamples, rows: IntArray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Samples in one row: tokens and positions, both of shape (1, n_tokens), and the places of response tokens.

    Positions restart with every sample. The first token of a sample is never foreseen, so it counts nowhere.
    """
    lengths = encoded.lengths[rows]
    positions = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    tokens = np.concatenate([np.array(encoded.tokens[row], dtype=np.int64) for row in rows])
    places = np.flatnonzero(positions >= np.repeat(np.maximum(encoded.prompt_lengths[rows], 1), lengths))
    return torch.from_numpy(tokens)[None], torch.from_numpy(positions)[None], torch.from_numpy(places)


def _train(job: Job, base: str | Path, tokenizer: Any, settings: FinetuneParams) -> Trained:
    """Train and save the model of one dataset."""
    encoded = _encode(job.dataset, tokenizer, settings.max_tokens)
    steps = _steps(len(encoded.ids), settings, np.random.default_rng(job.seed))
    facts = settings.model_dump(mode="json", exclude={"save_every_minutes", "models_per_job"}) | {"seed": job.seed}
    key = training_key(encoded, base, facts)
    progress = Progress(job.path, key, every_minutes=settings.save_every_minutes)
    with reproducible(job.seed):
        model = load_in_turn(lambda where: load_trainable(base, tokenizer, settings, where=where))
        began = time.perf_counter()
        losses, resumed_at = _descend(model, encoded, steps, settings, name=job.path.name, progress=progress)
        seconds = time.perf_counter() - began
    _save(model, tokenizer, losses, job.path)
    progress.remove()
    return Trained(job.path, losses, seconds, resumed_at)


def _encode(dataset: pd.DataFrame, tokenizer: Any, max_tokens: int) -> EncodedSamples:
    """The samples as tokens. Raises ValueError naming the longest if it has more than `max_tokens`."""
    encoded = encode_samples(dataset, tokenizer)
    longest = int(encoded.lengths.argmax())
    if encoded.lengths[longest] > max_tokens:
        raise ValueError(
            f"max_tokens={max_tokens} must hold every sample, for none is cut, but {encoded.ids[longest]!r} has "
            f"{encoded.lengths[longest]}, and {(encoded.lengths > max_tokens).sum()} of {len(encoded.ids)} have more"
        )
    return encoded


def _steps(n_samples: int, settings: FinetuneParams, rng: Generator) -> list[IntArray]:
    """The rows of the samples of every step: in a new order each epoch, dealt out evenly over its steps."""
    n_steps = -(-n_samples // (settings.batch_size * settings.gradient_accumulation))
    return [rows for _ in range(settings.n_epochs) for rows in np.array_split(rng.permutation(n_samples), n_steps)]


def _descend(
    model: Any,
    encoded: EncodedSamples,
    steps: list[IntArray],
    settings: FinetuneParams,
    *,
    name: str,
    progress: Progress,
) -> tuple[pd.DataFrame, int]:
    """Train `model` in place; the loss table, and the step at which it went on (0 from the start)."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, weight_decay=0.0, fused=True)
    attend_text_by_text(model)
    rates = settings.learning_rate * rate_shares(len(steps), warmup_share=settings.warmup_share, final_share=0.0)
    bf16 = use_bf16(settings.bf16)
    table = progress.resume(model, optimizer)
    resumed_at = len(table)
    n_seen = table[-1][1] if table else 0
    bar = tqdm(range(resumed_at, len(steps)), desc=name, unit="step", leave=False, disable=place() > 0)
    for step in bar:
        rows = steps[step]
        losses = add_gradient(model, encoded, rows, batch_size=settings.batch_size, bf16=bf16)
        when = f"at step {step + 1} of {name}"
        _check_losses(losses, [own for own, _ in own_passes(rows, settings.batch_size)], encoded.ids, when)
        norm = update({optimizer: rates[step]})
        if not math.isfinite(norm):
            raise ValueError(f"the gradient must be a number, but {when} its norm is {norm}: lower learning_rate")
        n_seen += int(encoded.lengths[rows].sum())
        table.append((step + 1, n_seen, add_up(math.fsum(losses))))
        progress.save_if_due(table, model, optimizer)
    return pd.DataFrame(table, columns=["step", "tokens", "loss"]), resumed_at


def add_gradient(model: Any, encoded: EncodedSamples, rows: IntArray, *, batch_size: int, bf16: bool) -> list[float]:
    """Add the gradient of the mean loss over the response tokens of the samples to `model`.

    Returns what each pass of this process adds to that loss (nats).
    """
    n_counted = int((encoded.lengths - np.maximum(encoded.prompt_lengths, 1))[rows].sum())
    found = []
    for own, counts in own_passes(rows, batch_size):
        tokens, positions, places = lay_end_to_end(encoded, own)
        inputs = {"input_ids": tokens, "position_ids": positions, "logits_to_keep": places - 1}
        inputs = {key: value.to(model.device) for key, value in inputs.items()}
        with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bf16):
            # a cache would let samples see each other
            logits = model(**inputs, **lengths_for(model, positions), use_cache=False).logits[0]
        targets = tokens[0, places].to(model.device)
        loss = counts * torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum") / n_counted
        (loss * n_processes()).backward()  # the gradients of processes are averaged
        found.append(loss.detach())
    return [float(loss) for loss in torch.stack(found)]


def _check_losses(losses: list[float], passes: list[IntArray], ids: list[str], when: str) -> None:
    """Raise ValueError that names the samples of the first pass whose loss is not a number."""
    for loss, rows in zip(losses, passes, strict=True):
        if not math.isfinite(loss):
            samples = ", ".join(ids[row] for row in rows)
            raise ValueError(f"the loss must be a number, but {when} it is {loss}, on samples {samples}")


def _save(model: Any, tokenizer: Any, losses: pd.DataFrame, path: Path) -> None:
    """Write a checkpoint, or an adapter alone, with tokenizer and loss table; the first process does."""
    adapted = hasattr(model, "peft_config")
    only_adapter = {"save_embedding_layers": False} if adapted else {}  # else peft asks the hub about the base
    weights = whole_weights(model)
    if place():
        return
    with write_aside(path) as folder, quiet():
        model.save_pretrained(folder, state_dict=weights, **only_adapter)
        tokenizer.save_pretrained(folder)
        losses.to_parquet(folder / "loss.parquet", index=False)
