import json

import numpy as np
import pandas as pd
import pytest
from macromicro.annotate.tokens import tokenize
from macromicro.measure import single
from macromicro.measure.comparison import (
    add_difference,
    as_json,
    compare_datasets,
    count_shared,
    join_datasets,
)
from macromicro.measure.embedding_diversity import local_density, mean_novelty, novelsum, vendi_score
from macromicro.measure.intervals import bootstrap_intervals
from macromicro.measure.metrics import METRICS, measure
from macromicro.measure.single import ALL_METRICS

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
    table, missing = compare_datasets(samples, rows, tokenize=words_of, embed=embed)
    assert not len(missing)
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
    table = compare_datasets(samples, {"one": rows["one"]}, **how).table.set_index(["part", "metric"])["one"]
    vectors = embed(samples["response"])
    assert table["response", "Vendi"] == pytest.approx(vendi_score(vectors[:30], q=2.5))
    assert table["response", "NovelSum"] == pytest.approx(novelsum(vectors[:30], vectors[30:]))


def test_every_metric_has_an_interval():
    samples, rows = join_datasets({"one": make_samples(60, 0), "two": make_samples(50, 1)})
    how = {"tokenize": words_of, "embed": embed, "seed": 4}
    plain = compare_datasets(samples, rows, **how).table
    table = compare_datasets(samples, rows, interval_of=["two"], **how).table
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


def refuse(texts):
    raise AssertionError("no metric that is asked for reads this")


def test_only_what_is_asked_for_is_computed():
    samples, rows = join_datasets({"one": make_samples(30, 0)})
    whole = compare_datasets(samples, rows, tokenize=words_of, embed=embed).table.set_index(["part", "metric"])["one"]
    for metrics, how in (
        ({"response": ["HD-D", "CR", "2-NR"]}, {"tokenize": words_of, "embed": refuse}),
        ({"response": ["Vendi", "CR"], "instruction": ["NovelSum"]}, {"tokenize": refuse, "embed": embed}),
        ({"instruction": ["CR"]}, {"tokenize": refuse, "embed": refuse}),
    ):
        found = compare_datasets(samples, rows, metrics=metrics, **how).table.set_index(["part", "metric"])["one"]
        assert found.index.tolist() == [(part, name) for part, names in metrics.items() for name in names]
        assert found.tolist() == whole[found.index].tolist()


def test_novelsum_is_missing_where_it_is_out_of_reach_and_says_why(monkeypatch):
    samples = make_samples(8, 0)
    rows = {"value": np.arange(8)}
    few = "the reference has fewer than ten other texts to measure density by"
    many = "8 samples; it looks at all pairs and is not computed above 5"
    for most, reason in ((single.MAX_NOVELSUM, few), (5, many)):
        monkeypatch.setattr(single, "MAX_NOVELSUM", most)
        table, missing = compare_datasets(samples, rows, tokenize=words_of, embed=embed)
        assert table.loc[table["metric"] == "NovelSum", "value"].isna().all()
        assert table.loc[table["metric"] != "NovelSum", "value"].notna().all()
        expected = [(part, "NovelSum", "value", reason) for part in ("instruction", "response")]
        assert list(missing.itertuples(index=False, name=None)) == expected
    found = json.loads(json.dumps(as_json(table, {"seed": 1})))
    assert found["seed"] == 1
    assert found["metrics"]["value"]["response"]["NovelSum"] is None


def test_an_interval_is_missing_where_a_value_hangs_on_one_text():
    """Without the text of forty words there are not the 42 that HD-D draws; with each of the others gone there are."""
    samples = pd.DataFrame({"instruction": ["elm fir", *["elm"] * 3, "elm " * 40], "response": ["fir elm"] * 5})
    table, missing = compare_datasets(
        samples, {"one": np.arange(5)}, tokenize=words_of, embed=embed, metrics={"instruction": ["HD-D"]},
        interval_of=["one"],
    )  # fmt: skip
    assert table[["one", "one_low"]].isna().to_numpy().tolist() == [[False, True]]
    assert missing["reason"].tolist() == ["no interval: without some of the texts there is no value"]


def test_one_text_is_too_few():
    with pytest.raises(ValueError, match="'after' has 1; give at least 2"):
        compare_datasets(make_samples(5, 0), {"after": np.array([3])}, tokenize=words_of, embed=embed)


def test_shared_instructions():
    one = pd.DataFrame({"instruction": ["What  IS it?", "b", "b"]})
    two = pd.DataFrame({"instruction": ["what is it?", "c"]})
    assert count_shared(one, two) == 1


def test_texts_that_the_embedding_model_cannot_read_are_said():
    texts = pd.DataFrame({"instruction": ["ask a", "ask b", "ask c"], "response": ["red", "blue", "???"]})
    vectors = {"instruction": np.eye(3, dtype=np.float32), "response": np.eye(3, dtype=np.float32)}
    vectors["response"][2] = 0
    found = compare_datasets(
        texts,
        {"all": np.arange(3), "two": np.arange(2)},
        tokenize=lambda column: tokenize(column, None, unit="bare-word"),
        embed=lambda column: vectors[str(column.name)],
    )
    values = found.table.set_index(["part", "metric"])
    for metric in ("ED", "Vendi", "NovelSum"):
        assert np.isnan(values.loc[("response", metric), "all"])
    assert values.loc[("response", "ED"), "two"] == values.loc[("instruction", "ED"), "two"] == 1
    said = found.missing.set_index(["part", "metric", "dataset"])["reason"]
    for metric in ("ED", "Vendi", "NovelSum"):
        assert said["response", metric, "all"] == "1 of the texts have no token that the embedding model knows"
    assert said["response", "NovelSum", "two"] == "1 of the texts have no token that the embedding model knows"
    assert ("instruction", "ED", "all") not in said.index


def test_what_is_left_out_is_missing_with_its_reason_and_costs_nothing():
    samples, rows = join_datasets({"one": make_samples(30, 0), "two": make_samples(20, 1)})
    whole = compare_datasets(samples, rows, tokenize=words_of, embed=embed, interval_of=["two"]).table
    left_out = dict.fromkeys(("ED", "Vendi", "NovelSum"), "unread")
    table, missing = compare_datasets(
        samples, rows, tokenize=words_of, embed=None, interval_of=["two"], left_out=left_out
    )
    shown = table["metric"].isin(left_out)
    pd.testing.assert_frame_equal(table[~shown], whole[~shown])
    assert table.loc[shown, ["one", "two", "two_low", "two_high"]].isna().all(axis=None)
    assert len(missing) == 2 * 2 * 3 and set(missing["reason"]) == {"unread"}
