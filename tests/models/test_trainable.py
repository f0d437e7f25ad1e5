"""In which types weights are loaded and trained, and what four bits need."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from macromicro.models.basemodel import load_tokenizer
from macromicro.models.finetune import train
from macromicro.models.trainable import load_trainable
from macromicro.study.sections import FinetuneParams
from tiny_models import FINETUNING, make_samples, tiny_base
from transformers import AutoModelForCausalLM

SAMPLES = make_samples(24, seed=5)
HAS_FOUR_BITS = find_spec("bitsandbytes") is not None


@pytest.mark.parametrize(
    ("method", "bf16", "frozen"),
    [("full", True, None), ("lora", True, torch.bfloat16), ("lora", False, torch.float32)],
)
def test_what_is_trained_is_float32_and_what_is_not_is_loaded_in_the_type_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, method: str, bf16: bool, frozen: torch.dtype | None
) -> None:
    asked = []
    load = AutoModelForCausalLM.from_pretrained
    monkeypatch.setattr(
        AutoModelForCausalLM, "from_pretrained", lambda *where, **how: asked.append(how["dtype"]) or load(*where, **how)
    )
    settings = FinetuneParams(**{**FINETUNING, "method": method, "bf16": bf16})
    model = load_trainable(tiny_base(), load_tokenizer(tiny_base()), settings)
    assert {weight.dtype for weight in model.parameters() if weight.requires_grad} == {torch.float32}
    assert {weight.dtype for weight in model.parameters() if not weight.requires_grad} == {frozen} - {None}
    assert asked == [frozen or torch.float32]
    assert model.training


@pytest.mark.parametrize("method", ["full", "lora"])
def test_training_in_bfloat16_learns_what_training_in_float32_does(tmp_path: Path, method: str) -> None:
    tune = {**FINETUNING, "method": method, "n_epochs": 4, "learning_rate": 1e-2}
    losses = [
        train(SAMPLES, base=tiny_base(), path=tmp_path / str(bf16), seed=0, **{**tune, "bf16": bf16}).losses["loss"]
        for bf16 in (True, False)
    ]
    assert losses[0].tolist() == pytest.approx(losses[1].tolist(), rel=0.02)
    assert losses[0].iloc[-1] < losses[0].iloc[0] - 0.05


@pytest.mark.parametrize(
    ("asked", "n_parameters", "twice"),
    [("auto", 10, False), ("auto", 10**9, True), (True, 10, True), (False, 10**9, False)],
)
def test_activations_are_computed_twice_where_asked_for_or_where_the_model_is_large(
    monkeypatch: pytest.MonkeyPatch, asked: bool | str, n_parameters: int, twice: bool
) -> None:
    tiny_base()
    monkeypatch.setattr("macromicro.models.trainable.LARGE_MODEL", 10**9 * 30_000 // n_parameters)
    settings = FinetuneParams(**{**FINETUNING, "gradient_checkpointing": asked})
    model = load_trainable(tiny_base(), load_tokenizer(tiny_base()), settings)
    assert model.is_gradient_checkpointing == twice


@pytest.mark.skipif(HAS_FOUR_BITS, reason="bitsandbytes is installed")
def test_four_bits_without_their_package_are_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"finetune.method='qlora' needs the package bitsandbytes, which is not"):
        train(SAMPLES, base=tmp_path / "nowhere", path=tmp_path / "model", seed=0, **{**FINETUNING, "method": "qlora"})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not HAS_FOUR_BITS, reason="needs bitsandbytes")
@pytest.mark.parametrize("bf16", [True, False])
def test_an_adapter_on_four_bits_learns(tmp_path: Path, bf16: bool) -> None:
    settings = {**FINETUNING, "method": "qlora", "bf16": bf16}
    model = load_trainable(tiny_base(), load_tokenizer(tiny_base()), FinetuneParams(**settings))
    linear = model.get_base_model().model.layers[0].mlp.down_proj
    assert linear.base_layer.weight.dtype == torch.uint8
    assert {weight.dtype for weight in model.parameters() if weight.requires_grad} == {torch.float32}
    tune = {**settings, "n_epochs": 8, "learning_rate": 1e-2}
    losses = train(SAMPLES, base=tiny_base(), path=tmp_path / "model", seed=0, **tune).losses["loss"]
    assert losses.tail(3).mean() < losses.head(3).mean() - 0.05
    assert (tmp_path / "model" / "adapter_model.safetensors").is_file()
