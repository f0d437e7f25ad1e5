"""The base model: a small Llama trained here on held-out text, or a reference to one from the hub or a local path.

`tiny-llama` lets the whole study run on a machine with no hub. It is an ordinary checkpoint: everything downstream
treats it like any other.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.chat import DEFAULT_CHAT_TEMPLATE, IGNORED, TINY_CHAT_TEMPLATE, encode_samples
from macromicro.layout import write_aside

REFERENCE = "reference.json"
SPECIAL_TOKENS = ("<|pad|>", "<|end|>", "<|user|>", "<|assistant|>")
VALIDATION_SHARE = 0.02
MAX_VALIDATION_SAMPLES = 200
N_VALIDATIONS = 10
WARMUP_SHARE = 0.05
FINAL_SHARE = 0.1
WEIGHT_DECAY = 0.1
IntArray = NDArray[np.int64]


def train_base_model(
    samples: pd.DataFrame,
    *,
    path: Path,
    seed: int,
    vocab_size: int,
    hidden_size: int,
    n_layers: int,
    n_heads: int,
    context_length: int,
    n_tokens: int,
    batch_tokens: int,
    learning_rate: float,
) -> pd.DataFrame:
    """Train tokenizer and model on `samples`, save the checkpoint at `path` and return the loss table.

    Parameters: samples, columns id, instruction, response; the conversations are read once per epoch in a new order,
    end to end, until `n_tokens` tokens are seen. batch_tokens, tokens per step.
    Returns: one row per step: step, tokens, loss and validation_loss (nats per token; the latter measured on a few
    samples set aside and NaN at most steps), learning_rate.
    Raises ValueError if there are fewer than two samples or n_tokens does not fill one step.
    """
    from macromicro.compute import device, quiet, reproducible

    samples = samples.sort_values("id", ignore_index=True)
    rng = np.random.default_rng(seed)
    tokenizer = train_tokenizer([*samples["instruction"], *samples["response"]], vocab_size=vocab_size)
    flat, offsets = _flatten(encode_samples(samples, tokenizer).tokens)
    n_validation = min(int(np.ceil(VALIDATION_SHARE * len(samples))), MAX_VALIDATION_SAMPLES)
    if n_validation >= len(samples):
        raise ValueError(f"a base model needs at least 2 samples, but there are {len(samples)}")
    if n_tokens < batch_tokens or batch_tokens < context_length:
        raise ValueError(f"{n_tokens=} must be at least {batch_tokens=}, and that at least {context_length=}")
    rows = rng.permutation(len(samples))
    validation = _blocks(flat, offsets, rows[:n_validation], context_length)
    order = _epochs(rows[n_validation:], np.diff(offsets), n_tokens, rng)
    training = _blocks(flat, offsets, order, context_length)[:, : n_tokens // context_length]
    with reproducible(seed):
        model = _new_model(tokenizer, hidden_size, n_layers, n_heads, context_length).to(device())
        losses = _pretrain(model, training, validation, batch_tokens // context_length, learning_rate)
    with write_aside(path) as folder, quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        losses.to_parquet(folder / "loss.parquet", index=False)
    return losses


def train_tokenizer(texts: list[str], *, vocab_size: int) -> Any:
    """A fast tokenizer: byte-level BPE of at most `vocab_size` tokens learnt from `texts`, with the chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    pad, end = SPECIAL_TOKENS[:2]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token=pad, eos_token=end)
    tokenizer.chat_template = TINY_CHAT_TEMPLATE
    return tokenizer


