import numpy as np
from macromicro.measure.rarefaction import draw_halves, draw_smaller


def test_smaller_draws_lie_within_each_other():
    rows = np.arange(100, 141)
    drawn = draw_smaller(rows, np.random.default_rng(0))
    assert list(drawn) == [10, 20]
    assert set(drawn[10]) < set(drawn[20]) < set(rows)
    assert all((np.diff(held) > 0).all() for held in drawn.values())
    assert list(draw_smaller(np.arange(7), np.random.default_rng(0))) == [3]
    assert draw_smaller(np.arange(3), np.random.default_rng(0)) == {}


def test_every_row_is_drawn_equally_often():
    counts = np.zeros(20)
    for seed in range(2000):
        counts[draw_smaller(np.arange(20), np.random.default_rng(seed))[5]] += 1
    assert abs(counts - 500).max() < 5 * np.sqrt(2000 * 0.25 * 0.75)


def test_halves_deal_out_the_rows_of_both_anew():
    one, two = np.arange(0, 30), np.arange(30, 60)
    first, second = draw_halves(one, two, np.random.default_rng(0))
    assert len(first) == len(second) == 30
    assert sorted([*first, *second]) == list(range(60))
    assert 5 < (first < 30).sum() < 25
    assert (np.diff(first) > 0).all() and (np.diff(second) > 0).all()
