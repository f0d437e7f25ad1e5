"""What a finished study comes to, as small tables for the book: a table per stage, its rows linked to their notebooks.

Everything is read from the study's folder, so a folder that was moved from another machine gives the same tables.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from macromicro.annotate.steps import share_cut
from macromicro.annotate.types import load_types
from macromicro.book.pages import Page
from macromicro.graph.kept import count_sources
from macromicro.judge.score import add_coordinates
from macromicro.judge.verdicts import of_judge
from macromicro.study.layout import Layout
from macromicro.study.portable import portable
from macromicro.study.settings import BASELINE, UNTUNED, Dataset, Strategy, Study

LIKELIHOOD = ["log_likelihood", "n_bytes"]
NO_LEVEL = "no levels"
NOT_EMBEDDED = "word pieces not embedded"
NONE = "–"


def load_study(root: Path) -> Study:
    """The settings that the study in `root` ran with. Raises FileNotFoundError if the study has never been run."""
    path = Layout(root).params
    if not path.is_file():
        raise FileNotFoundError(f"{path}: a study's folder must hold its params; run make report first")
    return portable(Study.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))))


def n_samples(out: Layout) -> str:
    """How many samples a study may select from, with a comma between thousands."""
    return f"{count_sources(out)['samples'].sum():,}"


def annotations(out: Layout, study: Study, found: Sequence[Page]) -> pd.DataFrame:
    """A row per strategy with types: how many, samples, those that got none and what these were given instead."""
    rows = []
    for strategy in study.all_strategies:
        if strategy.granularity is None:
            continue
        types = load_types(out.types(strategy.name))
        untyped = types.report["untyped"]
        rows.append(
            {
                **_named(strategy, _link(found, "3_annotate", strategy=strategy.name)),
                "types": types.n_types,
                "samples": types.n_samples,
                "without types": untyped["n"],
                "given": untyped["policy"],
                "types per sample": round(float(types.types_per_sample.mean()), 1),
                NOT_EMBEDDED: _share_not_embedded(types.report),
            }
        )
    table = _without_dull(pd.DataFrame(rows))
    embeds = NOT_EMBEDDED in table and (table[NOT_EMBEDDED] != "–").any()
    return table if embeds else table.drop(columns=NOT_EMBEDDED, errors="ignore")


def _share_not_embedded(report: dict[str, Any]) -> str:
    """The share of word pieces that were cut before the texts were embedded, a dash where none were."""
    found = report.get("embedded")
    return f"{share_cut(found):.1%}" if found else "–"


def selections(out: Layout, study: Study, found: Sequence[Page]) -> pd.DataFrame:
    """A row per strategy with levels, size and seed: types and pool of the lowest and the highest level, evenness."""
    rows = []
    for strategy, seed in _with_seeds(study, leveled=True):
        for size, levels in pd.read_parquet(out.levels(strategy.name, seed)).groupby("size"):
            ordered = levels.sort_values("level")
            low, high = ordered.iloc[0], ordered.iloc[-1]
            rows.append(
                {
                    **_named(strategy, _link(found, "4_select", strategy=strategy.name, seed=seed)),
                    "N": f"{size:,}",
                    "seed": seed,
                    "types covered": f"{low['n_types_covered']:,} to {high['n_types_covered']:,}",
                    "of all": f"{100 * low['coverage']:.0f} to {100 * high['coverage']:.0f} %",
                    "pool": f"{low['pool_size']:,} to {high['pool_size']:,}",
                    "evenness": f"{levels['evenness'].min():.2f} to {levels['evenness'].max():.2f}",
                    "response tokens": f"{low['response_tokens']:.0f} to {high['response_tokens']:.0f}",
                }
            )
    return _without_dull(pd.DataFrame(rows))


def baselines(out: Layout, study: Study, found: Sequence[Page]) -> pd.DataFrame:
    """A row per dataset without a level, of baselines and rivals: how it was chosen, and its mean lengths in tokens."""
    rows = []
    for strategy, seed in _with_seeds(study, leveled=False):
        for one in pd.read_parquet(out.levels(strategy.name, seed)).sort_values("size").to_dict("records"):
            rows.append(
                {
                    **_named(strategy, _link(found, "4_rival", strategy=strategy.name, seed=seed)),
                    "chosen by": strategy.method,
                    "N": f"{one['size']:,}",
                    "seed": seed,
                    "instruction tokens": round(float(one["instruction_tokens"]), 1),
                    "response tokens": round(float(one["response_tokens"]), 1),
                }
            )
    return _without_dull(pd.DataFrame(rows))


def models(out: Layout, study: Study) -> pd.DataFrame:
    """The loss at the end of every fine-tuning, strategies below each other and levels side by side."""
    cells = []
    for strategy in study.all_strategies:
        for dataset in strategy.datasets():
            own = {"N": dataset.size, "seed": dataset.seed, "level": dataset.level}
            value = f"{_last_loss(_load_loss(out, dataset)):.2f}"
            cells.append({**_named(strategy, strategy.name), **own, "value": value})
    return _by_level(cells)


def every_model(out: Layout, study: Study, found: Sequence[Page]) -> pd.DataFrame:
    """A row per model, linked to its notebook: loss at its end, steps, tokens and seconds of its training."""
    links = {one.name: _address(page) for page in found if page.stage == "5_finetune" for one in page.cell.members}
    rows = []
    for strategy, dataset in [(one, dataset) for one in study.all_strategies for dataset in one.datasets()]:
        member = f"{strategy.name}/{dataset.name}"
        level = "–" if dataset.level is None else f"{dataset.level}\N{NO-BREAK SPACE}%"
        steps = _load_loss(out, dataset)
        manifest = json.loads(out.manifest("5_finetune", member).read_text(encoding="utf-8"))
        rows.append(
            {
                **_named(strategy, strategy.name),
                "N": f"{dataset.size:,}",
                "seed": dataset.seed,
                "level": f"[{level}]({links[member]})" if member in links else level,
                "loss (nats per token)": f"{_last_loss(steps):.2f}",
                "steps": f"{len(steps):,}",
                "tokens": f"{steps['tokens'].iloc[-1]:,}",
                "seconds": f"{manifest['wall_seconds']:,.0f}",
            }
        )
    return _without_dull(pd.DataFrame(rows))


def load_losses(out: Layout, study: Study) -> pd.DataFrame:
    """Every step of every training: strategy, size, level (percent, or missing), seed, step, tokens, loss."""
    datasets = [dataset for strategy in study.all_strategies for dataset in strategy.datasets()]
    tables = [_load_loss(out, dataset).assign(**dataset._asdict()) for dataset in datasets]
    return pd.concat(tables, ignore_index=True).astype({"level": float})


def _load_loss(out: Layout, dataset: Dataset) -> pd.DataFrame:
    return pd.read_parquet(out.losses(dataset.strategy, dataset.name))


def _last_loss(steps: pd.DataFrame) -> float:
    """Mean loss of the last tenth of the steps."""
    return float(steps["loss"].tail(max(1, len(steps) // 10)).mean())


def answers(out: Layout, study: Study, found: Sequence[Page]) -> pd.DataFrame:
    """A row for the untuned model and per strategy and seed: prompts, tokens per answer and, where a judge reads it,
    likelihood of the references.
    """
    rows = []
    asked = ["prompt_id", "n_answer_tokens", *(LIKELIHOOD if study.judge.reads_likelihood else [])]
    each: list[tuple[Strategy, int | None]] = [(study.strategy(UNTUNED), None)]
    each += [(one, seed) for one in study.all_strategies for seed in one.select.seeds]
    for strategy, seed in each:
        names = dict.fromkeys(dataset.name for dataset in strategy.datasets(seed))
        paths = [out.answers(strategy.name, name) for name in names]
        table = pd.concat([pd.read_parquet(path, columns=asked) for path in paths])
        likelihood = {}
        if study.judge.reads_likelihood:
            bits = -table["log_likelihood"].sum() / table["n_bytes"].sum() / np.log(2)
            likelihood = {"bits per byte of the references": round(float(bits), 3)}
        rows.append(
            {
                **_named(strategy, _link(found, "6_answer", strategy=strategy.name, seed=seed)),
                "seed": NONE if seed is None else seed,
                "models": len(paths),
                "prompts": table["prompt_id"].nunique(),
                "tokens per answer": round(float(table["n_answer_tokens"].mean()), 1),
                **likelihood,
            }
        )
    return _without_dull(pd.DataFrame(rows))


def scores(out: Layout, study: Study, found: Sequence[Page]) -> pd.DataFrame:
    """The score of every model by the first judge, strategies below each other and levels side by side."""
    cells = []
    for strategy in [*study.untuned.values(), *(study.strategy(name) for name in study.strategies)]:
        for seed in strategy.select.seeds:
            link = _link(found, "7_judge", strategy=strategy.name, seed=seed)
            scored = of_judge(pd.read_parquet(out.scores(strategy.name, seed)), study.judge.headline, where=link)
            for row in add_coordinates(scored, strategy.datasets(seed)).to_dict("records"):
                own = {"N": row["size"], "seed": seed, "level": row["level"]}
                cells.append({**_named(strategy, link), **own, "value": f"{row['score']:.1f}"})
    return _by_level(cells)


def _by_level(cells: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows: family, strategy, size and seed. Columns: levels; strategies without levels fill a column of their own."""
    table = pd.DataFrame(cells)
    known = sorted(table["level"].dropna().unique())
    names = {level: f"{level:.0f} %" for level in known}
    table["level"] = [names.get(level, NO_LEVEL) for level in table["level"]]
    order = [*([NO_LEVEL] if NO_LEVEL in set(table["level"]) else []), *names.values()]
    rows = ["family", "strategy", "N", "seed"]
    wide = table.set_index([*rows, "level"])["value"].unstack("level")[order]  # noqa: PD010
    wide = wide.reindex(table.set_index(rows).index.unique()).fillna("").reset_index()
    wide["N"] = [f"{size:,}" if size else NONE for size in wide["N"]]
    return _without_dull(wide.rename_axis(columns=None))


