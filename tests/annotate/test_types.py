import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.types import TypeMatrix, apply_untyped, build_types, load_types, save_types, text_array
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

NAMES = st.text(max_size=8)


@st.composite
def type_matrices(draw):
    ids = draw(st.lists(NAMES, max_size=12, unique=True))
    labels = draw(st.lists(NAMES, max_size=6, unique=True))
    pairs = st.tuples(st.integers(0, max(len(ids) - 1, 0)), st.integers(0, max(len(labels) - 1, 0)))
    found = draw(st.lists(pairs, max_size=30)) if ids and labels else []
    return ids, labels, found


def build(ids, labels, pairs, report=None):
    return build_types(ids, [row for row, _ in pairs], [column for _, column in pairs], labels, report=report or {})


def as_sets(types):
    """The types of every sample, by name: what no reordering may change."""
    return {
        name: {str(label) for label in types.labels[types.matrix.indices[start:stop]]}
        for name, start, stop in zip(types.ids, types.matrix.indptr[:-1], types.matrix.indptr[1:], strict=True)
    }


def small():
    return build_types(["c", "a", "b"], [0, 0, 1, 0], [1, 0, 1, 1], ["x", "y"], report={"n": 1})


def test_rows_are_sorted_by_id_and_repeated_pairs_count_once():
    types = small()
    assert types.ids.tolist() == ["a", "b", "c"]
    assert types.matrix.toarray().tolist() == [[0, 1], [0, 0], [1, 1]]
    assert types.types_per_sample.tolist() == [1, 0, 2]
    assert types.samples_per_type.tolist() == [1, 2]
    assert types.untyped.tolist() == [1]


@given(type_matrices(), st.randoms(use_true_random=False))
def test_row_order_of_the_input_does_not_matter(parts, random):
    ids, labels, pairs = parts
    order = list(range(len(ids)))
    random.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    moved = build([ids[row] for row in order], labels, [(place[row], column) for row, column in pairs])
    first = build(ids, labels, pairs)
    assert first.ids.tolist() == moved.ids.tolist() == sorted(ids)
    assert_array_equal(first.matrix.indices, moved.matrix.indices)
    assert_array_equal(first.matrix.indptr, moved.matrix.indptr)
    wanted = {name: {labels[column] for row, column in pairs if ids[row] == name} for name in ids}
    assert as_sets(first) == wanted


@settings(max_examples=40, deadline=None)
@given(type_matrices())
def test_saving_and_loading_gives_the_same_matrix(tmp_path_factory, parts):
    types = build(*parts, report={"noise": 0.5, "names": ["é", "\0"]})
    path = tmp_path_factory.mktemp("types") / "types.npz"
    save_types(types, path)
    back = load_types(path)
    assert back.ids.tolist() == types.ids.tolist()
    assert back.labels.tolist() == types.labels.tolist()
    assert back.report == types.report
    assert_array_equal(back.matrix.toarray(), types.matrix.toarray())


