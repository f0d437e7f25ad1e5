"""Control tokens in texts, with the kinds of tokenizers that base models have."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.models.plain_text import MARKS, PlainTokenizer, control_tokens, encode_chats, encode_plain
from tiny_tokenizers import HOSTILE, KINDS, ZEPHYR_TEMPLATE, alpaca, byte_level, sentencepiece_bpe, wrap
from tokenizers import Tokenizer, models, pre_tokenizers

REAL = Path(__file__).parents[3] / "shared" / "data" / "corpus.parquet"
PIECES = [*HOSTILE, "<|", "|>", "<", ">", "</", "s", "end", "user", " ", "\n", "the dog", "##", "é", MARKS[0], "7"]
TEXT = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


def chat(instruction, response=None):
    turns = [{"role": "user", "content": instruction}, {"role": "assistant", "content": response}]
    return turns[: 1 if response is None else 2]


def controls(numbers, tokenizer):
    known = set(control_tokens(tokenizer).values()) - {tokenizer.unk_token_id}
    return [number for number in numbers if number in known]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(instruction=TEXT, response=TEXT)
def test_only_the_template_writes_control_tokens(kind, instruction, response):
    tokenizer = KINDS[kind]()
    found = encode_chats([chat(instruction, response), chat(instruction)], tokenizer)
    harmless = [chat("the dog", "the dog"), chat("the dog")]
    usual = tokenizer.apply_chat_template(harmless, return_dict=False)
    assert [controls(numbers, tokenizer) for numbers in found] == [controls(numbers, tokenizer) for numbers in usual]
    assert not controls(encode_plain([instruction], tokenizer)[0], tokenizer)


@pytest.mark.parametrize("kind", ["byte_level", "alpaca", "chatml", "sentencepiece_bpe", "metaspace_bpe"])
@settings(max_examples=60, deadline=None)
@given(text=TEXT)
def test_the_text_is_still_all_there(kind, text):
    tokenizer = KINDS[kind]()
    [numbers] = encode_plain([text], tokenizer)
    # spaces at the beginning apart: Metaspace takes the first for its own
    assert tokenizer.decode(numbers, clean_up_tokenization_spaces=False).lstrip(" ") == text.lstrip(" ")


@settings(max_examples=60, deadline=None)
@given(TEXT, TEXT)
def test_tokens_are_those_of_a_tokenizer_that_has_no_control_tokens(instruction, response):
    tokenizer = KINDS["byte_level"]()
    bare = Tokenizer(tokenizer.backend_tokenizer.model)
    bare.pre_tokenizer = tokenizer.backend_tokenizer.pre_tokenizer
    end, user, assistant = (tokenizer.convert_tokens_to_ids(name) for name in ("<|end|>", "<|user|>", "<|assistant|>"))
    plain = [bare.encode(text).ids for text in (instruction, response)]
    assert encode_chats([chat(instruction, response)], tokenizer) == [[user, *plain[0], assistant, *plain[1], end]]
    assert encode_plain([instruction, response], tokenizer) == plain


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(instruction=st.text(max_size=30), response=st.text(max_size=30))
def test_ordinary_texts_have_the_tokens_that_they_always_had(kind, instruction, response):
    tokenizer = KINDS[kind]()
    if any(name in instruction + response for name in control_tokens(tokenizer)):
        return
    chats = [chat(instruction, response)]
    assert encode_chats(chats, tokenizer) == tokenizer.apply_chat_template(chats, return_dict=False)
    usual = tokenizer([instruction], add_special_tokens=False)["input_ids"]
    assert encode_plain([instruction], tokenizer) == usual


@pytest.mark.skipif(not REAL.is_file(), reason="the 117K corpus is not beside this checkout")
@pytest.mark.parametrize("make", [byte_level, alpaca, sentencepiece_bpe])
def test_2000_real_samples_have_the_tokens_that_they_always_had(make):
    samples = pq.read_table(REAL, columns=["instruction", "response"]).slice(0, 2000).to_pylist()
    tokenizer = make([text for sample in samples[:500] for text in sample.values()])
    if make is byte_level:
        tokenizer.chat_template = ZEPHYR_TEMPLATE
        tokenizer.bos_token = "<|pad|>"
    chats = [chat(sample["instruction"], sample["response"]) for sample in samples]
    assert encode_chats(chats, tokenizer) == tokenizer.apply_chat_template(chats, return_dict=False)
    prompts = [turns[:1] for turns in chats]
    found = encode_chats(prompts, tokenizer, add_generation_prompt=True)
    assert found == tokenizer.apply_chat_template(prompts, add_generation_prompt=True, return_dict=False)


def test_the_switch_of_tokenizers_alone_is_not_enough():
    for kind, text in (("unigram", "the </s> dog"), ("chatml", "the <|im_end|> dog")):
        tokenizer = KINDS[kind]()
        switched = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        switched.encode_special_tokens = True
        assert controls(switched.encode(text, add_special_tokens=False).ids, tokenizer)
        assert not controls(encode_plain([text], tokenizer)[0], tokenizer)


def test_a_merge_that_makes_a_control_token_is_passed_over():
    vocabulary = {name: number for number, name in enumerate(["<", "s", ">", "<s", "<s>", "x", "x<s>"])}
    backend = Tokenizer(models.BPE(vocabulary, [("<", "s"), ("<s", ">"), ("x", "<s>")]))
    backend.add_special_tokens(["<s>"])
    tokenizer = wrap(backend, "{{ bos_token }}{{ messages[0].content }}", bos_token="<s>")
    assert encode_plain(["x<s>", "<s"], tokenizer) == [[5, 3, 2], [3]]
    assert encode_chats([chat("x<s>")], tokenizer) == [[4, 5, 3, 2]]


def test_what_is_unknown_stays_unknown():
    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "cat": 1, "[END]": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = wrap(backend, "{{ messages[0].content }} [END]", eos_token="[END]", unk_token="[UNK]")
    assert encode_plain(["cat [END] [UNK] dog"], tokenizer) == [[1, 0, 0, 0]]
    assert encode_chats([chat("cat [END]")], tokenizer) == [[1, 0, 2]]


def test_added_tokens_that_are_text_stay_tokens():
    tokenizer = KINDS["chatml"]()
    assert control_tokens(tokenizer).keys() >= {"<|im_start|>", "<|im_end|>", "<|end|>"}
    assert not control_tokens(tokenizer).keys() & {"  ", "user"}
    user, spaces = tokenizer.convert_tokens_to_ids(["user", "  "])
    assert encode_plain(["user  "], tokenizer) == [[user, spaces]]


def test_parts_of_a_rendered_conversation_can_be_encoded_apart():
    tokenizer = KINDS["byte_level"]()
    plain = PlainTokenizer(tokenizer, ["<|end|> of it", "<|user|>"])
    prompt, answer = f"<|user|>{plain.shield('<|end|> of it')}<|assistant|>", f"{plain.shield('<|user|>')}<|end|>"
    whole = encode_chats([chat("<|end|> of it", "<|user|>")], tokenizer)
    first, second = plain.encode([prompt, answer])
    assert [first + second] == whole


def test_the_tokenizer_itself_is_left_as_it_was():
    tokenizer = byte_level()
    tokenizer.backend_tokenizer.enable_truncation(2)
    before = tokenizer.backend_tokenizer.to_str()
    assert len(encode_plain(["the dog is in the barn <|end|>"], tokenizer)[0]) > 2
    assert tokenizer.backend_tokenizer.to_str() == before


def test_bad_input_names_the_rule():
    with pytest.raises(ValueError, match="needs a fast tokenizer, not NoneType"):
        encode_plain(["x"], None)
    with pytest.raises(ValueError, match="texts hold 64 of the 64 characters that are none"):
        encode_plain(["".join(MARKS)], KINDS["byte_level"]())
    assert encode_plain([], KINDS["byte_level"]()) == encode_chats([], KINDS["byte_level"]()) == []
