"""Vendi against its n x n definition, NovelSum against its formula transcribed pair by pair."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.measure import embedding_diversity
from macromicro.measure.embedding_diversity import local_density, mean_novelty, novelsum, vendi_score
from scipy.linalg import eigvalsh


def points(n, dim, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((4, dim))[rng.integers(0, 4, n)] + 0.4 * rng.standard_normal((n, dim))


def cosine_distance(a, b):
    return 1 - a @ b / math.sqrt((a @ a) * (b @ b))


def vendi_by_definition(rows, q):
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    shares = eigvalsh(units @ units.T / len(rows))
    shares = shares[shares > 1e-12]
    if q == 1:
        return np.exp(-(shares * np.log(shares)).sum())
    return 1 / shares.max() if q == np.inf else (shares**q).sum() ** (1 / (1 - q))


def novelsum_by_formula(rows, reference, *, proximity_power=1.0, density_power=0.5, n_neighbors=10):
    """Two loops over texts, straight from the formula."""

    def density(row):
        distances = sorted(cosine_distance(row, other) for other in reference)
        others = [distance for distance in distances if distance > 1e-6]
        return 1 / np.mean(others[:n_neighbors])

    densities = [density(row) for row in rows]
    novelties = []
    for i, row in enumerate(rows):
        others = sorted((cosine_distance(row, other), densities[j]) for j, other in enumerate(rows) if j != i)
        weights = [rank**-proximity_power for rank in range(1, len(rows))]
        terms = [
            weight * other_density**density_power * distance
            for weight, (distance, other_density) in zip(weights, others, strict=True)
        ]
        novelties.append(sum(terms) / sum(weights))
    return np.mean(novelties)


@pytest.mark.parametrize("q", [0.5, 1, 2, 3.7, np.inf])
@pytest.mark.parametrize("shape", [(60, 7), (9, 30)])
def test_vendi_equals_its_definition(q, shape):
    rows = points(*shape)
    assert vendi_score(rows, q=q) == pytest.approx(vendi_by_definition(rows, q), rel=1e-9)


def test_vendi_is_summed_in_blocks_and_names_rows_of_the_whole(monkeypatch):
    rows = points(60, 7)
    whole = vendi_score(rows)
    monkeypatch.setattr(embedding_diversity, "VENDI_ROWS", 13)
    assert vendi_score(rows) == pytest.approx(whole, rel=1e-12)
    rows[40] = 0
    with pytest.raises(ValueError, match=r"row 40 has norm 0\.0"):
        vendi_score(rows)


def test_vendi_of_small_order_sees_no_direction_that_is_not_there():
    """5,000 copies of ten texts span ten directions; products in float32 would add the others as noise."""
    rows = points(10, 40).astype(np.float32)
    copies = rows[np.random.default_rng(0).integers(0, 10, 5000)]
    assert vendi_score(copies, q=0) == pytest.approx(10)


def test_vendi_of_a_large_order_nears_that_of_order_infinity():
    rows = points(60, 7)
    assert vendi_score(rows, q=5000) == pytest.approx(vendi_score(rows, q=np.inf), rel=1e-3)


def test_vendi_of_order_0_counts_directions():
    rows = np.repeat(np.eye(5)[:3], [1, 2, 10], axis=0)
    assert vendi_score(rows, q=0) == pytest.approx(3)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 30), st.integers(2, 12), st.integers(0, 99), st.sampled_from([0.5, 1.0, 2.0, np.inf]))
def test_vendi_lies_between_1_and_the_number_of_texts_and_directions(n, dim, seed, q):
    rows = points(n, dim, seed)
    value = vendi_score(rows, q=q)
    assert 1 - 1e-9 <= value <= min(n, dim) + 1e-9
    assert vendi_score(np.r_[rows, rows], q=q) == pytest.approx(value)
    assert vendi_score(rows * np.arange(1, n + 1)[:, None], q=q) == pytest.approx(value)


def test_vendi_of_equal_texts_is_1_and_of_unrelated_ones_their_number():
    assert vendi_score(np.ones((50, 4))) == pytest.approx(1)
    assert vendi_score(np.eye(6)) == pytest.approx(6)


@pytest.mark.parametrize("block_bytes", [1, 2000, 1 << 20])
@pytest.mark.parametrize("powers", [(1.0, 0.5), (0.0, 0.25), (2.0, 0.0)])
def test_novelsum_equals_its_formula_in_blocks_of_any_size(powers, block_bytes, monkeypatch):
    monkeypatch.setattr(embedding_diversity, "BLOCK_BYTES", block_bytes)
    rows, reference = points(50, 6, 1), points(80, 6, 1)
    settings = {"proximity_power": powers[0], "density_power": powers[1], "n_neighbors": 5}
    expected = novelsum_by_formula(rows, reference, **settings)
    assert novelsum(rows, reference, **settings) == pytest.approx(expected, rel=1e-4)


def test_a_text_is_not_its_own_neighbour():
    """A dataset measured against a corpus that holds it equals one measured against the corpus without each text."""
    corpus = points(60, 5, 2)
    inside = local_density(corpus[:3], corpus, n_neighbors=4)
    outside = [local_density(corpus[[row]], np.delete(corpus, row, axis=0), n_neighbors=4)[0] for row in range(3)]
    assert inside == pytest.approx(outside, rel=1e-5)
    stranger = points(1, 5, 77)
    nearest = sorted(cosine_distance(stranger[0], row) for row in corpus)[:4]
    assert local_density(stranger, corpus, n_neighbors=4) == pytest.approx(1 / np.mean(nearest), rel=1e-4)


def test_novelty_of_some_texts_by_the_density_of_all():
    rows = points(30, 5, 6)
    factors = local_density(rows, rows) ** 0.5
    assert mean_novelty(rows[:12], factors[:12]) == pytest.approx(novelsum(rows[:12], rows), rel=1e-6)


def test_copies_in_the_reference_change_nothing():
    rows, corpus = points(20, 5, 3), points(60, 5, 3)
    copied = np.r_[corpus, corpus[:30], corpus[:10]]
    assert novelsum(rows, copied) == pytest.approx(novelsum(rows, corpus), rel=1e-6)


def test_copies_in_the_dataset_lower_novelty():
    rows = points(40, 5, 4)
    assert novelsum(np.r_[rows, rows], rows) < novelsum(rows, rows)


def test_by_hand():
    # three orthogonal texts, no density: every distance is 1, so every weighted average is 1
    assert novelsum(np.eye(3), np.eye(3), density_power=0) == pytest.approx(1)
    # two texts at a right angle, reference at 45 and 90 degrees: density 1 over the mean of 0.2929 and 1
    reference = [[1, 1], [0, 1], [1, 0]]
    density = 1 / ((1 - math.sqrt(0.5) + 1) / 2)
    assert novelsum(np.eye(2), reference, density_power=1, n_neighbors=2) == pytest.approx(density, rel=1e-5)


def test_order_of_texts_does_not_matter_and_arguments_stay():
    rows = points(40, 5, 5)
    before = rows.copy()
    order = np.random.default_rng(0).permutation(40)
    assert novelsum(rows[order], rows) == pytest.approx(novelsum(rows, rows), rel=1e-6)
    np.testing.assert_array_equal(rows, before)


def test_what_cannot_be_measured_is_refused():
    rows = points(20, 4)
    with pytest.raises(ValueError, match="q=-1 must be at least 0"):
        vendi_score(rows, q=-1)
    with pytest.raises(ValueError, match="row 1 has norm nan"):
        vendi_score([[1.0, 2], [np.nan, 1]])
    with pytest.raises(ValueError, match="n_texts=1; give at least 2"):
        novelsum(rows[:1], rows)
    with pytest.raises(ValueError, match="n_neighbors=10 must be at most the 1 distinct rows"):
        novelsum(rows, np.ones((30, 4)))
    with pytest.raises(ValueError, match="text 0 has fewer rows of reference other than itself"):
        novelsum(rows, rows[:10])
