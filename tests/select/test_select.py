import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.types import TypeMatrix, build_types, text_array
from macromicro.select.peel import draw_evenly
from macromicro.select.pools import link, order_types, peel
from macromicro.select.select import count_types, draw_alike, draw_baseline, evenness, sample_evenly, select_datasets
from numpy.random import default_rng
from scipy.sparse import csr_array
from small_types import make, matrices, slow_order, token_like


def select(types, *, seeds=(0,), pruning="type", allowed=None, **grid):
    """Table and rows of the datasets of several seeds, all from one peel."""
    peeling = peel(types, seed=0, pruning=pruning, allowed=allowed)
    tables, rows = zip(*(select_datasets(types, peeling, seed=seed, **grid) for seed in seeds), strict=True)
    return pd.concat(tables, ignore_index=True), {name: one[name] for one in rows for name in one}


def slow_sample(types, pool, budget, rng, weights=None):
    """Algorithm 2 by its words; drawn rows are passed over in the same order as in the compiled loop."""
    weights = [1] * types.n_samples if weights is None else weights
    rank = {column: place for place, column in enumerate(slow_order(types, rng))}
    dense = types.matrix.toarray().astype(bool)
    left = {t: [row for row in sorted(pool) if dense[row, t]] for t in range(types.n_types)}
    drawn = []
    while sum(weights[row] for row in drawn) < budget:
        counts = {t: sum(dense[row, t] for row in drawn) for t in left}
        served = min((t for t in left if left[t]), key=lambda t: (counts[t], rank[t]))
        rows = left[served]
        at = int(rng.random() * len(rows))
        row, rows[at] = rows[at], rows[0]
        del rows[0]
        if row not in drawn:
            drawn.append(row)
    return sorted(drawn)


@settings(max_examples=150, deadline=None)
@given(matrices, st.integers(0, 5), st.data())
def test_sampler_equals_the_slow_reference(types, seed, data):
    pool = peel(types, seed=0).pool(types.n_types)
    if len(pool):
        size = data.draw(st.integers(1, len(pool)))
        rows = sample_evenly(types, pool, size, default_rng(seed))
        assert rows.tolist() == slow_sample(types, pool, size, default_rng(seed))
        assert len(set(rows)) == size and set(rows) <= set(pool)


@settings(max_examples=150, deadline=None)
@given(matrices, st.integers(0, 5), st.data())
def test_a_draw_by_weight_equals_the_slow_reference(types, seed, data):
    typed = types.types_per_sample > 0
    if typed.any():
        weights = np.array(data.draw(st.lists(st.integers(1, 9), min_size=len(typed), max_size=len(typed))))
        budget, links, rng = data.draw(st.integers(1, int(weights[typed].sum()))), link(types), default_rng(seed)
        rows = draw_evenly(*links[:4], order_types(links, rng), typed, weights, budget, rng)
        assert sorted(rows) == slow_sample(types, np.flatnonzero(typed), budget, default_rng(seed), weights)
        assert weights[rows].sum() >= budget > weights[rows[:-1]].sum()


def test_sampler_covers_every_type_when_size_allows():
    rng = default_rng(3)
    types = make([rng.choice(40, 3, replace=False).tolist() for _ in range(300)], 40)
    for seed in range(10):
        rows = sample_evenly(types, np.arange(300), 40, default_rng(seed))
        assert np.count_nonzero(count_types(types, rows)) == 40


def test_one_type_per_sample_is_an_even_draw_over_types():
    sizes = [2, 9, 30, 30]
    types = make([[topic] for topic, n in enumerate(sizes) for _ in range(n)])
    counts = count_types(types, sample_evenly(types, np.arange(71), 40, default_rng(0)))
    # 2 and 9 are exhausted, the other 29 are shared by the two large topics
    assert counts[:2].tolist() == [2, 9]
    assert sorted(counts[2:]) == [14, 15]
    within = [sample_evenly(types, np.arange(71), 20, default_rng(seed)) for seed in range(400)]
    drawn = np.bincount(np.concatenate(within), minlength=71)
    # 6 of 30 (first and second topic give 2 and 6): every sample of a topic is drawn equally often
    assert abs(drawn[41:] / 400 - 6 / 30).max() < 0.08


