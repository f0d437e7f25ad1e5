"""Topics, tags and tokens as a page shows them, by hand."""

import numpy as np
import pandas as pd
from macromicro.annotate.tokens import annotate_tokens
from macromicro.annotate.types import build_types
from macromicro.report.found_types import N_TOPICS, show_tags, show_tokens, show_topics

TEXTS = pd.Series(["red boat", "a boat", "tall tree", "boat again", "nothing"])
TOPICS = build_types(list("abcde"), [0, 1, 3, 2], [0, 0, 0, 1], ["0: boat", "1: tree"], report={})


def test_topics_with_those_that_have_none():
    points = pd.DataFrame({"id": list("abcde"), "x": np.arange(5.0), "y": np.arange(5.0), "topic": [0, 0, 1, 0, -1]})
    drawn, table = show_topics(TOPICS, TEXTS, points, "response")
    assert [group[:2] for group in drawn.groups][:2] == [("0: boat", 3), ("1: tree", 1)]
    assert table.rows == [
        ("0: boat", "red boat", "3", "60.0%"),
        ("1: tree", "tall tree", "1", "20.0%"),
        ("no topic", "", "1", "20.0%"),
    ]


def test_topics_beyond_those_listed_are_counted_together():
    ids = [f"s{n:02d}" for n in range(N_TOPICS + 4)]
    labels = [f"{n}: x" for n in range(N_TOPICS + 2)]
    topics = build_types(ids, [*range(N_TOPICS + 2), 0, 1], [*range(N_TOPICS + 2), 0, 1], labels, report={})
    points = pd.DataFrame({"id": ids, "x": np.arange(16.0), "y": np.arange(16.0), "topic": [*range(14), 0, -1]})
    drawn, table = show_topics(topics, pd.Series(["text"] * 16), points, "response")
    assert table.rows[-2:] == [("2 smaller topics", "", "2", "12.5%"), ("no topic", "", "2", "12.5%")]
    assert len(table.rows) == len(table.bars[3]) == N_TOPICS + 2
    assert drawn.groups[-2][:2] == ("smaller topics", 6)


def test_tags_by_number_of_texts():
    tags = build_types(list("abc"), [0, 1, 2, 2], [1, 1, 1, 0], ["rare", "common"], report={})
    (table,) = show_tags(tags, "response")
    assert table.rows == [("common", "3", "100.00%"), ("rare", "1", "33.33%")]
    assert table.bars[2] == [1.0, 1 / 3]


def test_bands_by_hand():
    texts = ["a a a a", "b b c", "b d"]
    types = annotate_tokens(list("xyz"), texts, None, low=2, high=3, unit="bare-word")
    bands, top = show_tokens(types, "response")
    assert sorted(bands.rows) == [
        ("high", "more than 3", "1", "4", "44.4%"),
        ("low", "fewer than 2", "2", "2", "22.2%"),
        ("mid", "2 to 3", "1", "3", "33.3%"),
    ]
    assert top.rows == [("b", "2", "66.67%")]
    assert top.reading.startswith("The first 1 of 1 types of micro, made with")
