import numpy as np
import pandas as pd
from macromicro.annotate.annotate import Annotation, list_drops
from macromicro.annotate.steps import count_replies, count_steps, judge_cut
from macromicro.annotate.tag_normalisation import normalise_tags
from macromicro.annotate.tokens import annotate_tokens
from macromicro.annotate.types import build_types


def types_with(**report):
    return build_types(["a"], [0], [0], ["x"], report=report)


def test_a_warning_where_much_was_cut_before_embedding():
    cut = {"n_texts": 40, "n_cut": 10, "n_pieces": 1000, "n_pieces_cut": 50, "max_tokens": 128}
    few, many = {"embedded": cut}, {"embedded": {**cut, "n_pieces_cut": 51}}
    assert judge_cut(few) == "The embeddings have read all but 5.0% of the word pieces (cut at embed.max_tokens=128)."
    assert judge_cut(many).startswith("MIND: 5% of all word pieces were not embedded, the ends of 10 of 40 texts.")
    assert "Raise embed.max_tokens=128" in judge_cut(many)
    assert judge_cut({}) == ""
    steps = count_steps(types_with(n_noise=12, noise_share=0.25, **many))
    assert steps["word pieces not embedded"] == "51 of 1,000 (5.1%)"


def test_what_each_annotator_left_out():
    assert count_steps(types_with(n_noise=1200, noise_share=0.25)) == {"texts in no topic (noise)": "1,200 (25.0%)"}
    tokens = count_steps(annotate_tokens(["a", "b"], ["x x x y", "z z"], None, low=2, high=2, unit="bare-word"))
    shares = ["16.7%", "33.3%", "50.0%"]
    assert list(tokens.values()) == [f"1 tokens, {share} of all occurrences" for share in shares]
    replies = {"n_texts": 5, "n_cut": 4, "n_malformed": 3, "n_malformed_again": 2, "n_failed": 1}
    raw = build_types("abc", [0, 1, 2, 2], [0, 0, 1, 2], ["Tag", "tags", "rare"], report=replies)
    rules = dict(min_count=1, merge_distance=0, min_support=9, min_confidence=1, embed=lambda tags: np.eye(len(tags)))
    found = normalise_tags(raw, **rules)
    tags = count_steps(found)
    assert (tags["tags, frequency floor"], tags["tags, stems"]) == ("3 to 3", "3 to 2")
    assert list(tags.values())[:4] == list(count_replies(replies).values()) == [4, 3, 2, 1]
    shown = list_drops(Annotation("meso", found, "embeddings", pd.DataFrame))
    assert shown["n_texts"].tolist()[:4] == [4, 3, 2, 1]
    assert shown["n_tags_out"].tolist()[4:] == [step["n_tags_out"] for step in found.report["steps"]]
    assert count_steps(types_with()) == {}
