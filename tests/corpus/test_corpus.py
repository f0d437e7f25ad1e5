import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.corpus.corpus import clean_samples, load_corpus, normal_form, places, save_report, split_samples
from macromicro.corpus.readers import COLUMNS
from macromicro.study.sections import CorpusParams

REAL = Path(__file__).parents[3] / "shared" / "data" / "corpus.parquet"


def make_samples(rows):
    table = pd.DataFrame(rows, columns=["id", "instruction", "response"], dtype="str")
    return table.assign(source="here", licence="")


def numbered(n):
    return make_samples([(f"{i:04d}", f"question {i}", f"answer {i}") for i in range(n)])


def write_jsonl(path, samples):
    lines = (json.dumps(row) + "\n" for row in samples[["id", "instruction", "response"]].to_dict("records"))
    path.write_text("".join(lines), encoding="utf-8")
    return path


def settings_of(**given):
    return dict(CorpusParams(**{"source": "file", "packages": [], "n_eval": 5, **given}))


def test_cleaning_drops_and_counts():
    samples = make_samples(
        [
            ("f", "What  is\nFINE?", "b"),
            ("a", "what is ﬁne?", "kept: first by id"),
            ("b", " ", "empty instruction"),
            ("c", "empty response", "\u200b\x07"),
            ("d", "too long", "x" * 100),
            ("e", "👋", "kept: shows something"),
        ]
    )
    kept, dropped = clean_samples(samples, max_chars=50)
    assert kept["id"].tolist() == ["a", "e"]
    assert dropped == {"empty": 2, "too_long": 1, "repeated_instruction": 1}
    assert len(samples) == 6


def test_a_long_repeat_does_not_push_out_a_short_one():
    samples = make_samples([("a", "same", "x" * 100), ("b", "same", "short")])
    assert clean_samples(samples, max_chars=50)[0]["id"].tolist() == ["b"]


def test_max_chars_counts_both_parts_and_keeps_the_limit_itself():
    samples = make_samples([("a", "12345", "12345"), ("b", "123456", "12345")])
    assert clean_samples(samples, max_chars=10)[0]["id"].tolist() == ["a"]


def test_normal_form_by_hand():
    given = pd.Series(["Ａ b", "STRASSE", "Straße", "e\u0301\u00a0 x"])
    assert normal_form(given).tolist() == ["a b", "strasse", "strasse", "é x"]


def test_places_follow_the_contract():
    digest = hashlib.sha256(b"split|abc").digest()
    assert places(["abc"])[0] == int.from_bytes(digest[:8], "big") / 2**64
    many = places([str(i) for i in range(20_000)])
    assert many.min() >= 0
    assert many.max() < 1
    assert np.histogram(many, bins=10, range=(0, 1))[0] == pytest.approx(2000, rel=0.1)


def test_split_by_hand():
    samples = numbered(200)
    order = sorted(samples["id"], key=lambda name: int(hashlib.sha256(f"split|{name}".encode()).hexdigest()[:16], 16))
    cut = sum(int(hashlib.sha256(f"split|{name}".encode()).hexdigest()[:16], 16) / 2**64 < 0.3 for name in order)
    parts = split_samples(samples, base_model_share=0.3, n_eval=10, limit=50)
    assert parts["held_out"]["id"].tolist() == sorted(order[:cut])
    assert parts["prompts"]["id"].tolist() == sorted(order[cut : cut + 10])
    assert parts["samples"]["id"].tolist() == sorted(order[cut + 10 : cut + 60])
    assert parts["over_limit"]["id"].tolist() == sorted(order[cut + 60 :])


@given(
    n=st.integers(20, 60),
    share=st.floats(0, 0.5),
    limit=st.one_of(st.none(), st.integers(1, 80)),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=50)
def test_split_is_a_partition_that_ignores_row_order(n, share, limit, seed):
    samples = numbered(n)
    shuffled = samples.sample(frac=1, random_state=seed)
    try:
        parts = split_samples(samples, base_model_share=share, n_eval=3, limit=limit)
    except ValueError as error:
        assert "n_eval=3 must be below" in str(error)
        return
    again = split_samples(shuffled, base_model_share=share, n_eval=3, limit=limit)
    assert sorted(name for part in parts.values() for name in part["id"]) == samples["id"].tolist()
    assert len(parts["prompts"]) == 3
    assert limit is None or len(parts["samples"]) <= limit
    for name, part in parts.items():
        pd.testing.assert_frame_equal(part, again[name])


