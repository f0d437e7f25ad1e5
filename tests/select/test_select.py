import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.types import TypeMatrix, build_types, text_array
from macromicro.select.select import count_types, draw_baseline, evenness, peel, sample_evenly, select_datasets
from numpy.random import default_rng
from scipy.sparse import csr_array


def make(rows, n_types=None):
    """Type matrix of samples given as lists of column numbers; ids and labels are in order."""
    n_types = n_types or 1 + max((column for row in rows for column in row), default=0)
    pairs = [(row, column) for row, columns in enumerate(rows) for column in sorted(set(columns))]
    ids = [f"s{row:04d}" for row in range(len(rows))]
    labels = [f"t{column:04d}" for column in range(n_types)]
    return build_types(ids, [row for row, _ in pairs], [column for _, column in pairs], labels, report={})


def slow_order(types, rng):
    """Rank of every type: a random order of the sorted labels."""
    by_label = sorted(range(types.n_types), key=lambda column: types.labels[column])
    return [by_label[place] for place in rng.permutation(types.n_types)]


def slow_peel(types, seed):
    """Algorithm 1 with sets: pool and live types before each step."""
    rank = {column: place for place, column in enumerate(slow_order(types, default_rng(seed)))}
    dense = types.matrix.toarray().astype(bool)
    live = {row for row in range(types.n_samples) if dense[row].any()}
    states = []
    while True:
        counts = {t: sum(dense[row, t] for row in live) for t in range(types.n_types)}
        present = [t for t in counts if counts[t]]
        states.append((sorted(live), sorted(present)))
        if not present:
            return states
        cheapest = min(present, key=lambda t: (counts[t], rank[t]))
        live = {row for row in live if not dense[row, cheapest]}


def slow_sample(types, pool, size, rng):
    """Algorithm 2 by its words; drawn rows are passed over in the same order as in the compiled loop."""
    rank = {column: place for place, column in enumerate(slow_order(types, rng))}
    dense = types.matrix.toarray().astype(bool)
    left = {t: [row for row in sorted(pool) if dense[row, t]] for t in range(types.n_types)}
    drawn = []
    while len(drawn) < size:
        counts = {t: sum(dense[row, t] for row in drawn) for t in left}
        served = min((t for t in left if left[t]), key=lambda t: (counts[t], rank[t]))
        rows = left[served]
        at = int(rng.random() * len(rows))
        row, rows[at] = rows[at], rows[0]
        del rows[0]
        if row not in drawn:
            drawn.append(row)
    return sorted(drawn)


matrices = st.integers(1, 12).flatmap(
    lambda n_types: st.lists(st.sets(st.integers(0, n_types - 1), max_size=5), min_size=1, max_size=25).map(
        lambda rows: make([sorted(row) for row in rows], n_types)
    )
)


def test_peel_by_hand():
    # counts: t0 1, t1 3, t2 2. t0 goes first, with s0; then t1 and t2 have 2 each and s3 alone carries t2 only.
    types = make([[0, 1], [1], [1, 2], [2]])
    peeling = peel(types, seed=0)
    assert peeling.ks.tolist() == [3, 2, 1, 0]
    assert peeling.pool_sizes.tolist() == [4, 3, 1, 0]
    assert peeling.pool(3).tolist() == [0, 1, 2, 3]
    assert peeling.pool(2).tolist() == [1, 2, 3]
    assert peeling.pool(1).tolist() in ([1], [3])
    assert peeling.pool(0).tolist() == []
    assert (peeling.fewest_types(1), peeling.fewest_types(3), peeling.fewest_types(4)) == (1, 2, 3)


def test_a_step_that_empties_several_types_leaves_no_pool_between():
    # every type but t3 hangs on s0: whichever of t0, t1, t2 goes first takes the other two along
    peeling = peel(make([[0, 1, 2], [3], [3]]), seed=5)
    assert peeling.ks.tolist() == [4, 1, 0]
    assert [peeling.nearest(k) for k in range(6)] == [0, 1, 1, 1, 4, 4]
    assert peeling.pool(3).tolist() == [1, 2]


