"""The paper's claims in words, by rule from the tests of its points (`paper_tested.Tested`).

| said of | rule |
|:--|:--|
| a slope | told from zero where p by Holm's correction over all lines is at most alpha |
| a difference of slopes | told from zero where p by Holm's correction over all differences is at most alpha |
| level and length | one cannot be told from the other where r is at least 0.9 |
| a line without its first levels | told from zero where its interval leaves zero out |

That something is not told from zero never says that it is zero; beside it stands what would have been seen.
"""

from collections.abc import Iterable, Mapping

import pandas as pd
from scipy.stats import binomtest

from macromicro.analyse import paper
from macromicro.analyse.paper_tested import ABLATIONS, HEADLINE, Length, Tested, find_ends
from macromicro.analyse.words import name_series, show_estimate

CLOSE = 0.9  # r from which two things rise as one
CHANGE = "points from 0 to 100 % diversity"  # said once, all other effects are in the same unit


def conclude(tested: Tested) -> str:
    """The conclusion as a Markdown list: the slopes, each claim of the paper, length, words."""
    sentences = [
        count_slopes(tested.slopes),
        hold_without_zero(tested.slopes),
        judge_claim(tested.slopes, HEADLINE, "Scores rise with diversity of tokens in responses", sign=1),
        judge_claim(tested.slopes, paper.CLAIMED[1], "Scores fall with diversity of tokens in instructions", sign=-1),
        judge_others(tested.slopes),
        judge_lead(tested.differences),
        judge_length(tested.length, tested.held),
        judge_words(tested.differences, tested.free["slope"].iloc[0]),
    ]
    return "\n".join(f"- {sentence}" for sentence in sentences)


def count_slopes(slopes: pd.DataFrame) -> str:
    """How many slopes are told from zero and which, over all lines together, and how many within each family."""
    told = slopes[slopes["significant"]].sort_values("p")
    named = f", in {CHANGE}: " + "; ".join(
        f"{name_line(row)}, {_interval(row, 'slope')}" for row in told.to_dict("records")
    )
    apart = [
        f"{int(own['significant_apart'].sum())} of the {len(own)} of {name}"
        for family, name in ((paper.FAMILY, "figure 3"), ("ablations", "the ablations"))
        if len(own := slopes[slopes["family"] == family])
    ]
    differ = "differs" if len(told) == 1 else "differ"
    text = f"**Of {len(slopes)} slopes, {len(told)} {differ} from zero** after Holm's correction over all of them"
    text += f"{named if len(told) else ''}. Corrected apart, it is {' and '.join(apart)}"
    more = slopes[slopes["significant_apart"] & ~slopes["significant"]]
    return text + (
        f", which adds {_listed([name_line(row) for row in more.to_dict('records')])}." if len(more) else "."
    )


def hold_without_zero(slopes: pd.DataFrame) -> str:
    """Which of the slopes that are told from zero are so without level 0."""
    told = slopes[slopes["significant"]].sort_values("p").to_dict("records")
    if not told:
        return "**Without level 0**: there is no slope to hold."
    held = [row for row in told if row["slope"] * row["without_zero"] > 0 and _leaves_zero_out(row, "without_zero_")]
    shown = "; ".join(f"{name_line(row)}, {_interval(row, 'without_zero', 'without_zero_')}" for row in told)
    return f"**Without level 0**, the intervals of {len(held)} of these {len(told)} still leave zero out: {shown}."


def judge_claim(slopes: pd.DataFrame, strategy: str, claim: str, *, sign: int) -> str:
    """Whether the slopes of a strategy of figure 3 bear out a claim on their sign: at every size, at some, at none."""
    own = slopes[(slopes["strategy"] == strategy) & (slopes["family"] == paper.FAMILY)].sort_values("size")
    shown = _listed([f"{row['slope']:+.1f}" for row in own.to_dict("records")])
    told = own[own["significant"] & (own["slope"] * sign > 0)]
    against = own[own["significant"] & (own["slope"] * sign < 0)]
    given = f"slopes of {shown} {_sizes(own['size'])}"
    if len(against):
        return f"**{claim}**: contradicted, {given}; {_sizes(against['size'])} differs from zero the other way."
    if told.empty:
        return f"**{claim}**: not established, {given}, of which none is told from zero."
    if len(told) == len(own):
        return f"**{claim}**: established at every size, {given}."
    return f"**{claim}**: established {_sizes(told['size'])} alone, {given}."


def judge_others(slopes: pd.DataFrame) -> str:
    """Whether scores rise with topics and tags: slopes told from zero, and how many are above zero."""
    own = slopes[(slopes["family"] == paper.FAMILY) & slopes["granularity"].isin(["macro", "meso"])]
    told, above = int(own["significant"].sum()), int((own["slope"] > 0).sum())
    chance = binomtest(above, len(own)).pvalue
    text = (
        f"**Scores rise with diversity of topics and tags**: {told} of {len(own)} slopes differ from zero, and {above} "
        f"lie above it, the largest {own['slope'].max():+.1f}. By the signs alone"
    )
    if chance > 0.05:
        return f"{text}, chance does as much (sign test, p = {chance:.2g})."
    return (
        f"{text}, chance seldom does as much (sign test, p = {chance:.2g}), were the lines independent, which they are "
        "not: they share samples, base model and baseline."
    )


