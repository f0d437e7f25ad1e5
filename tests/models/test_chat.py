import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.models.basemodel import load_tokenizer
from macromicro.models.chat import DEFAULT_CHAT_TEMPLATE, IGNORED, encode_prompts, encode_samples, truncate
from tiny_models import make_samples, tiny_base

PLAIN = st.text(max_size=40).filter(lambda text: "<|" not in text)


def one(instruction: str, response: str) -> pd.DataFrame:
    return pd.DataFrame({"id": ["a"], "instruction": [instruction], "response": [response]})


@settings(max_examples=60, deadline=None)
@given(PLAIN, PLAIN)
def test_prompt_is_the_exact_prefix_of_the_conversation_tokenised_whole(instruction: str, response: str) -> None:
    tokenizer = load_tokenizer(tiny_base())
    encoded = encode_samples(one(instruction, response), tokenizer)
    chat = [{"role": "user", "content": instruction}, {"role": "assistant", "content": response}]
    whole = tokenizer.apply_chat_template(chat, return_dict=False)
    assert encoded.tokens == [whole]
    prompt = tokenizer.apply_chat_template(chat[:1], add_generation_prompt=True, return_dict=False)
    assert whole[: len(prompt)] == prompt
    assert encode_prompts(one(instruction, response), tokenizer) == [prompt]
    assert encoded.prompt_lengths.tolist() == [len(prompt)]


@settings(max_examples=60, deadline=None)
@given(PLAIN, PLAIN)
def test_labels_are_the_response_and_its_end_token(instruction: str, response: str) -> None:
    tokenizer = load_tokenizer(tiny_base())
    encoded = encode_samples(one(instruction, response), tokenizer)
    counted = [label for label in encoded.labels[0] if label != IGNORED]
    assert tokenizer.decode(counted) == response + "<|end|>"
    assert encoded.labels[0][: encoded.prompt_lengths[0]] == [IGNORED] * encoded.prompt_lengths[0]


def test_samples_come_sorted_by_id() -> None:
    tokenizer = load_tokenizer(tiny_base())
    samples = make_samples(20, seed=1)
    shuffled = samples.sample(frac=1, random_state=0)
    encoded = encode_samples(shuffled, tokenizer)
    assert encoded.ids == samples["id"].tolist()
    assert encoded.tokens == encode_samples(samples, tokenizer).tokens
    assert encode_prompts(shuffled, tokenizer) == encode_prompts(samples, tokenizer)


def test_truncate_keeps_the_beginning_and_drops_samples_without_response() -> None:
    tokenizer = load_tokenizer(tiny_base())
    samples = pd.concat([one("dog " * 30, "bread"), make_samples(3, seed=2)])
    encoded = encode_samples(samples, tokenizer)
    limit = int(encoded.prompt_lengths[0]) + 2
    cut = truncate(encoded, limit)
    assert cut.ids == ["02-0000", "02-0001", "02-0002"]
    assert cut.tokens == [tokens[:limit] for tokens in encoded.tokens[:3]]
    assert (cut.lengths == np.minimum(encoded.lengths[:3], limit)).all()
    assert encoded.prompt_lengths[3] > limit
    assert len(truncate(encoded, 10_000).ids) == 4


def test_a_tokenizer_without_template_gets_the_default_one() -> None:
    tokenizer = load_tokenizer(tiny_base())
    tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    prompt = tokenizer.apply_chat_template(chat[:1], add_generation_prompt=True, tokenize=False)
    assert prompt == "### Instruction:\nHi\n\n### Response:\n"
    assert tokenizer.apply_chat_template(chat, tokenize=False) == prompt + "Ho<|end|>"


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (one("a", "b").drop(columns="response"), "missing: response"),
        (one("a", "b").iloc[:0], "at least one sample"),
        (pd.concat([one("a", "b"), one("c", "d")]), "'a' repeats"),
        (one("a", None), "every response must be a text, but sample 'a'"),
        (one(float("nan"), "b"), "every instruction must be a text"),
    ],
)
def test_bad_samples_are_refused(samples: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_samples(samples, load_tokenizer(tiny_base()))


def test_a_template_that_does_not_begin_with_its_prompt_is_refused() -> None:
    tokenizer = load_tokenizer(tiny_base())
    tokenizer.chat_template = "{% if add_generation_prompt %}ask{% else %}answer{% endif %}"
    with pytest.raises(ValueError, match="must begin a conversation with its prompt, but that of sample a"):
        encode_samples(one("a", "b"), tokenizer)
