"""Results in words and in tables small enough to read: what differs from zero, and what does not."""

import pandas as pd

from macromicro.analyse.paper import list_families
from macromicro.analyse.stats import LABELS, SERIES


def describe_slopes(slopes: pd.DataFrame, *, alpha: float = 0.05) -> str:
    """A Markdown paragraph per family on which slopes are distinguishable from zero after Holm's correction."""
    families = {name: slopes[slopes["family"] == name] for name in list_families(slopes)}
    return "\n\n".join(_describe_family(name, table, alpha) for name, table in families.items())


def _describe_family(family: str, slopes: pd.DataFrame, alpha: float) -> str:
    """One Markdown paragraph on the slopes of a family, which are corrected together."""
    fitted = slopes[slopes["note"] == ""]
    found = fitted[fitted["significant"]].sort_values("p_holm")
    near = fitted[~fitted["significant"].astype(bool) & (fitted["p"] <= alpha)]
    first = f"**{len(found)} of {len(fitted)} slopes differ from zero** at {alpha:g} after Holm's correction"
    first += f" within the family *{family}*"
    text = [first + (": " + "; ".join(_in_words(row) for row in found.to_dict("records")) + "." if len(found) else ".")]
    if len(near):
        chance = f"chance alone would put about {alpha * len(fitted):.1g} there"
        text.append(f"{len(near)} more lie below {alpha:g} before the correction, where {chance}.")
    if len(slopes) > len(fitted):
        lost = [f"{_named(row)} ({row['note']})" for row in slopes[slopes["note"] != ""].to_dict("records")]
        text.append(f"No slope for {', '.join(lost)}.")
    return " ".join(text)


def _named(row: dict) -> str:
    """The series of a slope as text."""
    return f"{row['strategy']} at N = {row['size']:,}"


def _in_words(row: dict) -> str:
    """A slope as text."""
    interval = f"{row['low']:.2f} to {row['high']:.2f}"
    return f"{_named(row)}: {row['slope']:+.2f} points ({interval}, p = {row['p_holm']:.2g})"


def show_slopes(slopes: pd.DataFrame) -> pd.DataFrame:
    """Slopes as text, a row per family, strategy and size; a missing one shows why."""
    rows = []
    for row in _ordered(slopes, SERIES).to_dict("records"):
        name = {"family": row["family"], "strategy": row["strategy"], "N": f"{row['size']:,}"}
        if row["note"]:
            rows.append(name | {"slope": "–", "interval": row["note"], "p": "–", "p (Holm)": "–"})
            continue
        interval = f"{row['low']:+.2f} to {row['high']:+.2f}"
        p = {"p": f"{row['p']:.3f}", "p (Holm)": f"{row['p_holm']:.3f}"}
        rows.append(name | {"slope": f"{row['slope']:+.2f}", "interval": interval, **p})
    return pd.DataFrame(rows)


def show_rivals(points: pd.DataFrame) -> pd.DataFrame:
    """Scores of the models without levels as text, a row per family, strategy, size and seed."""
    rivals = points[points["level"].isna()]
    rows = []
    for row in _ordered(rivals, [*SERIES, "seed"]).to_dict("records"):
        name = {"family": row["family"], "strategy": row["strategy"], "chosen by": row["method"]}
        scored = {"score": "–", "interval": "no score"}
        if not pd.isna(row["score"]):
            scored = {"score": f"{row['score']:.1f}", "interval": f"{row['low']:.1f} to {row['high']:.1f}"}
        rows.append(name | {"N": f"{row['size']:,}", "seed": row["seed"], **scored})
    return pd.DataFrame(rows)


def show_slopes_beside(slopes: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """Slopes with those printed in table 1 of the paper and the difference, a row per strategy and size."""
    ours = slopes[[*SERIES, *LABELS, "slope", "p", "p_holm"]]
    both = ours.merge(printed[[*SERIES, "slope"]], on=SERIES, suffixes=("", "_printed"), how="left")
    return both.assign(difference=both["slope"] - both["slope_printed"])


def show_correlations(correlations: pd.DataFrame, *, n_rows: int = 6) -> pd.DataFrame:
    """The `n_rows` metrics of each family that go most with the score, as text; then those without r and why."""
    shown = []
    for family in list_families(correlations):
        table = correlations[correlations["family"] == family]
        ordered = table.dropna(subset=["r"]).sort_values("r", key=abs, ascending=False, kind="stable")
        shown += [ordered.head(n_rows), table[table["r"].isna()]]
    rows = []
    for row in pd.concat(shown).to_dict("records"):
        name = {"family": row["family"], "metric": f"{row['metric']} of the {row['part']}s", "datasets": row["n"]}
        if row["note"]:
            rows.append(name | {"r": "–", "interval": row["note"], "p": "–"})
        else:
            interval = f"{row['low']:+.2f} to {row['high']:+.2f}"
            rows.append(name | {"r": f"{row['r']:+.2f}", "interval": interval, "p": f"{row['p']:.2g}"})
    return pd.DataFrame(rows)


def _ordered(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The rows in the order of families, and of `columns` within each."""
    place = table["family"].map({name: place for place, name in enumerate(list_families(table))})
    return table.assign(place=place).sort_values(["place", *columns])