def judge_lead(differences: pd.DataFrame) -> str:
    """Whether tokens in responses rise more steeply than the steepest other strategy of each size."""
    lead = differences[~differences["other"].isin([HEADLINE, *ABLATIONS.values()])]
    told = lead[lead["significant"] & (lead["difference"] > 0)]
    shown = "; ".join(
        f"N = {row['size']:,}: {_interval(row, 'difference')} against {row['other']}" for row in lead.to_dict("records")
    )
    verdict = f"established {_sizes(told['size'])}" if len(told) else "not established at any size"
    return f"**Tokens in responses raise scores more than all else**: {verdict} by a test of the difference ({shown})."


def count_leads(scores: pd.DataFrame) -> str:
    """At how many sizes response-micro has the best score at the highest level, and the largest r, of single models."""
    sizes = sorted(set(scores["size"]))
    parts = []
    for name, values in zip(("the best score at 100 % diversity", "the largest r"), find_ends(scores), strict=True):
        lead = [size for size in sizes if values[size].idxmax() == HEADLINE]
        where = f" ({_sizes(lead)})" if 0 < len(lead) < len(sizes) else ""
        parts.append(f"{name} at {len(lead)} of {len(sizes)} sizes{where}")
    return f"{HEADLINE} has {parts[0]}, and {parts[1]} of score and level."


def judge_length(length: Length, held: pd.DataFrame) -> str:
    """Whether level can be told from length, and what the length-controlled line says without its first levels."""
    both = f"level and mean response length correlate at r = {length.r:.3f} over {length.n} datasets"
    if abs(length.r) >= CLOSE:
        text = f"**Length**: {both}, so that what rises there may be due to either."
    else:
        text = f"**Length**: {both}, so that the one does not stand for the other."
    rows = held.to_dict("records")
    first = f"With length held, the slope is {_interval(rows[0], 'slope')}, p = {rows[0]['p']:.2g} without correction"
    if not _leaves_zero_out(rows[0]):
        return f"{text} {first}: not told from zero."
    lost = next((row for row in rows if not _leaves_zero_out(row) or row["slope"] * rows[0]["slope"] < 0), None)
    if lost is None:
        return f"{text} {first}; it holds without its first levels, up to that from {rows[-1]['first_level']:.0f} % up."
    last = rows[-1]
    return (
        f"{text} {first}; but it rests on its first levels: from {lost['first_level']:.0f} % up it is "
        f"{_interval(lost, 'slope')}, from {last['first_level']:.0f} % up {_interval(last, 'slope')}."
    )


def judge_both(length: Length, *, confidence: float = 0.95) -> str:
    """What is left of the slope when level and length stand in one line."""
    level, tokens = (
        {"value": slope.value, **dict(zip(("low", "high"), slope.interval(confidence), strict=True))}
        for slope in (length.level, length.tokens)
    )
    said = "is not told from zero"
    if _leaves_zero_out(level):
        said = "stays above zero" if level["value"] > 0 else "turns below zero"
    return (
        f"With both in one line, the slope of diversity {said}, {_interval(level, 'value')}, and length has "
        f"{_interval(tokens, 'value')} points per 100 tokens; over {length.n} datasets so alike neither number is firm."
    )


def judge_words(differences: pd.DataFrame, tokens: float) -> str:
    """Whether the slope vanishes when words are counted, by the difference from the slope of tokens, `tokens`."""
    row = differences[differences["other"] == ABLATIONS["word-tokenizer"]].iloc[0].to_dict()
    shown = f"the slopes differ by {_interval(row, 'difference')}, p = {row['p']:.2g}"
    claim = "**The rise vanishes with words in place of tokens**"
    if row["significant"] and row["difference"] > 0:
        return f"{claim}: established that words give less, {shown}."
    if row["significant"]:
        return f"{claim}: contradicted, {shown}."
    needed = f"two such lines tell a true difference of {row['smallest_seen']:.1f} points 80 times in 100"
    if row["smallest_seen"] > abs(tokens):
        needed += f", more than the whole slope of tokens ({tokens:+.1f})"
    return f"{claim}: not established, {shown}; {needed}."


def name_line(row: Mapping) -> str:
    """A line in words: a strategy of figure 3, or a variation of response-micro."""
    varied = "" if row["family"] == paper.FAMILY else f"{HEADLINE}, "
    return f"{varied}{name_series(row)}"


def _interval(row: Mapping, value: str, ends: str = "") -> str:
    """A value with its interval as text; `ends` stands before the names of its ends."""
    return show_estimate(row, value, f"{ends}low", f"{ends}high")


def _leaves_zero_out(row: Mapping, ends: str = "") -> bool:
    """Whether the interval of a row does not hold zero."""
    return row[ends + "low"] > 0 or row[ends + "high"] < 0


def _sizes(sizes: Iterable[int]) -> str:
    """At which sizes, as text."""
    return f"at N = {_listed([f'{size:,}' for size in sizes])}"


def _listed(words: list[str]) -> str:
    """Words as a list in a sentence."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
