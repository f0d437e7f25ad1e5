import numpy as np
from macromicro.study.streams import seed_of, stream


def test_every_use_has_numbers_of_its_own() -> None:
    uses = [
        (0, name, use, seed) for name in ("baseline", "random") for use in ("dataset", "trial") for seed in range(50)
    ]
    uses += [(1, "baseline", "dataset", 0), ("0", "baseline", "dataset", 0), (0, "baselined", "ataset", 0)]
    drawn = [tuple(stream(*use).integers(0, 2**62, 2)) for use in uses]
    assert len(set(drawn)) == len(uses)
    draws = np.array([stream(*use).random(200) for use in uses])
    assert abs(np.corrcoef(draws) - np.eye(len(uses))).max() < 0.4  # 5.6 standard errors


def test_a_use_has_the_same_numbers_everywhere() -> None:
    assert seed_of(0, "baseline", "dataset", 1) == 3235436430  # blake2b of the names
    assert stream(0, "a").random() == np.random.default_rng(seed_of(0, "a")).random()
    assert 0 <= seed_of() < 2**32
