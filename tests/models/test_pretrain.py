import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from macromicro.models.attention import WITHIN_TEXTS
from macromicro.models.basemodel import load_base_model
from macromicro.models.chat import encode_samples
from macromicro.models.pretrain import _loss, _optimizers, cut_into_blocks, pretrain
from tiny_models import make_samples, tiny_base

SETTINGS = {"context_length": 8, "n_tokens": 64, "batch_tokens": 16, "learning_rate": 1e-3}


def test_blocks_by_hand() -> None:
    flat, offsets = np.array([10, 11, 12, 20, 21, 30, 31, 32, 33]), np.array([0, 3, 5, 9])
    tokens, positions = cut_into_blocks(flat, offsets, np.array([2, 0, 1]), 4)
    assert tokens.tolist() == [[30, 31, 32, 33], [10, 11, 12, 20], [21, 30, 31, 32]]
    assert positions.tolist() == [[0, 1, 2, 3], [0, 1, 2, 0], [1, 0, 1, 2]]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(2, 7))
def test_blocks_hold_every_token_once_in_order(lengths: list[int], context_length: int) -> None:
    offsets = np.cumsum([0, *lengths])
    flat = np.arange(offsets[-1])
    order = np.arange(len(lengths))[::-1]
    tokens, positions = cut_into_blocks(flat, offsets, order, context_length)
    expected = np.concatenate([flat[offsets[row] : offsets[row + 1]] for row in order])
    assert tokens.ravel()[: len(flat)].tolist() == expected.tolist()
    assert (positions.ravel()[: len(flat)] == expected - np.repeat(offsets[order], np.array(lengths)[order])).all()


def test_packed_texts_do_not_see_each_other() -> None:
    model, tokenizer = load_base_model(tiny_base())
    texts = encode_samples(make_samples(3, seed=4), tokenizer).tokens
    offsets = np.cumsum([0, *map(len, texts)])
    packed = cut_into_blocks(np.concatenate(texts), offsets, np.arange(3), int(offsets[-1]))
    tokens, positions = torch.from_numpy(packed)
    with torch.inference_mode():
        together = model(input_ids=tokens, position_ids=positions, use_cache=False).logits[0]
        apart = torch.cat([model(input_ids=torch.tensor([text]), use_cache=False).logits[0] for text in texts])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


def test_loss_and_gradient_are_those_that_the_model_itself_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("macromicro.models.pretrain.use_bf16", lambda: False)  # the model's own are float32
    model, tokenizer = load_base_model(tiny_base())
    texts = encode_samples(make_samples(40, seed=4), tokenizer).tokens
    offsets = np.cumsum([0, *map(len, texts)])
    blocks = cut_into_blocks(np.concatenate(texts), offsets, np.arange(40), 64)
    tokens, positions = torch.from_numpy(blocks)
    labels = tokens.masked_fill(positions == 0, -100)
    own = model(input_ids=tokens, position_ids=positions, labels=labels, use_cache=False).loss
    own.backward()
    expected = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    model.set_attn_implementation(WITHIN_TEXTS)
    loss = _loss(model, blocks)
    loss.backward()
    assert loss.item() == pytest.approx(own.item(), rel=1e-5)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], atol=1e-5, rtol=1e-3)


def test_every_weight_is_moved_by_exactly_one_optimiser() -> None:
    model, _ = load_base_model(tiny_base())
    moved = [w for optimizer in _optimizers(model) for group in optimizer.param_groups for w in group["params"]]
    assert {id(weight) for weight in moved} == {id(weight) for weight in model.parameters()}
    assert len(moved) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("texts", "change", "message"),
    [
        ([[1, 2]], {}, "at least 2 texts"),
        ([[1, 2], [3]], {"n_tokens": 8}, "n_tokens=8 must be at least batch_tokens=16"),
        ([[1, 2], [3]], {"context_length": 32}, "at least context_length=32"),
    ],
)
def test_too_little_to_train_on_is_refused(texts: list[list[int]], change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pretrain(None, texts, rng=np.random.default_rng(0), **{**SETTINGS, **change})
