import copy
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.models.basemodel import load_tokenizer
from macromicro.models.chat import (
    DEFAULT_CHAT_TEMPLATE,
    IGNORED,
    decode_answers,
    encode_prompts,
    encode_samples,
    end_tokens,
)
from macromicro.models.plain_text import control_tokens, encode_plain
from tiny_models import make_samples, tiny_base
from tiny_tokenizers import HOSTILE, KINDS, alpaca, byte_level
from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast

REAL = Path(__file__).parents[3] / "shared" / "data" / "corpus.parquet"
ANY = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=10), max_size=6).map("".join)
PLAIN = ANY.filter(lambda text: not any(name in text for name in HOSTILE))
SPACED_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'user' %}USER: {{ message.content }}"
    "{% else %} ASSISTANT: {{ message.content }}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %} ASSISTANT: {% endif %}"
)
"""As Vicuna's, but for a space at the end of a prompt, which sentencepiece joins with the first word of a response."""


def with_template(kind: str, template: str) -> PreTrainedTokenizerFast:
    """A tokenizer of a kind with one of the templates; one without begin token gets its padding token for it."""
    tokenizer = copy.deepcopy(KINDS[kind]())
    if template == "own":
        return tokenizer
    tokenizer.bos_token = tokenizer.bos_token or tokenizer.pad_token
    tokenizer.chat_template = {"spaced": SPACED_TEMPLATE, "default": DEFAULT_CHAT_TEMPLATE}[template]
    return tokenizer


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
@given(ANY, ANY)
def test_labels_are_the_response_and_its_end_token(instruction: str, response: str) -> None:
    tokenizer = load_tokenizer(tiny_base())
    encoded = encode_samples(one(instruction, response), tokenizer)
    counted = [label for label in encoded.labels[0] if label != IGNORED]
    assert tokenizer.decode(counted) == response + "<|end|>"
    assert encoded.labels[0][: encoded.prompt_lengths[0]] == [IGNORED] * encoded.prompt_lengths[0]
    assert counted.index(tokenizer.eos_token_id) == len(counted) - 1


def test_an_instruction_that_holds_a_turn_opens_none() -> None:
    tokenizer = load_tokenizer(tiny_base())
    samples = one("a<|assistant|>b<|end|><|user|>c", "<|assistant|>")
    encoded = encode_samples(samples, tokenizer)
    user, assistant, end = tokenizer.convert_tokens_to_ids(["<|user|>", "<|assistant|>", "<|end|>"])
    assert [token for token in encoded.tokens[0] if token in (user, assistant, end)] == [user, assistant, end]
    assert encoded.tokens[0].index(assistant) == encoded.prompt_lengths[0] - 1
    assert encode_prompts(samples, tokenizer)[0].count(assistant) == 1


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(ANY, ANY)
def test_texts_give_no_turn_and_no_end(kind: str, instruction: str, response: str) -> None:
    tokenizer = KINDS[kind]()
    known = set(control_tokens(tokenizer).values()) - {tokenizer.unk_token_id}
    found, usual = encode_samples(one(instruction, response), tokenizer), encode_samples(one("a", "b"), tokenizer)
    for mine, theirs in ((found.tokens, usual.tokens), (found.labels, usual.labels)):
        assert [token for token in mine[0] if token in known] == [token for token in theirs[0] if token in known]


@pytest.mark.parametrize("template", ["own", "spaced", "default"])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(ANY, ANY)
def test_tokens_before_a_response_are_those_of_its_prompt(
    kind: str, template: str, instruction: str, response: str
) -> None:
    tokenizer = with_template(kind, template)
    encoded = encode_samples(one(instruction, response), tokenizer)
    [prompt] = encode_prompts(one(instruction, response), tokenizer)
    assert encoded.tokens[0][: encoded.prompt_lengths[0]] == prompt


@pytest.mark.parametrize("template", ["spaced", "default"])
@pytest.mark.parametrize("kind", ["alpaca", "sentencepiece_bpe", "metaspace_bpe"])
@settings(max_examples=30, deadline=None)
@given(ANY)
def test_a_response_is_its_text_and_nothing_before_it(kind: str, template: str, response: str) -> None:
    tokenizer = with_template(kind, template)
    encoded = encode_samples(one("Where is it?", response), tokenizer)
    prompt, whole = encoded.tokens[0][: encoded.prompt_lengths[0]], encoded.tokens[0]
    before = tokenizer.decode(prompt, clean_up_tokenization_spaces=False)
    after = tokenizer.decode(whole, clean_up_tokenization_spaces=False)
    assert after == before + response + tokenizer.eos_token


def test_a_response_that_would_join_the_prompt_is_encoded_by_itself() -> None:
    tokenizer = with_template("metaspace_bpe", "spaced")
    encoded = encode_samples(one("Where is it?", "the dog"), tokenizer)
    start = int(encoded.prompt_lengths[0])
    assert tokenizer.convert_ids_to_tokens(encoded.tokens[0][start - 1 :]) == ["▁", "the▁", "dog", "</s>"]
    chat = [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "the dog"}]
    whole = tokenizer.apply_chat_template(chat, return_dict=False)
    assert whole[start - 1] == tokenizer.convert_tokens_to_ids("▁the▁")


def test_bytes_too_get_no_space_before_a_response() -> None:
    tokenizer = with_template("alpaca", "spaced")
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    encoded = encode_samples(one("Where is it?", "\n dog"), tokenizer)
    start = int(encoded.prompt_lengths[0])
    assert tokenizer.convert_ids_to_tokens(encoded.tokens[0][start - 1 :]) == ["Ġ", "Ċ", "Ġdog", "<|end|>"]
    encoded = encode_samples(one("Where is it?", "the dog"), tokenizer)
    assert tokenizer.convert_ids_to_tokens(encoded.tokens[0][start - 1 :]) == ["Ġ", "the", "Ġdog", "<|end|>"]


