"""What a finished study comes to, as small tables for the book.

Everything is read from the study's folder, so a folder that was moved from another machine gives the same tables.
"""

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml
from pydantic import BaseModel

from macromicro.annotate.types import load_types
from macromicro.book.pages import DATASET, Page, grid_cells
from macromicro.study.layout import Layout
from macromicro.study.provenance import portable
from macromicro.study.settings import Study


def load_study(root: Path) -> Study:
    """The settings that the study in `root` ran with. Raises FileNotFoundError if the study has never been run."""
    path = Layout(root).params
    if not path.is_file():
        raise FileNotFoundError(f"{path}: a study's folder must hold its params; run make report first")
    return portable(Study.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))))


def n_rows(path: Path) -> str:
    """Rows of a table on disk, with a comma between thousands."""
    return f"{pq.read_metadata(path).num_rows:,}"


def load_manifests(root: Path) -> list[dict[str, Any]]:
    """Manifests of all notebooks executed for the study's present grid, in reading order."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((root / "manifests").rglob("*.json"))]
    cells = {"", *grid_cells(load_study(root))}
    return [manifest for manifest in found if manifest["cell"] in cells]


def annotations(out: Layout, strategies: Sequence[str]) -> pd.DataFrame:
    """A row per strategy: types found, samples with and without types, types per typed sample."""
    rows = []
    for strategy in strategies:
        types = load_types(out.types(strategy))
        counts = np.diff(types.matrix.indptr)
        typed = counts[counts > 0]
        rows.append(
            {
                "strategy": _link(strategy, f"3_annotate/{strategy}"),
                "types": types.n_types,
                "samples with types": len(typed),
                "without": types.n_samples - len(typed),
                "types per sample": round(float(typed.mean()), 1) if len(typed) else 0.0,
            }
        )
    return pd.DataFrame(rows)


def selections(out: Layout, strategies: Sequence[str]) -> pd.DataFrame:
    """A row per strategy and size: types covered and pool of the lowest and the highest level, evenness."""
    rows = []
    for strategy in strategies:
        for size, levels in pd.read_parquet(out.levels(strategy)).groupby("size"):
            ordered = levels.sort_values("level")
            low, high = ordered.iloc[0], ordered.iloc[-1]
            rows.append(
                {
                    "strategy": _link(strategy, f"4_select/{strategy}"),
                    "N": f"{size:,}",
                    "types covered": f"{low['n_types_covered']:,} to {high['n_types_covered']:,}",
                    "of all": f"{100 * low['coverage']:.0f} to {100 * high['coverage']:.0f} %",
                    "pool": f"{low['pool_size']:,} to {high['pool_size']:,}",
                    "evenness": f"{levels['evenness'].min():.2f} to {levels['evenness'].max():.2f}",
                }
            )
    return pd.DataFrame(rows)


def models(out: Layout, found: Sequence[Page]) -> pd.DataFrame:
    """The loss at the end of every fine-tuning, strategies below each other and levels side by side, as links."""
    cells = []
    for page in found:
        if page.stage == "5_finetune":
            strategy, _, dataset = page.cell.partition("/")
            loss = pd.read_parquet(out.model(strategy, dataset) / "loss.parquet")["loss"]
            last = float(loss.tail(max(1, len(loss) // 10)).mean())
            cells.append((strategy, dataset, f"[{last:.2f}](5_finetune/{page.cell}.ipynb)"))
    return _by_level(pd.DataFrame(cells, columns=["strategy", "dataset", "value"]))


def answers(out: Layout, strategies: Sequence[str]) -> pd.DataFrame:
    """A row per strategy: models, prompts, tokens per answer, likelihood of the references."""
    rows = []
    for strategy in strategies:
        table = pd.read_parquet(
            out.answers(strategy), columns=["dataset", "prompt_id", "n_answer_tokens", "log_likelihood", "n_bytes"]
        )
        bits = -table["log_likelihood"].sum() / table["n_bytes"].sum() / np.log(2)
        rows.append(
            {
                "strategy": _link(strategy, f"6_answer/{strategy}"),
                "models": table["dataset"].nunique(),
                "prompts": table["prompt_id"].nunique(),
                "tokens per answer": round(float(table["n_answer_tokens"].mean()), 1),
                "bits per byte of the references": round(float(bits), 3),
            }
        )
    return pd.DataFrame(rows)


def scores(out: Layout, strategies: Sequence[str]) -> pd.DataFrame:
    """The score of every model, strategies below each other and levels side by side."""
    tables = [pd.read_parquet(out.scores(strategy)).assign(strategy=strategy) for strategy in strategies]
    table = pd.concat(tables, ignore_index=True)
    return _by_level(table.assign(value=[f"{score:.1f}" for score in table["score"]]), link="7_judge/{}")


def _by_level(cells: pd.DataFrame, *, link: str | None = None) -> pd.DataFrame:
    """Rows: strategy, size and seed. Columns: levels; baselines have none and fill a column `random`."""
    named = cells["dataset"].str.extract(DATASET.pattern)
    level = named["level"].map(lambda text: "random" if pd.isna(text) else f"{int(text)} %")
    strategy = [_link(name, link.format(name)) if link else name.replace("-", " ") for name in cells["strategy"]]
    table = cells.assign(strategy=strategy, N=named["size"].astype(int), seed=named["seed"].astype(int), level=level)
    order = sorted(table["level"].unique(), key=lambda text: -1 if text == "random" else int(text.split()[0]))
    rows = ["strategy", "N", "seed"]
    wide = table.set_index([*rows, "level"])["value"].unstack("level")[order].fillna("").reset_index()  # noqa: PD010
    dull = [name for name in ("N", "seed") if len(set(wide[name])) == 1]
    return wide.drop(columns=dull).rename_axis(columns=None)


def _link(strategy: str, page: str) -> str:
    return f"[{strategy.replace('-', ' ')}]({page}.ipynb)"


def runs(out: Layout) -> pd.DataFrame:
    """A row per stage: notebooks run, wall time of all and of the longest, peak memory of the largest process."""
    table = pd.DataFrame(load_manifests(out.root))
    stages = table.groupby("stage").agg(
        notebooks=("stage", "size"),
        seconds=("wall_seconds", "sum"),
        longest=("wall_seconds", "max"),
        memory=("peak_memory_mib", "max"),
    )
    stages = stages.round({"seconds": 0, "longest": 0}).astype(int).reset_index()
    stages.columns = ["stage", "notebooks", "seconds in all", "longest (s)", "peak memory (MiB)"]
    return stages


def distinct(out: Layout, key: str) -> list[str]:
    """The different values of one entry of the manifests, in order; more than one is worth the reader's notice."""
    return sorted({str(manifest[key]) for manifest in load_manifests(out.root)})


