import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from macromicro.annotate import annotate as module
from macromicro.annotate.annotate import annotate, list_drops, list_top_types, summarise
from macromicro.annotate.types import load_types, save_types
from macromicro.plots.types import plot_annotation, plot_types_per_text
from macromicro.study.sections import EmbedParams, TagLlmParams, TagsParams, TokensParams, TopicsParams, TypesParams

mpl.use("agg")

THEMES = ["bake the bread in a hot oven", "invert the singular matrix", "the team won the match"]
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


def annotate_small(samples, granularity, part="response", untyped="drop", tags=None, cache=None):
    return annotate(
        samples,
        part,
        granularity,
        seed=0,
        base_model="unused",
        cache=cache,
        replies=None,
        embed=dict(EmbedParams()),
        topics={**dict(TopicsParams()), "reducer": "pca"},
        tags={**dict(TagsParams()), "min_count": 5, **(tags or {})},
        tag_llm=dict(TagLlmParams()),
        tokens=dict(TokensParams(low=5, high=60, unit="word")),
        types=dict(TypesParams(untyped=untyped)),
    )


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    monkeypatch.setattr(module, "embed_texts", fake_embeddings)


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


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("part", ["instruction", "response"])
def test_texts_without_types_give_pages_not_errors(samples, granularity, part, tmp_path):
    """Empty instructions; and a single response."""
    found = annotate_small(samples if part == "instruction" else samples.slice(0, 1), granularity, part=part)
    assert found.types.n_types == 0
    assert list_top_types(found, n=3).empty
    assert summarise(found).loc["texts without a type", "value"].endswith("(100.0%)")
    for figure in (plot_annotation(found), plot_types_per_text(found.types)):
        figure.savefig(tmp_path / "figure.png")
        plt.close(figure)


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


def test_every_kind_of_text_has_a_cache_of_its_own(samples, monkeypatch, tmp_path):
    folders = []
    monkeypatch.setattr(
        module, "embed_texts", lambda texts, cache, **_: folders.append(cache.name) or fake_embeddings(texts)
    )
    annotate_small(samples, "macro", cache=tmp_path)
    annotate_small(samples, "meso", untyped="nearest", cache=tmp_path)
    same = samples.set_column(2, "instruction", samples["response"])
    annotate_small(same, "micro", part="instruction", untyped="nearest", cache=tmp_path)
    assert folders == ["response", "tags", "response", "instruction"]


def test_a_tokenizer_that_cannot_load_and_an_unknown_granularity_are_named(samples, tmp_path):
    unused = {name: {} for name in ("embed", "topics", "tags", "tag_llm")}
    settings = {**unused, "tokens": dict(TokensParams()), "types": dict(TypesParams())}
    nowhere = {"seed": 0, "base_model": tmp_path / "nowhere", "cache": None, "replies": None, **settings}
    with pytest.raises(ValueError, match=r"tokenizer of the base model .*nowhere' cannot be loaded"):
        annotate(samples, "response", "micro", **nowhere)
    with pytest.raises(ValueError, match="granularity='nano' must be one of"):
        annotate(samples, "response", "nano", **nowhere)
