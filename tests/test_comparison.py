import json

import numpy as np
import pandas as pd
import pytest
from macromicro import comparison
from macromicro.comparison import ALL_METRICS, as_json, compare_datasets, count_shared, join_datasets
from macromicro.embedding_diversity import novelsum, vendi_score
from macromicro.metrics import METRICS, measure, measure_intervals
from macromicro.tokens import tokenize

WORDS = ["alder", "birch", "cedar", "dogwood", "elm", "fir"]


def words_of(texts):
    return tokenize(texts, None, unit="word")


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
    table = compare_datasets(samples, rows, tokenize=words_of, embed=embed, interval_of="two", seed=4)
    assert table.columns.tolist() == ["part", "metric", "one", "two", "low", "high"]
    response = table[table["part"] == "response"].set_index("metric")
    assert tuple(response.index) == ALL_METRICS
    texts, vectors = two["response"].tolist(), embed(two["response"])
    expected = measure(texts, words_of(texts), vectors)
    assert response.loc[list(METRICS), "two"].tolist() == pytest.approx([expected[name] for name in METRICS])
    assert response.loc["Vendi", "two"] == pytest.approx(vendi_score(vectors))
    assert response.loc["NovelSum", "two"] == pytest.approx(novelsum(vectors, embed(samples["response"])))
    bounds = measure_intervals(texts, words_of(texts), vectors, seed=4).set_index("metric")
    assert response.loc[list(METRICS), ["low", "high"]].to_numpy() == pytest.approx(bounds[["low", "high"]].to_numpy())


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
