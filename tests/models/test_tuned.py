import shutil
from pathlib import Path

import pytest
import torch
from macromicro.models.basemodel import load_base_model, load_tokenizer
from macromicro.models.chat import encode_samples
from macromicro.models.finetune import train
from macromicro.models.tuned import load_models
from peft import PeftModel
from tiny_models import FINETUNING, make_samples, tiny_base

SAMPLES = make_samples(24, seed=5)


def tune(path: Path, seed: int) -> None:
    """An adapter that is far from where it began."""
    settings = {**FINETUNING, "method": "lora", "n_epochs": 2, "learning_rate": 1e-2}
    train(SAMPLES, base=tiny_base(), path=path, seed=seed, **settings)


@pytest.mark.parametrize("large", [True, False])
def test_adapters_share_a_base_model_and_leave_it_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """On a large one they take turns, of a small one each gets a copy that it becomes part of."""
    monkeypatch.setattr("macromicro.models.tuned.LARGE_MODEL", 0 if large else 10**9)
    paths = [tmp_path / name for name in "abc"]
    for seed, path in enumerate(paths[:2]):
        tune(path, seed=seed)
    shutil.copytree(paths[0], paths[2])
    assert (paths[0] / "adapter_model.safetensors").is_file()
    tokens = torch.tensor(encode_samples(SAMPLES.head(1), load_tokenizer(tiny_base())).tokens)
    logits, bases = [], []
    for model in load_models(paths, tiny_base()):
        assert not model.training
        bases.append(model.get_base_model() if large else model)
        with torch.inference_mode():
            logits.append(model(input_ids=tokens).logits)
    assert (bases[0] is bases[1] is bases[2]) == large
    assert torch.equal(logits[0], logits[2])
    assert (logits[0] - logits[1]).abs().max() > 1e-3
    base, _ = load_base_model(tiny_base())
    if large:
        assert all(torch.equal(a, b) for a, b in zip(base.parameters(), bases[0].parameters(), strict=True))
    adapted = PeftModel.from_pretrained(base, paths[1]).eval()
    with torch.inference_mode():
        torch.testing.assert_close(adapted(input_ids=tokens).logits, logits[1], atol=1e-4, rtol=1e-4)


def test_an_adapter_is_added_in_float32_to_weights_that_are_then_rounded_once(tmp_path: Path) -> None:
    tune(tmp_path / "a", seed=0)
    [model] = load_models([tmp_path / "a"], tiny_base(), dtype=torch.bfloat16)
    base, _ = load_base_model(tiny_base())
    whole = PeftModel.from_pretrained(base.bfloat16().float(), tmp_path / "a").merge_and_unload()
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert all(torch.equal(a.bfloat16(), b) for a, b in zip(whole.parameters(), model.parameters(), strict=True))
