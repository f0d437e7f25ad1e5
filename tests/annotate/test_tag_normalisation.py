import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.tag_normalisation import (
    clean_tag,
    find_rules,
    group_synonyms,
    mapping_table,
    normalise_tags,
    step_table,
)
from macromicro.annotate.types import build_types, text_array
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

SETTINGS = dict(min_count=1, merge_distance=0.05, min_support=2, min_confidence=1.0)


def apart(texts):
    """Embeddings in which no two texts are alike."""
    return np.eye(len(texts), dtype=np.float32)


def raw_types(samples):
    """Type matrix of `{id: tags}`."""
    labels = sorted({tag for tags in samples.values() for tag in tags})
    pairs = [(row, labels.index(tag)) for row, tags in enumerate(samples.values()) for tag in tags]
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    return build_types(samples, rows, columns, labels, report={"tagger": "hand"})


def tags_of(types):
    return {name: set(types.labels[types.matrix[[row]].indices]) for row, name in enumerate(types.ids)}


def test_every_step_by_hand():
    samples = {
        "a": ["Poetry", "rivers", "haiku"],
        "b": ["poetry", "river", "haiku"],
        "c": ["poetry!", "rivers", "streams"],
        "d": ["poetry", "rivers", "streams", "rare"],
        "e": ["Poetry", "poetry!", "???"],
        "f": ["river", "???"],
    }

    def embed(labels):  # "stream" means "river"
        place = {label: row for row, label in enumerate(labels)}
        return np.eye(len(labels), dtype=np.float32)[[place.get("rivers" if x == "streams" else x) for x in labels]]

    types = normalise_tags(
        raw_types(samples), min_count=2, merge_distance=0.05, min_support=2, min_confidence=0.99, embed=embed
    )
    table = step_table(types).set_index("step")
    assert table["n_tags_in"].tolist() == [9, 8, 5, 4, 3]
    assert table["n_tags_out"].tolist() == [8, 5, 4, 3, 2]
    assert table["n_pairs_in"].tolist() == [18, 17, 14, 14, 12]
    assert table["n_pairs_out"].tolist() == [17, 14, 14, 12, 10]
    assert tags_of(types) == {name: {"poetry", "rivers"} for name in "abcd"} | {"e": {"poetry"}, "f": {"rivers"}}
    assert types.report["mapping"] == {
        "???": None,
        "Poetry": "poetry",
        "haiku": "poetry",
        "poetry": "poetry",
        "poetry!": "poetry",
        "rare": None,
        "river": "rivers",
        "rivers": "rivers",
        "streams": "rivers",
    }
    assert types.report["tagger"] == "hand"
    assert mapping_table(types).shape == (9, 2)


def test_a_merged_tag_is_named_after_the_most_frequent_member():
    samples = {"a": ["writes"], "b": ["writes"], "c": ["write"], "d": ["writing"], "e": ["cat"], "f": ["cats"]}
    types = normalise_tags(raw_types(samples), **SETTINGS, embed=apart)
    assert types.labels.tolist() == ["cat", "writes"]