def test_ties_are_seeded():
    types = make([[column] for column in range(20)])
    survivors = {int(peel(types, seed=seed).pool(1)[0]) for seed in range(30)}
    assert len(survivors) > 8


@settings(max_examples=150, deadline=None)
@given(matrices, st.integers(0, 5))
def test_peel_equals_the_slow_reference(types, seed):
    peeling = peel(types, seed=seed)
    states = slow_peel(types, seed)
    assert peeling.ks.tolist() == [len(present) for _, present in states]
    assert peeling.pool_sizes.tolist() == [len(live) for live, _ in states]
    for live, present in states:
        assert peeling.pool(len(present)).tolist() == live


@settings(max_examples=100, deadline=None)
@given(matrices, st.integers(0, 5))
def test_pools_are_nested_and_hold_exactly_their_types(types, seed):
    peeling = peel(types, seed=seed)
    larger = set(range(types.n_samples)) - set(types.untyped)
    for k in range(types.n_types, -1, -1):
        pool = peeling.pool(k)
        assert set(pool) <= larger
        assert np.count_nonzero(count_types(types, pool)) == peeling.nearest(k) <= k
        larger = set(pool)
    assert not larger


@settings(max_examples=150, deadline=None)
@given(matrices, st.integers(0, 5), st.data())
def test_sampler_equals_the_slow_reference(types, seed, data):
    pool = peel(types, seed=0).pool(types.n_types)
    if len(pool):
        size = data.draw(st.integers(1, len(pool)))
        rows = sample_evenly(types, pool, size, default_rng(seed))
        assert rows.tolist() == slow_sample(types, pool, size, default_rng(seed))
        assert len(set(rows)) == size and set(rows) <= set(pool)


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
    for pool in ([0, 0], [-1, 0], [0, 4]):
        with pytest.raises(ValueError, match="distinct rows between 0 and 3"):
            sample_evenly(types, pool, 1, default_rng(0))


def token_like(n_samples=600, n_types=150, seed=0, untyped=5):
    """Samples with Zipf-like types, as mid-band tokens have."""
    rng = default_rng(seed)
    weights = 1 / np.arange(5, n_types + 5)
    rows = [
        rng.choice(n_types, rng.integers(1, 9), replace=False, p=weights / weights.sum()).tolist()
        for _ in range(n_samples - untyped)
    ]
    return make([*rows, *[[] for _ in range(untyped)]], n_types)


def test_levels_are_linear_in_the_types_covered_and_every_dataset_has_its_size():
    types = token_like()
    levels = [0, 16, 33, 50, 66, 83, 100]
    table, rows = select_datasets(types, levels=levels, sizes=[200], seeds=[0, 1])
    assert table["dataset"].tolist()[:3] == ["n200-d000-s0", "n200-d000-s1", "n200-d016-s0"]
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
    table, _ = select_datasets(types, levels=[0, 50, 100], sizes=[15], seeds=[0, 1, 2])
    assert (table["k"] >= table["n_types_covered"]).all()
    assert table.loc[table["level"] == 100, "n_types_covered"].max() < 150
    missed = (table["n_types_covered"] - table["k_target"]).abs() / table["k_target"]
    assert missed.max() < 0.15
    assert table.groupby("level")["n_types_covered"].mean().is_monotonic_increasing


