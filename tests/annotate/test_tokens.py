import re
import string
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.encoders import readable
from macromicro.annotate.tokens import (
    annotate_tokens,
    band_table,
    band_types,
    count_curve,
    count_tokens,
    count_words,
    merge_counts,
    tokenize,
)
from macromicro.annotate.types import load_types
from macromicro.corpus.scripts import find_unspaced
from macromicro.study.layout import find_root
from numpy.testing import assert_array_equal
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXTS = ["the cat saw the dog", "a dog", "", "the the the", "naïve 😀 שלום\0", "<s> is text here"]
IDS = list("fedcba")
SPACES = "".join(filter(str.isspace, map(chr, range(sys.maxunicode + 1))))
ODD_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.fixture(scope="module")
def tokenizer():
    """A byte-level BPE with a special token, set to cut and pad, as a training loop may have left it."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(TEXTS * 5, trainer)
    bpe.enable_truncation(3)
    bpe.enable_padding()
    return bpe


def words_of(text):
    """The rule for words, in Python's own regular expressions."""
    return [word for word in re.split(r"[^\w]+", text.lower()) if word]


def per_text(tokenized):
    bounds = zip(tokenized.offsets[:-1], tokenized.offsets[1:], strict=True)
    return [tokenized.vocabulary[tokenized.tokens[start:stop]].tolist() for start, stop in bounds]


def test_tokens_are_those_of_the_tokenizer_one_text_at_a_time(tokenizer):
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.no_truncation()
    plain.no_padding()
    plain.encode_special_tokens = True
    found = tokenize(TEXTS, tokenizer, batch_size=2)
    assert per_text(found) == [plain.encode(text, add_special_tokens=False).tokens for text in TEXTS]
    assert found.lengths.tolist() == [len(tokens) for tokens in per_text(found)]
    assert found.lengths[2] == 0
    assert "<s>" not in per_text(found)[5]


def test_the_tokenizer_itself_is_left_as_it_was(tokenizer):
    before = tokenizer.to_str()
    tokenize(TEXTS, tokenizer)
    assert tokenizer.to_str() == before


def test_a_tokenizer_of_transformers_gives_the_same(tokenizer):
    from transformers import PreTrainedTokenizerFast

    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")
    assert_array_equal(tokenize(TEXTS, wrapped).tokens, tokenize(TEXTS, tokenizer).tokens)


def test_bare_words_are_lower_cased_runs_of_letters_and_digits():
    found = tokenize(["Hello, wörld! hello_2", "…", "x\0Y"], None, unit="bare-word", batch_size=2)
    assert per_text(found) == [["hello", "wörld", "hello_2"], [], ["x", "y"]]


@given(st.lists(st.text(alphabet=string.ascii_letters + "0123456789_ .,-!é\n\0", max_size=30), max_size=8))
def test_bare_words_agree_with_python_for_any_text(texts):
    assert per_text(tokenize(texts, None, unit="bare-word", batch_size=3)) == [words_of(text) for text in texts]


@pytest.mark.parametrize(
    ("unit", "first"), [("word", ["Use", "Python3", "编写", "代码"]), ("bare-word", ["use", "python3", "编写", "代码"])]
)
def test_words_of_scripts_without_spaces_are_those_of_a_dictionary(unit, first):
    texts = ["Use Python3编写代码", "an apple, please", "", "我喜欢吃苹果"]
    found = per_text(tokenize(texts, None, unit=unit, batch_size=2))
    second = ["an", "apple," if unit == "word" else "apple", "please"]
    assert found == [first, second, [], ["我", "喜欢", "吃", "苹果"]]
    assert annotate_tokens("abcd", texts, None, low=1, high=1, unit=unit).labels.tolist() == sorted(
        [*first, *second, "我", "喜欢", "吃", "苹果"]
    )


def test_words_are_counted_as_they_are_found():
    """Lower case of a few letters is newer than what the pattern takes for a letter."""
    changed = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000 and chr(code).lower() != chr(code)]
    texts = [
        *changed,
        *(f"a{letter}a" for letter in changed),
        "",
        "  \n",
        "Don't!",
        "Spring (春天来了) has come",
        "我喜欢吃苹果。",
    ]
    texts += ["x_1 ３ ²a", "e\u0301te\u0301", "a\u200bb", "one-two"]
    for some in (pd.Series(texts), pd.Series(texts, dtype="str"), pd.Series([], dtype="str")):
        assert_array_equal(count_words(some), tokenize(some, None, unit="bare-word").lengths)


