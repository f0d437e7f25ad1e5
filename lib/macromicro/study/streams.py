"""Random numbers by name: every use has a stream of its own, so that no two draws are the same by accident.

A generator seeded with a bare number gives the same numbers wherever that number is used again, in a baseline and in a
rival. Here the names of a use go into its seed: seed of the study, strategy, what is drawn, seed of the grid.
"""

from hashlib import blake2b

from numpy.random import Generator, default_rng


def seed_of(*names: str | int) -> int:
    """A whole number below 2^32 for the use of these names, the same on every machine.

    >>> seed_of(0, "baseline", "draw", 1) == seed_of(0, "baseline", "draw", 1)
    True
    >>> seed_of("a", "b") == seed_of("ab")
    False
    """
    return int.from_bytes(blake2b(repr(names).encode(), digest_size=4).digest(), "big")


def stream(*names: str | int) -> Generator:
    """The random generator of the use of these names, at its beginning."""
    return default_rng(seed_of(*names))
