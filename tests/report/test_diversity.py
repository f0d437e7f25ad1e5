"""Metrics on a page are those of `measure`, and what has no value is said."""

import numpy as np
import pandas as pd
import pytest
from macromicro.annotate.tokens import tokenize
from macromicro.measure.comparison import PARTS
from macromicro.measure.metrics import METRICS, measure
from macromicro.measure.summary import MORE_DIVERSE
from macromicro.report.diversity import Measured, measure_diversity

RNG = np.random.default_rng(0)


def texts(n, n_words):
    rows = [" ".join(f"w{word}" for word in RNG.integers(0, n_words, 12)) for _ in range(2 * n)]
    return pd.DataFrame({"instruction": rows[:n], "response": rows[n:]})


def split(texts):
    return tokenize(texts, None, unit="bare-word")


def embed(texts):
    """A direction per text, made of its characters."""
    return np.array([np.bincount([ord(c) % 16 for c in text], minlength=16) + 1.0 for text in texts], np.float32)


MANY, FEW = texts(40, 300), texts(40, 15)


def show(measured, left_out=None):
    return measure_diversity(measured, tokenize=split, embed=embed, left_out=left_out or {}, notes=[])


def test_the_values_are_those_of_each_metric():
    section = show(Measured(MANY, FEW, "many.jsonl", "all.jsonl"))
    for part, table in zip(PARTS, section.blocks, strict=True):
        shown = {row[0]: row[1:] for row in table.rows}
        assert list(shown) == list(MORE_DIVERSE)
        for place, held in ((0, MANY), (1, FEW)):
            expected = measure(held[part].tolist(), split(held[part]), embed(held[part]))
            for metric in METRICS:
                assert float(shown[metric][place].replace(",", "")) == pytest.approx(expected[metric], rel=2e-3)
        assert shown["1-NR"][2:] == ("many.jsonl", "higher", "different words over all words")
        assert shown["BL"][2:4] == ("many.jsonl", "lower")
        assert shown["SL"][2:4] == ("–", "–")
    assert section.sentences[1].startswith("many.jsonl is more diverse than the random draw by")
    assert "MTLD says many.jsonl and HD-D says many.jsonl" in section.sentences[1]
    assert "40 samples; the draw is one of all.jsonl" in section.sentences[-1]


def test_alone_it_says_what_is_not_known():
    section = show(Measured(FEW, None, "few.jsonl"))
    assert "there is no random draw" in section.sentences[-1]
    assert [row[0] for row in section.blocks[0].rows] == list(MORE_DIVERSE)


def test_what_has_no_value_is_said():
    short = pd.DataFrame({"instruction": [f"ask{n}" for n in range(12)], "response": ["a b c d e f"] * 12})
    section = show(Measured(short, None, "short.jsonl"), {"ED": "nobody knows these words"})
    assert "ED is left out: nobody knows these words." in section.missing
    assert "HD-D of the instructions is missing for the file: 12 tokens are too few to draw 42." in section.missing
    assert "ED" not in [row[0] for row in section.blocks[0].rows]
    assert {row[0]: row[1] for row in section.blocks[0].rows}["HD-D"] == "–"


def test_samples_without_an_embedding_are_in_no_metric_and_both_stay_of_one_size():
    odd = pd.concat([MANY[:20], pd.DataFrame({"instruction": ["?"], "response": ["w1 w2"]}), MANY[20:]])

    def blind(texts):
        return embed(texts) * np.array([[text != "?"] for text in texts])

    measured = Measured(odd, texts(41, 15), "odd.jsonl", "all.jsonl")
    section = measure_diversity(measured, tokenize=split, embed=blind, left_out={}, notes=[])
    assert "Left out of all metrics, since the embeddings know no word of them: 1." in section.sentences
    assert "Both have 40 samples" in section.sentences[-1]
    expected = measure(MANY["response"].tolist(), split(MANY["response"]), embed(MANY["response"]))["ED"]
    assert float({row[0]: row[1] for row in section.blocks[1].rows}["ED"]) == pytest.approx(expected, rel=2e-3)


def test_one_sample_is_no_dataset():
    section = show(Measured(MANY[:1], None, "one.jsonl"))
    assert not section.blocks and "not two samples to compare" in section.sentences[0]