def test_same_seed_same_datasets_and_other_seeds_change_nothing_of_a_dataset():
    types = token_like()
    table, rows = select_datasets(types, levels=[0, 100], sizes=[50, 100], seeds=[0, 1], seed=7)
    again, same = select_datasets(types, levels=[0, 100], sizes=[50, 100], seeds=[0, 1], seed=7)
    assert table.equals(again)
    assert all(np.array_equal(rows[name], same[name]) for name in rows)
    _, fewer = select_datasets(types, levels=[100], sizes=[100], seeds=[1], seed=7)
    assert np.array_equal(fewer["n100-d100-s1"], rows["n100-d100-s1"])
    _, other = select_datasets(types, levels=[0, 100], sizes=[50], seeds=[0, 1], seed=8)
    assert not np.array_equal(other["n50-d100-s0"], rows["n50-d100-s0"])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_rows_and_columns_does_not_matter(shuffle):
    types = token_like(120, 30)
    rng = default_rng(shuffle)
    rows, columns = rng.permutation(types.n_samples), rng.permutation(types.n_types)
    places = types.matrix.tocoo().coords
    moved = build_types(
        types.ids[rows],
        np.argsort(rows)[places[0]],
        np.argsort(columns)[places[1]],
        types.labels[columns],
        report={},
    )
    table, chosen = select_datasets(types, levels=[0, 50, 100], sizes=[40], seeds=[0, 1])
    moved_table, moved_chosen = select_datasets(moved, levels=[0, 50, 100], sizes=[40], seeds=[0, 1])
    assert table.equals(moved_table)
    for name, at in chosen.items():
        assert types.ids[at].tolist() == moved.ids[moved_chosen[name]].tolist()


def test_macro_levels_are_numbers_of_topics_drawn_evenly():
    sizes = [5, 10, 20, 40, 80, 160]
    types = make([[topic] for topic, n in enumerate(sizes) for _ in range(n)])
    table, rows = select_datasets(types, levels=[0, 50, 100], sizes=[60], seeds=[0])
    # the largest topic alone holds 60 samples; half of the way from 1 to 6 is 3.5, rounded down to 1 + 2
    assert table["k"].tolist() == [1, 3, 6]
    assert count_types(types, rows["n60-d000-s0"]).tolist() == [0, 0, 0, 0, 0, 60]
    assert sorted(count_types(types, rows["n60-d050-s0"]).tolist()) == [0, 0, 0, 20, 20, 20]
    assert count_types(types, rows["n60-d100-s0"])[:2].tolist() == [5, 10]


def test_select_says_what_is_out_of_reach():
    types = make([[0], [0, 1], [], [2]])
    with pytest.raises(ValueError, match="size=4 must be between 1 and the 3 samples that carry a type"):
        select_datasets(types, levels=[100], sizes=[4], seeds=[0])
    for levels in ([0, 100], [50], [0]):
        with pytest.raises(ValueError, match="size=3 leaves no room for levels"):
            select_datasets(types, levels=levels, sizes=[3], seeds=[0])
    table, rows = select_datasets(types, levels=[100], sizes=[3], seeds=[0])
    assert rows["n3-d100-s0"].tolist() == [0, 1, 3] and table["coverage"].tolist() == [1.0]
    with pytest.raises(ValueError, match="level=101 must be a percentage"):
        select_datasets(types, levels=[101], sizes=[1], seeds=[0])
    with pytest.raises(ValueError, match="k=-1"):
        peel(types, seed=0).pool(-1)
    empty = TypeMatrix(csr_array((2, 3), dtype=np.uint8), text_array(["a", "b"]), text_array("xyz"), {})
    assert peel(empty, seed=0).ks.tolist() == [0]
    with pytest.raises(ValueError, match="the 0 samples that carry a type"):
        select_datasets(empty, levels=[100], sizes=[1], seeds=[0])


def test_evenness_by_hand():
    assert evenness([4, 4, 4, 4]) == pytest.approx(1)
    assert evenness([1, 3]) == pytest.approx(-(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75)))
    assert evenness([7, 0]) == 1
    assert np.isnan(evenness([0, 0]))


def test_baseline_is_a_plain_draw():
    rows = draw_baseline(50, 20, default_rng(0))
    assert len(set(rows)) == 20 and (np.diff(rows) > 0).all() and rows.max() < 50
    assert np.array_equal(rows, draw_baseline(50, 20, default_rng(0)))
    with pytest.raises(ValueError, match="size=51 must be between 1 and the 50 samples"):
        draw_baseline(50, 51, default_rng(0))
