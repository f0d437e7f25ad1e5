"""What is left out before a choice, and why."""

import numpy as np
import pandas as pd
import pytest
from macromicro.select.filters import find_below_share, find_near_duplicates, find_outside, find_overlapping

LONG = "tell me how the old mill by the river turns the heavy wheel of stone all day long"


def samples(*texts):
    ids = [f"s{place}" for place in range(len(texts))]
    return pd.DataFrame({"id": ids, "instruction": texts, "response": "fine"}).astype("str")


def test_all_but_the_first_of_a_group_repeat_it():
    found = find_near_duplicates(samples("other", LONG, f"{LONG} and", f"{LONG} or"))
    assert found.tolist() == ["", "", "near-duplicate of s1", "near-duplicate of s1"]


def test_what_asks_or_holds_a_prompt_overlaps():
    prompts = pd.DataFrame({"id": ["p", "q", "r"], "instruction": [LONG, "Short?", "Never asked?"]})
    corpus = samples("  SHORT? ", f"Please do this. {LONG}", "Short? But more of it", LONG.upper(), "mill")
    found, counts = find_overlapping(corpus, prompts)
    assert found.tolist() == ["asks what q asks", "holds 100% of p", "", "asks what p asks", ""]
    assert counts == {"prompts": 3, "prompts that overlap": 2, "samples left out": 3}


def test_lengths_outside_a_band():
    assert find_outside([3, 5, 20, 21], (5, 20), "tokens").tolist() == ["3 tokens", "", "", "21 tokens"]
    with pytest.raises(ValueError, match="holds none of 2 samples"):
        find_outside([1, 2], (5, 20), "tokens")


@pytest.mark.parametrize(
    ("share", "lowest", "kept"),
    [(0.6, 2, [1, 2, 3, 4, 5]), (0.5, 3, [1, 3, 5]), (0.34, 3, [1, 3, 5]), (0.01, 5, [1]), (1, 1, [0, 1, 2, 3, 4, 5])],
)
def test_what_is_as_good_as_the_last_of_the_best_stays(share, lowest, kept):
    found, border = find_below_share([1, 5, 2, 3, 2, 3], share)
    assert border == lowest
    assert np.flatnonzero(found == "").tolist() == kept
    assert set(found) - {""} <= {f"quality {n}.0 below {lowest}.0" for n in range(5)}


def test_no_number_of_a_reason_is_rounded():
    assert find_below_share([0.1234567890123, 0.1234567890124], 0.5)[0][0] == (
        "quality 0.1234567890123 below 0.1234567890124"
    )
