import numpy as np
import pandas as pd
import pytest
from macromicro.annotate.tokens import annotate_tokens
from macromicro.annotate.types import apply_untyped, build_types
from macromicro.select.choose import BY_CHANCE, choose, choose_by_group, describe_coverage
from macromicro.select.select import NoRoomError


def make_samples(n=40):
    texts = [f"apples {'and pears' * (row % 2)}" if row < n // 2 else f"rivers {'and hills' * (row % 2)}"
             for row in range(n)]  # fmt: skip
    ids = [f"{row:03d}" for row in range(n)]
    return pd.DataFrame({"id": ids, "instruction": texts, "response": texts}).astype("str")


def embed(texts):
    """Two clumps: texts about apples, and others."""
    rng = np.random.default_rng(0)
    points = np.array([[1.0, 0.1] if text.startswith("apple") else [0.1, 1.0] for text in texts])
    points = points + 0.01 * rng.normal(size=points.shape)
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def types_of(samples, *, high=100, untyped="drop"):
    found = annotate_tokens(samples["id"], samples["response"], None, low=1, high=high, unit="bare-word")
    return apply_untyped(found, untyped=untyped)


@pytest.mark.parametrize("method", ["even", "random", "longest", "k-center", "facility-location", "max-coverage"])
def test_every_method_chooses_as_many_as_asked(method):
    samples = make_samples()
    given = dict(method=method, size=7, level=100, seed=3, types=types_of(samples), embed=embed)
    choice = choose(samples, "response", **given)
    assert len(set(choice.rows.tolist())) == 7
    assert (np.diff(choice.rows) > 0).all()
    assert choice.facts["types in the corpus"] == 5
    assert choose(samples, "response", **given).rows.tolist() == choice.rows.tolist()
    if method in ("even", "max-coverage"):
        assert choice.facts["types covered"] == 5
    if method == "longest":
        assert (choice.rows % 2 == 1).all()
    if method in ("k-center", "facility-location"):
        assert {row < 20 for row in choice.rows} == {True, False}


def test_a_lower_level_draws_from_a_pool_of_fewer_types():
    samples = make_samples()
    given = dict(method="even", size=10, seed=0, types=types_of(samples), embed=embed)
    low, high = (choose(samples, "response", level=level, **given).facts for level in (0, 100))
    assert (low["types in the pool"], low["samples in the pool"], low["types covered"]) == (1, 10, 1)
    assert (high["types in the pool"], high["samples in the pool"], high["types covered"]) == (5, 40, 5)


def test_refused():
    samples, types = make_samples(), types_of(make_samples())
    given = dict(method="even", size=5, level=100, seed=0, types=types, embed=embed)
    with pytest.raises(ValueError, match=r"same ids, but 10 are in one only: .'030'"):
        choose(samples.head(30), "response", **given)
    for method in ("even", "max-coverage"):
        with pytest.raises(ValueError, match=f"method '{method}' needs types"):
            choose(samples, "response", **(given | {"method": method, "types": None}))
    for method in ("random", "longest", "k-center", "facility-location", "max-coverage", "even"):
        with pytest.raises(ValueError, match="size=41"):
            choose(samples, "response", **(given | {"method": method, "size": 41}))


def test_coverage_by_hand():
    types = build_types("abcd", [0, 1, 2, 2], [0, 0, 1, 2], ["x", "y", "z"], report={})
    facts = describe_coverage(types, np.array([0, 1]), np.random.default_rng(0))
    assert (facts["types in the corpus"], facts["types covered"], facts["evenness (0 to 1)"]) == (3, 1, 1.0)
    assert facts["samples of the corpus without a type"] == 1


def test_untyped_samples_are_counted_before_they_are_given_types():
    types = types_of(make_samples(), high=19, untyped="own")  # pears, hills and 20 without either
    facts = describe_coverage(types, np.array([0, 1]), np.random.default_rng(0))
    assert facts["samples of the corpus without a type"] == 20


def test_a_random_choice_is_not_the_draw_that_it_is_held_against():
    samples = make_samples()
    given = dict(method="random", size=3, level=100, types=types_of(samples), embed=embed)
    found = [choose(samples, "response", seed=seed, **given).facts for seed in range(20)]
    assert any(one["types covered"] != one["types that a random draw of this size covers"] for one in found)


def test_a_budget_says_what_is_to_be_reached_and_chance_reaches_as_much():
    samples = make_samples()
    weights = np.where(np.arange(40) % 2, 9, 1)
    given = dict(method="even", size=6, level=100, seed=0, types=types_of(samples), embed=embed)
    choice = choose(samples, "response", **given, weights=weights, unit="response words")
    assert choice.facts["response words to reach"] == 30  # six times the mean of 1 and 9
    assert choice.facts["response words reached"] == weights[choice.rows].sum() >= 30
    types, heavy = types_of(samples), np.array([1])
    for held, most in ((weights, 4), (None, 3)):  # one sample has three types at most, nine words have more
        drawn = [describe_coverage(types, heavy, np.random.default_rng(seed), held)[BY_CHANCE] for seed in range(20)]
        assert max(drawn) == most
    assert "response words to reach" not in choose(samples, "response", **given).facts


def test_a_group_too_small_for_levels_is_chosen_from_whole():
    samples = make_samples()
    groups = pd.Series(np.where(np.isin(np.arange(40), [0, 2]), "small", "large"))
    given = dict(method="even", level=0, seed=0, types=types_of(samples), embed=embed)
    choice = choose_by_group(samples, "response", groups, size=20, **given)
    assert choice.facts["groups too small for diversity levels"] == 1
    assert np.isin([0, 2], choice.rows).sum() == 1 and len(choice.rows) == 20
    with pytest.raises(NoRoomError, match="leaves no room for levels"):
        choose(samples[:3:2], "response", size=1, **(given | {"types": types_of(samples[:3:2])}))