@settings(deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=8))
def test_words_of_any_text_are_counted_as_they_are_found(texts):
    assert_array_equal(count_words(pd.Series(texts, dtype="str")), tokenize(texts, None, unit="bare-word").lengths)


def test_words_keep_case_and_punctuation():
    found = tokenize(["Hello, World! hello\u00a0(2)", " \t\n", "", "x\0Y"], None, unit="word", batch_size=2)
    assert per_text(found) == [["Hello,", "World!", "hello", "(2)"], [], [], ["x\0Y"]]


@given(st.lists(st.text(st.sampled_from(SPACES + "aaaBBB...\u200b\u180e\0"), max_size=20), max_size=8))
def test_words_are_those_of_str_split(texts):
    assert per_text(tokenize(texts, None, unit="word", batch_size=3)) == [text.split() for text in texts]


@settings(deadline=None)
@given(st.lists(ODD_TEXT.filter(lambda text: not find_unspaced([text]).any()), max_size=8))
def test_words_are_those_of_str_split_for_any_text(texts):
    assert per_text(tokenize(texts, None, unit="word")) == [text.split() for text in texts]


def test_every_character_that_is_white_space_to_python_splits():
    """And no other does."""
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    text = "a".join(np.array(characters)[~find_unspaced(characters)])
    assert per_text(tokenize([text], None, unit="word")) == [text.split()]


@settings(deadline=None)
@given(st.lists(ODD_TEXT, max_size=8), st.integers(1, 9), st.sampled_from(["token", "word", "bare-word"]))
def test_batches_and_kinds_of_input_do_not_matter(tokenizer, texts, batch_size, unit):
    whole = per_text(tokenize(texts, tokenizer, unit=unit))
    assert len(whole) == len(texts)
    for given_as in (iter(texts), pa.array(texts, pa.string()), pa.chunked_array([texts[:3], texts[3:]], pa.string())):
        assert per_text(tokenize(given_as, tokenizer, unit=unit, batch_size=batch_size)) == whole


def test_bands_by_hand():
    texts = ["a a a a b", "b c c", "d", "b"]
    types = annotate_tokens(list("4321"), texts, None, low=2, high=3, unit="bare-word")
    assert types.labels.tolist() == ["b", "c"]
    assert types.ids.tolist() == ["1", "2", "3", "4"]
    assert types.matrix.toarray().tolist() == [[1, 0], [0, 0], [1, 1], [1, 0]]
    assert types.untyped.tolist() == [1]
    bands = types.report["bands"]
    assert [bands[name]["n_distinct"] for name in ("low", "mid", "high")] == [1, 2, 1]
    assert [bands[name]["n_occurrences"] for name in ("low", "mid", "high")] == [1, 5, 4]
    assert types.report["n_tokens"] == 10


@settings(deadline=None)
@given(st.lists(st.text(alphabet="abc ", max_size=12), max_size=10), st.integers(1, 4), st.integers(0, 4))
def test_bands_agree_with_plain_counting(texts, low, width):
    ids = [f"{row:03d}" for row in range(len(texts))]
    types = annotate_tokens(ids, texts, None, low=low, high=low + width, unit="bare-word")
    all_words = [word for text in texts for word in words_of(text)]
    mid = sorted(word for word in set(all_words) if low <= all_words.count(word) <= low + width)
    assert types.labels.tolist() == mid
    assert types.matrix.toarray().tolist() == [[int(word in words_of(text)) for word in mid] for text in texts]


def test_several_bands_come_from_one_pass(tokenizer):
    passes = []

    def texts():
        passes.append(1)
        yield from TEXTS

    counts = count_tokens(IDS, texts(), tokenizer)
    for low, high in ((1, 2), (2, 9), (1, 1000)):
        alone = annotate_tokens(IDS, TEXTS, tokenizer, low=low, high=high)
        banded = band_types(counts, low=low, high=high)
        assert banded.labels.tolist() == alone.labels.tolist()
        assert_array_equal(banded.matrix.toarray(), alone.matrix.toarray())
    assert passes == [1]
    assert band_table(counts, low=1, high=2)["n_occurrences"].sum() == len(tokenize(TEXTS, tokenizer).tokens)


