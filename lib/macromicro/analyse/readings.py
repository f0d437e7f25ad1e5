"""Results in words and in tables small enough to read: what differs from zero, and what does not."""

import pandas as pd

from macromicro.analyse.paper import list_families
from macromicro.analyse.stats import LABELS, SERIES
from macromicro.analyse.words import name_series, show_estimate, show_interval

NO_LEVELS = "No strategy of this study has diversity levels, so there is no slope."
VERDICTS = ("rises", "falls", "rises slightly", "falls slightly", "no effect as large", "cannot be told", "no slope")


def count_decisions(decisions: pd.DataFrame) -> str:
    """A Markdown line per family that says how many slopes have which verdict of `verdict.decide`."""
    lines = []
    for family in list_families(decisions):
        verdicts = decisions.loc[decisions["family"] == family, "verdict"]
        counts = ", ".join(f"{name} {n}" for name in VERDICTS if (n := int((verdicts == name).sum())))
        several = "s" if len(verdicts) > 1 else ""
        lines.append(f"**Family *{family}*: {counts}** (of {len(verdicts)} slope{several}).")
    return "\n\n".join(lines) or NO_LEVELS


def describe_decisions(decisions: pd.DataFrame) -> str:
    """The verdicts on all slopes in Markdown: for every family how many of which, then a sentence on each."""
    blocks = []
    for family in list_families(decisions):
        own = decisions[decisions["family"] == family]
        blocks += [count_decisions(own), "\n".join(f"- {sentence}" for sentence in own["sentence"])]
    return "\n\n".join(blocks) or NO_LEVELS


def describe_slopes(slopes: pd.DataFrame, *, alpha: float = 0.05) -> str:
    """A Markdown paragraph per family on which slopes are distinguishable from zero after Holm's correction."""
    families = {name: slopes[slopes["family"] == name] for name in list_families(slopes)}
    return "\n\n".join(_describe_family(name, table, alpha) for name, table in families.items())


def _describe_family(family: str, slopes: pd.DataFrame, alpha: float) -> str:
    """One Markdown paragraph on the slopes of a family, which are corrected together."""
    fitted = slopes[slopes["slope"].notna()]
    found = fitted[fitted["significant"]].sort_values("p_holm")
    near = fitted[~fitted["significant"].astype(bool) & (fitted["p"] <= alpha)]
    first = f"**{len(found)} of {len(fitted)} slopes differ from zero** at {alpha:g} after Holm's correction"
    first += f" within the family *{family}*"
    text = [first + (": " + "; ".join(_in_words(row) for row in found.to_dict("records")) + "." if len(found) else ".")]
    if len(near):
        chance = f"chance alone would put about {alpha * len(fitted):.1g} there"
        text.append(f"{len(near)} more lie below {alpha:g} before the correction, where {chance}.")
    if len(slopes) > len(fitted):
        lost = [f"{name_series(row)} ({row['note']})" for row in slopes[slopes["slope"].isna()].to_dict("records")]
        text.append(f"No slope for {', '.join(lost)}.")
    return " ".join(text)


def _in_words(row: dict) -> str:
    """A slope as text."""
    interval = f"{row['low']:.2f} to {row['high']:.2f}"
    return f"{name_series(row)}: {row['slope']:+.2f} points ({interval}, p = {row['p_holm']:.2g})"


def describe_cover(slopes: pd.DataFrame) -> str:
    """A sentence on what the intervals of the slopes cover, other seeds or one seed alone; empty without slopes."""
    counts = sorted(set(slopes["n_seeds"].astype(int)))
    if not counts:
        return ""
    one = (
        "a slope is that seed's own: its interval covers other prompts and the scatter of levels "
        "about the line, and not another baseline, another draw of the datasets or another training"
    )
    if counts == [1]:
        return f"One seed was run, and {one}."
    many = f"{' or '.join(str(n) for n in counts if n > 1)} seeds were run, and intervals cover other seeds and prompts"
    return f"{many}; where one seed was run, {one}." if counts[0] == 1 else f"{many}."