def versions(out: Layout) -> pd.DataFrame:
    """Packages and the versions that the notebooks ran with."""
    found: dict[str, set[str]] = {}
    for manifest in load_manifests(out.root):
        for package, version in manifest["packages"].items():
            found.setdefault(package, set()).add(version)
    rows = [(package, " and ".join(sorted(found[package]))) for package in sorted(found)]
    return pd.DataFrame(rows, columns=["package", "version"])


def modules(names: Sequence[str]) -> pd.DataFrame:
    """Every library module with the first line of its description and a link to its page."""
    rows = []
    for name in names:
        tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
        about = (ast.get_docstring(tree) or "").partition("\n")[0]
        rows.append((f"[{name}](api/{name}.md)", about))
    return pd.DataFrame(rows, columns=["module", "what it holds"])


def settings(study: Study) -> dict[str, tuple[str, pd.DataFrame]]:
    """For every section its description and a table: setting, value of this run, default."""
    plain = {name: value for name, value in study if not isinstance(value, BaseModel)}
    tables = {"The study": ("What stands above all sections.", _settings_table(plain, study))}
    for name, section in study:
        if isinstance(section, BaseModel):
            about = " ".join((type(section).__doc__ or "").split())
            tables[name] = (about, _settings_table(dict(section), section))
    return tables


def _settings_table(values: dict[str, Any], section: BaseModel) -> pd.DataFrame:
    fields = type(section).model_fields
    rows = []
    for key, value in values.items():
        default = (
            fields[key].get_default(call_default_factory=True) if not fields[key].is_required() else "(must be set)"
        )
        rows.append((f"`{key}`", _shown(value), "the same" if value == default else _shown(default)))
    return pd.DataFrame(rows, columns=["setting", "in this run", "default"])


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text.strip("[]").replace('"', "") if isinstance(value, list) else text
