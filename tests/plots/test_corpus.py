import pandas as pd
from macromicro.plots.corpus import overlap_table

COLUMNS = ["id", "reason", "other_id", "similarity", "part", "prompt", "other"]


def test_the_strongest_overlaps_of_every_reason_are_shown_and_cut():
    rows = [
        ("a", "near a sample", "s1", 0.8, "both", "say a\n<script>", "x " * 400),
        ("b", "near a sample", "s2", 0.9, "both", "say b", "y"),
        ("c", "near a base-model text", "s3", 0.7, "response", "say c", "z"),
        ("d", "near a sample", "s4", 0.8, "instruction", "say d", "w"),
    ]
    table = overlap_table(pd.DataFrame(rows, columns=COLUMNS), n_most=2, max_chars=40)
    assert list(table.columns) == ["reason", "share", "part", "prompt", "text"]
    assert table["prompt"].tolist() == ["say c", "say b", "say a <script>"]
    assert table["share"].tolist() == [0.7, 0.9, 0.8]
    assert table["text"].str.len().max() <= 40
    assert "<script>" not in table.style.format(escape="html").to_html()


def test_without_overlaps_the_table_is_empty():
    assert overlap_table(pd.DataFrame(columns=COLUMNS)).empty
