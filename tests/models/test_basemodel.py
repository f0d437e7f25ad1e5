import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.models.basemodel import (
    REFERENCE,
    describe_model,
    load_base_model,
    load_tokenizer,
    refer_to_base_model,
    train_base_model,
)
from macromicro.models.chat import DEFAULT_CHAT_TEMPLATE
from macromicro.study.files import digest
from tiny_models import MODEL, TRAINING, make_samples, tiny_base

SHORT = {**TRAINING, "n_tokens": 1024}


def test_same_seed_gives_the_same_bytes_whatever_the_row_order(tmp_path: Path) -> None:
    samples = make_samples(60, seed=3)
    shuffled = samples.sample(frac=1, random_state=1)
    before = shuffled.copy()
    train_base_model(samples, path=tmp_path / "a", seed=1, **MODEL, **SHORT)
    train_base_model(shuffled, path=tmp_path / "b", seed=1, **MODEL, **SHORT)
    train_base_model(samples, path=tmp_path / "c", seed=2, **MODEL, **SHORT)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a" / "model.safetensors") != digest(tmp_path / "c" / "model.safetensors")
    pd.testing.assert_frame_equal(shuffled, before)


def test_training_leaves_threads_and_random_state_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    state, n_threads = torch.random.get_rng_state(), torch.get_num_threads()
    train_base_model(make_samples(20, seed=3), path=tmp_path / "a", seed=1, **MODEL, **SHORT)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == n_threads


def test_the_model_learns_and_its_losses_are_saved() -> None:
    losses = pd.read_parquet(tiny_base() / "loss.parquet")
    checked = losses["validation_loss"].dropna()
    assert checked.iloc[-1] < checked.iloc[0] - 1
    assert losses["tokens"].iloc[-1] == TRAINING["n_tokens"]
    assert losses["step"].tolist() == list(range(1, len(losses) + 1))


def test_the_checkpoint_is_an_ordinary_one() -> None:
    model, tokenizer = load_base_model(tiny_base())
    assert type(model).__name__ == "LlamaForCausalLM"
    assert model.dtype == torch.float32
    assert not model.training
    assert len(tokenizer) == model.config.vocab_size <= MODEL["vocab_size"]
    assert model.config.eos_token_id == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|end|>")
    assert describe_model(model, tokenizer).loc["layers", "base model"] == "2"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60).filter(lambda text: "<|" not in text))
def test_the_tokenizer_loses_nothing(text: str) -> None:
    tokenizer = load_tokenizer(tiny_base())
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is taken for a checkout, and is the working directory."""
    for name in ("params", "notebooks"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_reference_stands_for_the_checkpoint_and_holds_no_path(checkout: Path, tmp_path: Path) -> None:
    refer_to_base_model(tmp_path / "base", source=str(tiny_base()))
    assert [file.name for file in (tmp_path / "base").iterdir()] == [REFERENCE]
    written = (tmp_path / "base" / REFERENCE).read_text()
    assert tiny_base().name in written and str(tiny_base().parent) not in written
    model, tokenizer = load_base_model(tmp_path / "base")
    original, _ = load_base_model(tiny_base())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), original.parameters(), strict=True))
    assert tokenizer.get_vocab() == load_tokenizer(tiny_base()).get_vocab()
    shutil.copytree(tiny_base(), tmp_path / "mine")
    refer_to_base_model(tmp_path / "other", source=str(tmp_path / "mine"))
    shutil.rmtree(tmp_path / "mine")
    with pytest.raises(FileNotFoundError, match=r"mine \(\w+\) must be on this machine, but .* has gone"):
        load_base_model(tmp_path / "other")
    shutil.rmtree(checkout / "outputs")
    with pytest.raises(FileNotFoundError, match=r"\) must be on this machine, but it is not known here"):
        load_base_model(tmp_path / "base")


def test_a_model_of_the_hub_stays_at_the_commit_of_the_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "hub" / "models--org--model"
    for commit in ("a" * 40, "b" * 40):
        shutil.copytree(tiny_base(), repository / "snapshots" / commit)
    newer, _ = load_base_model(tiny_base())
    torch.nn.init.zeros_(newer.get_input_embeddings().weight)
    newer.save_pretrained(repository / "snapshots" / ("b" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refer_to_base_model(tmp_path / "base", source="org/model")
    assert json.loads((tmp_path / "base" / REFERENCE).read_text()) == {"source": "org/model", "revision": "a" * 40}
    (repository / "refs" / "main").write_text("b" * 40)
    assert load_base_model(tmp_path / "base")[0].get_input_embeddings().weight.abs().max() > 0
    assert load_base_model("org/model")[0].get_input_embeddings().weight.abs().max() == 0


def test_a_missing_checkpoint_leaves_no_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="no-such-model"):
        refer_to_base_model(tmp_path / "base", source=str(tmp_path / "no-such-model"))
    assert not list(tmp_path.iterdir())


def changed_checkpoint(folder: Path, file: str, **changes: object) -> Path:
    """A copy of the tiny base whose JSON `file` has other values; None removes one."""
    shutil.copytree(tiny_base(), folder)
    settings = {**json.loads((folder / file).read_text()), **changes}
    (folder / file).write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))
    return folder


def test_a_checkpoint_without_template_and_padding_gets_both(tmp_path: Path) -> None:
    folder = changed_checkpoint(tmp_path / "base", "tokenizer_config.json", pad_token=None)
    (folder / "chat_template.jinja").unlink()
    tokenizer = load_tokenizer(folder)
    assert tokenizer.chat_template == DEFAULT_CHAT_TEMPLATE
    assert tokenizer.pad_token == tokenizer.eos_token


def test_a_checkpoint_without_end_token_is_refused(tmp_path: Path) -> None:
    folder = changed_checkpoint(tmp_path / "base", "tokenizer_config.json", eos_token=None)
    with pytest.raises(ValueError, match="needs an end token"):
        load_tokenizer(folder)


def test_a_tokenizer_larger_than_its_model_is_refused(tmp_path: Path) -> None:
    shutil.copytree(tiny_base(), tmp_path / "base")
    tokenizer = load_tokenizer(tiny_base())
    tokenizer.add_tokens(["<|one more|>"])
    tokenizer.save_pretrained(tmp_path / "base")
    with pytest.raises(ValueError, match=f"has {len(tokenizer)} tokens, but its model only {len(tokenizer) - 1}"):
        load_base_model(tmp_path / "base")


def test_bad_samples_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing: response"):
        train_base_model(
            pd.DataFrame({"id": ["a"], "instruction": ["b"]}), path=tmp_path / "a", seed=0, **MODEL, **SHORT
        )
    assert not list(tmp_path.iterdir())