def test_a_sample_keeps_its_side_when_the_corpus_grows():
    few = split_samples(numbered(100), base_model_share=0.4, n_eval=5, limit=None)
    many = split_samples(numbered(300), base_model_share=0.4, n_eval=5, limit=None)
    assert set(few["held_out"]["id"]) == set(many["held_out"]["id"]) & set(numbered(100)["id"])


def test_split_refuses_what_cannot_be():
    with pytest.raises(ValueError, match=r"n_eval=10 must be below the 10 samples not held out"):
        split_samples(numbered(10), base_model_share=0, n_eval=10, limit=None)
    twice = pd.concat([numbered(20), numbered(1)])
    with pytest.raises(ValueError, match="ids must be unique, but '0000' occurs twice"):
        split_samples(twice, base_model_share=0, n_eval=1, limit=None)


def test_a_file_becomes_a_corpus(tmp_path):
    path = write_jsonl(tmp_path / "my.jsonl", numbered(100))
    corpus = load_corpus(**settings_of(path=str(path), base_model_share=0.2, limit=30))
    assert len(corpus.samples) == 30
    assert len(corpus.prompts) == 5
    assert list(corpus.samples.columns) == list(COLUMNS)
    assert corpus.files == (path,)
    assert corpus.report["n_read"] == 100 == sum(corpus.report["split"].values())
    assert corpus.report["by_source"]["my.jsonl"]["samples"] == 30
    assert str(tmp_path) not in json.dumps(corpus.report)


def test_prompts_come_from_the_evaluation_file_and_leave_the_corpus(tmp_path):
    path = write_jsonl(tmp_path / "my.jsonl", numbered(40))
    rows = [("p1", "QUESTION  7", "seven", False), ("p2", "Why?", "Because.", False), ("p3", "How?", "So.", True)]
    table = pd.DataFrame(rows, columns=["id", "instruction", "response", "near_dup_of_corpus"])
    table.to_parquet(tmp_path / "eval.parquet")
    corpus = load_corpus(**settings_of(path=str(path), n_eval=2, eval_file="eval.parquet"))
    assert corpus.prompts["id"].tolist() == ["p1", "p2"]
    assert corpus.report["evaluation"]["dropped"]["near_duplicate"] == 1
    assert corpus.report["dropped"]["in_evaluation"] == 1
    assert "0007" not in corpus.samples["id"].tolist()
    assert len(corpus.samples) == 39
    with pytest.raises(ValueError, match="n_eval=3 must be at most the 2 usable rows"):
        load_corpus(**settings_of(path=str(path), n_eval=3, eval_file="eval.parquet"))


def test_without_the_evaluation_file_prompts_are_held_out(tmp_path):
    path = write_jsonl(tmp_path / "my.jsonl", numbered(40))
    with_name = load_corpus(**settings_of(path=str(path), eval_file="eval.parquet"))
    assert with_name.report["evaluation"] == {"file": "", "looked_for": "eval.parquet"}
    without = load_corpus(**settings_of(path=str(path)))
    pd.testing.assert_frame_equal(with_name.prompts, without.prompts)
    assert not set(without.prompts["id"]) & set(without.samples["id"])


def test_one_row_or_all_alike_is_a_clear_error(tmp_path):
    alike = numbered(9).assign(instruction="same")
    for samples in (numbered(1), alike):
        path = write_jsonl(tmp_path / "my.jsonl", samples)
        with pytest.raises(ValueError, match=r"corpus of 1 samples is too small: n_eval=5"):
            load_corpus(**settings_of(path=str(path)))


def test_reports_are_written_with_sorted_keys(tmp_path):
    save_report({"b": 1, "a": {"d": "é", "c": 2}}, tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert text.index('"a"') < text.index('"c"') < text.index('"d"') < text.index('"b"')
    assert "é" in text


@pytest.mark.skipif(not REAL.is_file(), reason="the 117K corpus is not beside this checkout")
def test_the_real_corpus_has_nothing_to_drop():
    corpus = load_corpus(**settings_of(path=str(REAL), limit=1000))
    assert corpus.report["n_read"] == 117_000
    assert corpus.report["dropped"] == {"empty": 0, "too_long": 0, "repeated_instruction": 0}
    assert len(corpus.samples) == 1000
