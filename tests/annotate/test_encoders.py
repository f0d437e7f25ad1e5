"""Texts to token numbers, with the kinds of tokenizers that base models have."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.encoders import TokenEncoder
from macromicro.models.plain_text import MARKS, control_tokens, encode_plain
from tiny_tokenizers import HOSTILE, KINDS, alpaca, sentencepiece_bpe
from tokenizers import Tokenizer

REAL = Path(__file__).parents[3] / "shared" / "data" / "corpus.parquet"
ANY = st.lists(st.sampled_from([*HOSTILE, *MARKS[:2], "0", "1", "2"]) | st.text(max_size=10), max_size=6).map("".join)


def per_text(encoded):
    tokens, lengths = encoded
    return [part.tolist() for part in np.split(tokens, np.cumsum(lengths)[:-1])]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(st.lists(ANY, min_size=1, max_size=4))
def test_tokens_are_those_of_training_and_none_is_a_control_token(kind, texts):
    tokenizer = KINDS[kind]()
    found = per_text(TokenEncoder(tokenizer)(texts))
    assert found == encode_plain(texts, tokenizer)
    known = set(control_tokens(tokenizer).values()) - {tokenizer.unk_token_id}
    assert not known & {number for numbers in found for number in numbers}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_ordinary_texts_have_the_tokens_that_they_always_had(kind, texts):
    tokenizer = KINDS[kind]()
    if any(name in text for text in texts for name in control_tokens(tokenizer)):
        return
    assert per_text(TokenEncoder(tokenizer)(texts)) == tokenizer(texts, add_special_tokens=False)["input_ids"]


def test_a_text_with_the_name_that_stands_for_a_control_token_is_text():
    tokenizer = KINDS["sentencepiece_bpe"]()
    encode = TokenEncoder(tokenizer)
    before = encode.vocabulary.tolist()
    for longest in (1, 3, 2):
        text = f"{MARKS[0] * longest}2{MARKS[0] * longest} </s>"
        [numbers] = per_text(encode([text]))
        assert tokenizer.decode(numbers, clean_up_tokenization_spaces=False) == text
        assert 2 not in numbers
    assert encode.vocabulary.tolist() == before == tokenizer.convert_ids_to_tokens(range(len(before)))


def test_without_a_template_the_special_tokens_alone_are_control_tokens():
    tokenizer = KINDS["chatml"]()
    bare = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    end, closing = tokenizer.convert_tokens_to_ids(["<|end|>", "<|im_end|>"])
    [with_template], [without] = (per_text(TokenEncoder(each)(["<|end|><|im_end|>"])) for each in (tokenizer, bare))
    assert not {end, closing} & {*with_template}
    assert end not in without
    assert without[-1] == closing


@pytest.mark.skipif(not REAL.is_file(), reason="the 117K corpus is not beside this checkout")
@pytest.mark.parametrize("make", [alpaca, sentencepiece_bpe])
def test_5000_real_responses_have_the_tokens_that_they_always_had(make):
    texts = pq.read_table(REAL, columns=["response"]).slice(10_000, 5_000)["response"].to_pylist()
    tokenizer = make(texts[:500])
    switched = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    switched.encode_special_tokens = True
    usual = [encoding.ids for encoding in switched.encode_batch_fast(texts, add_special_tokens=False)]
    assert per_text(TokenEncoder(tokenizer)(texts)) == usual
