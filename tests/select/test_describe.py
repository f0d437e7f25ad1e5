import hashlib

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from macromicro.annotate.tokens import tokenize
from macromicro.annotate.types import build_types
from macromicro.measure.embedding_diversity import novelsum, vendi_score
from macromicro.measure.metrics import METRICS, measure
from macromicro.select.describe import (
    add_contents,
    add_lengths,
    align_samples,
    compare_coverage,
    count_left_out,
    measure_datasets,
    measure_spread,
    save_datasets,
    show_samples,
)
from macromicro.select.pools import peel
from macromicro.study.layout import Layout
from pandas.testing import assert_frame_equal

SAMPLES = pd.DataFrame(
    {
        "id": ["a", "b", "c", "d"],
        "instruction": ["say one", "say two", "count to three please", "add one and one"],
        "response": ["one", "two", "one two\nthree", "one and one is two"],
    }
)
TYPES = build_types(["a", "b", "c", "d"], [0, 1, 2, 2, 3, 3], [0, 1, 0, 1, 0, 2], ["x", "y", "z", "never"], report={})


def in_words(texts):
    return tokenize(texts, None, unit="bare-word")


def embedded(texts, part="response"):
    return np.array([[len(text), 1.0, text.count("o")] for text in texts], dtype=np.float32)


def test_metrics_of_a_dataset_are_those_of_its_texts():
    rows = {"first": np.array([0, 2, 3]), "second": [1, 2]}
    metrics = measure_datasets(SAMPLES, rows, tokenize=in_words, embed=embedded)
    assert metrics.columns.tolist() == ["dataset", "part", *METRICS]
    assert metrics[["part", "dataset"]].to_numpy().tolist() == [
        ["instruction", "first"],
        ["instruction", "second"],
        ["response", "first"],
        ["response", "second"],
    ]
    texts = ["one", "one two\nthree", "one and one is two"]
    expected = measure(texts, in_words(texts), embedded(texts))
    assert metrics.loc[2, list(METRICS)].to_dict() == pytest.approx(expected, nan_ok=True)  # too short for HD-D
    levels = add_lengths(pd.DataFrame({"dataset": ["second", "first"]}), metrics)
    assert levels["instruction_tokens"].tolist() == [3, 10 / 3]
    assert levels["response_tokens"].tolist() == [2, 3]


def test_vendi_and_novelsum_of_a_dataset_are_those_of_its_texts():
    points = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    samples = pd.DataFrame({"instruction": ["same"] * 30, "response": [str(row) for row in range(30)]})

    def embed(texts, part):
        return points if part == "response" else np.ones((30, 4), dtype=np.float32)

    found = measure_spread(samples, {"a": [0, 1, 2], "b": np.arange(12)}, embed=embed).set_index(["part", "dataset"])
    assert found.loc[("response", "b"), "Vendi"] == pytest.approx(vendi_score(points[:12]))
    assert found.loc[("response", "a"), "NovelSum"] == pytest.approx(novelsum(points[:3], points))
    assert found.loc["instruction", "Vendi"].tolist() == pytest.approx([1, 1])
    assert found.loc["instruction", "NovelSum"].isna().all()


def test_novelsum_of_datasets_that_overlap_is_that_of_each_alone():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(200, 8)).astype(np.float32)
    points[50:60] = points[:10]  # equal texts
    samples = pd.DataFrame({"instruction": [""] * 200, "response": [""] * 200})
    rows = {f"n{size}": rng.permutation(200)[:size] for size in (2, 30, 31, 120, 200)} | {"one": [7]}
    found = measure_spread(samples, rows, embed=lambda texts, part: points).set_index(["part", "dataset"])
    for name, chosen in rows.items():
        alone = float("nan") if name == "one" else novelsum(points[chosen], points)
        assert found.loc[("response", name), "NovelSum"] == pytest.approx(alone, rel=1e-6, nan_ok=True)
    assert measure_spread(samples, {}, embed=lambda texts, part: points).empty


def test_a_text_without_a_density_leaves_other_datasets_theirs():
    points = np.eye(10, dtype=np.float32)[[*range(10), *[0] * 9]]
    points[10:, 1] = 1e-5 * np.arange(1, 10)  # nearer to the first than rounding: it has nine others only
    samples = pd.DataFrame({"instruction": [""] * 19, "response": [""] * 19})
    rows = {"near": [0, 12, 13], "far": [3, 4, 5], "both": [3, 12, 4]}
    found = measure_spread(samples, rows, embed=lambda texts, part: points).set_index(["part", "dataset"])["NovelSum"]
    assert np.isnan(found["response", "near"]) and np.isnan(found["response", "both"])
    assert found["response", "far"] == pytest.approx(novelsum(points[[3, 4, 5]], points))


