"""What is shown of a choice is what `select` would choose."""

import numpy as np
import pandas as pd
import pytest
from macromicro.report.choice import LEVELS, Corpus, choose_levels, show_choice
from macromicro.select.choose import choose
from small_types import make, token_like

SEED = 3


@pytest.fixture(scope="module")
def corpus():
    types = token_like()
    lengths = {"instruction": np.arange(types.n_samples) % 7 + 1, "response": types.types_per_sample * 3 + 1}
    return Corpus(types, lengths, 30)


def test_levels_are_those_of_select(corpus):
    samples = pd.DataFrame({"id": corpus.types.ids})
    chosen = choose_levels(corpus, seed=SEED).set_index("choice")
    for level in LEVELS:
        how = {"method": "even", "size": 30, "level": level, "seed": SEED, "types": corpus.types}
        one = choose(samples, "response", embed=lambda texts: texts, **how)
        row = chosen.loc[f"level {level} %"]
        assert row["types"] == one.facts["types covered"]
        assert row["response"] == pytest.approx(corpus.lengths["response"][one.rows].mean())
        assert chosen.loc["random draw", "types"] == one.facts["types that a random draw of this size covers"]
    n = np.count_nonzero(corpus.types.samples_per_type)
    assert chosen["percent"].tolist() == pytest.approx((100 * chosen["types"] / n).tolist())


def test_coverage_stands_beside_its_cost_in_length(corpus):
    chosen = choose_levels(corpus, seed=SEED).set_index("choice")
    section = show_choice({"micro": corpus}, seed=SEED, asked="5%", notes=["A note."])
    (table,) = section.blocks
    assert table.title == "micro: 30 of 600 samples, by mid-band tokens"
    assert [row[0] for row in table.rows] == ["level 0 %", "level 50 %", "level 100 %", "random draw"]
    full, chance = chosen.loc["level 100 %"], chosen.loc["random draw"]
    assert table.rows[2][5:] == (f"{full['response']:,.1f}", f"{full['response'] / chance['response']:.2f} x")
    assert table.rows[3][6] == "1.00 x"
    assert f"covers {full['percent']:.1f} % of the mid-band tokens where chance covers" in table.reading
    assert "select --size 5%" in section.sentences[0] and section.sentences[-1] == "A note."


def test_a_size_that_leaves_no_room_is_said():
    types = make([[0]] * 8)
    lengths = {"instruction": np.ones(8, int), "response": np.ones(8, int)}
    section = show_choice({"macro": Corpus(types, lengths, 4)}, seed=0, asked="50%", notes=[])
    assert not section.blocks
    assert section.missing[0].startswith("Nothing is shown for macro: size=4 leaves no room")
