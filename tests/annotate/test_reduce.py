import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate import reduce as module
from macromicro.annotate.reduce import find_neighbours, reduce
from scipy.spatial.distance import cdist

UMAP = {"seed": 3, "reducer": "umap", "n_components": 2, "n_neighbors": 10}


def directions(n, n_dimensions=8, seed=0):
    points = np.random.default_rng(seed).normal(size=(n, n_dimensions)).astype(np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_pca_keeps_distances_when_it_keeps_all_dimensions():
    points = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    kept = reduce(points, seed=0, reducer="pca", n_components=4, n_neighbors=5)
    before, after = (np.linalg.norm(each[:, None] - each[None], axis=2) for each in (points, kept))
    np.testing.assert_allclose(after, before, atol=1e-4)
    assert reduce(points, seed=0, reducer="pca", n_components=9, n_neighbors=5).shape == (30, 4)


@pytest.mark.parametrize("block", [1, 7, 60])
def test_neighbours_are_those_of_all_distances(block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    points = directions(60)
    every = cdist(points.astype(np.float64), points.astype(np.float64), "cosine")
    rows, distances = find_neighbours(points, 10)
    assert rows.tolist() == np.argsort(every, axis=1)[:, :10].tolist()
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :10], atol=1e-6)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12))
def test_a_row_is_its_own_nearest_neighbour_among_equal_ones(n_different, n_neighbors):
    points = np.repeat(directions(n_different), 3, axis=0)
    n_neighbors = min(n_neighbors, len(points))
    rows, distances = find_neighbours(points, n_neighbors)
    assert rows[:, 0].tolist() == list(range(len(points)))
    assert all(len(set(row)) == n_neighbors for row in rows.tolist())
    assert (distances >= 0).all()
    assert (np.diff(distances, axis=1) >= 0).all()


def clumps():
    clump = np.repeat([0, 1, 2], 60)
    points = np.eye(8)[clump] + 0.05 * np.random.default_rng(0).normal(size=(180, 8))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), clump


def are_apart(found, clump):
    far = cdist(found, found)
    return far[clump[:, None] == clump].max() < far[clump[:, None] != clump].min()


def test_umap_keeps_clumps_apart_repeats_and_does_not_warn_of_neighbours(recwarn):
    points, clump = clumps()
    found = reduce(points, **UMAP)
    assert are_apart(found, clump)
    assert reduce(points, **UMAP).tobytes() == found.tobytes()
    assert not [warned for warned in recwarn if "precomputed_knn" in str(warned.message)]


@pytest.mark.slow
def test_umap_searches_for_neighbours_itself_where_there_are_many(monkeypatch):
    monkeypatch.setattr(module, "MAX_EXACT", 100)
    points, clump = clumps()
    assert are_apart(reduce(points, **UMAP), clump)


def test_coordinates_of_umap_are_kept_by_what_they_are_made_of(tmp_path, monkeypatch):
    embeddings = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    how = {"seed": 1, "reducer": "umap", "n_components": 2, "n_neighbors": 5}
    made = reduce(embeddings, cache=tmp_path, **how)
    np.testing.assert_array_equal(made, reduce(embeddings, **how))
    monkeypatch.setattr(module, "_reduce_by_umap", lambda points, _: points[:, :2] * 0)
    np.testing.assert_array_equal(reduce(embeddings, cache=tmp_path, **how), made)
    for change in ({"seed": 2}, {"n_components": 3}, {"n_neighbors": 6}):
        assert not reduce(embeddings, cache=tmp_path, **{**how, **change}).any()
    assert not reduce(embeddings[::-1], cache=tmp_path, **how).any()
    monkeypatch.setattr(module, "version", lambda name: "another")
    assert not reduce(embeddings, cache=tmp_path, **how).any()
