"""All that is said of score over diversity in one call: slopes, what stands beside them, levels, and the verdicts.

Rivals choose samples without levels and have no part in it: a study that has nothing else has empty tables.
"""

from typing import NamedTuple

import pandas as pd

from macromicro.analyse import shapes, slopes
from macromicro.analyse.stats import LABELS, SERIES
from macromicro.analyse.verdict import decide


class Outcome(NamedTuple):
    """Four tables, each with family, part and granularity of the strategies.

    slopes: as of `slopes.estimate_slopes`, with significant (p_holm is at most alpha). shapes: as of
    `shapes.describe_shapes`. levels: as of `shapes.compare_levels`. decisions: as of `verdict.decide`.
    """

    slopes: pd.DataFrame
    shapes: pd.DataFrame
    levels: pd.DataFrame
    decisions: pd.DataFrame


def analyse_levels(
    verdicts: pd.DataFrame,
    points: pd.DataFrame,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
    smallest_effect: float = 5.0,
    seed: int = 0,
) -> Outcome:
    """What the verdicts on models with levels come to.

    Parameters: verdicts, as of `results.load_verdicts`; points, the models of the same study with family, part and
    granularity; confidence, of all intervals; alpha, of tests after Holm's correction within a family;
    smallest_effect, the smallest slope of interest; seed, of the draws that intervals are made from.
    Raises ValueError as `slopes.estimate_slopes` and `verdict.decide`.
    """
    leveled = verdicts[verdicts["level"].notna()]
    about = points[["strategy", *LABELS]].drop_duplicates("strategy")
    if leveled.empty:
        nothing = [pd.DataFrame(columns=list(names)) for names in (slopes.COLUMNS, shapes.SHAPES, shapes.LEVELS)]
        fitted, beside, levels = nothing
    else:
        families = dict(zip(about["strategy"], about["family"], strict=True))
        fitted = slopes.estimate_slopes(leveled, families=families, confidence=confidence, alpha=alpha)
        beside = shapes.describe_shapes(leveled, confidence=confidence, seed=seed)
        levels = shapes.compare_levels(leveled, confidence=confidence, seed=seed)
    decisions = decide(fitted, smallest_effect=smallest_effect, alpha=alpha)
    fitted = fitted.assign(significant=fitted["p_holm"] <= alpha)
    return Outcome(*(_label(table, about) for table in (fitted, beside, levels, decisions)))


def _label(table: pd.DataFrame, about: pd.DataFrame) -> pd.DataFrame:
    """The table with family, part and granularity of every strategy after its name and size."""
    labelled = table.drop(columns="family", errors="ignore").merge(about, on="strategy", how="left")
    first = [*SERIES, *LABELS]
    return labelled[[*first, *labelled.columns.difference(first, sort=False)]]
