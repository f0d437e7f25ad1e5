import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from macromicro.annotate import annotate as module
from macromicro.annotate.annotate import annotate, list_drops, list_top_types, summarise
from macromicro.annotate.tokenizers import WORDS, open_tokenizer
from macromicro.annotate.types import load_types, save_types
from macromicro.plots.types import plot_annotation, plot_types_per_text
from macromicro.study.sections import EmbedParams, TagLlmParams, TagsParams, TokensParams, TopicsParams, TypesParams

mpl.use("agg")

THEMES = ["bake the bread in a hot oven", "invert the singular matrix", "the team won the match"]
CUT = {"n_texts": 120, "n_cut": 30, "n_pieces": 1000, "n_pieces_cut": 600}
GRANULARITIES = ["macro", "meso", "micro"]


def fake_embeddings(texts, **_):
    """Around one direction per theme, the same for the same text."""
    rows = []
    for text in texts if isinstance(texts, list) else texts.to_pylist():
        near = [sum(word in text for word in theme.split()) for theme in THEMES]
        noise = np.random.default_rng(sum(text.encode())).normal(size=6)
        rows.append(np.concatenate([near, 0.1 * noise]))
    found = np.array(rows, dtype=np.float32).reshape(len(rows), 9)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


@pytest.fixture
def samples():
    rows = [f"{THEMES[row % 3]} number{row}" for row in range(120)]
    return pa.table(
        {"id": [f"{(7 * row) % 120:03d}" for row in range(120)], "response": rows, "instruction": [""] * 120}
    )


def annotate_small(samples, granularity, part="response", untyped="drop", tags=None, tokens=None, **changes):
    return annotate(
        samples,
        part,
        granularity,
        seed=0,
        tokenizer=changes.get("tokenizer", "unused"),
        cache=changes.get("cache"),
        replies=None,
        embed=dict(EmbedParams()),
        topics={**dict(TopicsParams()), "reducer": "pca"},
        tags={**dict(TagsParams()), "min_count": 5, **(tags or {})},
        tag_llm=dict(TagLlmParams()),
        tokens={**dict(TokensParams(low=5, high=60, unit="word")), **(tokens or {})},
        types=dict(TypesParams(untyped=untyped)),
    )


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    monkeypatch.setattr(module, "embed_texts", fake_embeddings)
    monkeypatch.setattr(module, "count_cut", lambda texts, **how: {**CUT, "max_tokens": how["max_tokens"]})


@pytest.mark.parametrize(("granularity", "policy"), [("macro", "drop"), ("micro", "nearest"), ("micro", "own")])
def test_what_embeddings_have_not_read_is_counted_where_texts_are_embedded(samples, granularity, policy):
    found = annotate_small(samples, granularity, untyped=policy)
    if policy == "own":
        assert "embedded" not in found.types.report
        assert "word pieces not embedded" not in summarise(found).index
        return
    assert found.types.report["embedded"] == {**CUT, "max_tokens": 128}
    assert summarise(found).loc["texts cut before embedding", "value"] == "30 of 120 (25.0%)"
    assert summarise(found).loc["word pieces not embedded", "value"] == "600 of 1,000 (60.0%)"


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_every_granularity_gives_matrix_tables_and_figures(samples, granularity, tmp_path):
    found = annotate_small(samples, granularity)
    types = found.types
    assert types.n_samples == 120
    assert types.n_types > 0
    assert types.report["untyped"] == {"policy": "drop", "n": len(types.untyped), "n_samples": 120}
    save_types(types, tmp_path / "types.npz")
    assert load_types(tmp_path / "types.npz").report == json.loads(json.dumps(types.report))
    assert summarise(found).loc["texts", "value"] == "120"
    top = list_top_types(found, n=3)
    assert top["texts"].tolist() == sorted(types.samples_per_type.tolist(), reverse=True)[: len(top)]
    assert len(list_drops(found)) > 0
    for figure in (plot_annotation(found), plot_types_per_text(types)):
        figure.savefig(tmp_path / "figure.png")
        plt.close(figure)


@pytest.mark.parametrize(
    ("granularity", "hint"),
    [
        ("macro", "lower topics.min_cluster_size=15"),
        ("meso", "lower tags.min_count=5"),
        ("micro", "widen the band of tokens.low=5 to tokens.high=60 occurrences"),
    ],
)
def test_no_types_at_all_is_an_error_that_says_what_to_change(samples, granularity, hint):
    """Empty instructions; and a single response."""
    for rows, part in ((samples, "instruction"), (samples.slice(0, 1), "response")):
        for untyped in ("drop", "own", "nearest"):
            rule = f"^no {part} of {len(rows)} samples has a type of granularity '{granularity}': {hint}$"
            with pytest.raises(ValueError, match=rule):
                annotate_small(rows, granularity, part=part, untyped=untyped)


