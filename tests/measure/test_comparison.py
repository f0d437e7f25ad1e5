import json

import numpy as np
import pandas as pd
import pytest
from macromicro.annotate.tokens import tokenize
from macromicro.measure import comparison
from macromicro.measure.comparison import (
    ALL_METRICS,
    add_difference,
    as_json,
    compare_datasets,
    count_shared,
    join_datasets,
)
from macromicro.measure.embedding_diversity import local_density, mean_novelty, novelsum, vendi_score
from macromicro.measure.intervals import bootstrap_intervals
from macromicro.measure.metrics import METRICS, measure

WORDS = ["alder", "birch", "cedar", "dogwood", "elm", "fir"]


def words_of(texts):
    return tokenize(texts, None, unit="bare-word")


def embed(texts):
    """A vector of word counts per text."""
    return np.array([[1 + text.split().count(word) for word in WORDS] for text in texts], dtype=np.float32)


def make_samples(n, seed):
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, 8)) for _ in range(2 * n)]
    return pd.DataFrame({"id": map(str, range(n)), "instruction": texts[:n], "response": texts[n:]}).astype("str")


def test_the_metrics_are_those_of_the_library():
    one, two = make_samples(30, 0), make_samples(20, 1)
    samples, rows = join_datasets({"one": one, "two": two})
    table = compare_datasets(samples, rows, tokenize=words_of, embed=embed)
    assert table.columns.tolist() == ["part", "metric", "one", "two"]
    response = table[table["part"] == "response"].set_index("metric")["two"]
    assert tuple(response.index) == ALL_METRICS
    texts, vectors = two["response"].tolist(), embed(two["response"])
    expected = measure(texts, words_of(texts), vectors)
    assert response[list(METRICS)].tolist() == pytest.approx([expected[name] for name in METRICS])
    assert response["Vendi"] == pytest.approx(vendi_score(vectors))
    assert response["NovelSum"] == pytest.approx(novelsum(vectors, embed(samples["response"])))


def test_vendi_has_an_order_and_novelsum_a_reference():
    samples, rows = join_datasets({"one": make_samples(30, 0), "world": make_samples(40, 1)})
    how = {"tokenize": words_of, "embed": embed, "vendi_order": 2.5, "reference": rows["world"]}
    table = compare_datasets(samples, {"one": rows["one"]}, **how).set_index(["part", "metric"])["one"]
    vectors = embed(samples["response"])
    assert table["response", "Vendi"] == pytest.approx(vendi_score(vectors[:30], q=2.5))
    assert table["response", "NovelSum"] == pytest.approx(novelsum(vectors[:30], vectors[30:]))


def test_every_metric_has_an_interval():
    samples, rows = join_datasets({"one": make_samples(60, 0), "two": make_samples(50, 1)})
    how = {"tokenize": words_of, "embed": embed, "seed": 4}
    plain = compare_datasets(samples, rows, **how)
    table = compare_datasets(samples, rows, interval_of=["two"], **how)
    assert table[plain.columns].equals(plain)
    assert table.columns.tolist() == ["part", "metric", "one", "two", "two_low", "two_high"]
    assert ((table["two_low"] <= table["two"]) & (table["two"] <= table["two_high"])).all()
    vectors, texts = embed(samples["instruction"]), samples["instruction"]
    density = local_density(vectors[60:], vectors) ** 0.5

    def measure_rows(chosen):
        found = measure(texts.iloc[60 + chosen].tolist(), words_of(texts.iloc[60 + chosen]), vectors[60 + chosen])
        spread = mean_novelty(vectors[60 + chosen], density[chosen])
        return found | {"Vendi": vendi_score(vectors[60 + chosen]), "NovelSum": spread}

    bounds = bootstrap_intervals(measure_rows, 50, seed=4)
    found = table.loc[table["part"] == "instruction", ["two_low", "two_high"]].to_numpy()
    assert found == pytest.approx(bounds[["low", "high"]].to_numpy(), rel=1e-6)


def test_the_interval_of_a_difference_is_that_of_independent_values():
    """For means of normal values the limits are known: the standard errors squared and added."""
    table = pd.DataFrame([{"one": 10, "one_low": 8, "one_high": 12, "two": 20, "two_low": 17, "two_high": 23}])
    row, half = add_difference(table, "one", "two").iloc[0], np.hypot(2, 3)
    assert row["difference"] == 10
    assert [row["difference_low"], row["difference_high"]] == pytest.approx([10 - half, 10 + half])
    # limits at unequal distances: below, two falls and one rises
    skewed = pd.DataFrame([{"one": 10, "one_low": 9, "one_high": 14, "two": 20, "two_low": 17, "two_high": 32}])
    row = add_difference(skewed, "one", "two").iloc[0]
    assert row["difference_low"] == pytest.approx(10 - 5)  # 3 below two, 4 above one
    assert row["difference_high"] == pytest.approx(10 + np.hypot(12, 1))
    assert "difference_low" not in add_difference(skewed[["one", "two"]], "one", "two")


def test_novelsum_is_missing_where_it_is_out_of_reach(monkeypatch):
    samples = make_samples(8, 0)
    rows = {"value": np.arange(8)}
    for most in (comparison.MAX_NOVELSUM, 5):
        monkeypatch.setattr(comparison, "MAX_NOVELSUM", most)
        table = compare_datasets(samples, rows, tokenize=words_of, embed=embed)
        assert table.loc[table["metric"] == "NovelSum", "value"].isna().all()
    found = json.loads(json.dumps(as_json(table, {"seed": 1})))
    assert found["seed"] == 1
    assert found["metrics"]["value"]["response"]["NovelSum"] is None


def test_one_text_is_too_few():
    with pytest.raises(ValueError, match="'after' has 1; give at least 2"):
        compare_datasets(make_samples(5, 0), {"after": np.array([3])}, tokenize=words_of, embed=embed)


def test_shared_instructions():
    one = pd.DataFrame({"instruction": ["What  IS it?", "b", "b"]})
    two = pd.DataFrame({"instruction": ["what is it?", "c"]})
    assert count_shared(one, two) == 1
