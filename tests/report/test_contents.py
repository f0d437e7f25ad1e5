"""Tables of what is in the data, held against numbers that were counted by hand."""

import numpy as np
import pandas as pd
from macromicro.report.contents import N_ROWS, describe_samples

SAMPLES = pd.DataFrame(
    {
        "id": list("abcd"),
        "instruction": ["Say hello", "Привет", "Count to three", "Go"],
        "response": ["Hello there you", "Hi", "one two three four five", "gone now ok"],
        "source": ["x", "x", "y", "x"],
        "licence": ["MIT", "", "MIT", "MIT"],
    }
)
LENGTHS = {part: SAMPLES[part].str.split().str.len().to_numpy() for part in ("instruction", "response")}
ABOUT = {"file": "my.jsonl", "samples in the file": 5, "without text, dropped": 1, "samples that can be used": 4}


def describe(samples=SAMPLES, lengths=LENGTHS):
    return {block.title: block for block in describe_samples(samples, ABOUT, lengths)}


def test_counts_by_hand():
    found = describe()
    assert found["What was read, and what was dropped"].rows == [
        ("samples in the file", "5"), ("without text, dropped", "1"), ("samples that can be used", "4")
    ]  # fmt: skip
    assert found["Sources"].rows == [("x", "3", "75.0%", "2.3"), ("y", "1", "25.0%", "5.0")]
    assert found["Licences"].rows == [("MIT", "3", "75.0%", "3.7"), ("not stated", "1", "25.0%", "1.0")]
    assert [row[:2] for row in found["Lengths in words"].rows] == [("instruction", "1.8"), ("response", "3.0")]
    assert found["Lengths in words"].rows[1][2:] == ("1", "2", "3", "4", "5", "5")
    assert found["Scripts"].rows == [("Latin", "78.6%", "100.0%"), ("Cyrillic", "21.4%", "0.0%")]


def test_every_sample_is_in_a_bar_of_the_histogram():
    lengths = {"instruction": np.array([0, 1, 2, 700]), "response": np.array([0, 3, 900, 900])}
    drawn = describe(lengths=lengths)["How lengths are spread"]
    assert {part: sum(counts) for part, counts in drawn.counts.items()} == {"instruction": 4, "response": 4}
    assert drawn.counts["response"][0] == 1 and drawn.counts["response"][-1] == 2


def test_small_sources_are_counted_together():
    n = N_ROWS + 5
    samples = pd.DataFrame({"instruction": ["a"] * n, "response": ["b c"] * n, "licence": [""] * n})
    samples["source"] = [f"s{row:02d}" for row in range(n)]
    table = describe(samples, {"instruction": np.ones(n, int), "response": np.full(n, 2)})["Sources"]
    assert len(table.rows) == N_ROWS + 1
    assert table.rows[-1] == ("5 others", "5", f"{5 / n:.1%}", "2.0")


def test_small_scripts_are_counted_together():
    said = ["abcdefgh", "привет", "שלום", "ελλ", "春天花", "봄봄", "ไ"]
    samples = SAMPLES.iloc[:1].loc[[0] * 7].reset_index(drop=True).assign(instruction=said, response="x")
    rows = describe(samples, {part: np.ones(7, int) for part in LENGTHS})["Scripts"].rows
    assert [row[0] for row in rows] == ["Latin", "Cyrillic", "Hebrew", "Greek", "Han", "Hangul", "1 other"]
    assert rows[0][1:] == ("29.6%", "100.0%") and rows[-1][1:] == ("3.7%", "0.0%")
