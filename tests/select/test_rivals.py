import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.types import build_types
from macromicro.select.rivals import choose_rows, cover_most, locate_facilities, spread_out, take_longest
from macromicro.select.select import count_types, draw_baseline, sample_evenly
from numpy.random import default_rng


def random_types(n_samples=80, n_types=60, seed=0):
    rng = default_rng(seed)
    lists = [rng.choice(n_types, rng.integers(0, 6), replace=False) for _ in range(n_samples)]
    rows = np.repeat(np.arange(n_samples), [len(columns) for columns in lists])
    ids = [f"s{row:03d}" for row in range(n_samples)]
    return build_types(ids, rows, np.concatenate(lists), [f"t{t:02d}" for t in range(n_types)], report={})


def random_embeddings(n_samples=60, dim=8, seed=0):
    vectors = default_rng(seed).normal(size=(n_samples, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def slow_cover(types, size, rng):
    """Max coverage by trying every sample in every step."""
    order = rng.permutation(types.n_samples).tolist()
    dense = types.matrix.toarray().astype(bool)
    covered, chosen = np.zeros(types.n_types, dtype=bool), []
    for _ in range(size):
        best = max((row for row in order if row not in chosen), key=lambda row: (dense[row] & ~covered).sum())
        chosen.append(best)
        covered |= dense[best]
    return sorted(chosen)


def test_longest_by_hand():
    assert take_longest([3, 9, 1, 9, 5], 3).tolist() == [1, 3, 4]
    assert take_longest([2, 2, 2, 2], 2).tolist() == [0, 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 80))
def test_max_coverage_equals_the_greedy_that_tries_everything(seed, size):
    types = random_types(seed=seed)
    assert cover_most(types, size, default_rng(seed)).tolist() == slow_cover(types, size, default_rng(seed))


def test_max_coverage_covers_at_least_what_even_sampling_covers():
    types = random_types(400, 300)
    typed = np.flatnonzero(types.types_per_sample)
    for size in (20, 60, 120):
        greedy = np.count_nonzero(count_types(types, cover_most(types, size, default_rng(0))))
        even = np.count_nonzero(count_types(types, sample_evenly(types, typed, size, default_rng(0))))
        assert greedy >= even > 0.5 * greedy


@pytest.mark.parametrize("seed", range(5))
def test_k_center_equals_the_greedy_that_compares_all_pairs(seed):
    embeddings = random_embeddings(seed=seed)
    cosines = embeddings @ embeddings.T
    chosen = [int(default_rng(seed).integers(60))]
    while len(chosen) < 20:
        left = [row for row in range(60) if row not in chosen]
        chosen.append(min(left, key=lambda row: cosines[row, chosen].max()))
    assert spread_out(embeddings, 20, default_rng(seed)).tolist() == sorted(chosen)


def test_k_center_takes_one_of_each_cluster_and_never_a_row_twice():
    axes = np.repeat(np.eye(4, dtype=np.float32), 10, axis=0)
    assert set(spread_out(axes, 4, default_rng(0)) // 10) == {0, 1, 2, 3}
    assert spread_out(axes, 40, default_rng(0)).tolist() == list(range(40))


@pytest.mark.parametrize("seed", range(5))
def test_facility_location_that_tries_all_equals_exact_greedy(seed):
    embeddings = random_embeddings(seed=seed)
    cosines = np.maximum(embeddings @ embeddings.T, 0)
    chosen = []
    while len(chosen) < 10:
        left = [row for row in range(60) if row not in chosen]
        chosen.append(max(left, key=lambda row: cosines[[*chosen, row]].max(axis=0).sum()))
    assert locate_facilities(embeddings, 10, default_rng(0), epsilon=1e-9).tolist() == sorted(chosen)


def test_facility_location_that_tries_some_comes_close_and_beats_chance():
    embeddings = random_embeddings(500, seed=1)

    def value(rows):
        return np.maximum(embeddings @ embeddings[rows].T, 0).max(axis=1).sum()

    exact = value(locate_facilities(embeddings, 25, default_rng(0), epsilon=1e-12))
    some = value(locate_facilities(embeddings, 25, default_rng(0)))
    chance = np.mean([value(default_rng(seed).choice(500, 25, replace=False)) for seed in range(10)])
    assert chance < 0.97 * some and some > 0.97 * exact
    axes = np.repeat(np.eye(4, dtype=np.float32), 10, axis=0)
    assert locate_facilities(axes, 40, default_rng(0)).tolist() == list(range(40))


def test_blocks_do_not_change_the_result(monkeypatch):
    embeddings = random_embeddings(100, seed=2)
    whole = locate_facilities(embeddings, 12, default_rng(0))
    for n_bytes in (1, 600):
        monkeypatch.setattr("macromicro.select.rivals.BLOCK_BYTES", n_bytes)
        assert np.array_equal(locate_facilities(embeddings, 12, default_rng(0)), whole)


@pytest.mark.parametrize("size", [1, 30])
def test_similarities_stay_within_the_bytes_of_a_block(monkeypatch, size):
    """Few samples mean that many are tried in each step: the block shrinks."""
    embeddings = random_embeddings(3000, dim=2)
    monkeypatch.setattr("macromicro.select.rivals.BLOCK_BYTES", 100_000)
    tracemalloc.start()
    locate_facilities(embeddings, size, default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000  # the similarities of all tried would be 2.8 MB and more


def test_rivals_refuse_impossible_sizes():
    types, embeddings = random_types(10, 5), random_embeddings(10)
    for draw in (
        lambda size: take_longest(np.arange(10), size),
        lambda size: cover_most(types, size, default_rng(0)),
        lambda size: spread_out(embeddings, size, default_rng(0)),
        lambda size: locate_facilities(embeddings, size, default_rng(0)),
    ):
        assert len(set(draw(10))) == 10
        for size in (0, 11):
            with pytest.raises(ValueError, match=f"size={size} must be between 1 and the 10 samples"):
                draw(size)
    with pytest.raises(ValueError, match="epsilon=1 must be above 0 and below 1"):
        locate_facilities(embeddings, 3, default_rng(0), epsilon=1)


def test_every_rival_has_a_name():
    types, embeddings, lengths = random_types(60), random_embeddings(60), np.arange(60) % 7
    given = dict(size=9, lengths=lambda: lengths, vectors=lambda: embeddings, types=types)
    for method, expected in {
        "random": draw_baseline(60, 9, default_rng(4)),
        "longest": take_longest(lengths, 9),
        "k-center": spread_out(embeddings, 9, default_rng(4)),
        "facility-location": locate_facilities(embeddings, 9, default_rng(4)),
        "max-coverage": cover_most(types, 9, default_rng(4)),
    }.items():
        assert np.array_equal(choose_rows(method, 60, rng=default_rng(4), **given), expected)


def test_what_a_method_does_not_need_is_not_computed():
    def never():
        raise AssertionError("computed")

    given = dict(rng=default_rng(0), lengths=never, vectors=never)
    assert len(choose_rows("random", 60, size=9, **given)) == 9
    assert len(choose_rows("max-coverage", 60, size=9, types=random_types(60), **given)) == 9
    for method in ("random", "longest", "k-center", "facility-location", "max-coverage"):
        with pytest.raises(ValueError, match="size=61 must be between 1 and the 60 samples of the corpus"):
            choose_rows(method, 60, size=61, **given)
    with pytest.raises(ValueError, match="method 'max-coverage' needs types"):
        choose_rows("max-coverage", 60, size=9, **given)
    with pytest.raises(ValueError, match="method='shortest' must be one of random, longest, k-center"):
        choose_rows("shortest", 60, size=9, **given)