def test_sampler_refuses_what_it_cannot_serve():
    types = make([[0], [], [1], [0, 1]])
    with pytest.raises(ValueError, match="size=4 must be between 1 and the 3 samples of the pool"):
        sample_evenly(types, [0, 2, 3], 4, default_rng(0))
    with pytest.raises(ValueError, match="size=0 must be"):
        sample_evenly(types, [0, 2, 3], 0, default_rng(0))
    with pytest.raises(ValueError, match=r"row 1 of the pool \('s0001'\) has no type"):
        sample_evenly(types, [0, 1, 2], 1, default_rng(0))
    with pytest.raises(ValueError, match=r"row 1 of the pool \('s0001'\) has no type"):
        sample_evenly(make([[0], [], []]), [0, 1, 2], 1, default_rng(0))
    for pool in ([0, 0], [-1, 0], [0, 4]):
        with pytest.raises(ValueError, match="distinct rows between 0 and 3"):
            sample_evenly(types, pool, 1, default_rng(0))


def test_levels_are_linear_in_the_types_covered_and_every_dataset_has_its_size():
    types = token_like()
    levels = [0, 16, 33, 50, 66, 83, 100]
    table, rows = select(types, levels=levels, sizes=[200], seeds=[0, 1])
    assert table["dataset"].tolist()[:3] == ["n200-d000-s0", "n200-d016-s0", "n200-d033-s0"]
    peeling = peel(types, seed=0)
    k_min, k_max = peeling.fewest_types(200), 150
    for row in table.itertuples():
        chosen = rows[row.dataset]
        assert len(np.unique(chosen)) == row.size == 200
        assert (np.diff(chosen) > 0).all()
        assert row.k_target == k_min + round((k_max - k_min) * row.level / 100)
        assert row.k == row.n_types_covered == peeling.nearest(row.k_target)
        assert row.pool_size == len(peeling.pool(row.k)) and set(chosen) <= set(peeling.pool(row.k))
        assert row.coverage == row.n_types_covered / 150
        assert row.evenness == evenness(count_types(types, chosen))
    assert not np.array_equal(rows["n200-d050-s0"], rows["n200-d050-s1"])
    assert not set(np.concatenate(list(rows.values()))) & set(types.untyped)


def test_where_a_dataset_cannot_cover_its_pool_it_draws_from_a_larger_one():
    types = token_like()
    table, _ = select(types, levels=[0, 50, 100], sizes=[15], seeds=[0, 1, 2])
    assert (table["k"] >= table["n_types_covered"]).all()
    assert table.loc[table["level"] == 100, "n_types_covered"].max() < 150
    missed = (table["n_types_covered"] - table["k_target"]).abs() / table["k_target"]
    assert missed.max() < 0.15
    assert table.groupby("level")["n_types_covered"].mean().is_monotonic_increasing


@settings(max_examples=100, deadline=None)
@given(matrices, st.sampled_from([("type", [0, 50, 100]), ("sample", [100])]), st.integers(1, 25), st.integers(0, 3))
def test_weights_of_one_change_nothing(types, reading, size, seed):
    pruning, levels = reading
    given = dict(levels=levels, sizes=[size], seeds=[seed, seed + 1], pruning=pruning)
    ones = np.ones(types.n_samples, dtype=int)
    try:
        table, rows = select(types, **given)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            select(types, **given, weights=ones)
        return
    weighted, same = select(types, **given, weights=ones)
    assert table.equals(weighted) and (table["n_samples"] == size).all()
    assert all(np.array_equal(rows[name], same[name]) for name in rows)


def test_datasets_of_one_weight_hold_as_many_samples_as_it_takes():
    types = token_like()
    weights = 5 * types.types_per_sample + default_rng(0).integers(1, 4, types.n_samples)
    budget = round(150 * weights[types.types_per_sample > 0].mean())
    table, rows = select(types, levels=[0, 33, 66, 100], sizes=[150], seeds=[0, 1], weights=weights)
    peeling = peel(types, seed=0)
    for row in table.itertuples():
        chosen, pool = rows[row.dataset], peeling.pool(row.k)
        assert 0 <= weights[chosen].sum() - budget < weights[chosen].max()
        assert row.n_samples == len(set(chosen)) and row.size == 150
        assert set(chosen) <= set(pool) and row.pool_size == len(pool)
        assert weights[pool].sum() >= budget
    lowest = table.loc[table["level"] == 0, "k"].iloc[0]
    assert weights[peeling.pool(lowest - 1)].sum() < budget <= weights[peeling.pool(lowest)].sum()
    by_level = table.groupby("level")["n_types_covered"].mean()
    assert by_level.is_monotonic_increasing and by_level[100] > 1.2 * by_level[0]
    assert table["n_samples"].min() < table["n_samples"].max()