def _with_seeds(study: Study, *, leveled: bool) -> list[tuple[Strategy, int]]:
    """The strategies with levels, or those without, each with its seeds."""
    chosen = [strategy for strategy in study.all_strategies if strategy.has_levels == leveled]
    return [(strategy, seed) for strategy in chosen for seed in strategy.select.seeds]


def _without_dull(table: pd.DataFrame) -> pd.DataFrame:
    """The table without family, size and seed where all rows share them, which says nothing."""
    values = {name: set(table[name]) - {BASELINE, UNTUNED, NONE} for name in ("family", "N", "seed") if name in table}
    return table.drop(columns=[name for name, different in values.items() if len(different) < 2])


def _named(strategy: Strategy, shown: str) -> dict[str, Any]:
    return {"family": strategy.family, "strategy": shown}


def _address(page: Page) -> str:
    """Where a page lies, seen from the pages of the stages."""
    return f"{page.name.removeprefix('stages/')}.ipynb"


def _link(found: Sequence[Page], stage: str, **given: Any) -> str:
    """A link to the first page of a stage with these parameters, under the strategy's name."""
    for page in found:
        if page.stage == stage and given.items() <= page.cell.parameters.items():
            return f"[{given['strategy']}]({_address(page)})"
    return str(given["strategy"])
