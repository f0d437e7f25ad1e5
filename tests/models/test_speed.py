"""Rates of a card by hand."""

import pytest
from macromicro.models.speed import CARDS, find_card, speed_of_card, training_operations
from macromicro.study.sections import FinetuneParams
from shapes import LLAMA2_7B

MULTIPLIED = 6_738_415_616 - 32_000 * 4096
N_ADAPTER = 39_976_960


@pytest.mark.parametrize(
    ("method", "checkpointing", "operations"),
    [
        ("full", False, 6 * MULTIPLIED),
        ("full", True, 8 * MULTIPLIED),
        ("full", "auto", 8 * MULTIPLIED),
        ("lora", False, 4 * MULTIPLIED + 6 * N_ADAPTER),
        ("qlora", "auto", 6 * MULTIPLIED + 6 * N_ADAPTER),
    ],
)
def test_operations_of_a_token(method, checkpointing, operations):
    settings = FinetuneParams(method=method, gradient_checkpointing=checkpointing)
    assert training_operations(LLAMA2_7B, settings) == operations


def test_a_card_trains_by_its_operations_and_answers_by_its_bandwidth():
    settings = FinetuneParams(gradient_checkpointing=False)
    speed = speed_of_card(CARDS["H100 80GB"], LLAMA2_7B, settings, held=65_536, bf16=True)
    assert speed.training == pytest.approx(0.4 * 989e12 / (6 * MULTIPLIED))
    assert speed.training == pytest.approx(9978, rel=1e-3)
    assert speed.reading == pytest.approx(3 * speed.training)
    assert speed.step == pytest.approx((2 * 6_738_415_616 + 32 * 2**30) / 3.35e12)
    wider = speed_of_card(CARDS["H100 80GB"], LLAMA2_7B, settings, held=65_536, bf16=False)
    assert wider.step == pytest.approx(2 * speed.step)


def test_a_card_goes_by_its_name_in_any_case():
    assert find_card("h100 80gb") is CARDS["H100 80GB"]
    with pytest.raises(ValueError, match="--gpu H1000: no such card in the table; there are H200, H100 80GB"):
        find_card("H1000")