def describe_signs(slopes: pd.DataFrame, points: pd.DataFrame) -> str:
    """A Markdown paragraph that says where wins and the mean margin disagree in sign: of slopes, and of models.

    Wins only count whether a model was ahead of its baseline, the margin says how far. A score of 50 or a margin of
    zero has no sign.
    """
    both = slopes.dropna(subset=["slope", "margin_slope"])
    turned = both[both["slope"] * both["margin_slope"] < 0]
    text = f"Wins and mean margin give slopes of one sign in {len(both) - len(turned)} of {len(both)} series"
    text = text if len(both) else "Wins and mean margin have no slopes to compare"
    if len(turned):
        rows = turned.to_dict("records")
        named = [f"{name_series(row)} ({row['slope']:+.1f} points, {row['margin_slope']:+.4f})" for row in rows]
        text += f"; they disagree for {', '.join(named)}"
    models = points.dropna(subset=["score", "margin"])
    ahead = int(((models["score"] > 50) & (models["margin"] < 0)).sum())
    behind = int(((models["score"] < 50) & (models["margin"] > 0)).sum())
    apart = f"{ahead} won more prompts than lost while the mean margin was below zero, {behind} the other way round"
    return f"{text}. Of {len(models)} models, {apart}."


def show_slopes(slopes: pd.DataFrame) -> pd.DataFrame:
    """Slopes as text, a row per family, strategy and size; a missing one shows why, and remarks stand beside them."""
    rows = []
    for row in _ordered(slopes, SERIES).to_dict("records"):
        name = {"family": row["family"], "strategy": row["strategy"], "N": f"{row['size']:,}"}
        if pd.isna(row["slope"]):
            rows.append(name | {"slope": "–", "interval": row["note"], "p": "–", "p (Holm)": "–", "remark": ""})
            continue
        p = {"p": f"{row['p']:.3f}", "p (Holm)": f"{row['p_holm']:.3f}", "remark": row["note"]}
        rows.append(name | {"slope": f"{row['slope']:+.2f}", "interval": show_interval(row), **p})
    table = pd.DataFrame(rows)
    return table if table.get("remark", pd.Series()).any() else table.drop(columns="remark", errors="ignore")


def show_shapes(slopes: pd.DataFrame, shapes: pd.DataFrame) -> pd.DataFrame:
    """What stands beside each slope, as text: tables slopes and shapes of `outcome.analyse_levels`.

    A row per family, strategy and size: the slope without level 0, that of the mean margin, Spearman's rho, each with
    its interval; the curve; the smallest slope that would have been told from zero.
    """
    rows = []
    both = slopes.merge(shapes[[*SERIES, *shapes.columns.difference(slopes.columns)]], on=SERIES)
    for row in _ordered(both, SERIES).to_dict("records"):
        name = {"family": row["family"], "strategy": row["strategy"], "N": f"{row['size']:,}"}
        values = {
            "slope": show_estimate(row),
            "without level 0": show_estimate(row, "without_zero", "without_zero_low", "without_zero_high"),
            "mean margin": show_estimate(row, "margin_slope", "margin_low", "margin_high", digits=4),
            "Spearman's rho": show_estimate(row, "rho", "rho_low", "rho_high", digits=2),
            "curve": _curve(row),
            "smallest slope seen": "–" if pd.isna(row["smallest_slope"]) else f"{row['smallest_slope']:.1f}",
        }
        rows.append(name | values)
    return pd.DataFrame(rows)


def _curve(row: dict) -> str:
    """Whether a curve that levels off fits clearly better than the line, as text."""
    if row["curve"] == "saturating":
        return f"levels off: {row['rise']:+.1f} in all, half of it by {row['half_level']:.0f} %"
    return str(row["curve"]) or "too few levels"


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


def show_correlations(correlations: pd.DataFrame) -> pd.DataFrame:
    """Correlations of all metrics as text, in each family those that go most with the score first.

    Beside each stands the partial one given length; metrics without r come last, with the reason.
    """
    shown = []
    for family in list_families(correlations):
        table = correlations[correlations["family"] == family]
        ordered = table.dropna(subset=["r"]).sort_values("r", key=abs, ascending=False, kind="stable")
        shown += [ordered, table[table["r"].isna()]]
    rows = []
    for row in pd.concat(shown).to_dict("records"):
        name = {"family": row["family"], "metric": f"{row['metric']} of the {row['part']}s", "datasets": row["n"]}
        if pd.isna(row["r"]):
            rows.append(name | {"r": "–", "interval": row["note"], "p": "–", "given length": "–"})
            continue
        p = {"p": "–" if pd.isna(row["p"]) else f"{row['p']:.2g}"}
        given = {"given length": show_estimate(row, "r_given_length", "given_low", "given_high", digits=2)}
        interval = row["note"] if pd.isna(row["low"]) else show_interval(row)
        rows.append(name | {"r": f"{row['r']:+.2f}", "interval": interval, **p, **given})
    return pd.DataFrame(rows)


def _ordered(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The rows in the order of families, and of `columns` within each."""
    place = table["family"].map({name: place for place, name in enumerate(list_families(table))})
    return table.assign(place=place).sort_values(["place", *columns])
