import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from macromicro.models.answer import (
    answer_models,
    answer_prompts,
    answers_side_by_side,
    fitting_prompts,
    how_answered,
    summarise_answers,
)
from macromicro.models.basemodel import context_length, load_base_model, load_tokenizer
from macromicro.models.chat import encode_prompts
from macromicro.models.finetune import train
from macromicro.models.reference_likelihood import reference_log_likelihood
from macromicro.study.sections import AnswerParams
from peft import PeftModel
from tiny_models import FINETUNING, PROMPTS, LargestScores, make_samples, tiny_base, varied_prompts
from transformers import AutoModelForCausalLM, GenerationConfig


def asking(**changes: float) -> AnswerParams:
    """Greedy answers of at most six tokens, or with other settings."""
    return AnswerParams(**{"max_new_tokens": 6, "temperature": 0.0, "top_p": 1.0, **changes})


@pytest.fixture(scope="module")
def base() -> tuple:
    return load_base_model(tiny_base())


def plain_answer(model: torch.nn.Module, tokenizer: Any, prompt: list[int]) -> list[int]:
    """Six tokens at most, each the likeliest after what is there."""
    new: list[int] = []
    while len(new) < 6 and tokenizer.eos_token_id not in new:
        with torch.inference_mode():
            new.append(int(model(input_ids=torch.tensor([prompt + new])).logits[0, -1].argmax()))
    return new


@pytest.mark.parametrize("batch_tokens", [1, 40, 100, 300, 100_000])
def test_greedy_answers_against_a_plain_loop(base: tuple, batch_tokens: int) -> None:
    model, tokenizer = base
    prompts = varied_prompts()
    table = answer_prompts(model, tokenizer, prompts.iloc[::-1], seed=0, settings=asking(batch_tokens=batch_tokens))
    for row, tokens in enumerate(encode_prompts(prompts, tokenizer)):
        new = plain_answer(model, tokenizer, tokens)
        assert table["answer"][row] == tokenizer.decode(new, skip_special_tokens=True)
        assert table["n_answer_tokens"][row] == len(new)


def test_sampled_answers_depend_on_seed_and_prompt_but_not_on_the_batch(base: tuple) -> None:
    def answers(prompts: pd.DataFrame = PROMPTS, seed: int = 0, **changes: float) -> pd.DataFrame:
        return answer_prompts(*base, prompts, seed=seed, settings=asking(**{"temperature": 1.0, **changes}))

    alone = answers(batch_tokens=1)
    together = answers(PROMPTS.iloc[::-1])
    pd.testing.assert_frame_equal(alone, together)
    assert (answers(seed=1)["answer"] != together["answer"]).mean() > 0.5
    pd.testing.assert_frame_equal(answers(top_p=1e-6), answers(temperature=0.0))


def test_sampled_tokens_follow_the_probabilities(base: tuple) -> None:
    model, tokenizer = base
    prompts = pd.DataFrame({"id": [f"{i:04d}" for i in range(2000)], "instruction": "Where is the dog?"})
    settings = asking(temperature=2.0, max_new_tokens=1, batch_tokens=20_000)
    table = answer_prompts(model, tokenizer, prompts, seed=0, settings=settings)
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
    table = answer_prompts(model, tokenizer, PROMPTS.head(1), seed=0, settings=asking())
    assert table[["answer", "n_answer_tokens"]].to_numpy().tolist() == [["", 1]]