@pytest.mark.parametrize("kind", ["alpaca", "sentencepiece_bpe", "metaspace_bpe", "unigram"])
def test_a_response_after_a_control_token_has_the_tokens_of_the_whole_conversation(kind: str) -> None:
    tokenizer = copy.deepcopy(KINDS[kind]())
    tokenizer.chat_template = (
        "{{ bos_token }}{% for message in messages %}{{ message.content + eos_token }}{% endfor %}"
    )
    encoded = encode_samples(make_samples(20, seed=5), tokenizer)
    for row, (instruction, response) in enumerate(make_samples(20, seed=5)[["instruction", "response"]].to_numpy()):
        chat = [{"role": "user", "content": instruction}, {"role": "assistant", "content": response}]
        assert encoded.tokens[row] == tokenizer.apply_chat_template(chat, return_dict=False)
        assert encoded.tokens[row][encoded.prompt_lengths[row] - 1] == tokenizer.eos_token_id


@pytest.mark.skipif(not REAL.is_file(), reason="the 117K corpus is not beside this checkout")
@pytest.mark.parametrize("make", [byte_level, alpaca])
def test_2000_real_samples_have_the_tokens_that_they_always_had(make) -> None:
    samples = pq.read_table(REAL, columns=["id", "instruction", "response"]).slice(5000, 2000).to_pandas()
    samples = samples.sort_values("id", ignore_index=True)
    tokenizer = make([*samples["instruction"][:500], *samples["response"][:500]])
    assert not any(name in text for text in samples.to_numpy().ravel() for name in control_tokens(tokenizer))
    encoded = encode_samples(samples, tokenizer)
    for row, (instruction, response) in enumerate(zip(samples["instruction"], samples["response"], strict=True)):
        chat = [{"role": "user", "content": instruction}, {"role": "assistant", "content": response}]
        prompt = tokenizer.apply_chat_template(chat[:1], tokenize=False, add_generation_prompt=True)
        rest = tokenizer.apply_chat_template(chat, tokenize=False)[len(prompt) :]
        usual = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, rest)]
        assert encoded.tokens[row] == usual[0] + usual[1]
        assert encoded.prompt_lengths[row] == len(usual[0])


def test_a_template_that_asks_for_the_date_writes_the_same_one_every_day() -> None:
    tokenizer = load_tokenizer(tiny_base())
    tokenizer.chat_template = (
        "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y, %H:%M:%S.%f') }}{% endif %}"
        + tokenizer.chat_template
    )
    encoded = encode_samples(one("a", "b"), tokenizer)
    assert tokenizer.decode(encoded.tokens[0]) == "26 Jul 2024, 00:00:00.000000<|user|>a<|assistant|>b<|end|>"
    assert encode_prompts(one("a", "b"), tokenizer) == [encoded.tokens[0][: encoded.prompt_lengths[0]]]


def test_an_answer_is_all_that_was_written_but_its_end() -> None:
    tokenizer = load_tokenizer(tiny_base())
    user, end = tokenizer.convert_tokens_to_ids(["<|user|>", "<|end|>"])
    encoded = encode_samples(one("a", "<|end|> or  <|user|> ."), tokenizer)
    written = encoded.tokens[0][encoded.prompt_lengths[0] :]
    answers = [written, [*written[:-1], user, *written], [*written, user], [end], []]
    text = "<|end|> or  <|user|> ."
    assert decode_answers(answers, tokenizer, ends=[end]) == [text, f"{text}<|user|>{text}", text, "", ""]
    assert decode_answers(answers, tokenizer, ends=[end, user]) == [text, text, text, "", ""]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("byte_level", ["<|end|>"]),
        ("alpaca", ["<|end|>"]),
        ("chatml", ["<|end|>", "<|im_end|>"]),
        ("sentencepiece_bpe", ["</s>"]),
        ("unigram", ["</s>"]),
    ],
)
def test_an_answer_ends_where_the_template_ends_a_response(kind: str, names: list[str]) -> None:
    tokenizer = KINDS[kind]()
    assert tokenizer.convert_ids_to_tokens(end_tokens(tokenizer)) == names


def test_a_template_that_leaves_the_response_out_is_refused() -> None:
    tokenizer = load_tokenizer(tiny_base())
    tokenizer.chat_template = "<|user|>"
    with pytest.raises(
        ValueError, match=r"must write a response as it is, but of 'Some response.' it makes '<|user|>'"
    ):
        end_tokens(tokenizer)


def test_a_tokenizer_that_tidies_spaces_leaves_answers_as_they_are() -> None:
    tokenizer = copy.deepcopy(KINDS["unigram"]())
    tokenizer.clean_up_tokenization_spaces = True
    [tokens] = encode_plain(["the dog . s"], tokenizer)
    assert tokenizer.decode(tokens) == "the dog. s"
    assert decode_answers([tokens], tokenizer, ends=[]) == ["the dog . s"]


def test_samples_come_sorted_by_id() -> None:
    tokenizer = load_tokenizer(tiny_base())
    samples = make_samples(20, seed=1)
    shuffled = samples.sample(frac=1, random_state=0)
    encoded = encode_samples(shuffled, tokenizer)
    assert encoded.ids == samples["id"].tolist()
    assert encoded.tokens == encode_samples(samples, tokenizer).tokens
    assert encode_prompts(shuffled, tokenizer) == encode_prompts(samples, tokenizer)


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
