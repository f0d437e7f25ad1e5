"""Fine-tune a base model on a dataset, with loss on response tokens only.

TRL's SFTTrainer does the training. Samples reach it already tokenised, so that the tokens before a response are those
of answering and judging. With packing, samples share a row and positions restart with each: attention then stays
within a sample (transformers masks it so), and the loss is that of the samples apart.
"""

import tempfile
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from tqdm import tqdm
from transformers import PrinterCallback, Trainer, TrainerCallback
from trl import SFTConfig, SFTTrainer

from macromicro.models.basemodel import load_base_model
from macromicro.models.chat import encode_samples, truncate
from macromicro.study.compute import Bf16, device, quiet, reproducible, use_bf16
from macromicro.study.files import write_aside

ADAPTER = "adapter_config.json"
MAX_GRADIENT_NORM = 1.0


def train(
    dataset: pd.DataFrame,
    *,
    base: str | Path,
    path: Path,
    seed: int,
    method: Literal["full", "lora"],
    n_epochs: int,
    learning_rate: float,
    warmup_share: float,
    batch_size: int,
    gradient_accumulation: int,
    max_tokens: int,
    packing: bool,
    bf16: Bf16,
    lora_rank: int,
    lora_alpha: int,
) -> pd.DataFrame:
    """Fine-tune the model at `base` on `dataset`, save it with its tokenizer at `path` and return the loss table.

    Parameters: dataset, columns id, instruction, response; its order does not matter. batch_size, rows per step: with
    packing a row holds samples of `max_tokens` tokens together, without it one sample. Samples longer than
    `max_tokens` lose their end (see `length_report`). The learning rate warms up over `warmup_share` of the steps and
    falls to zero as a cosine.
    Returns: one row per step: step, tokens (seen so far, prompts included), loss (nats per response token).
    Raises ValueError if no sample has a response token within `max_tokens`.
    """
    model, tokenizer = load_base_model(base)
    encoded = truncate(encode_samples(dataset, tokenizer), max_tokens)
    if not encoded.ids:
        raise ValueError(f"{max_tokens=} leaves no response token in any of the {len(dataset)} samples")
    samples = Dataset.from_dict({"input_ids": encoded.tokens, "labels": encoded.labels})
    with tempfile.TemporaryDirectory() as folder, reproducible(seed), quiet():
        settings = SFTConfig(
            output_dir=folder,
            seed=seed,
            num_train_epochs=n_epochs,
            learning_rate=learning_rate,
            warmup_steps=warmup_share,
            lr_scheduler_type="cosine",
            max_grad_norm=MAX_GRADIENT_NORM,
            per_device_train_batch_size=batch_size,
            gradient_accumulation_steps=gradient_accumulation,
            max_length=max_tokens,
            packing=packing,
            bf16=use_bf16(bf16),
            use_cpu=device().type == "cpu",
            gradient_checkpointing=device().type != "cpu",
            dataloader_pin_memory=device().type != "cpu",
            save_strategy="no",
            logging_steps=1,
            report_to="none",
            disable_tqdm=True,
        )
        adapter = _adapter(lora_rank, lora_alpha) if method == "lora" else None
        trainer: Any = _Trainer(model, settings, train_dataset=samples, processing_class=tokenizer, peft_config=adapter)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(_Progress())
        trainer.train()
    losses = _loss_table(trainer.state.log_history)
    only_adapter = {"save_embedding_layers": False} if method == "lora" else {}  # else peft asks the hub about the base
    with write_aside(path) as target, quiet():
        trainer.model.save_pretrained(target, **only_adapter)
        tokenizer.save_pretrained(target)
        losses.to_parquet(target / "loss.parquet", index=False)
    return losses


def load_model(path: Path, base: str | Path) -> Any:
    """The fine-tuned model at `path`, in evaluation mode; a LoRA adapter is merged into the base model at `base`."""
    if not (path / ADAPTER).is_file():
        return load_base_model(path)[0]
    with quiet():
        return PeftModel.from_pretrained(load_base_model(base)[0], path).merge_and_unload().eval()


def length_report(dataset: pd.DataFrame, tokenizer: Any, *, max_tokens: int) -> pd.DataFrame:
    """How many samples and tokens training sees, and how many samples `max_tokens` shortens or drops."""
    whole = encode_samples(dataset, tokenizer)
    seen = truncate(whole, max_tokens)
    facts = {
        "samples": len(whole.ids),
        "cut": int((whole.lengths > max_tokens).sum()) - (len(whole.ids) - len(seen.ids)),
        "dropped": len(whole.ids) - len(seen.ids),
        "tokens": int(seen.lengths.sum()),
        "response tokens": int((seen.lengths - seen.prompt_lengths).sum()),
    }
    return pd.DataFrame({"count": facts})


class _Trainer(SFTTrainer):
    """TRL's trainer with a plain loss on the processor, a count of tokens, and nothing sent over the network.

    TRL computes the loss in chunks that never hold all logits. On a GPU that saves memory; on a processor, with a small
    vocabulary, it halves the speed, and the model's own loss is the same number.
    """

    n_tokens = 0

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Loss of a batch in nats per response token; without a cache, since with one samples in a row would mix."""
        counted = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"]))
        self.n_tokens += int(counted.sum())
        if device().type != "cpu":
            return super().compute_loss(model, inputs, *args, **kwargs)
        return Trainer.compute_loss(self, model, {**inputs, "use_cache": False}, *args, **kwargs)

    def log(self, logs: dict[str, float], *args: Any) -> None:
        """Log with the tokens seen so far."""
        super().log({**logs, "n_tokens": self.n_tokens}, *args)

    def _send_telemetry(self) -> None:
        """Send nothing: TRL would report every run to its makers."""


class _Progress(TrainerCallback):
    """A progress bar over the steps, on standard error."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar = tqdm(total=state.max_steps, desc="fine-tune", unit="step")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.update()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.close()


def _adapter(rank: int, alpha: int) -> LoraConfig:
    """LoRA on every linear layer but the output layer."""
    return LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM")


def _loss_table(history: list[dict[str, float]]) -> pd.DataFrame:
    """Step, tokens and loss of every logged step."""
    logged = [entry for entry in history if "loss" in entry]
    columns = {"step": "step", "tokens": "n_tokens", "loss": "loss"}
    table = pd.DataFrame({name: [entry[key] for entry in logged] for name, key in columns.items()})
    return table.astype({"step": "int64", "tokens": "int64"})