def test_heavy_samples_leave_types_uncovered_that_as_many_light_ones_would_cover():
    # budget 3 * 70 / 12 = 18: the first sample of t1 or t2 spends it, so that no dataset covers all three types
    types = make([[0]] * 10 + [[1], [2]])
    table, _ = select(types, levels=[100], sizes=[3], seeds=[0, 1], weights=np.array([1] * 10 + [30, 30]))
    assert table["k_target"].max() <= 2 and table["n_types_covered"].max() <= 2


def test_only_allowed_rows_are_drawn():
    types = token_like()
    allowed = default_rng(1).random(types.n_samples) < 0.5
    fewer = build_types(types.ids[allowed], *types.matrix[allowed].nonzero(), types.labels, report={})
    given = dict(levels=[0, 50, 100], sizes=[80])
    table, rows = select(types, **given, allowed=allowed)
    assert all(allowed[chosen].all() for chosen in rows.values())
    alone, same = select(fewer, **given)  # by type, ties hang on labels only
    assert table.drop(columns="coverage").equals(alone.drop(columns="coverage"))
    assert all(np.array_equal(np.flatnonzero(allowed)[same[name]], rows[name]) for name in rows)
    few = np.arange(types.n_samples) < 40
    with pytest.raises(ValueError, match="size=80 must be between 1 and the 40 samples that carry a type and are"):
        select(types, **given, allowed=few)
    table, _ = select(types, levels=[100], sizes=[40], allowed=few)
    n_present = np.count_nonzero(count_types(types, np.arange(40)))
    assert table["coverage"].tolist() == [n_present / 150]  # of the types of the corpus, not of the allowed rows


@pytest.mark.parametrize("size", [5, 20, 60, 200])
def test_the_literal_reading_leaves_no_room_for_levels(size):
    """Its pools are nearly the smallest covers: one that still holds N samples covers as much as N samples can."""
    types = token_like()
    with pytest.raises(ValueError, match=f"size={size} leaves no room for levels"):
        select(types, levels=[0, 100], sizes=[size], pruning="sample")
    table, rows = select(types, levels=[100], sizes=[size], pruning="sample")
    peeling = peel(types, seed=0, pruning="sample")
    pool = peeling.pool(table["k"].iloc[0])
    assert table["k"].iloc[0] == peeling.fewest_types(size)
    assert table["pool_size"].iloc[0] == len(pool) >= size and set(rows[f"n{size}-d100-s0"]) <= set(pool)


def test_same_seed_same_datasets_and_other_seeds_change_nothing_of_a_dataset():
    types = token_like()
    table, rows = select(types, levels=[0, 100], sizes=[50, 100], seeds=[0, 1], names=[7])
    again, same = select(types, levels=[0, 100], sizes=[50, 100], seeds=[0, 1], names=[7])
    assert table.equals(again)
    assert all(np.array_equal(rows[name], same[name]) for name in rows)
    _, fewer = select(types, levels=[100], sizes=[100], seeds=[1], names=[7])
    assert np.array_equal(fewer["n100-d100-s1"], rows["n100-d100-s1"])
    _, other = select(types, levels=[0, 100], sizes=[50], seeds=[0, 1], names=[8])
    assert not np.array_equal(other["n50-d100-s0"], rows["n50-d100-s0"])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([("type", [0, 50, 100]), ("sample", [100])]))
def test_order_of_rows_and_columns_does_not_matter(shuffle, reading):
    pruning, levels = reading
    types = token_like(120, 30)
    rng = default_rng(shuffle)
    rows, columns = rng.permutation(types.n_samples), rng.permutation(types.n_types)
    places = types.matrix.tocoo().coords
    given = dict(levels=levels, sizes=[40], seeds=[0, 1], pruning=pruning)
    moved = build_types(
        types.ids[rows],
        np.argsort(rows)[places[0]],
        np.argsort(columns)[places[1]],
        types.labels[columns],
        report={},
    )
    table, chosen = select(types, **given)
    moved_table, moved_chosen = select(moved, **given)
    assert table.equals(moved_table)
    for name, at in chosen.items():
        assert types.ids[at].tolist() == moved.ids[moved_chosen[name]].tolist()


