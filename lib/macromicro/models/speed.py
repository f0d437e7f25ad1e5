"""How fast a machine trains and answers: a card by its data sheet, this machine by a minute of doing it.

Floating-point operations a token: 2 for every parameter that it is multiplied by, and twice that again for the way
back; half of the way back falls away where an adapter alone is trained, and checkpointing adds the way there once more.
"""

from dataclasses import dataclass
from typing import NamedTuple

from macromicro.models.architecture import Architecture
from macromicro.models.trainable import computes_twice
from macromicro.study.sections import FinetuneParams

TRAINING_SHARE = 0.4
"""Share of a card's multiplications that training and reading are taken to reach; an assumption."""
BANDWIDTH_SHARE = 1.0
"""Share of a card's bandwidth at which answering is taken to read weights, keys and values: its bound."""
DISK_RATE = 1e9
"""Bytes of weights that are read or written a second; an assumption."""
CARD_START = 20.0
"""Seconds in which a notebook has started beside a card; an assumption."""


class Card(NamedTuple):
    """A GPU by its maker's data sheet: memory (bytes), dense bfloat16 operations and bytes a second."""

    memory: float
    operations: float
    bandwidth: float


CARDS = {
    "H200": Card(141e9, 989e12, 4.8e12),
    "H100 80GB": Card(80e9, 989e12, 3.35e12),
    "H100 PCIe": Card(80e9, 756e12, 2.0e12),
    "A100 80GB": Card(80e9, 312e12, 2.039e12),
    "A100 40GB": Card(40e9, 312e12, 1.555e12),
    "L40S": Card(48e9, 362e12, 0.864e12),
    "L4": Card(24e9, 121e12, 0.3e12),
    "A10": Card(24e9, 125e12, 0.6e12),
    "RTX 4090": Card(24e9, 165.2e12, 1.008e12),
    "RTX 3090": Card(24e9, 71e12, 0.936e12),
}
"""Well-known cards; of the H100 and A100 80GB the SXM version."""


@dataclass(frozen=True)
class Speed:
    """What one process does in a second.

    Attributes
    ----------
    training : tokens trained.
    reading : tokens of prompts and references read.
    step : seconds in which every prompt of a batch gets its next token.
    loading : seconds to load a model, and as long to save it.
    start : seconds until a notebook has its imports.
    pretraining : tokens of training from nothing, 0 where there is none.
    """

    training: float
    reading: float
    step: float
    loading: float
    start: float
    pretraining: float = 0.0


def find_card(name: str) -> Card:
    """The card of a name, whatever its case. Raises ValueError that lists the cards."""
    known = {card.lower(): found for card, found in CARDS.items()}
    if name.lower() not in known:
        raise ValueError(f"--gpu {name}: no such card in the table; there are {', '.join(CARDS)}")
    return known[name.lower()]


def training_operations(shape: Architecture, settings: FinetuneParams) -> float:
    """Floating-point operations a token of fine-tuning.

    >>> from macromicro.models.architecture import SMOLLM2
    >>> training_operations(SMOLLM2, FinetuneParams(method="full")) / SMOLLM2.n_parameters
    6.0
    """
    there = 2 * shape.n_multiplied
    twice = computes_twice(settings, shape.n_parameters)
    back = 2 * there if settings.method == "full" else there + 4 * shape.n_adapter(settings)
    adapter = 0 if settings.method == "full" else 2 * shape.n_adapter(settings)
    return there * (2 if twice else 1) + adapter + back


def speed_of_card(card: Card, shape: Architecture, settings: FinetuneParams, *, held: int, bf16: bool) -> Speed:
    """The speed of a card.

    Training and reading are bound by `TRAINING_SHARE` of its operations, training by those of as many cards as share a
    model, without the time in which they wait for each other; a step of answering by reading the weights
    once, and the keys and values of the whole batch.
    Parameters: held, tokens of a batch at its end; bf16, whether weights are in bfloat16 when it answers.
    """
    width = 2 if bf16 else 4
    rate = TRAINING_SHARE * card.operations
    weights = width * shape.n_parameters
    return Speed(
        training=settings.processes * rate / training_operations(shape, settings),
        reading=rate / (2 * shape.n_multiplied),
        step=(weights + width * held * shape.numbers_cached) / (BANDWIDTH_SHARE * card.bandwidth),
        loading=weights / DISK_RATE,
        start=CARD_START,
        pretraining=rate / (6 * shape.n_multiplied),
    )
