"""What moves with a choice, by hand."""

import numpy as np
import pandas as pd
from macromicro.select.shift import describe_shift


def test_lengths_sources_and_repeats():
    texts = ["a", "b c", "d e f g", "d e f g"]
    frame = pd.DataFrame({"id": list("wxyz"), "instruction": "one two", "response": texts, "source": list("kklk")})
    table = describe_shift(frame.astype("str"), np.array([2, 3]), np.random.default_rng(0)).set_index("measure")
    assert table.loc["response, mean words", ["all", "chosen"]].tolist() == ["2.8", "4.0"]
    assert table.loc["instruction, mean characters", "chosen"] == "7.0"
    assert table.loc["near-duplicates", ["all", "chosen"]].tolist() == ["", "100.0%"]
    assert table.loc["source k", ["all", "chosen"]].tolist() == ["75.0%", "50.0%"]
    one = describe_shift(frame.assign(source="k").astype("str"), np.array([0]), np.random.default_rng(0))
    assert not one["measure"].str.startswith("source").any()


def test_quality_is_that_of_the_samples_by_id():
    frame = pd.DataFrame({"id": list("xyz"), "instruction": "one", "response": list("abc"), "source": "k"})
    quality = pd.Series([0.5, 1.0, 3.0, 100.0], index=["z", "y", "x", "left out"])
    table = describe_shift(frame.astype("str"), np.array([0, 2]), np.random.default_rng(0), quality=quality)
    assert table.iloc[0][["measure", "all", "chosen"]].tolist() == ["quality, mean", "1.5", "1.75"]
    assert float(table["random"][0]) in (0.75, 1.75, 2.0)


def test_where_tokens_are_the_size_a_random_draw_reaches_as_many():
    frame = pd.DataFrame({"id": list("wxyz"), "instruction": "q", "response": "a", "source": "k"}).astype("str")
    given = {"weights": np.array([1, 1, 1, 3]), "rng": np.random.default_rng(0)}
    table = describe_shift(frame, np.array([0, 1, 2]), **given).set_index("measure")
    assert table.loc["samples", ["all", "chosen"]].tolist() == ["4", "3"]
    assert table.loc["samples", "random"] in ("1", "2", "3")
