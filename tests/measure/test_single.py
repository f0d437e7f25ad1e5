"""The metrics one by one against all of them at once, and why values are missing."""

import math

import numpy as np
import pytest
from macromicro.annotate.tokens import tokenize
from macromicro.measure.embedding_diversity import novelsum, vendi_score
from macromicro.measure.metrics import METRICS, measure
from macromicro.measure.single import (
    ALL_METRICS,
    FORMULAS,
    OF_EMBEDDINGS,
    OF_TOKENS,
    Side,
    add_density,
    measure_side,
    why_missing,
)


def make_side(texts, dim=4, vendi_order=1.0):
    vectors = np.random.default_rng(0).standard_normal((len(texts), dim)).astype(np.float32) + 0.5
    return Side(texts, tokenize(texts, None, unit="bare-word"), vectors, vendi_order)


def draw_texts(n, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in rng.zipf(1.5, 12) % 50) for _ in range(n)]


def test_the_metrics_are_those_measured_together():
    side = make_side(draw_texts(40), vendi_order=2)
    found = measure_side(add_density(side, side.vectors), ALL_METRICS)
    assert tuple(found) == ALL_METRICS == tuple(FORMULAS)
    assert {name: found[name] for name in METRICS} == measure(side.texts, side.tokens, side.vectors)
    assert found["Vendi"] == vendi_score(side.vectors, q=2)
    assert found["NovelSum"] == pytest.approx(novelsum(side.vectors, side.vectors))


def test_what_each_metric_reads():
    """Without tokens or without embeddings exactly those change that are said to read them."""
    whole = make_side(draw_texts(40))
    before = measure_side(add_density(whole, whole.vectors), ALL_METRICS)
    other = make_side(draw_texts(40, seed=1))
    for changed, names in (
        (Side(whole.texts, other.tokens, whole.vectors), OF_TOKENS),
        (Side(whole.texts, whole.tokens, whole.vectors[:, ::-1] ** 2), OF_EMBEDDINGS),
        (Side(other.texts, whole.tokens, whole.vectors), ("CR",)),
    ):
        after = measure_side(add_density(changed, changed.vectors), ALL_METRICS)
        differ = {name for name in ALL_METRICS if after[name] != before[name]}
        assert differ - {"SL"} == set(names) - {"SL"}  # the texts drawn are all of one length


def test_rows_are_taken_in_their_order():
    side = make_side(draw_texts(30))
    rows = np.array([7, 3, 3, 20, *range(8, 18)])
    taken, again = add_density(side, side.vectors).take(rows), make_side([side.texts[row] for row in rows])
    assert taken.texts == again.texts
    assert measure_side(taken, OF_TOKENS) == measure_side(again, OF_TOKENS)
    np.testing.assert_array_equal(taken.vectors, side.vectors[rows])
    np.testing.assert_array_equal(taken.factors, add_density(side, side.vectors).factors[rows])


@pytest.mark.parametrize(
    ("texts", "reasons"),
    [
        (["", "?"], dict.fromkeys(["1-NR", "2-NR", "IE", "MTLD"], "no text has a token")),
        (["a", "a"], {"2-NR": "no text has two tokens"}),
        (["a b", "c"], {"MTLD": "no token occurs twice"}),
        (["a a " * 10, "a " * 22], {}),
        (["a a " * 10, "a " * 21], {"HD-D": "41 tokens are too few to draw 42"}),
    ],
)
def test_why_values_are_missing(texts, reasons):
    side = make_side(texts)
    side = add_density(side, side.vectors)
    missing = {
        name: why_missing(side, name) for name, value in measure_side(side, ALL_METRICS).items() if math.isnan(value)
    }
    assert missing.pop("NovelSum") == "the reference has fewer than ten other texts to measure density by"
    short = missing.pop("HD-D", None) if "HD-D" not in reasons else None
    assert short in (None, f"{len(side.tokens.tokens)} tokens are too few to draw 42")
    assert missing == reasons