@pytest.mark.parametrize(
    ("tag", "clean"), [("C++ code", "c code"), ("ＦＵＬＬ_width", "full width"), ("--", ""), ("Été  d'or", "été d or")]
)
def test_clean_tag(tag, clean):
    assert clean_tag(tag) == clean


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.sampled_from([0.01, 0.1, 0.4]))
def test_synonym_groups_are_connected_components(seed, n_tags, merge_distance):
    points = np.random.default_rng(seed).normal(size=(n_tags, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    groups = group_synonyms(text_array(map(str, range(n_tags))), lambda labels: points, merge_distance)
    _, expected = connected_components(1 - points @ points.T <= merge_distance)
    assert (groups[:, None] == groups).tolist() == (expected[:, None] == expected).tolist()


def test_distance_zero_merges_nothing():
    assert group_synonyms(text_array("ab"), lambda labels: np.ones((2, 1)), 0).tolist() == [0, 1]


matrices = st.integers(0, 2**32 - 1).map(
    lambda seed: (np.random.default_rng(seed).random((40, 8)) < np.random.default_rng(seed).random(8)).astype(np.int32)
)


@settings(max_examples=60, deadline=None)
@given(matrices, st.integers(1, 12), st.sampled_from([0.5, 0.8, 1.0]))
def test_rules_against_brute_force(dense, min_support, min_confidence):
    counts, both = dense.sum(axis=0), dense.T @ dense
    expected = []
    for tag in range(8):
        implied = [
            (both[tag, j] / counts[tag], counts[j], -j)
            for j in range(8)
            if (-counts[j], j) < (-counts[tag], tag)
            and both[tag, j] >= min_support
            and both[tag, j] / counts[tag] >= min_confidence
        ]
        if implied:
            expected.append((tag, -max(implied)[2]))
    assert find_rules(csr_array(dense), min_support, min_confidence) == expected


def test_rules_are_merged_to_a_fixed_point():
    # 18 of 20 sonnets are verse; only then are 10 instead of 8 of 10 odes verse
    samples = {f"v{row}": ["verse"] for row in range(30)} | {"b0": [], "b1": []}
    for name in [f"v{row}" for row in range(18)] + ["b0", "b1"]:
        samples[name] = [*samples[name], "sonnet"]
    for name in [f"v{row}" for row in range(20, 28)] + ["b0", "b1"]:
        samples[name] = [*samples[name], "ode"]
    types = normalise_tags(raw_types(samples), **(SETTINGS | {"min_confidence": 0.9}), embed=apart)
    assert types.report["mapping"] == {"ode": "verse", "sonnet": "verse", "verse": "verse"}
    assert types.samples_per_type.tolist() == [32]


def test_a_rule_with_just_enough_support_is_found():
    dense = np.zeros((100, 3), dtype=np.int32)  # 7 / 100 * 100 is a hair above 7 in floating point
    dense[:7, :2] = 1
    dense[5:40, 2] = 1
    assert find_rules(csr_array(dense), 7, 1.0) == [(1, 0)]
    assert find_rules(csr_array(dense), 8, 1.0) == []


@settings(max_examples=60, deadline=None)
@given(matrices, st.randoms(use_true_random=False))
def test_the_mapping_gives_the_matrix_and_the_order_of_columns_does_not_matter(dense, random):
    names = ["cat", "Cats", "dog", "dogs!", "river", "rivers", "!!", "Stone-age"]
    rows, columns = np.nonzero(dense)
    ids = [f"{row:02d}" for row in range(40)]
    types = normalise_tags(build_types(ids, rows, columns, names, report={}), **SETTINGS, embed=apart)
    final = types.report["mapping"]
    expected = {
        name: {final[names[j]] for j in np.flatnonzero(dense[row])} - {None} for row, name in enumerate(types.ids)
    }
    assert tags_of(types) == expected
    assert find_rules(types.matrix, SETTINGS["min_support"], SETTINGS["min_confidence"]) == []
    order = random.sample(range(8), 8)
    shuffled = build_types(ids, rows, np.argsort(order)[columns], [names[j] for j in order], report={})
    again = normalise_tags(shuffled, **SETTINGS, embed=apart)
    assert (again.labels.tolist(), again.report["steps"]) == (types.labels.tolist(), types.report["steps"])
    assert (again.matrix != types.matrix).nnz == 0


def test_nothing_left_and_nothing_there():
    for samples in ({"a": ["once"], "b": []}, {"a": []}, {}):
        types = normalise_tags(raw_types(samples), **(SETTINGS | {"min_count": 2}), embed=apart)
        assert (types.n_samples, types.n_types) == (len(samples), 0)


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"min_count": 0}, "min_count=0 must be at least 1"),
        ({"min_support": 0}, "min_support=0 must be at least 1"),
        ({"merge_distance": 3}, "merge_distance=3 must be between 0 and 2"),
        ({"min_confidence": 0}, "min_confidence=0 must be above 0"),
    ],
)
def test_refused(setting, rule):
    with pytest.raises(ValueError, match=rule):
        normalise_tags(raw_types({"a": ["x"]}), **(SETTINGS | setting), embed=apart)
