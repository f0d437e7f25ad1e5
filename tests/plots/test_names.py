"""Names in figures."""

import io

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from macromicro.annotate.types import build_types
from macromicro.plots.corpus import plot_lengths
from macromicro.plots.names import literal
from macromicro.plots.types import plot_tag_counts, plot_topic_map


@pytest.mark.parametrize("name", ["$x$", r"a\b", "a_b", r"$\frac$ _x_", "100 %", r"\$ and $"])
def test_names_are_shown_as_they_stand(name):
    text = plt.figure().text(0, 0, literal(name))
    shown, is_formula = text._preprocess_math(text.get_text())
    assert (shown, bool(is_formula)) == (name, False)


NAMES = ["$x$ and $y$", r"$\frac{$", r"\alpha_b", "_hidden", "a_b^c", "{{x}}", "<b>", "100 % $", r"\$"]


def drawn_words(figure):
    """Every text of a figure as it is drawn; a formula that cannot be parsed, or a name read as one, would fail."""
    figure.savefig(io.BytesIO(), format="png")
    found = figure.findobj(lambda artist: hasattr(artist, "_preprocess_math") and artist.get_text())
    shown = [(*text._preprocess_math(text.get_text()), text.get_text()) for text in found]
    formulas = [text for text, is_formula, raw in shown if is_formula and any(name in raw for name in NAMES)]
    assert formulas == []
    return {text for text, _, _ in shown}


def test_names_of_a_corpus_break_no_figure():
    samples = pd.DataFrame({"source": NAMES, "instruction": "a b c", "response": "d e"})
    assert set(NAMES) <= drawn_words(plot_lengths(samples))
    counts = pd.DataFrame({"label": NAMES, "n_samples": range(len(NAMES), 0, -1)})
    assert set(NAMES) <= drawn_words(plot_tag_counts(counts))
    topics = [f"{number}: {name}" for number, name in enumerate(NAMES[:8])]  # as the annotator calls them
    points = pd.DataFrame({"x": range(8), "y": range(8), "topic": range(8)})
    types = build_types([str(row) for row in range(8)], range(8), range(8), topics, report={})
    assert set(topics) <= drawn_words(plot_topic_map(points, types))
    plt.close("all")
