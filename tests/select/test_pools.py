from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.types import build_types
from macromicro.select.pools import peel
from macromicro.select.select import count_types
from numpy.random import default_rng
from small_types import make, matrices, slow_order, token_like


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


def slow_peel_samples(types, seed):
    """The literal algorithm 1 with sets: live samples and types before each step, own types counted anew."""
    rank = {int(row): place for place, row in enumerate(default_rng(seed).permutation(types.n_samples))}
    carried = {row: set(np.flatnonzero(types.matrix[[row]].toarray())) for row in range(types.n_samples)}
    live = {row for row in carried if carried[row]}
    states = []
    while True:
        states.append((sorted(live), sorted(set().union(*(carried[row] for row in live)))))
        if not live:
            return states

        counts = Counter(t for row in live for t in carried[row])
        own = {row: sum(counts[t] == 1 for t in carried[row]) for row in live}
        live = live - {min((own[row], len(carried[row]), rank[row], row) for row in live)[-1]}


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


@pytest.mark.parametrize("seed", [0, 1])
def test_a_peel_of_many_types_and_samples_equals_the_slow_reference(seed):
    """Heaps of more than six entries, in which a wrong parent or child is seen."""
    types = token_like(90, 40, seed=seed)
    states = slow_peel(types, seed)
    assert peel(types, seed=seed).pool_sizes.tolist() == [len(live) for live, _ in states]
    states = slow_peel_samples(types, seed)
    assert peel(types, seed=seed, pruning="sample").ks.tolist() == [len(present) for _, present in states]


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


def test_peel_by_sample_by_hand():
    # Only s0 has t0 and only s4 has t3, so s1 and s3 go first. Then s2 alone has t2, and of three samples with one own
    # type s4 has the fewest types; s0 and s2 are equal, and the last of them takes two types along.
    for seed in range(5):
        peeling = peel(make([[0, 1], [1], [1, 2], [2], [3]]), seed=seed, pruning="sample")
        assert peeling.ks.tolist() == [4, 4, 4, 3, 2, 0]
        assert peeling.pool_sizes.tolist() == [5, 4, 3, 2, 1, 0]
        assert peeling.sample_steps[4] == 2 and sorted(peeling.sample_steps[[1, 3]]) == [0, 1]
        assert peeling.type_steps[3] == 2 and sorted(peeling.type_steps[[0, 2]]) == [3, 4]
        assert peeling.type_steps[1] == 4
        assert peeling.pool(4).tolist() == [0, 1, 2, 3, 4]  # the largest of the three pools of four types
        assert (peeling.pool(3).tolist(), peeling.pool(1).tolist()) == ([0, 2], [])
        assert peeling.pool(2).tolist() in ([0], [2])
        assert [peeling.nearest(k) for k in range(6)] == [0, 0, 2, 3, 4, 4]
        assert [peeling.fewest_types(size) for size in range(1, 6)] == [2, 3, 4, 4, 4]
        assert [peeling.smallest_state(size) for size in range(1, 6)] == [4, 3, 0, 0, 0]


def test_by_sample_no_type_is_lost_while_others_cover_it():
    sizes = [30, 20, 10]
    peeling = peel(make([[topic] for topic, n in enumerate(sizes) for _ in range(n)]), seed=0, pruning="sample")
    assert peeling.ks.tolist() == [3] * 58 + [2, 1, 0]


def test_ties_of_samples_are_seeded():
    types = make([[0, column] for column in range(1, 21)])
    assert len({int(peel(types, seed=seed, pruning="sample").pool(2)[0]) for seed in range(30)}) > 8


@settings(max_examples=150, deadline=None)
@given(matrices, st.integers(0, 5))
def test_peel_by_sample_equals_the_slow_reference(types, seed):
    peeling = peel(types, seed=seed, pruning="sample")
    states = slow_peel_samples(types, seed)
    assert peeling.ks.tolist() == [len(present) for _, present in states]
    assert peeling.pool_sizes.tolist() == [len(live) for live, _ in states]
    for step, (live, present) in enumerate(states):
        assert np.flatnonzero(peeling.sample_steps >= step).tolist() == live
        assert np.flatnonzero(peeling.type_steps >= step).tolist() == present


@settings(max_examples=60, deadline=None)
@given(matrices, st.sampled_from(["type", "sample"]), st.data())
def test_rows_that_are_not_allowed_count_as_untyped(types, pruning, data):
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=types.n_samples, max_size=types.n_samples)))
    rows, columns = types.matrix.nonzero()
    kept = allowed[rows]
    fewer = build_types(types.ids, rows[kept], columns[kept], types.labels, report={})
    found, expected = peel(types, seed=1, pruning=pruning, allowed=allowed), peel(fewer, seed=1, pruning=pruning)
    for name in ("sample_steps", "type_steps", "ks", "pool_sizes"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    assert (found.sample_steps[~allowed] == -1).all()


@pytest.mark.parametrize("pruning", ["type", "sample"])
def test_the_smallest_pool_that_weighs_enough(pruning):
    types = token_like(120, 40)
    weights = default_rng(0).integers(1, 50, types.n_samples)
    peeling = peel(types, seed=0, pruning=pruning)
    total = int(weights[peeling.pool(40)].sum())
    for budget in (1, 60, 500, total // 2, total):
        k = int(peeling.ks[peeling.smallest_state(budget, weights)])
        assert weights[peeling.pool(k)].sum() >= budget
        assert not k or weights[peeling.pool(k - 1)].sum() < budget
    with pytest.raises(ValueError, match=f"size={total + 1} must be between 1 and the {total} units of weight"):
        peeling.smallest_state(total + 1, weights)


def test_peel_says_what_does_not_fit():
    types = make([[0], [0, 1]])
    with pytest.raises(ValueError, match="pruning='both' must be 'type' or 'sample'"):
        peel(types, seed=0, pruning="both")
    for allowed in ([True], [1, 0], [[True, False]]):
        with pytest.raises(ValueError, match="allowed must be 2 truth values, one per sample"):
            peel(types, seed=0, allowed=allowed)
    with pytest.raises(ValueError, match="k=-1"):
        peel(types, seed=0).pool(-1)
