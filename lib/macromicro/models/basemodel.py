"""The base model: a small Llama trained here on held-out text, or a reference to one from the hub or a local path.

`tiny-llama` lets the whole study run on a machine with no hub. It is an ordinary checkpoint: everything downstream
treats it like any other.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from macromicro.models.chat import (
    SAMPLE_COLUMNS,
    TEMPLATES,
    TINY_CHAT_TEMPLATE,
    EncodedSamples,
    encode_samples,
    sort_samples,
)
from macromicro.study.files import write_aside
from macromicro.study.hub import resolve_commit
from macromicro.study.portable import find_place, keep_place
from macromicro.study.sections import Template

if TYPE_CHECKING:
    import torch

REFERENCE = "reference.json"
SPECIAL_TOKENS = ("<|pad|>", "<|end|>", "<|user|>", "<|assistant|>")


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

    Parameters: samples, columns id, instruction, response. Instructions and responses are texts of their own, so that
    the model knows the format and both kinds of text, but not which response belongs to which instruction: fine-tuning
    is left to teach that. They are read once per epoch in a new order, end to end, until `n_tokens` tokens are seen.
    batch_tokens, tokens per step.
    Returns: one row per step: step, tokens, loss and validation_loss (nats per token; the latter measured on a few
    texts set aside and NaN at most steps), learning_rate.
    Raises ValueError if a sample lacks a text or n_tokens does not fill one step.
    """
    from macromicro.models.pretrain import pretrain
    from macromicro.study.compute import device, quiet, reproducible

    samples = sort_samples(samples, SAMPLE_COLUMNS)
    tokenizer = train_tokenizer([*samples["instruction"], *samples["response"]], vocab_size=vocab_size)
    texts = _turns(encode_samples(samples, tokenizer))
    with reproducible(seed):
        model = _new_model(tokenizer, hidden_size, n_layers, n_heads, context_length).to(device())
        losses = pretrain(
            model,
            texts,
            rng=np.random.default_rng(seed),
            context_length=context_length,
            n_tokens=n_tokens,
            batch_tokens=batch_tokens,
            learning_rate=learning_rate,
        )
    with write_aside(path) as folder, quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        losses.to_parquet(folder / "loss.parquet", index=False)
    return losses


def feed_forward_width(hidden_size: int) -> int:
    """Width of the gated feed-forward of a small Llama: 8/3 of the hidden size, rounded up to a multiple of 32.

    >>> feed_forward_width(192)
    512
    """
    return -(-hidden_size * 8 // 3 // 32) * 32


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

    Parameters: source, a hub id or a local folder; revision, a commit, branch or tag of the hub repository, None for
    the newest commit. The commit that this is now is written down, and what follows the reference loads no other.
    The reference to a folder holds its name, and its path stays on this machine (`study.portable`).
    Raises OSError if it cannot be loaded, ValueError if there is no such commit, or tokenizer and model do not fit.
    """
    local = Path(source)
    if not local.is_dir():
        revision = resolve_commit(source, kind="model", revision=revision)
    load_base_model(source, revision=revision)
    reference = {"place": keep_place(local)} if local.is_dir() else {"source": source, "revision": revision}
    with write_aside(path) as folder:
        folder.mkdir()
        (folder / REFERENCE).write_text(json.dumps(reference, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_tokenizer(path_or_id: str | Path, *, revision: str | None = None, template: Template = "alpaca") -> Any:
    """The fast tokenizer of a checkpoint, with chat template and padding token.

    A tokenizer without chat template gets that of `chat.TEMPLATES`; one without padding token pads with its end token.
    Raises ValueError if it is not a fast tokenizer or has no end token.
    """
    from transformers import AutoTokenizer

    source, revision = follow_reference(path_or_id, revision)
    tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
    if not tokenizer.is_fast:
        raise ValueError(f"a base model needs a fast tokenizer, but {source} has {type(tokenizer).__name__}")
    if tokenizer.eos_token is None:
        raise ValueError(f"a base model needs an end token, but the tokenizer of {source} has none")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        tokenizer.chat_template = TEMPLATES[template]
    return tokenizer


def load_base_model(path_or_id: str | Path, *, revision: str | None = None) -> tuple[Any, Any]:
    """Model (float32, on the device that is there, in evaluation mode) and tokenizer of a checkpoint.

    Raises ValueError if the tokenizer knows more tokens than the model.
    """
    tokenizer = load_tokenizer(path_or_id, revision=revision)
    return load_weights(path_or_id, tokenizer, revision=revision), tokenizer


def load_weights(
    path_or_id: str | Path,
    tokenizer: Any,
    *,
    revision: str | None = None,
    dtype: "torch.dtype | None" = None,
    quantization: Any = None,
    where: "torch.device | None" = None,
) -> Any:
    """Model (on the device `where`, by default the one that is there, in evaluation mode) that `tokenizer` belongs to.

    Parameters: dtype, of the weights, None for float32; each is read from the file into this type, and no other copy of
    the model is made. quantization, a `BitsAndBytesConfig`, or None for weights as they are.
    Raises ValueError if the tokenizer knows more tokens than the model.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from macromicro.study.compute import device, quiet

    source, revision = follow_reference(path_or_id, revision)
    model: Any
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(
            source,
            revision=revision,
            dtype=dtype or torch.float32,
            quantization_config=quantization,
            device_map={"": device()} if quantization else None,
        )
    model.name_or_path = model.config.name_or_path = Path(source).name if Path(source).is_dir() else source
    n_rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > n_rows:
        raise ValueError(f"the tokenizer of {source} has {len(tokenizer)} tokens, but its model only {n_rows}")
    return (model if quantization else model.to(where or device())).eval()


def context_length(path_or_id: str | Path, *, revision: str | None = None) -> int:
    """Tokens that a model of a checkpoint reads at most, prompt and answer together."""
    from transformers import AutoConfig

    source, revision = follow_reference(path_or_id, revision)
    return int(AutoConfig.from_pretrained(source, revision=revision).get_text_config().max_position_embeddings)


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


def follow_reference(path_or_id: str | Path, revision: str | None) -> tuple[str, str | None]:
    """Where a checkpoint really lies: that of its reference file where it has one, else as given."""
    reference = Path(path_or_id) / REFERENCE
    if not reference.is_file():
        return str(path_or_id), revision
    target = json.loads(reference.read_text(encoding="utf-8"))
    return (str(find_place(target["place"])), None) if "place" in target else (target["source"], target["revision"])


def _new_model(tokenizer: Any, hidden_size: int, n_layers: int, n_heads: int, context_length: int) -> Any:
    """An untrained Llama; its feed-forward width is 8/3 of the hidden size, as in Llama, in steps of 32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=feed_forward_width(hidden_size),
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        max_position_embeddings=context_length,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def _turns(encoded: EncodedSamples) -> list[list[int]]:
    """Instruction and response of every sample as texts of their own, the latter with the token that announces it."""
    pairs = zip(encoded.tokens, (encoded.prompt_lengths - 1).tolist(), strict=True)
    return [turn for tokens, start in pairs for turn in (tokens[:start], tokens[start:])]
