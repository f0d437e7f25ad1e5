"""What the functions say while they work: the logger `macromicro`, silent unless a program shows it."""

import logging
from collections.abc import Mapping
from typing import Any

LOG = logging.getLogger("macromicro")


def say(text: str) -> None:
    """A line for the person at the terminal."""
    LOG.info(text)


def say_all(facts: Mapping[str, Any]) -> None:
    """A line per fact, name and value."""
    for name, value in facts.items():
        say(f"{name}: {value:,}" if isinstance(value, int | float) else f"{name}: {value}")
