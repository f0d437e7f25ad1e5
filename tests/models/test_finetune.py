import math
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from macromicro.models.basemodel import load_base_model, load_tokenizer
from macromicro.models.chat import EncodedSamples, encode_samples
from macromicro.models.finetune import (
    Job,
    Trained,
    lay_end_to_end,
    length_report,
    train,
    train_models,
)
from macromicro.models.tuned import load_models
from macromicro.study.files import digest
from macromicro.study.sections import FinetuneParams
from safetensors.torch import load_file
from tiny_models import FINETUNING, make_samples, tiny_base

SAMPLES = make_samples(24, seed=5)


def tune(path: Path, samples: pd.DataFrame = SAMPLES, seed: int = 0, **changes: object) -> pd.DataFrame:
    return train(samples, base=tiny_base(), path=path, seed=seed, **{**FINETUNING, **changes}).losses


def loaded(path: Path) -> torch.nn.Module:
    return next(load_models([path], tiny_base()))


def padded_loss(model: torch.nn.Module, encoded: EncodedSamples, row: int, width: int) -> torch.Tensor:
    """Summed loss of the response of one sample, padded to `width` tokens."""
    tokens, start = encoded.tokens[row], int(encoded.prompt_lengths[row])
    mask = torch.tensor([[1] * len(tokens) + [0] * (width - len(tokens))])
    padded = torch.tensor([tokens + [0] * (width - len(tokens))])
    logs = model(input_ids=padded, attention_mask=mask, use_cache=False).logits[0].log_softmax(-1)
    return -sum(logs[place - 1, tokens[place]] for place in range(start, len(tokens)))


def train_sample_by_sample(
    seed: int, n_epochs: int, n_per_step: int, rate: float, warmup_share: float
) -> tuple[torch.nn.Module, list[float]]:
    """The same training written plainly: one padded sample at a time, the optimiser's rule spelt out by PyTorch."""
    model, tokenizer = load_base_model(tiny_base())
    model.train()
    encoded = encode_samples(SAMPLES, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0, fused=False)
    rng, losses = np.random.default_rng(seed), []
    n_per_epoch = math.ceil(len(SAMPLES) / n_per_step)
    n_steps, n_warmup = n_epochs * n_per_epoch, round(warmup_share * n_epochs * n_per_epoch)
    for _ in range(n_epochs):
        for rows in np.array_split(rng.permutation(len(SAMPLES)), n_per_epoch):
            n_counted = sum(len(encoded.tokens[row]) - encoded.prompt_lengths[row] for row in rows)
            loss = sum(padded_loss(model, encoded, row, width=64) for row in rows) / int(n_counted)
            loss.backward()
            norm = math.sqrt(sum(float((w.grad**2).sum()) for w in model.parameters()))
            for weight in model.parameters():
                weight.grad *= min(1.0, 1.0 / norm)
            step = len(losses)
            warm, cool = (step + 1) / n_warmup, (1 + math.cos(math.pi * (step - n_warmup) / (n_steps - n_warmup))) / 2
            optimizer.param_groups[0]["lr"] = rate * (warm if step < n_warmup else cool)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    return model, losses


@pytest.mark.parametrize(
    ("batch_size", "gradient_accumulation"), [(8, 1), (2, 4), (1, 8), (3, 3)], ids=["whole", "parts", "single", "odd"]
)
def test_training_is_that_of_one_padded_sample_at_a_time(
    tmp_path: Path, batch_size: int, gradient_accumulation: int
) -> None:
    changes = {"batch_size": batch_size, "gradient_accumulation": gradient_accumulation, "warmup_share": 0.25}
    losses = tune(tmp_path / "model", n_epochs=4, learning_rate=1e-3, seed=3, **changes)
    expected, steps = train_sample_by_sample(3, 4, batch_size * gradient_accumulation, 1e-3, 0.25)
    assert losses["loss"].tolist() == pytest.approx(steps, rel=1e-4)
    for name, weights in loaded(tmp_path / "model").state_dict().items():
        torch.testing.assert_close(weights, expected.state_dict()[name], atol=5e-5, rtol=1e-3)


