"""Names in figures: in words a reader knows, and shown as they stand."""

import pandas as pd

from macromicro.study.settings import UNTUNED


def name_models(scores: pd.DataFrame) -> list[str]:
    """What tells the models of a table apart, in words: its level, and size and seed where these differ too.

    >>> name_models(pd.DataFrame({"size": [500, 500], "level": [0.0, 83.0], "seed": 0}))
    ['0 %', '83 %']
    >>> name_models(pd.DataFrame({"size": [500], "level": [None], "seed": 0}))
    ['N = 500']
    >>> name_models(pd.DataFrame({"size": [0], "level": [None], "seed": 0}))
    ['untuned']
    """
    several = {key: len(set(scores[key])) > 1 for key in ("size", "seed")}
    names = []
    for row in scores.to_dict("records"):
        leveled = not pd.isna(row["level"])
        words = [f"{row['level']:.0f} %"] if leveled else []
        size = f"N = {row['size']:,}" if row["size"] else UNTUNED
        words += [size] if several["size"] or not leveled else []
        names.append(", ".join(words + ([f"seed {row['seed']}"] if several["seed"] else [])))
    return names


def literal(text: str) -> str:
    r"""The text such that a figure shows it as it stands: a pair of dollars would be read as a formula.

    >>> literal("$HOME and $PATH")
    '\\$HOME and \\$PATH'
    """
    return text.replace("$", r"\$")
