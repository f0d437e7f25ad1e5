import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from macromicro.models import finetune
from macromicro.models.basemodel import load_base_model, load_tokenizer
from macromicro.models.chat import encode_samples
from macromicro.models.finetune import length_report, load_model, train
from macromicro.study.files import digest
from tiny_models import FINETUNING, make_samples, tiny_base

SAMPLES = make_samples(24, seed=5)


def tune(path: Path, samples: pd.DataFrame = SAMPLES, seed: int = 0, **changes: object) -> pd.DataFrame:
    return train(samples, base=tiny_base(), path=path, seed=seed, **{**FINETUNING, **changes})


def expected_loss(samples: pd.DataFrame) -> float:
    """Mean loss over response tokens of the untuned model, sample by sample."""
    model, tokenizer = load_base_model(tiny_base())
    encoded = encode_samples(samples, tokenizer)
    losses = []
    for tokens, start in zip(encoded.tokens, encoded.prompt_lengths, strict=True):
        with torch.inference_mode():
            logs = model(input_ids=torch.tensor([tokens])).logits[0].double().log_softmax(-1)
        losses += [-logs[place - 1, tokens[place]].item() for place in range(start, len(tokens))]
    return float(np.mean(losses))


@pytest.mark.parametrize(
    "changes",
    [
        {"packing": True, "batch_size": 24},
        {"packing": False, "batch_size": 24},
        {"packing": False, "batch_size": 4, "gradient_accumulation": 6},
        {"packing": True, "batch_size": 2, "gradient_accumulation": 12},
    ],
)
def test_packed_and_unpacked_training_see_the_loss_of_the_responses_alone(tmp_path: Path, changes: dict) -> None:
    losses = tune(tmp_path / "model", **changes)
    assert losses["loss"].tolist() == pytest.approx([expected_loss(SAMPLES)], rel=1e-4)
    encoded = encode_samples(SAMPLES, load_tokenizer(tiny_base()))
    assert losses["tokens"].tolist() == [encoded.lengths.sum()]


def test_packed_and_unpacked_training_end_in_the_same_model(tmp_path: Path) -> None:
    for name, packing in (("packed", True), ("apart", False)):
        tune(tmp_path / name, packing=packing, batch_size=24, n_epochs=3, learning_rate=1e-4)
    packed, apart = (load_model(tmp_path / name, tiny_base()).state_dict() for name in ("packed", "apart"))
    for name, weights in packed.items():
        torch.testing.assert_close(weights, apart[name], atol=2e-5, rtol=1e-3)


def test_the_loss_in_chunks_of_a_gpu_is_the_same_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tune(tmp_path / "plain")
    monkeypatch.delattr(finetune._Trainer, "compute_loss")
    assert tune(tmp_path / "chunks")["loss"].tolist() == pytest.approx(plain["loss"].tolist(), rel=1e-3)


def test_instruction_tokens_add_nothing_to_the_loss() -> None:
    model, tokenizer = load_base_model(tiny_base())
    encoded = encode_samples(SAMPLES.head(1), tokenizer)
    start = encoded.prompt_lengths[0]
    outputs = model(input_ids=torch.tensor(encoded.tokens), labels=torch.tensor(encoded.labels))
    outputs.logits.retain_grad()
    outputs.loss.backward()
    moved = outputs.logits.grad[0].abs().sum(-1) > 0
    assert not moved[: start - 1].any()
    assert moved[start - 1 : -1].all()


def test_other_instruction_labels_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tune(tmp_path / "before")
    monkeypatch.setattr(
        "macromicro.models.chat.EncodedSamples.labels",
        property(
            lambda encoded: [
                [-100] * int(s) + t[s:] for s, t in zip(encoded.prompt_lengths, encoded.tokens, strict=True)
            ]
        ),
    )
    assert tune(tmp_path / "after")["loss"].tolist() == before["loss"].tolist()
    monkeypatch.setattr("macromicro.models.chat.EncodedSamples.labels", property(lambda encoded: encoded.tokens))
    assert tune(tmp_path / "all")["loss"].iloc[0] != pytest.approx(before["loss"].iloc[0], rel=1e-3)


def test_same_seed_gives_the_same_bytes_whatever_the_row_order(tmp_path: Path) -> None:
    shuffled = SAMPLES.sample(frac=1, random_state=2)
    before = shuffled.copy()
    settings = {"batch_size": 1, "bf16": "auto"}
    tune(tmp_path / "a", **settings)
    tune(tmp_path / "b", shuffled, **settings)
    tune(tmp_path / "c", seed=1, **settings)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a" / "model.safetensors") != digest(tmp_path / "c" / "model.safetensors")
    pd.testing.assert_frame_equal(shuffled, before)


@pytest.mark.parametrize(("method", "gain"), [("full", 0.3), ("lora", 0.05)])
def test_training_learns_without_network_or_stray_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, gain: float
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("training must not use the network")

    tiny_base()
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    losses = tune(tmp_path / "model", method=method, n_epochs=8, batch_size=1, learning_rate=1e-2)
    assert losses["loss"].tail(4).mean() < losses["loss"].head(4).mean() - gain
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert load_tokenizer(tmp_path / "model").get_vocab() == load_tokenizer(tiny_base()).get_vocab()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "model" / "loss.parquet"), losses)
    written = b"".join(path.read_bytes() for path in (tmp_path / "model").iterdir())
    assert str(tiny_base().parent).encode() not in written


def test_an_adapter_is_merged_into_the_base_when_loaded(tmp_path: Path) -> None:
    tune(tmp_path / "model", method="lora", n_epochs=2, batch_size=1)
    assert (tmp_path / "model" / "adapter_model.safetensors").is_file()
    tuned, base = load_model(tmp_path / "model", tiny_base()), load_base_model(tiny_base())[0]
    assert type(tuned) is type(base)
    assert not tuned.training
    changed = [n for n, w in tuned.state_dict().items() if not torch.equal(w, base.state_dict()[n])]
    assert changed
    assert all("proj" in name for name in changed)


def test_lengths_are_counted() -> None:
    tokenizer = load_tokenizer(tiny_base())
    long = pd.DataFrame({"id": ["zz"], "instruction": ["dog " * 60], "response": ["bread"]})
    samples = pd.concat([SAMPLES, long])
    limit = int(np.sort(encode_samples(SAMPLES, tokenizer).lengths)[-1]) - 1
    report = length_report(samples, tokenizer, max_tokens=limit)["count"]
    assert report["samples"] == 25
    assert report["dropped"] == 1
    assert report["cut"] == (encode_samples(SAMPLES, tokenizer).lengths > limit).sum()
    assert report["tokens"] == np.minimum(encode_samples(SAMPLES, tokenizer).lengths, limit).sum()


def test_no_response_token_left_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_tokens=2 leaves no response token in any of the 24 samples"):
        tune(tmp_path / "model", max_tokens=2)
    assert not list(tmp_path.iterdir())
