"""What stands beside the score of every level: how long its models trained, and on how much text.

Datasets of one size differ in diversity and in what comes along with it. A score that rises with the level is read
beside these columns, those of the random baseline and of the untuned base model first.
"""

from collections.abc import Mapping

import pandas as pd

from macromicro.analyse.paper import list_families
from macromicro.study.settings import UNTUNED

COUNTS = {
    "n_steps": "steps",
    "n_samples": "samples",
    "n_response_tokens": "response tokens",
    "response_tokens": "tokens per response",
    "near_duplicates": "near-duplicates",
    "n_left_out": "too long, left out",
}
"""Columns of a level by what a reader calls them; those that a study has not are left out."""
SHARES = ("near_duplicates",)
DIGITS = {"response_tokens": 1}


def tabulate_levels(points: pd.DataFrame, baselines: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A table as text for every strategy with levels, by its name, the paper's family first.

    Rows: the untuned base model, the random baseline, then every size and level, means over seeds. Columns: what it is,
    score (with its interval over prompts where there is one seed, else from the lowest to the highest seed), mean
    margin, and those of `COUNTS`.
    Parameters: points as of `results.load_points`, baselines as of `results.load_baselines`.
    """
    leveled = points[points["level"].notna()]
    tables = {}
    for family in list_families(leveled):
        for name, own in leveled[leveled["family"] == family].groupby("strategy", sort=True):
            tables[str(name)] = _tabulate(own, baselines)
    return tables


def _tabulate(points: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    """The table of one strategy."""
    against, several = points.iloc[0], len(set(points["size"])) > 1
    same = (baselines["strategy"] == against["baseline"]) & (baselines["size"] == against["baseline_size"])
    rows = [{"model": UNTUNED, "score": _over_seeds(points.drop_duplicates("seed")["untuned"])}]
    named = "random" + (f", N = {against['baseline_size']:,}" if several else "")
    rows.append({"model": named, **_describe(baselines[same])})
    for (size, level), seeds in points.groupby(["size", "level"], sort=True):
        rows.append({"model": f"{level:.0f} %" + (f", N = {size:,}" if several else ""), **_describe(seeds)})
    return pd.DataFrame(rows).fillna("–")


def _describe(seeds: pd.DataFrame) -> dict[str, str]:
    """The models of one level, one for every seed, as text."""
    if "n_response_tokens" not in seeds and {"n_samples", "response_tokens"} <= set(seeds):
        seeds = seeds.assign(n_response_tokens=seeds["n_samples"] * seeds["response_tokens"])
    row = {"score": _over_seeds(seeds["score"])}
    if len(seeds) == 1 and "low" in seeds and seeds["low"].notna().all():
        row["score"] += f" ({seeds['low'].iloc[0]:.1f} to {seeds['high'].iloc[0]:.1f})"
    row["mean margin"] = f"{seeds['margin'].mean():+.4f}" if seeds["margin"].notna().any() else "–"
    return row | _show_counts({name: seeds[name].astype(float).mean() for name in COUNTS if name in seeds})


def _show_counts(means: Mapping[str, float]) -> dict[str, str]:
    """Means over seeds as text, under the names of `COUNTS`."""
    shown = {}
    for name, mean in means.items():
        value = f"{100 * mean:.1f} %" if name in SHARES else f"{mean:,.{DIGITS.get(name, 0)}f}"
        shown[COUNTS[name]] = "–" if pd.isna(mean) else value
    return shown


def _over_seeds(scores: pd.Series) -> str:
    """The mean of the scores of some seeds, with the lowest and the highest where there are several."""
    known = scores.dropna()
    if known.empty:
        return "–"
    spread = f" ({known.min():.1f} to {known.max():.1f})" if len(known) > 1 else ""
    return f"{known.mean():.1f}{spread}"
