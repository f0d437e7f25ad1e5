"""Variants of a strategy beside it: what else was set, what that changed in the datasets, and what in the slope."""

import numpy as np
import pandas as pd

from macromicro.analyse.words import show_estimate
from macromicro.study.settings import OVERRIDDEN, Strategy, Study


def compare_slopes_of(slopes: pd.DataFrame, variants: dict[str, str]) -> pd.DataFrame:
    """The slopes of every default with those of its variants below it, size by size.

    Parameters: slopes, as of `outcome.analyse_levels`; variants, as `Study.variants`.
    Returns: the rows of slopes, first the column of (the default; its own name for a default).
    """
    of = _with_defaults(variants)
    table = slopes[slopes["strategy"].isin(of)]
    table = table.assign(of=table["strategy"].map(of), is_variant=table["strategy"].isin(variants))
    ordered = table.sort_values(["of", "size", "is_variant", "strategy"], ignore_index=True)
    return ordered[["of", *slopes.columns]]


def _with_defaults(variants: dict[str, str]) -> dict[str, str]:
    """The default of every variant, and each default as its own."""
    return {name: name for name in variants.values()} | variants


def name_changes(study: Study, name: str) -> str:
    """What a strategy sets for itself, in words; empty if nothing.

    >>> from macromicro.study import params
    >>> name_changes(params.load("reference", check_corpus=False), "one-length")
    'select.length 30 to 120'
    """
    given, dull = study.strategies[name], {"seeds", "sizes", "levels"}
    own = [(f"{section}.{key}", value) for section in OVERRIDDEN for key, value in getattr(given, section).items()
           if key not in dull]  # fmt: skip
    return ", ".join(
        f"{key} {' to '.join(map(str, value)) if isinstance(value, list) else value}" for key, value in own
    )


def show_contrasts(contrasts: pd.DataFrame, variants: dict[str, str]) -> pd.DataFrame:
    """The differences between a default and its variants as text, those that the analysis has.

    Parameters: contrasts, as of `declared.compare_declared`.
    """
    rows = []
    for row in contrasts.to_dict("records"):
        if variants.get(row["other"]) == row["one"]:
            said = {"difference": show_estimate(row, "difference"), "p (Holm)": f"{row['p_holm']:.3f}"}
            said = {"difference": row["note"], "p (Holm)": "–"} if pd.isna(row["p_holm"]) else said
            rows.append({"default": row["one"], "less": row["other"], "N": f"{row['size']:,}", **said})
    return pd.DataFrame(rows, columns=["default", "less", "N", "difference", "p (Holm)"])


def compare_datasets_of(study: Study) -> pd.DataFrame:
    """What every variant changes in its datasets: a row per variant and default, size and level, means over seeds.

    Columns: of (the default), strategy, size, level, n_seeds, n_samples, n_types_covered, coverage, response_tokens,
    overlap (Jaccard similarity to the samples of the default of the same size, level and seed, over the seeds that
    both have; missing without one).
    """
    tables = []
    for name, default in _with_defaults(study.variants).items():
        one = study.strategy(name)
        for seed in one.select.seeds:
            levels = pd.read_parquet(study.out.levels(name, seed))
            overlaps = [_overlap(study, one, default, dataset, seed) for dataset in levels["dataset"]]
            tables.append(levels.assign(of=default, strategy=name, seed=seed, overlap=overlaps))
    table = pd.concat(tables, ignore_index=True)
    measured = ["n_samples", "n_types_covered", "coverage", "response_tokens", "overlap"]
    groups = table.groupby(["of", "strategy", "size", "level"], sort=False)
    found = pd.concat([groups["seed"].nunique().rename("n_seeds"), groups[measured].mean()], axis=1).reset_index()
    found["is_variant"] = found["strategy"] != found["of"]
    ordered = found.sort_values(["of", "size", "is_variant", "strategy", "level"], ignore_index=True)
    return ordered.drop(columns="is_variant")


def _overlap(study: Study, one: Strategy, default: str, dataset: str, seed: int) -> float:
    """Jaccard similarity of the samples of a dataset to those of the default's dataset of the same name."""
    if seed not in study.strategy(default).select.seeds:
        return float("nan")
    paths = [study.out.dataset(name, dataset) for name in (one.name, default)]
    if not all(path.is_file() for path in paths):
        return float("nan")
    mine, its = (set(pd.read_parquet(path, columns=["id"])["id"]) for path in paths)
    return len(mine & its) / len(mine | its)


def show_datasets(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text: levels side by side in a cell, from the lowest to the highest."""
    rows = []
    for (_, strategy, size), own in table.groupby(["of", "strategy", "size"], sort=False):
        ends = own.sort_values("level").iloc[[0, -1]]
        is_default = strategy == own["of"].iloc[0]
        rows.append(
            {
                "strategy": strategy,
                "N": f"{size:,}",
                "seeds": int(own["n_seeds"].iloc[0]),
                "samples": _span(ends["n_samples"], ",.0f"),
                "types covered": _span(ends["n_types_covered"], ",.0f"),
                "of all": _span(100 * ends["coverage"], ".0f", " %"),
                "mean response (tokens)": _span(ends["response_tokens"], ".0f"),
                "overlap with the default": "–" if is_default else _span(ends["overlap"], ".2f"),
            }
        )
    return pd.DataFrame(rows)


def _span(values: pd.Series, how: str, unit: str = "") -> str:
    """The first and the last value as text."""
    first, last = (format(value, how) if np.isfinite(value) else "–" for value in values.astype(float))
    return f"{first} to {last}{unit}"
