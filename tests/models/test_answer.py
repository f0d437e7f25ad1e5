from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from macromicro.models.answer import (
    answer_models,
    answer_prompts,
    answers_side_by_side,
    fitting_prompts,
    likelihood_summary,
    reference_log_likelihood,
)
from macromicro.models.basemodel import context_length, load_base_model
from macromicro.models.chat import encode_prompts, encode_samples
from tiny_models import make_samples, tiny_base

PROMPTS = make_samples(12, seed=6)
GREEDY = {"seed": 0, "max_new_tokens": 6, "temperature": 0.0, "top_p": 1.0}


@pytest.fixture(scope="module")
def base() -> tuple:
    return load_base_model(tiny_base())


def varied_prompts() -> pd.DataFrame:
    """Prompts of very different lengths, with references beyond ASCII."""
    extra = pd.DataFrame(
        {"id": ["x1", "x2"], "instruction": ["Où?", "dog " * 20], "response": ["Là-bas, à l'orée 🌲", "no"]}
    )
    return pd.concat([PROMPTS, extra], ignore_index=True)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_log_likelihood_against_one_sample_at_a_time(base: tuple, batch_size: int) -> None:
    model, tokenizer = base
    prompts = varied_prompts()
    table = reference_log_likelihood(model, tokenizer, prompts.iloc[::-1], batch_size=batch_size)
    encoded = encode_samples(prompts, tokenizer)
    assert table["prompt_id"].tolist() == encoded.ids == sorted(prompts["id"])
    for row, (tokens, start) in enumerate(zip(encoded.tokens, encoded.prompt_lengths, strict=True)):
        with torch.inference_mode():
            logs = model(input_ids=torch.tensor([tokens])).logits[0].double().log_softmax(-1)
        expected = sum(logs[place - 1, tokens[place]].item() for place in range(start, len(tokens)))
        assert table["log_likelihood"][row] == pytest.approx(expected, rel=1e-5)
        assert tokens[-1] == tokenizer.eos_token_id
    assert table["n_bytes"].iloc[-2] == len("Là-bas, à l'orée 🌲".encode())


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_greedy_answers_against_a_plain_loop(base: tuple, batch_size: int) -> None:
    model, tokenizer = base
    prompts = varied_prompts()
    table = answer_prompts(model, tokenizer, prompts.iloc[::-1], batch_size=batch_size, **GREEDY)
    for row, tokens in enumerate(encode_prompts(prompts, tokenizer)):
        new: list[int] = []
        while len(new) < GREEDY["max_new_tokens"] and tokenizer.eos_token_id not in new:
            with torch.inference_mode():
                new.append(int(model(input_ids=torch.tensor([tokens + new])).logits[0, -1].argmax()))
        assert table["answer"][row] == tokenizer.decode(new, skip_special_tokens=True)
        assert table["n_answer_tokens"][row] == len(new)


def test_sampled_answers_depend_on_seed_and_prompt_but_not_on_the_batch(base: tuple) -> None:
    sampled = {**GREEDY, "temperature": 1.0}
    alone = answer_prompts(*base, PROMPTS, batch_size=1, **sampled)
    together = answer_prompts(*base, PROMPTS.iloc[::-1], batch_size=64, **sampled)
    pd.testing.assert_frame_equal(alone, together)
    other = answer_prompts(*base, PROMPTS, batch_size=64, **{**sampled, "seed": 1})
    assert (other["answer"] != together["answer"]).mean() > 0.5
    narrow = answer_prompts(*base, PROMPTS, batch_size=64, **{**sampled, "top_p": 1e-6})
    greedy = answer_prompts(*base, PROMPTS, batch_size=64, **GREEDY)
    pd.testing.assert_frame_equal(narrow, greedy)


