"""What may be said of a slope, by a rule that was written down before the numbers came in.

The first line of the table whose condition holds gives the verdict; `slopes.estimate_slopes` has the words used here.

| verdict | condition |
|:--|:--|
| no slope | the table has none, and says why |
| rises, falls | p_holm is at most alpha; the sign of the slope |
| rises slightly, falls slightly | the same, and no effect as large as the smallest of interest |
| no effect as large | the interval at 1 - 2 alpha lies within plus and minus the smallest effect of interest |
| cannot be told | none of these |

"No effect as large" is equivalence by two one-sided tests (Schuirmann 1987); its alpha is not divided among strategies,
as each such claim is about one of them. Wins and margin, and the slope without level 0, change no verdict: they are
said beside it. With one seed the sentence is about that seed.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from macromicro.analyse.words import name_series, show_estimate

SMALLEST_EFFECT = 5.0  # points of score from 0 to 100 percent diversity: 5 more prompts of 100 won
LARGEST_SLOPE = 100.0  # from no prompt won to all of them


def decide(
    slopes: pd.DataFrame,
    *,
    smallest_effect: float = SMALLEST_EFFECT,
    alpha: float = 0.05,
    power: float = 0.8,
) -> pd.DataFrame:
    """Table strategy, size, verdict, sentence of the table of `slopes.estimate_slopes`, in its order.

    Parameters: smallest_effect, the smallest slope of interest, in points of score; alpha and power as the table was
    made with. Raises ValueError if `smallest_effect` is not above zero.
    """
    if not smallest_effect > 0:
        raise ValueError(f"smallest_effect={smallest_effect} must be above zero: no study shows that nothing happens")
    rows = []
    for row in slopes.to_dict("records"):
        verdict = verdict_on(row, smallest_effect, alpha)
        sentence = _sentence(row, verdict, smallest_effect, alpha, power)
        rows.append({"strategy": row["strategy"], "size": row["size"], "verdict": verdict, "sentence": sentence})
    return pd.DataFrame(rows, columns=["strategy", "size", "verdict", "sentence"])


def verdict_on(row: Mapping, smallest_effect: float, alpha: float) -> str:
    """The first verdict of the table above whose condition holds, of any slope, narrow_low, narrow_high and p_holm."""
    if pd.isna(row["slope"]):
        return "no slope"
    small = max(-row["narrow_low"], row["narrow_high"]) < smallest_effect
    if row["p_holm"] <= alpha:
        return ("rises" if row["slope"] > 0 else "falls") + (" slightly" if small else "")
    return "no effect as large" if small else "cannot be told"


def _sentence(row: Mapping, verdict: str, smallest_effect: float, alpha: float, power: float) -> str:
    """One sentence on a strategy at a size."""
    name = name_series(row)
    if verdict == "no slope":
        return f"{name}: there is no slope ({row['note']})."
    seeds = "in the one seed that was run" if row["n_seeds"] == 1 else f"over {row['n_seeds']} seeds"
    change = f"{row['slope']:+.1f} points from 0 to 100 % diversity ({row['low']:+.1f} to {row['high']:+.1f}, {seeds})"
    said = {
        "rises": f"the score rises with diversity, {change}",
        "falls": f"the score falls with diversity, {change}",
        "rises slightly": f"the score rises with diversity, but by less than {smallest_effect:g} points: {change}",
        "falls slightly": f"the score falls with diversity, but by less than {smallest_effect:g} points: {change}",
        "no effect as large": f"an effect of {smallest_effect:g} points or more, either way, is ruled out: {change}",
        "cannot be told": f"whether diversity matters cannot be told, {change}",
    }[verdict]
    riders = [_needed(row, power)] if verdict == "cannot be told" else []
    if verdict.startswith(("rises", "falls")) or row["slope"] * row["without_zero"] < 0:
        riders.append(_without_zero(row, alpha))
    riders.append(_margin(row))
    return f"{name}: {said}; {'; '.join(riders)}."


def _needed(row: Mapping, power: float) -> str:
    """What would have been needed to tell an effect."""
    more = "prompts" if row["prompt_share"] > 0.5 else "seeds"
    smallest = f"a true slope of {row['smallest_slope']:.1f} points"
    if row["smallest_slope"] > LARGEST_SLOPE:
        smallest = "no slope that scores can have"
    needed = f"this grid would have seen {smallest} {100 * power:g} times in 100"
    return f"{needed}, and more {more} would narrow the interval most"


def _without_zero(row: Mapping, alpha: float) -> str:
    """Whether a slope holds without level 0: with the same sign, and told from zero after Holm's correction."""
    if pd.isna(row["without_zero"]):
        return "there is no slope without level 0 to compare"
    ends = show_estimate(row, "without_zero", "without_zero_low", "without_zero_high")
    if row["without_zero"] * row["slope"] <= 0:
        return f"without level 0 the sign turns, {ends}"
    held = row["without_zero_p_holm"] <= alpha
    return f"without level 0 it {'holds' if held else 'is no longer distinguishable from zero'}, {ends}"


def _margin(row: Mapping) -> str:
    """Whether the mean margin goes the way of the wins."""
    if pd.isna(row["margin_slope"]):
        return "there is no slope of the margin to compare"
    agree = np.sign(row["margin_slope"]) == np.sign(row["slope"])
    return f"wins and mean margin {'agree' if agree else 'disagree'} in sign"
