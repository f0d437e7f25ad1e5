"""Results in words and in tables small enough to read: what differs from zero, and what does not."""

import pandas as pd

from macromicro.analyse.stats import SERIES


def describe_slopes(slopes: pd.DataFrame, *, alpha: float = 0.05) -> str:
    """One Markdown paragraph on which slopes are distinguishable from zero after Holm's correction."""
    fitted = slopes[slopes["note"] == ""]
    found = fitted[fitted["significant"]].sort_values("p_holm")
    near = fitted[~fitted["significant"] & (fitted["p"] <= alpha)]
    first = f"**{len(found)} of {len(fitted)} slopes differ from zero** at {alpha:g} after Holm's correction"
    text = [first + (": " + "; ".join(_in_words(row) for row in found.to_dict("records")) + "." if len(found) else ".")]
    if len(near):
        chance = f"chance alone would put about {alpha * len(fitted):.1g} there"
        text.append(f"{len(near)} more lie below {alpha:g} before the correction, where {chance}.")
    if len(slopes) > len(fitted):
        lost = slopes[slopes["note"] != ""].to_dict("records")
        reasons = [f"{row['part']}/{row['granularity']} at N = {row['size']:,} ({row['note']})" for row in lost]
        text.append(f"No slope for {', '.join(reasons)}.")
    return " ".join(text)


def _in_words(row: dict) -> str:
    """A slope as text."""
    name = f"{row['part']}/{row['granularity']} at N = {row['size']:,}"
    return f"{name}: {row['slope']:+.2f} points ({row['low']:.2f} to {row['high']:.2f}, p = {row['p_holm']:.2g})"


def show_slopes(slopes: pd.DataFrame) -> pd.DataFrame:
    """Slopes as text, a row per strategy and size; a missing one shows why."""
    rows = []
    for row in slopes.to_dict("records"):
        name = {"strategy": f"{row['part']} / {row['granularity']}", "N": f"{row['size']:,}"}
        if row["note"]:
            rows.append(name | {"slope": "–", "interval": row["note"], "p": "–", "p (Holm)": "–"})
            continue
        interval = f"{row['low']:+.2f} to {row['high']:+.2f}"
        p = {"p": f"{row['p']:.3f}", "p (Holm)": f"{row['p_holm']:.3f}"}
        rows.append(name | {"slope": f"{row['slope']:+.2f}", "interval": interval, **p})
    return pd.DataFrame(rows)


def show_slopes_beside(slopes: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """Slopes with those printed in table 1 of the paper and the difference, a row per part, granularity and size."""
    both = slopes[[*SERIES, "slope", "p", "p_holm"]].merge(printed, on=SERIES, suffixes=("", "_printed"), how="left")
    return both.assign(difference=both["slope"] - both["slope_printed"])


def show_correlations(correlations: pd.DataFrame, *, n_rows: int = 6) -> pd.DataFrame:
    """The metrics that go most with the score, as text: metric, r, interval, p; then those without r and why."""
    known = correlations.dropna(subset=["r"]).sort_values("r", key=abs, ascending=False, kind="stable").head(n_rows)
    unknown = correlations[correlations["r"].isna()]
    rows = []
    for row in pd.concat([known, unknown]).to_dict("records"):
        name = {"metric": f"{row['metric']} of the {row['part']}s", "datasets": row["n"]}
        if row["note"]:
            rows.append(name | {"r": "–", "interval": row["note"], "p": "–"})
        else:
            interval = f"{row['low']:+.2f} to {row['high']:+.2f}"
            rows.append(name | {"r": f"{row['r']:+.2f}", "interval": interval, "p": f"{row['p']:.2g}"})
    return pd.DataFrame(rows)