def refer_to_base_model(path: Path, *, source: str, revision: str | None = None) -> None:
    """Load and check the model `source`, and write at `path` a checkpoint folder that only refers to it.

    Parameters: source, a hub id or a local folder; revision, a commit or tag of the hub repository.
    Raises OSError if it cannot be loaded, ValueError if tokenizer and model do not fit.
    """
    load_base_model(source, revision=revision)
    local = Path(source)
    reference = {"source": str(local.resolve()) if local.is_dir() else source, "revision": revision}
    with write_aside(path) as folder:
        folder.mkdir()
        (folder / REFERENCE).write_text(json.dumps(reference, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_tokenizer(path_or_id: str | Path, *, revision: str | None = None) -> Any:
    """The fast tokenizer of a checkpoint, with chat template and padding token.

    A tokenizer without template gets `DEFAULT_CHAT_TEMPLATE`; one without padding token pads with its end token.
    Raises ValueError if it is not a fast tokenizer or has no end token.
    """
    from transformers import AutoTokenizer

    source, revision = _follow(path_or_id, revision)
    tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
    if not tokenizer.is_fast:
        raise ValueError(f"a base model needs a fast tokenizer, but {source} has {type(tokenizer).__name__}")
    if tokenizer.eos_token is None:
        raise ValueError(f"a base model needs an end token, but the tokenizer of {source} has none")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
    return tokenizer


def load_base_model(path_or_id: str | Path, *, revision: str | None = None) -> tuple[Any, Any]:
    """Model (float32, on the device that is there, in evaluation mode) and tokenizer of a checkpoint.

    Raises ValueError if the tokenizer knows more tokens than the model.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from macromicro.compute import device, quiet

    tokenizer = load_tokenizer(path_or_id, revision=revision)
    source, revision = _follow(path_or_id, revision)
    model: Any
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(source, revision=revision, dtype=torch.float32)
    model.name_or_path = model.config.name_or_path = Path(source).name if Path(source).is_dir() else source
    n_rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > n_rows:
        raise ValueError(f"the tokenizer of {source} has {len(tokenizer)} tokens, but its model only {n_rows}")
    return model.to(device()).eval(), tokenizer


def describe_model(model: Any, tokenizer: Any) -> pd.DataFrame:
    """Facts of a model, one row per fact."""
    config = model.config.get_text_config()
    facts = {
        "architecture": type(model).__name__,
        "parameters": f"{model.num_parameters():,}",
        "layers": f"{config.num_hidden_layers}",
        "hidden size": f"{config.hidden_size}",
        "vocabulary": f"{len(tokenizer):,} tokens",
        "context": f"{config.max_position_embeddings:,} tokens",
        "end token": tokenizer.eos_token,
    }
    return pd.DataFrame({"base model": facts})


def _follow(path_or_id: str | Path, revision: str | None) -> tuple[str, str | None]:
    """Where a checkpoint really lies: that of its reference file where it has one, else as given."""
    reference = Path(path_or_id) / REFERENCE
    if not reference.is_file():
        return str(path_or_id), revision
    target = json.loads(reference.read_text(encoding="utf-8"))
    return target["source"], target["revision"]


def _new_model(tokenizer: Any, hidden_size: int, n_layers: int, n_heads: int, context_length: int) -> Any:
    """An untrained Llama; its feed-forward width is 8/3 of the hidden size, as in Llama, in steps of 32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=-(-hidden_size * 8 // 3 // 32) * 32,
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        max_position_embeddings=context_length,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def _flatten(tokens: list[list[int]]) -> tuple[IntArray, IntArray]:
    """All tokens end to end, and the offsets at which samples begin and end."""
    offsets = np.cumsum([0, *map(len, tokens)], dtype=np.int64)
    return np.concatenate([np.array(sample, dtype=np.int64) for sample in tokens]), offsets


def _epochs(rows: IntArray, lengths: IntArray, n_tokens: int, rng: Generator) -> IntArray:
    """The rows in a new random order per epoch, as often as it takes to hold `n_tokens`."""
    n_epochs = -(-n_tokens // int(lengths[rows].sum()))
    return np.concatenate([rng.permutation(rows) for _ in range(n_epochs)])


def _blocks(flat: IntArray, offsets: IntArray, order: IntArray, context_length: int) -> IntArray:
    """Samples in order, end to end, cut into blocks: shape (2, n_blocks, context_length), tokens and positions.

    Positions restart with every sample, by which transformers keeps packed samples apart. A sample that a cut divides
    goes on in the next block. The last block is filled up with the first samples.
    """
    lengths = np.diff(offsets)[order]
    ends = np.cumsum(lengths)
    starts = np.repeat(ends - lengths, lengths)
    positions = np.arange(ends[-1]) - starts
    tokens = flat[np.repeat(offsets[order], lengths) + positions]
    size = -(-len(tokens) // context_length) * context_length
    return np.stack([np.resize(tokens, size), np.resize(positions, size)]).reshape(2, -1, context_length)


def _pretrain(
    model: Any, training: IntArray, validation: IntArray, batch_size: int, learning_rate: float
) -> pd.DataFrame:
    """Train `model` in place on blocks of shape (2, n_blocks, context_length); the loss table."""
    import torch

    n_steps = training.shape[1] // batch_size
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), fused=True)
    rates = learning_rate * _schedule(n_steps)
    checks = set(np.linspace(0, n_steps - 1, N_VALIDATIONS + 1).round().astype(int).tolist())
    rows = []
    for step in tqdm(range(n_steps), desc="base model", unit="step"):
        for group in optimizer.param_groups:
            group["lr"] = rates[step]
        model.train()
        loss = _loss(model, training[:, step * batch_size : (step + 1) * batch_size])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        checked = _validation_loss(model, validation, batch_size) if step in checks else np.nan
        n_seen = (step + 1) * batch_size * training.shape[2]
        rows.append((step + 1, n_seen, loss.item(), checked, rates[step]))
    return pd.DataFrame(rows, columns=["step", "tokens", "loss", "validation_loss", "learning_rate"])


def _schedule(n_steps: int) -> NDArray[np.float64]:
    """Share of the learning rate at each step: linear warm-up, then a cosine down to `FINAL_SHARE`."""
    n_warmup = max(1, round(WARMUP_SHARE * n_steps))
    steps = np.arange(n_steps)
    progress = np.clip((steps - n_warmup) / max(1, n_steps - n_warmup), 0, 1)
    cosine = FINAL_SHARE + (1 - FINAL_SHARE) * (1 + np.cos(np.pi * progress)) / 2
    return np.minimum((steps + 1) / n_warmup, 1) * cosine


def _loss(model: Any, blocks: IntArray) -> Any:
    """Mean loss (nats per token) of blocks of shape (2, n_blocks, context_length).

    No token is predicted from the sample before its own.
    """
    import torch

    from macromicro.compute import use_bf16

    tokens, positions = torch.from_numpy(blocks).to(model.device)
    labels = tokens.masked_fill(positions == 0, IGNORED)
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=use_bf16()):
        return model(input_ids=tokens, position_ids=positions, labels=labels, use_cache=False).loss


def _validation_loss(model: Any, blocks: IntArray, batch_size: int) -> float:
    """Loss (nats per token) of the blocks, each with the same weight."""
    import torch

    model.eval()
    n_blocks = blocks.shape[1]
    with torch.inference_mode():
        batches = [blocks[:, start : start + batch_size] for start in range(0, n_blocks, batch_size)]
        return sum(_loss(model, batch).item() * batch.shape[1] for batch in batches) / n_blocks