def test_a_control_token_amid_an_answer_shows_unless_it_ends_a_turn(
    base: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = base
    user, end, *text = tokenizer.convert_tokens_to_ids(["<|user|>", "<|end|>", "<", "|", "a"])
    generated = torch.tensor([[*text, user, *text, end, end]])
    monkeypatch.setattr(type(model), "generate", lambda self, input_ids, **_: torch.cat([input_ids, generated], 1))
    table = answer_prompts(model, tokenizer, PROMPTS.head(1), seed=0, settings=asking())
    assert table[["answer", "n_answer_tokens"]].to_numpy().tolist() == [["<|a<|user|><|a", 8]]
    closing = load_tokenizer(tiny_base())
    closing.chat_template = tokenizer.chat_template.replace("<|end|>", "<|user|>")
    table = answer_prompts(model, closing, PROMPTS.head(1), seed=0, settings=asking())
    assert table[["answer", "n_answer_tokens"]].to_numpy().tolist() == [["<|a", 4]]


def test_an_answer_ends_where_a_template_of_its_own_ends_a_turn(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_base())
    tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>", "<|user|>")
    shutil.copytree(tiny_base(), tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    samples = PROMPTS.assign(response="no")
    tune = {**FINETUNING, "n_epochs": 40, "learning_rate": 1e-2}
    train(samples, base=tmp_path / "base", path=tmp_path / "model", seed=0, **tune)
    models = {"tuned": tmp_path / "model"}
    [(_, table)] = answer_models(models, samples, base=tmp_path / "base", seed=0, settings=asking())
    assert table["answer"].tolist() == ["no"] * len(samples)
    assert (table["n_answer_tokens"] < 6).all()


def test_each_model_is_answered_in_a_table_of_its_own() -> None:
    models: dict[str, Path] = {"n2-d100-s0": tiny_base(), "n2-d000-s0": tiny_base()}
    tables = dict(answer_models(models, PROMPTS, base=tiny_base(), seed=0, settings=asking(batch_tokens=200)))
    assert list(tables) == list(models)
    for name, table in tables.items():
        assert table.columns.tolist() == "dataset prompt_id answer n_answer_tokens log_likelihood n_bytes".split()
        assert (table["dataset"] == name).all()
        assert table["prompt_id"].tolist() == sorted(PROMPTS["id"])
    halves = [table.drop(columns="dataset") for table in tables.values()]
    pd.testing.assert_frame_equal(*halves)
    summary = summarise_answers(pd.concat(tables.values()))
    expected = -halves[0]["log_likelihood"].sum() / halves[0]["n_bytes"].sum() / np.log(2)
    assert summary["bits per byte"].tolist() == pytest.approx([expected, expected])


HABITS = {
    "repetition_penalty": 5.0,
    "no_repeat_ngram_size": 1,
    "num_beams": 3,
    "min_length": 60,
    "min_new_tokens": 6,
    "forced_bos_token_id": 5,
    "forced_eos_token_id": 5,
    "suppress_tokens": "those of the greedy answer",
    "begin_suppress_tokens": "those of the greedy answer",
    "bad_words_ids": "those of the greedy answer",
    "do_sample": True,
    "max_length": 1,
    "encoder_repetition_penalty": 3.0,
}


@pytest.mark.parametrize("habit", HABITS)
def test_a_checkpoint_that_wants_to_answer_otherwise_is_asked_plainly(tmp_path: Path, base: tuple, habit: str) -> None:
    model, tokenizer = base
    greedy = [plain_answer(model, tokenizer, tokens) for tokens in encode_prompts(PROMPTS, tokenizer)]
    wish: Any = HABITS[habit]
    if isinstance(wish, str):
        wish = [[token] for token in greedy[0]] if habit == "bad_words_ids" else greedy[0]
    shutil.copytree(tiny_base(), tmp_path / "model")
    GenerationConfig(**{habit: wish, **({"temperature": 9.0} if habit == "do_sample" else {})}).save_pretrained(
        tmp_path / "model"
    )
    wilful, _ = load_base_model(tmp_path / "model")
    assert getattr(wilful.generation_config, habit) == wish
    for settings in (asking(), asking(batch_tokens=1)):
        answers = answer_prompts(wilful, tokenizer, PROMPTS, seed=0, settings=settings)["answer"]
        assert answers.tolist() == tokenizer.batch_decode(greedy, skip_special_tokens=True)
    assert getattr(wilful.generation_config, habit) == wish


def test_such_wishes_would_count_if_they_were_let(tmp_path: Path, base: tuple) -> None:
    model, tokenizer = base
    shutil.copytree(tiny_base(), tmp_path / "model")
    GenerationConfig(repetition_penalty=5.0, no_repeat_ngram_size=1, do_sample=False).save_pretrained(
        tmp_path / "model"
    )
    [tokens, *_] = encode_prompts(PROMPTS, tokenizer)
    wilful, _ = load_base_model(tmp_path / "model")
    own = wilful.generate(torch.tensor([tokens]), max_new_tokens=6)[0, len(tokens) :].tolist()
    assert own != plain_answer(model, tokenizer, tokens)


def test_all_that_generation_is_asked_for_is_said(base: tuple) -> None:
    end = base[1].eos_token_id
    asked = how_answered(tiny_base(), asking(temperature=0.5, top_p=0.9))
    assert asked == {
        "max_new_tokens": 6,
        "do_sample": False,
        "eos_token_id": [end],
        "pad_token_id": base[1].pad_token_id,
        "temperature": 0.5,
        "top_p": 0.9,
        "dtype": "float32",
    }
    assert how_answered(tiny_base(), asking(bf16=True))["dtype"] == "bfloat16"


def test_only_the_last_token_of_a_prompt_is_scored(base: tuple) -> None:
    model, tokenizer = base
    prompts = varied_prompts()
    with LargestScores(model.config.vocab_size) as seen:
        answer_prompts(model, tokenizer, prompts, seed=0, settings=asking(batch_tokens=100_000))
    assert seen.n_rows == len(prompts)


@pytest.mark.parametrize(("bf16", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_weights_are_loaded_in_the_type_that_they_answer_in(
    monkeypatch: pytest.MonkeyPatch, bf16: bool, dtype: torch.dtype
) -> None:
    asked = []
    load = AutoModelForCausalLM.from_pretrained
    monkeypatch.setattr(
        AutoModelForCausalLM, "from_pretrained", lambda *where, **how: asked.append(how["dtype"]) or load(*where, **how)
    )
    [(_, table)] = answer_models(
        {"a": tiny_base()}, PROMPTS, base=tiny_base(), seed=0, settings=asking(bf16=bf16), likelihood=False
    )
    assert asked == [dtype]
    assert table["n_answer_tokens"].between(1, 6).all()


def test_likelihoods_are_computed_only_where_they_are_asked_for() -> None:
    how = {"base": tiny_base(), "seed": 0, "settings": asking()}
    [(_, table)] = answer_models({"a": tiny_base()}, PROMPTS, likelihood=False, **how)
    [(_, whole)] = answer_models({"a": tiny_base()}, PROMPTS, **how)
    assert table.columns.tolist() == "dataset prompt_id answer n_answer_tokens".split()
    pd.testing.assert_frame_equal(table, whole[table.columns])
    assert summarise_answers(table).columns.tolist() == ["tokens per answer"]


def test_an_adapter_answers_as_the_model_it_makes(tmp_path: Path) -> None:
    tune = {**FINETUNING, "method": "lora", "n_epochs": 20, "learning_rate": 2e-2}
    train(PROMPTS, base=tiny_base(), path=tmp_path / "adapter", seed=0, **tune)
    whole = PeftModel.from_pretrained(load_base_model(tiny_base())[0], tmp_path / "adapter").merge_and_unload()
    models = {"adapter": tmp_path / "adapter", "base": tiny_base()}
    answers = dict(answer_models(models, PROMPTS, base=tiny_base(), seed=0, settings=asking()))
    merged, tokenizer = whole.eval(), load_tokenizer(tiny_base())
    expected = reference_log_likelihood(merged, tokenizer, PROMPTS, batch_tokens=4096)["log_likelihood"].tolist()
    assert answers["adapter"]["log_likelihood"].tolist() == pytest.approx(expected, rel=1e-4)
    assert answers["base"]["log_likelihood"].tolist() != pytest.approx(expected, rel=1e-2)
    texts = answer_prompts(merged, tokenizer, PROMPTS, seed=0, settings=asking())["answer"]
    assert answers["adapter"]["answer"].tolist() == texts.tolist()


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