def test_logits_of_samples_end_to_end_are_those_of_samples_apart() -> None:
    model, tokenizer = load_base_model(tiny_base())
    encoded = encode_samples(SAMPLES, tokenizer)
    rows = np.array([4, 0, 17])
    tokens, positions, places = lay_end_to_end(encoded, rows)
    with torch.inference_mode():
        together = model(input_ids=tokens, position_ids=positions, use_cache=False).logits[0]
        apart = torch.cat([model(input_ids=torch.tensor([encoded.tokens[row]])).logits[0] for row in rows])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)
    labels = np.concatenate([encoded.labels[row] for row in rows])
    assert tokens[0, places].tolist() == labels[labels != -100].tolist()
    assert places.tolist() == np.flatnonzero(labels != -100).tolist()


def test_datasets_of_one_size_get_the_same_steps_whatever_their_lengths(tmp_path: Path) -> None:
    long = SAMPLES.assign(response="bread " * 40)
    changes = {"batch_size": 3, "gradient_accumulation": 2, "n_epochs": 2, "max_tokens": 200}
    settings = FinetuneParams(**{**FINETUNING, **changes})
    jobs = [Job(table, tmp_path / str(i), seed=0) for i, table in enumerate([SAMPLES, long])]
    short, longer = (trained.losses for trained in train_models(jobs, base=tiny_base(), settings=settings))
    assert len(short) == len(longer) == 8
    assert longer["tokens"].iloc[-1] > 2 * short["tokens"].iloc[-1]
    encoded = encode_samples(SAMPLES, load_tokenizer(tiny_base()))
    assert short["tokens"].iloc[[3, 7]].tolist() == [encoded.lengths.sum(), 2 * encoded.lengths.sum()]


def test_models_trained_together_are_those_trained_alone(tmp_path: Path) -> None:
    other = make_samples(16, seed=8)
    jobs = [Job(SAMPLES, tmp_path / "a", seed=0), Job(other, tmp_path / "b", seed=1)]
    trained = list(train_models(jobs, base=tiny_base(), settings=FinetuneParams(**FINETUNING)))
    tune(tmp_path / "alone", other, seed=1)
    assert digest(tmp_path / "b") == digest(tmp_path / "alone")
    assert [model.path.name for model in trained] == ["a", "b"]
    assert all(0 < model.seconds < 60 for model in trained)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_model_is_saved_before_the_next_is_trained(tmp_path: Path, method: str) -> None:
    def jobs() -> Iterator[Job]:
        yield Job(SAMPLES, tmp_path / "first", seed=0)
        assert (tmp_path / "first" / "loss.parquet").is_file()
        raise KeyboardInterrupt

    running = train_models(jobs(), base=tiny_base(), settings=FinetuneParams(**{**FINETUNING, "method": method}))
    assert isinstance(next(running), Trained)
    with pytest.raises(KeyboardInterrupt):
        next(running)
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_instruction_tokens_add_nothing_to_the_loss(tmp_path: Path) -> None:
    model, tokenizer = load_base_model(tiny_base())
    encoded = encode_samples(SAMPLES, tokenizer)
    with torch.inference_mode():
        losses = [padded_loss(model, encoded, row, width=64).item() for row in range(24)]
    n_responses = (encoded.lengths - encoded.prompt_lengths).sum()
    first = tune(tmp_path / "model", batch_size=24)["loss"]
    assert first.tolist() == pytest.approx([sum(losses) / n_responses], rel=1e-4)


def test_same_seed_gives_the_same_bytes_whatever_the_row_order(tmp_path: Path) -> None:
    shuffled = SAMPLES.sample(frac=1, random_state=2)
    before = shuffled.copy()
    settings = {"batch_size": 4, "bf16": "auto"}
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
    losses = tune(tmp_path / "model", method=method, n_epochs=8, batch_size=2, learning_rate=1e-2)
    assert losses["loss"].tail(12).mean() < losses["loss"].head(12).mean() - gain
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert load_tokenizer(tmp_path / "model").get_vocab() == load_tokenizer(tiny_base()).get_vocab()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "model" / "loss.parquet"), losses)
    written = b"".join(path.read_bytes() for path in (tmp_path / "model").iterdir())
    assert str(tiny_base().parent).encode() not in written


@pytest.mark.parametrize("method", ["full", "lora"])
def test_activations_computed_twice_give_the_same_training(tmp_path: Path, method: str) -> None:
    kept = tune(tmp_path / "kept", method=method)
    twice = tune(tmp_path / "twice", method=method, gradient_checkpointing=True)
    assert twice["loss"].tolist() == pytest.approx(kept["loss"].tolist(), rel=1e-6)