def test_saving_twice_gives_the_same_bytes_and_leaves_nothing_aside(tmp_path):
    save_types(small(), tmp_path / "a.npz")
    save_types(small(), tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_a_report_that_json_cannot_hold_writes_no_file(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        save_types(build(["a"], ["x"], [], report={"share": float("nan")}), tmp_path / "types.npz")
    assert list(tmp_path.iterdir()) == []


@given(type_matrices(), st.sampled_from(["drop", "own", "nearest"]), st.integers(0, 9))
def test_policies_never_touch_typed_samples_and_always_report(parts, policy, seed):
    types = build(*parts)
    before = types.matrix.toarray().copy()
    embeddings = np.random.default_rng(seed).normal(size=(types.n_samples, 3)).astype(np.float32)
    if policy == "nearest" and len(types.untyped) == types.n_samples > 0:
        with pytest.raises(ValueError, match="at least one typed sample"):
            apply_untyped(types, untyped=policy, embeddings=embeddings)
        return
    try:
        after = apply_untyped(types, untyped=policy, embeddings=embeddings)
    except ValueError as error:
        assert policy == "own" and "labels must be unique" in str(error)
        return
    assert_array_equal(types.matrix.toarray(), before)
    assert after.report["untyped"]["policy"] == policy
    assert after.report["untyped"]["n"] == len(types.untyped)
    json.dumps(after.report, allow_nan=False)
    typed = np.flatnonzero(types.types_per_sample)
    assert_array_equal(after.matrix.toarray()[typed, : types.n_types], before[typed])
    assert len(after.untyped) == (len(types.untyped) if policy == "drop" else 0)
    assert after.n_types == types.n_types + (len(types.untyped) if policy == "own" else 0)


def test_own_names_the_type_after_the_sample():
    own = apply_untyped(small(), untyped="own")
    assert own.labels.tolist() == ["x", "y", "untyped b"]
    assert own.matrix.toarray().tolist() == [[0, 1, 0], [0, 0, 1], [1, 1, 0]]


def test_nearest_takes_the_types_of_the_most_similar_typed_sample():
    embeddings = np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    near = apply_untyped(small(), untyped="nearest", embeddings=embeddings)
    assert near.matrix.toarray().tolist() == [[0, 1], [0, 1], [1, 1]]
    assert near.report["untyped"] == {"policy": "nearest", "n": 1, "n_samples": 3, "mean_cosine": 0.8}


def test_nearest_agrees_with_one_comparison_at_a_time_across_blocks(monkeypatch):
    monkeypatch.setattr("macromicro.annotate.types.BLOCK_BYTES", 4 * 10 * 4)
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(40, 5)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    types = build([f"{row:02d}" for row in range(40)], list("abc"), [(row, row % 3) for row in range(0, 40, 4)])
    near = apply_untyped(types, untyped="nearest", embeddings=embeddings)
    for row in types.untyped:
        donor = max(range(0, 40, 4), key=lambda other: embeddings[row] @ embeddings[other])
        assert_array_equal(near.matrix.toarray()[row], types.matrix.toarray()[donor])


def test_all_untyped_is_a_result_with_drop_and_own():
    nothing = build(["a", "b"], [], [])
    assert apply_untyped(nothing, untyped="drop").n_types == 0
    assert apply_untyped(nothing, untyped="own").matrix.toarray().tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"ids": text_array(["b", "a"])}, "row 1 is 'a'"),
        ({"ids": text_array(["a", "a"])}, "strictly increasing"),
        ({"ids": np.array(["a", "b"])}, "object array of shape"),
        ({"labels": text_array(["x", "x"])}, "'x' is repeated"),
        ({"labels": text_array(["x"])}, "shape"),
        ({"matrix": csr_array(np.array([[2, 0], [0, 1]], dtype=np.uint8))}, "holds 2"),
        ({"matrix": csr_array(np.eye(2))}, "uint8"),
        ({"matrix": csr_array((np.ones(2, dtype=np.uint8), [1, 0], [0, 2, 2]), shape=(2, 2))}, "row 0 has not"),
        ({"matrix": csr_array((np.ones(2, dtype=np.uint8), [1, 1], [0, 0, 2]), shape=(2, 2))}, "row 1 has not"),
    ],
)
def test_a_broken_matrix_is_refused(change, rule):
    parts = {
        "matrix": csr_array(np.eye(2, dtype=np.uint8)),
        "ids": text_array(["a", "b"]),
        "labels": text_array(["x", "y"]),
        "report": {},
    }
    TypeMatrix(**parts)
    with pytest.raises(ValueError, match=rule):
        TypeMatrix(**{**parts, **change})


def test_bad_policies_and_pairs_name_the_rule():
    with pytest.raises(ValueError, match="untyped='new' must be one of"):
        apply_untyped(small(), untyped="new")
    with pytest.raises(ValueError, match="needs embeddings of the 3 samples"):
        apply_untyped(small(), untyped="nearest")
    with pytest.raises(ValueError, match="must have 3 rows"):
        apply_untyped(small(), untyped="nearest", embeddings=np.ones((2, 2), dtype=np.float32))
    with pytest.raises(ValueError, match=r"every column must be in 0\.\.0, but one is 1"):
        build(["a"], ["x"], [(0, 1)])