def test_macro_levels_are_numbers_of_topics_drawn_evenly():
    sizes = [5, 10, 20, 40, 80, 160]
    types = make([[topic] for topic, n in enumerate(sizes) for _ in range(n)])
    table, rows = select(types, levels=[0, 50, 100], sizes=[60])
    # the largest topic alone holds 60 samples; half of the way from 1 to 6 is 3.5, rounded down to 1 + 2
    assert table["k"].tolist() == [1, 3, 6]
    assert count_types(types, rows["n60-d000-s0"]).tolist() == [0, 0, 0, 0, 0, 60]
    assert sorted(count_types(types, rows["n60-d050-s0"]).tolist()) == [0, 0, 0, 20, 20, 20]
    assert count_types(types, rows["n60-d100-s0"])[:2].tolist() == [5, 10]
    _, close = select(types, levels=[45, 50], sizes=[60])
    assert close["n60-d045-s0"].tolist() == close["n60-d050-s0"].tolist(), "the same three topics, so one dataset"


def test_select_says_what_is_out_of_reach():
    types = make([[0], [0, 1], [], [2]])
    with pytest.raises(ValueError, match="size=4 must be between 1 and the 3 samples that carry a type"):
        select(types, levels=[100], sizes=[4])
    for levels in ([0, 100], [50], [0]):
        with pytest.raises(ValueError, match="size=3 leaves no room for levels"):
            select(types, levels=levels, sizes=[3])
    table, rows = select(types, levels=[100], sizes=[3])
    assert rows["n3-d100-s0"].tolist() == [0, 1, 3] and table["coverage"].tolist() == [1.0]
    with pytest.raises(ValueError, match="level=101 must be a percentage"):
        select(types, levels=[101], sizes=[1])
    for weights in ([1, 2], [1.0, 1, 1, 1]):
        with pytest.raises(ValueError, match="weights must be 4 whole numbers, one per sample"):
            select(types, levels=[100], sizes=[1], weights=weights)
    with pytest.raises(ValueError, match="weights must be at least 1, but sample 's0001' weighs 0"):
        select(types, levels=[100], sizes=[1], weights=[1, 0, 0, 1])  # s0002 has no type
    with pytest.raises(ValueError, match="sample 's0001' weighs 0"):
        select(types, levels=[100], sizes=[1], weights=[1, 0, 0, -2])
    empty = TypeMatrix(csr_array((2, 3), dtype=np.uint8), text_array(["a", "b"]), text_array("xyz"), {})
    assert peel(empty, seed=0).ks.tolist() == [0]
    with pytest.raises(ValueError, match="the 0 samples that carry a type"):
        select(empty, levels=[100], sizes=[1])


def test_evenness_by_hand():
    assert evenness([4, 4, 4, 4]) == pytest.approx(1)
    assert evenness([1, 3]) == pytest.approx(-(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75)))
    assert evenness([7, 0]) == 1
    assert np.isnan(evenness([0, 0]))


def test_baseline_is_a_plain_draw():
    rows = draw_baseline(50, 20, default_rng(0))
    assert len(set(rows)) == 20 and (np.diff(rows) > 0).all() and rows.max() < 50
    assert np.array_equal(rows, draw_baseline(50, 20, default_rng(0)))
    some = np.array([40, 3, 7, 21])
    assert set(draw_baseline(some, 3, default_rng(0))) < set(some)
    assert draw_baseline(some, 4, default_rng(0)).tolist() == [3, 7, 21, 40]
    with pytest.raises(ValueError, match="size=51 must be between 1 and the 50 samples to draw from"):
        draw_baseline(50, 51, default_rng(0))
    with pytest.raises(ValueError, match="size=5 must be between 1 and the 4 samples to draw from"):
        draw_baseline(some, 5, default_rng(0))
    with pytest.raises(ValueError, match="size=0 must be between 1 and"):
        draw_baseline(some, 0, default_rng(0))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.data())
def test_a_random_draw_alike_reaches_the_weight_and_no_sample_too_many(weights, data):
    weights = np.array(weights)
    rows = np.array(data.draw(st.lists(st.integers(0, len(weights) - 1), min_size=1, unique=True)))
    drawn = draw_alike(len(weights), rows, np.random.default_rng(data.draw(st.integers(0, 99))), weights)
    assert len(set(drawn.tolist())) == len(drawn) and (np.diff(drawn) > 0).all()
    assert weights[drawn].sum() >= weights[rows].sum()
    assert any(weights[drawn].sum() - weights[row] < weights[rows].sum() for row in drawn)
    assert len(draw_alike(len(weights), rows, np.random.default_rng(0))) == len(rows)