def test_contents_of_a_dataset_by_hand():
    words = " ".join(f"word{n}" for n in range(40))
    responses = [words, words + " more", "quite another text that is short", words.replace("word0 ", "word1 "), "two"]
    samples = pd.DataFrame({"id": list("abcde"), "instruction": "say it", "response": responses})
    levels = pd.DataFrame({"dataset": ["most", "few", "copies"]})
    rows = {"copies": [0, 1], "few": [0, 2, 4], "most": [0, 1, 2, 3]}
    table = add_contents(levels, samples, rows, np.array([50, 51, 7, 50, 1]))
    assert table["n_response_tokens"].tolist() == [158, 58, 101]
    assert table["near_duplicates"].tolist() == [0.75, 0, 1]  # a, b and d of four; each of the two copies


def test_left_out_of_a_pool_are_those_that_carry_its_types_only():
    # peeled in the order z (1 sample), y (2), x (3); w is carried by no sample that fits
    types = build_types("abcdef", [0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 1, 2], list("xyzw"), report={})
    unfit = build_types("ghijk", [0, 1, 1, 2, 3, 3], [0, 0, 1, 2, 0, 3], list("xyzw"), report={})  # k has no type
    levels = pd.DataFrame({"dataset": ["low", "middle", "high"], "k": [1, 2, 3]})
    assert count_left_out(levels, peel(types, seed=0), unfit)["n_left_out"].tolist() == [1, 2, 3]


def test_coverage_by_hand():
    table = compare_coverage(TYPES, {"even": [0, 1], "all": [0, 1, 2, 3]})
    assert table["types"].tolist() == [2, 3]
    assert table["percent"].tolist() == pytest.approx([200 / 3, 100])  # no sample carries the fourth type
    assert table["evenness"][0] == pytest.approx(1)
    assert table["types_per_sample"].tolist() == [1, 1.5]


def test_samples_are_brought_into_the_order_of_the_types():
    shuffled = SAMPLES.iloc[[2, 0, 3, 1]].assign(licence="CC0")
    assert align_samples(shuffled, TYPES).equals(SAMPLES)
    with pytest.raises(ValueError, match="'d' is in one of them only"):
        align_samples(SAMPLES.iloc[:3], TYPES)
    with pytest.raises(ValueError, match="'c' is in one of them only"):
        align_samples(SAMPLES.iloc[:2], TYPES)
    with pytest.raises(ValueError, match="'e' is in one of them only"):
        align_samples(SAMPLES.assign(id=["a", "b", "e", "f"]), TYPES)


def test_shown_samples_are_short_and_on_one_line():
    shown = show_samples(SAMPLES, [0, 2, 3], n=2, width=9)
    assert shown["instruction"].tolist() == ["say one", "add one …"]
    assert shown["response"].tolist() == ["one", "one and …"]
    assert shown.columns.tolist() == ["instruction", "response"]
    assert show_samples(SAMPLES, [0], n=1, width=7)["instruction"].tolist() == ["say one"], "just as long as may be"
    assert show_samples(SAMPLES, [2], n=5, width=20)["response"].tolist() == ["one two three"]


def test_a_dataset_is_written_with_the_columns_of_the_samples(tmp_path):
    out, rows = Layout(tmp_path), {"n2": [1, 3], "again": [1, 3], "n1": [1]}
    levels = pd.DataFrame({"dataset": list(rows), "level": 0, "k": 1})
    save_datasets(out, "s", 0, samples=SAMPLES, rows=rows, levels=levels, metrics=levels)
    assert_frame_equal(pd.read_parquet(out.dataset("s", "n2")), SAMPLES.iloc[[1, 3]].reset_index(drop=True))
    assert pq.read_schema(out.dataset("s", "n2")).names == ["id", "instruction", "response"]
    written = pd.read_parquet(out.levels("s", 0))
    assert_frame_equal(written.drop(columns="digest"), levels.astype({"level": "Int64", "k": "Int64"}))
    digests = [hashlib.sha256(out.dataset("s", name).read_bytes()).hexdigest() for name in rows]
    assert written["digest"].tolist() == digests and digests[0] == digests[1] != digests[2]