def test_lora_adapts_the_layers_that_are_named(tmp_path: Path) -> None:
    every = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    for name, targets, adapted in (("all", "all-linear", every), ("two", ["q_proj", "v_proj"], {"q_proj", "v_proj"})):
        tune(tmp_path / name, method="lora", lora_targets=targets)
        weights = load_file(tmp_path / name / "adapter_model.safetensors")
        assert {part for key in weights for part in key.split(".") if part.endswith("_proj")} == adapted
    with pytest.raises(ValueError, match=r"Target modules .*no_proj.* not found"):
        tune(tmp_path / "none", method="lora", lora_targets=["no_proj"])


def test_a_loss_that_is_not_a_number_stops_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"(loss|gradient) must be a number, but at step \d of wild it"):
        tune(tmp_path / "wild", learning_rate=1e30, n_epochs=3)
    assert not list(tmp_path.iterdir())


def test_the_samples_of_the_pass_whose_loss_is_not_a_number_are_named(tmp_path: Path) -> None:
    shutil.copytree(tiny_base(), tmp_path / "base")
    model, tokenizer = load_base_model(tiny_base())
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.config.tie_word_embeddings = False
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids("Q")] = float("nan")
    model.save_pretrained(tmp_path / "base")
    samples = SAMPLES.assign(response=[*SAMPLES["response"][:-1], "In the Q."])
    changes = {**FINETUNING, "batch_size": 1, "gradient_accumulation": 24}
    with pytest.raises(ValueError, match=r"at step 1 of model it is nan, on samples 05-0023$"):
        train(samples, base=tmp_path / "base", path=tmp_path / "model", seed=0, **changes)


def test_a_gradient_that_is_not_a_number_stops_and_leaves_nothing(tmp_path: Path) -> None:
    shutil.copytree(tiny_base(), tmp_path / "base")
    model, _ = load_base_model(tiny_base())
    torch.nn.init.constant_(model.get_input_embeddings().weight, 1e30)
    model.save_pretrained(tmp_path / "base")
    with pytest.raises(ValueError, match=r"gradient must be a number, but at step 1 of model its norm is (nan|inf)"):
        train(SAMPLES, base=tmp_path / "base", path=tmp_path / "model", seed=0, **FINETUNING)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("template", ["alpaca", "chat"])
def test_a_base_model_without_chat_template_gets_the_one_of_the_settings(tmp_path: Path, template: str) -> None:
    shutil.copytree(tiny_base(), tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    train(SAMPLES, base=tmp_path / "base", path=tmp_path / "model", seed=0, **FINETUNING, template=template)
    prompt = {"alpaca": "### Instruction:\nHi\n\n### Response:\n", "chat": "<|user|>\nHi\n<|assistant|>\n"}[template]
    chat = [{"role": "user", "content": "Hi"}]
    saved = load_tokenizer(tmp_path / "model")
    assert saved.apply_chat_template(chat, add_generation_prompt=True, tokenize=False) == prompt
    assert load_tokenizer(tiny_base(), template="chat").chat_template == load_tokenizer(tiny_base()).chat_template
    samples = load_tokenizer(tmp_path / "base", template=template)
    assert encode_samples(SAMPLES, samples).tokens == encode_samples(SAMPLES, saved).tokens


def test_lengths_are_counted() -> None:
    encoded = encode_samples(SAMPLES, load_tokenizer(tiny_base()))
    report = length_report(SAMPLES, load_tokenizer(tiny_base()))["count"]
    assert report["samples"] == 24
    assert report["tokens"] == sum(map(len, encoded.tokens))
    assert report["response tokens"] == report["tokens"] - encoded.prompt_lengths.sum()
    assert report["longest sample"] == max(map(len, encoded.tokens))


def test_a_sample_that_would_be_cut_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    encoded = encode_samples(SAMPLES, load_tokenizer(tiny_base()))
    longest, n_longest = encoded.lengths.max(), (encoded.lengths == encoded.lengths.max()).sum()
    name = encoded.ids[encoded.lengths.argmax()]
    rule = f"max_tokens={longest - 1} must hold every sample, for none is cut, but '{name}' has {longest}"
    with pytest.raises(ValueError, match=f"{rule}, and {n_longest} of 24 have more"):
        tune(tmp_path / "model", max_tokens=int(longest) - 1)
    assert not list(tmp_path.iterdir())
    assert len(tune(tmp_path / "model", max_tokens=int(longest))) == 3


def test_a_misspelt_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="n_epoch"):
        tune(tmp_path / "model", n_epoch=1)