def test_sampled_tokens_follow_the_probabilities(base: tuple) -> None:
    model, tokenizer = base
    prompts = pd.DataFrame({"id": [f"{i:04d}" for i in range(2000)], "instruction": "Where is the dog?"})
    settings = {**GREEDY, "temperature": 2.0, "max_new_tokens": 1}
    table = answer_prompts(model, tokenizer, prompts, batch_size=1000, **settings)
    tokens = torch.tensor(encode_prompts(prompts.head(1), tokenizer))
    with torch.inference_mode():
        chances = (model(input_ids=tokens).logits[0, -1] / 2).softmax(-1).numpy()
    found = table["answer"].value_counts(normalize=True)
    for token in np.argsort(chances)[-5:]:
        spread = float(np.sqrt(chances[token] * (1 - chances[token]) / len(prompts)))
        assert found.get(tokenizer.decode([token]), 0) == pytest.approx(float(chances[token]), abs=5 * spread)


def test_an_answer_ends_with_the_first_end_token(base: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = base
    generated = torch.tensor([[tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.pad_token_id]])
    monkeypatch.setattr(type(model), "generate", lambda self, input_ids, **_: torch.cat([input_ids, generated], 1))
    table = answer_prompts(model, tokenizer, PROMPTS.head(1), batch_size=1, **GREEDY)
    assert table[["answer", "n_answer_tokens"]].to_numpy().tolist() == [["", 1]]


def test_models_of_a_group_are_answered_in_one_table() -> None:
    models: dict[str, Path] = {"n2-d100-s0": tiny_base(), "n2-d000-s0": tiny_base()}
    table = answer_models(models, PROMPTS, base=tiny_base(), batch_size=8, **GREEDY)
    assert table.columns.tolist() == "dataset prompt_id answer n_answer_tokens log_likelihood n_bytes".split()
    assert table["dataset"].tolist() == ["n2-d000-s0"] * 12 + ["n2-d100-s0"] * 12
    halves = [half.drop(columns="dataset").reset_index(drop=True) for _, half in table.groupby("dataset")]
    pd.testing.assert_frame_equal(*halves)
    summary = likelihood_summary(table)
    expected = halves[0]["log_likelihood"].sum() / halves[0]["n_bytes"].sum()
    assert summary["nats per byte"].tolist() == pytest.approx([expected, expected])
    with pytest.raises(ValueError, match="at least one model"):
        answer_models({}, PROMPTS, base=tiny_base(), batch_size=8, **GREEDY)


def test_answers_side_by_side_are_short() -> None:
    answers = pd.DataFrame(
        [(f"m{m}", prompt, "word " * 30) for m in range(5) for prompt in PROMPTS["id"]],
        columns=["dataset", "prompt_id", "answer"],
    )
    table = answers_side_by_side(answers, PROMPTS.iloc[::-1], n_prompts=3, width=20)
    assert table.columns.tolist() == ["instruction", "reference", "m0", "m2", "m4"]
    assert table["instruction"].tolist() == [
        text if len(text) <= 20 else text[:19] + "…" for text in PROMPTS["instruction"][:3]
    ]
    assert table["m0"].str.len().tolist() == [20, 20, 20]


def test_prompts_beyond_the_context_are_left_out() -> None:
    prompts = make_samples(3, seed=0).sort_values("id", ignore_index=True)
    room = context_length(tiny_base())
    prompts.loc[1, "response"] = "word " * room
    prompts.loc[2, "instruction"] = "word " * room
    assert fitting_prompts(prompts, base=tiny_base(), max_new_tokens=1)["id"].tolist() == prompts["id"].tolist()[:1]
    with pytest.raises(ValueError, match="no prompt fits"):
        fitting_prompts(prompts, base=tiny_base(), max_new_tokens=room)


def test_an_empty_reference_is_refused(base: tuple) -> None:
    prompts = PROMPTS.assign(response=["", *PROMPTS["response"].iloc[1:]])
    with pytest.raises(ValueError, match=f"reference must not be empty, but that of prompt {prompts['id'].iloc[0]}"):
        reference_log_likelihood(*base, prompts, batch_size=4)


def test_a_broken_model_is_refused() -> None:
    model, tokenizer = load_base_model(tiny_base())
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="likelihood of every reference must be a number"):
        reference_log_likelihood(model, tokenizer, PROMPTS, batch_size=4)
