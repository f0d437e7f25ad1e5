"""Names in figures."""

import matplotlib.pyplot as plt
import pytest
from macromicro.plots.names import literal


@pytest.mark.parametrize("name", ["$x$", r"a\b", "a_b", r"$\frac$ _x_", "100 %", r"\$ and $"])
def test_names_are_shown_as_they_stand(name):
    text = plt.figure().text(0, 0, literal(name))
    shown, is_formula = text._preprocess_math(text.get_text())
    assert (shown, bool(is_formula)) == (name, False)