@pytest.mark.parametrize("unit", ["token", "word", "bare-word"])
def test_two_shards_count_as_one(tokenizer, unit):
    whole = count_tokens(IDS, TEXTS, tokenizer, unit=unit)
    shards = [count_tokens(IDS[part], TEXTS[part], tokenizer, unit=unit) for part in (slice(2), slice(2, None))]
    merged = merge_counts(shards)
    assert dict(zip(whole.vocabulary, whole.counts, strict=True)) == dict(
        zip(merged.vocabulary, merged.counts, strict=True)
    )
    first, second = band_types(whole, low=1, high=3), band_types(merged, low=1, high=3)
    assert first.labels.tolist() == second.labels.tolist()
    assert first.ids.tolist() == second.ids.tolist()
    assert first.report == second.report
    assert_array_equal(first.matrix.toarray(), second.matrix.toarray())


def test_row_order_does_not_matter(tokenizer):
    one = annotate_tokens(IDS, TEXTS, tokenizer, low=1, high=3)
    other = annotate_tokens(IDS[::-1], TEXTS[::-1], tokenizer, low=1, high=3)
    assert one.labels.tolist() == other.labels.tolist()
    assert_array_equal(one.matrix.indices, other.matrix.indices)
    assert_array_equal(one.matrix.indptr, other.matrix.indptr)


@pytest.mark.parametrize("texts", [[], ["one"], [""], ["same text"] * 5, ["x" * 1_000_000]])
@pytest.mark.parametrize("unit", ["token", "word", "bare-word"])
def test_small_and_odd_corpora_give_a_matrix(tokenizer, texts, unit):
    ids = [str(row) for row in range(len(texts))]
    types = annotate_tokens(ids, texts, tokenizer, low=1, high=10**7, unit=unit)
    assert types.n_samples == len(texts)
    assert (types.n_types == 0) == (not any(texts))
    if types.n_types:
        assert (types.types_per_sample == types.n_types).all()


def test_the_curve_is_readable_and_sorted(tokenizer):
    curve = count_curve(count_tokens(IDS, TEXTS, tokenizer), tokenizer, low=2, high=4)
    assert curve["rank"].tolist() == list(range(1, len(curve) + 1))
    assert (np.diff(curve["count"]) <= 0).all()
    assert curve["band"].tolist() == ["low" if n < 2 else "mid" if n <= 4 else "high" for n in curve["count"]]
    assert readable(np.array(["Ġthe", "Ċ"], dtype=object), tokenizer).tolist() == ["␣the", r"\n"]


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: annotate_tokens(["a"], ["x"], None, low=1, high=2), "needs a fast tokenizer, not NoneType"),
        (lambda: annotate_tokens(["a"], ["x", "y"], None, low=1, high=2, unit="bare-word"), "1 ids and 2 texts"),
        (lambda: annotate_tokens(["a", "a"], ["x", "y"], None, low=1, high=2, unit="bare-word"), "strictly increasing"),
        (lambda: annotate_tokens(["a"], ["x"], None, low=3, high=2, unit="bare-word"), "low=3 must be at most high=2"),
        (lambda: tokenize(["x", None], None, unit="bare-word"), "text 1 is None"),
        (lambda: tokenize(pa.array(["x", None]), None, unit="bare-word", batch_size=1), "text 1 is None"),
        (lambda: merge_counts([]), "at least one shard"),
    ],
)
def test_bad_input_names_the_rule(call, rule):
    with pytest.raises(ValueError, match=rule):
        call()


def test_a_tokenizer_without_a_token_for_what_it_does_not_know_is_refused():
    closed = Tokenizer(models.WordLevel({"cat": 0}, unk_token="[UNK]"))
    closed.pre_tokenizer = pre_tokenizers.Whitespace()
    assert tokenize(["cat cat"], closed).lengths.tolist() == [2]
    with pytest.raises(ValueError, match=r"the tokenizer cannot encode every text: .*Missing \[UNK\]"):
        tokenize(["cat", "cat dog"], closed)


def test_shards_on_the_engine_of_the_study_give_the_matrix_of_one_pass(tokenizer, tmp_path):
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    pq.write_table(pa.table({"id": list(IDS), "response": list(TEXTS)}), tmp_path / "corpus.parquet")
    benchmarks = find_root() / "benchmarks"
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        str(benchmarks / "shards.smk"),
        "--cores",
        "2",
        "--quiet",
        "all",
    ]
    command += ["--config", "corpus=corpus.parquet", "tokenizer=tokenizer.json", "low=1", "high=3", "shards=2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    joined, whole = load_types(tmp_path / "joined.npz"), annotate_tokens(IDS, TEXTS, tokenizer, low=1, high=3)
    assert joined.labels.tolist() == whole.labels.tolist()
    assert joined.ids.tolist() == whole.ids.tolist()
    assert (joined.matrix != whole.matrix).nnz == 0
    assert joined.report == whole.report