def test_the_unit_and_the_tokenizer_are_those_of_the_settings(samples, tmp_path):
    shouted = samples.set_column(1, "response", pa.array(["Bake, bake the BREAD"] * 120))
    given = {"low": 1, "high": 1000}
    for unit, labels in (("word", ["BREAD", "Bake,", "bake", "the"]), ("bare-word", ["bake", "bread", "the"])):
        found = annotate_small(shouted, "micro", tokens={**given, "unit": unit})
        assert found.types.labels.tolist() == labels
        assert summarise(found).loc["made with", "value"] == WORDS[unit]
    trained = annotate_small(samples, "micro", tokenizer="bpe", tokens={**given, "unit": "token"})
    assert trained.made_with.startswith("byte-level BPE of ")
    open_tokenizer("bpe", samples)[0].save(str(tmp_path / "tokenizer.json"))
    read = annotate_small(samples, "micro", tokenizer=tmp_path / "tokenizer.json", tokens={**given, "unit": "token"})
    assert read.made_with == "tokenizer tokenizer.json"
    assert read.types.labels.tolist() == trained.types.labels.tolist()


def test_evidence_is_made_when_it_is_asked_for_and_once(samples, monkeypatch):
    made = []
    monkeypatch.setattr(module, "map_topics", lambda *_, **__: made.append(1) or pd.DataFrame({"x": [1]}))
    found = annotate_small(samples, "macro")
    assert made == []
    assert found.evidence is found.evidence
    assert made == [1]


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_row_order_does_not_matter(samples, granularity):
    odd = pa.table({"id": list("xyz"), "response": ["?", "!!", ";;;"], "instruction": [""] * 3})
    rows = pa.concat_tables([odd, samples])
    first = annotate_small(rows, granularity, untyped="nearest")
    moved = annotate_small(rows.take(np.random.default_rng(0).permutation(123)), granularity, untyped="nearest")
    assert first.types.ids.tolist() == moved.types.ids.tolist()
    assert first.types.labels.tolist() == moved.types.labels.tolist()
    assert first.types.report == moved.types.report
    assert first.types.report["untyped"]["n"] >= 3
    assert (first.types.matrix != moved.types.matrix).nnz == 0
    pd.testing.assert_frame_equal(first.evidence, moved.evidence)


def test_tags_of_a_language_model_are_asked_for_where_the_settings_say_so(samples, monkeypatch):
    asked = []

    def write(texts, n_tags):
        asked.append((len(texts), n_tags))
        return [["written"]] * len(texts), {"n_texts": len(texts)}

    monkeypatch.setattr(module, "open_tag_writer", lambda cache, **_: write)
    assert "written" not in annotate_small(samples, "meso").types.labels
    assert asked == []
    found = annotate_small(samples, "meso", tags={"tagger": "llm"})
    assert found.types.labels.tolist() == ["written"]
    assert asked == [(120, 4)]


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_nearest_and_own_leave_no_text_without_types(samples, granularity):
    odd = pa.table({"id": ["zzz"], "response": ["?!"], "instruction": [""]})
    more = pa.concat_tables([odd, samples])
    assert "zzz" in annotate_small(more, granularity).types.ids[annotate_small(more, granularity).types.untyped]
    for policy in ("own", "nearest"):
        types = annotate_small(more, granularity, untyped=policy).types
        assert len(types.untyped) == 0
        assert types.report["untyped"]["policy"] == policy


def test_agreement_with_the_sources_is_shown_where_there_are_some(samples):
    fact = "agreement of topics with sources (AMI)"
    assert fact not in summarise(annotate_small(samples, "macro")).index
    themes = samples.append_column("source", pa.array([f"theme {row % 3}" for row in range(120)]))
    assert float(summarise(annotate_small(themes, "macro")).loc[fact, "value"]) > 0.6
    assert fact not in summarise(annotate_small(themes, "micro")).index


def test_texts_and_their_tags_have_caches_of_their_own_and_texts_are_embedded_once(samples, monkeypatch, tmp_path):
    folders = []
    monkeypatch.setattr(
        module, "embed_texts", lambda texts, cache, **_: folders.append(cache.name) or fake_embeddings(texts)
    )
    annotate_small(samples, "macro", untyped="nearest", cache=tmp_path / "response")
    annotate_small(samples, "meso", untyped="nearest", cache=tmp_path / "response")
    annotate_small(samples, "micro", untyped="nearest", cache=tmp_path / "response")
    assert folders == ["response", "tags", "response", "response"]


def test_a_tokenizer_that_cannot_load_and_an_unknown_granularity_are_named(samples, tmp_path):
    nowhere = {"tokenizer": tmp_path / "nowhere", "tokens": {"unit": "token"}}
    with pytest.raises(ValueError, match=r"cannot load tokenizer '.*nowhere' \(.+\); give bpe"):
        annotate_small(samples, "micro", **nowhere)
    with pytest.raises(ValueError, match="granularity='nano' must be one of"):
        annotate_small(samples, "nano", **nowhere)
