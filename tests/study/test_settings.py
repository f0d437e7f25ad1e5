"""Strategies: what a name stands for, its datasets, its baseline, and what is refused."""

import pytest
from macromicro.study.settings import Study
from pydantic import ValidationError

MINIMAL = {"study": "tiny", "description": "test", "corpus": {"packages": ["json"], "base_model_share": 0.5}}


def study(strategies: dict, **sections: object) -> Study:
    return Study.model_validate({**MINIMAL, "strategies": strategies, **sections})


def test_the_six_of_the_paper_are_the_default():
    six = [f"{part}-{grain}" for part in ("instruction", "response") for grain in ("macro", "meso", "micro")]
    found = Study.model_validate(MINIMAL)
    assert list(found.strategies) == six
    assert {strategy.family for strategy in found.all_strategies[1:]} == {"paper"}
    assert (found.strategy("instruction-meso").part, found.strategy("instruction-meso").granularity) == (
        "instruction",
        "meso",
    )


def test_a_strategy_has_the_settings_of_the_study_and_over_them_its_own():
    band = {"granularity": "micro", "tokens": {"low": 5}, "select": {"levels": [0, 50], "seeds": [1, 2]}}
    found = study({"band": band, "plain": {"granularity": "micro"}}, tokens={"low": 10, "high": 90}).strategy("band")
    assert (found.tokens.low, found.tokens.high, found.select.levels) == (5, 90, [0, 50])
    names = [dataset.name for dataset in found.datasets()]
    assert names == ["n10000-d000-s1", "n10000-d000-s2", "n10000-d050-s1", "n10000-d050-s2"]
    assert [dataset.name for dataset in found.datasets(2)] == ["n10000-d000-s2", "n10000-d050-s2"]


def test_a_rival_has_datasets_without_levels():
    found = study({"long": {"method": "longest", "family": "rivals", "select": {"sizes": [20, 10]}}})
    assert [dataset.name for dataset in found.strategy("long").datasets()] == ["n20-s0", "n10-s0"]
    assert [dataset.level for dataset in found.strategy("long").datasets()] == [None, None]


def test_baselines_are_random_draws_of_the_smallest_sizes_from_the_same_samples():
    micro = {"granularity": "micro"}
    found = study(
        {
            "a": {**micro, "select": {"sizes": [30, 20], "seeds": [0, 1]}},
            "b": {**micro, "select": {"sizes": [10], "seeds": [2]}},
            "c": {**micro, "select": {"sizes": [20], "length": [5, 50]}},
        }
    )
    assert list(found.baselines) == ["baseline", "baseline-5-50"]
    plain, banded = found.baselines.values()
    assert (plain.select.sizes, plain.select.seeds, plain.select.length) == ([10, 20], [0, 1, 2], None)
    assert (banded.select.sizes, banded.select.seeds, banded.select.length) == ([20], [0], [5, 50])
    assert {plain.method, banded.method} == {"random"}
    assert (found.strategy("a").baseline_size, found.strategy("b").baseline_size) == (20, 10)


@pytest.mark.parametrize(
    ("strategy", "rule"),
    [
        ({}, "give a granularity"),
        ({"method": "max-coverage"}, "give a granularity"),
        ({"method": "random", "granularity": "micro"}, "takes no granularity='micro'"),
        ({"granularity": "macro", "tokens": {"low": 3}}, "tokens is not read by a strategy of granularity='macro'"),
        ({"granularity": "micro", "tokens": {"lo": 3}}, "strategies.odd.tokens.lo: no such setting"),
        ({"granularity": "micro", "tokens": {"low": 300, "high": 3}}, "low=300 must be at most high=3"),
        ({"granularity": "micro", "select": {"length": [9, 3]}}, "must name the shorter limit first"),
        ({"granularity": "micro", "tokens": {"unit": "word", "tokenizer": "gpt2"}}, "is for unit='token'"),
        ({"method": "longest", "select": {"levels": [0]}}, "select.levels is for method='even'"),
        ({"granularity": "micro", "select": {"share": 0.3}}, "select.share is of the whole study"),
    ],
)
def test_a_strategy_that_makes_no_sense_is_refused(strategy, rule):
    with pytest.raises(ValidationError, match=rule):
        study({"odd": strategy})


def test_no_strategy_may_be_named_like_a_baseline():
    with pytest.raises(ValidationError, match="those of the baselines"):
        study({"baseline-2": {"granularity": "micro"}})


@pytest.mark.parametrize("name", ["untuned", "untuned-5-50"])
def test_no_strategy_may_be_named_like_the_untuned_model(name):
    with pytest.raises(ValidationError, match=f"'{name}': names that begin with 'untuned' are those of the untuned"):
        study({name: {"granularity": "micro"}})
    assert study({"untunedish": {"granularity": "micro"}}).strategy("untunedish").has_levels


def test_the_untuned_model_meets_every_baseline_and_has_no_samples():
    micro = {"granularity": "micro", "select": {"sizes": [30, 20], "seeds": [0, 1]}}
    found = study({"a": micro, "b": {**micro, "select": {"sizes": [20], "length": [5, 50]}}})
    assert list(found.untuned) == ["untuned", "untuned-5-50"]
    plain, banded = found.untuned.values()
    assert (plain.baseline, plain.baseline_size, banded.baseline) == ("baseline", 20, "baseline-5-50")
    assert [(one.name, one.size, one.level, one.seed) for one in plain.datasets()] == [
        ("untuned", 0, None, 0), ("untuned", 0, None, 1)
    ]  # fmt: skip
    assert not {"untuned", "untuned-5-50"} & {one.name for one in found.all_strategies}, "nothing is selected for it"
    assert found.strategy("untuned-5-50") == banded


def test_an_unknown_strategy_names_the_known_ones():
    with pytest.raises(ValueError, match="no strategy 'micro': this study has instruction-macro"):
        Study.model_validate(MINIMAL).strategy("micro")
