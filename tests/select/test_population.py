import numpy as np
import pandas as pd
import pytest
from macromicro.models.basemodel import load_tokenizer
from macromicro.models.chat import encode_samples
from macromicro.select.population import (
    describe_population,
    find_population,
    has_length,
    may_be_drawn,
    measure_lengths,
)
from tiny_models import make_samples, tiny_base


def table(*tokens):
    """A population of samples of as many tokens, a third of them in the instruction."""
    lengths = pd.DataFrame({"id": [f"s{row:05d}" for row in range(len(tokens))], "tokens": tokens})
    return lengths.assign(instruction_tokens=lengths["tokens"] // 3, response_tokens=2 * lengths["tokens"] // 3)


def test_lengths_are_those_of_training_and_of_the_texts():
    tokenizer, samples = load_tokenizer(tiny_base()), make_samples(12, seed=3).sample(frac=1, random_state=0)
    lengths = measure_lengths(samples, tokenizer, batch_size=5)
    encoded = encode_samples(samples, tokenizer)
    assert lengths["id"].tolist() == encoded.ids == sorted(samples["id"])
    assert lengths["tokens"].tolist() == encoded.lengths.tolist()
    texts = samples.sort_values("id")
    for part in ("instruction", "response"):
        alone = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts[part]]
        assert lengths[f"{part}_tokens"].tolist() == alone
    assert (lengths["tokens"] > lengths["instruction_tokens"] + lengths["response_tokens"]).all()  # control tokens


def test_what_fits_is_what_training_takes_and_too_many_that_do_not_stop_the_study():
    lengths = table(10, 20, 21, 30)
    assert find_population(lengths, max_tokens=20, max_dropped=0.5)["fits"].tolist() == [True, True, False, False]
    assert find_population(lengths, max_tokens=30, max_dropped=0.0)["fits"].all()
    with pytest.raises(ValueError, match=r"max_tokens=20 must hold all but 40.0% of the samples, but 2 of 4 \(50.0%\)"):
        find_population(lengths, max_tokens=20, max_dropped=0.4)


def test_those_left_out_are_told_apart_by_what_is_long():
    lengths = pd.DataFrame({"id": list("abcde"), "tokens": [9, 11, 30, 40, 50]})
    lengths = lengths.assign(instruction_tokens=[4, 5, 2, 3, 45], response_tokens=[4, 5, 25, 35, 2])
    found = describe_population(find_population(lengths, max_tokens=10, max_dropped=0.9), max_tokens=10)
    assert found["samples"].to_dict() == {
        "fit": 1, "instruction alone is too long": 1, "response alone is too long": 2, "together too long": 1
    }  # fmt: skip
    assert found.columns[:2].tolist() == ["samples", "percent"]
    assert found["percent"].tolist() == [20, 20, 40, 20]
    assert found.loc["response alone is too long", "median response tokens"] == 30


def draw(population, seed, **changes):
    given = {"names": (0, seed), "share": 0.5, "length": None, "sizes": [10]}
    return may_be_drawn(population, **{**given, **changes})


def test_every_seed_has_a_share_of_its_own_that_nothing_else_changes():
    whole = find_population(table(*[10] * 4000), max_tokens=10, max_dropped=0)
    first, second, other = draw(whole, 0), draw(whole, 1), draw(whole, 0, names=(1, 0))
    for share in (first, second, other):
        assert abs(share.mean() - 0.5) < 0.04  # 5 standard errors
    for a, b in ((first, second), (first, other), (second, other)):
        assert abs((a & b).mean() - 0.25) < 0.04
    some = np.random.default_rng(0).random(4000) < 0.3
    assert (draw(whole[some], 0) == first[some]).all()
    assert draw(whole, 0, share=1).all()
    assert (draw(whole, 0, share=0.2) <= first).all()


def test_a_share_that_is_too_small_says_so():
    lengths = table(*[10] * 40, *[30] * 40).assign(response_tokens=[4] * 20 + [8] * 60)
    population = find_population(lengths, max_tokens=10, max_dropped=0.5)
    n_own = (draw(population, 3) & population["fits"]).sum()
    with pytest.raises(ValueError, match=rf"size=41 must be at most the {n_own} samples .*share=0.5 of the 40 that"):
        draw(population, 3, sizes=[10, 41])
    n_banded = (draw(population, 3, length=[1, 4], sizes=[1]) & population["fits"]).sum()
    with pytest.raises(ValueError, match=rf"at most the {n_banded} samples .* and of select.length=\[1, 4\]"):
        draw(population, 3, sizes=[21], length=[1, 4])
    assert not draw(population, 3, length=[1, 4], sizes=[1])[20:].any()


def test_a_length_band_holds_its_limits():
    assert has_length([4, 5, 20, 21], [5, 20]).tolist() == [False, True, True, False]
    assert has_length([4, 5], None).all()
    with pytest.raises(ValueError, match="length 30 to 40 holds none of 2 samples of 4 to 5"):
        has_length([4, 5], [30, 40])
