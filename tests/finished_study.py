"""The folder of a finished study, small but with all that the book reads: two families, a rival, two seeds, batches."""

import base64
import json
from pathlib import Path
from typing import get_args

import nbformat
import numpy as np
import pandas as pd
from macromicro.analyse.declared import Roles, compare_declared
from macromicro.analyse.outcome import analyse_levels
from macromicro.annotate.types import TypeMatrix, save_types
from macromicro.graph import provenance
from macromicro.graph.cells import Cell, list_cells
from macromicro.judge.score import POINTS, score_verdicts
from macromicro.study import params
from macromicro.study.layout import Layout
from macromicro.study.sections import Part
from macromicro.study.settings import Strategy, Study
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from scipy import sparse

DOT = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
).decode()

WIDE = pd.DataFrame({f"a column of number {place}": [place, 10 * place] for place in range(12)})
STYLED = WIDE.style.format("{:,}").set_caption("a caption")


def executed(title: str, given: str = "", picture: str = DOT) -> nbformat.NotebookNode:
    """A notebook as papermill leaves it, with a picture, a table and noise on standard error."""
    here = '"/home/someone/clone/outputs/tiny/params.yaml"'
    return new_notebook(
        metadata={"papermill": {"duration": 3}, "language_info": {"name": "python", "pygments_lexer": "ipython3"}},
        cells=[
            new_markdown_cell(f"# {title}\n\nWhat we will see: $k$ types. Next: [select](4_select.ipynb)."),
            new_code_cell('preset = "smoke"\npart = "response"', metadata={"tags": ["parameters"]}),
            new_code_cell(f"preset = {here}\n{given}", metadata={"tags": ["injected-parameters"]}),
            new_code_cell("import pandas as pd\nfrom macromicro.plots.training import plot_losses"),
            new_markdown_cell("## The table"),
            new_code_cell(
                "plot_losses(table)",
                outputs=[
                    new_output("stream", name="stderr", text="a long warning\n"),
                    new_output("stream", name="stdout", text="saved /home/someone/clone/outputs/tiny/x.parquet\n"),
                    new_output(
                        "display_data", {"image/png": picture, "text/plain": "/home/someone/clone/lib/macromicro/x.py"}
                    ),
                    new_output("display_data", {"text/html": STYLED.to_html(), "text/plain": "a styled table"}),
                    new_output("display_data", {"text/html": WIDE.to_html(), "text/plain": "a table"}),
                ],
            ),
        ],
    )


def write(notebook: nbformat.NotebookNode, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


STRATEGIES = {
    "response-micro": {"granularity": "micro"},
    "narrow_band": {"granularity": "micro", "family": "bands", "tokens": {"low": 9}},
    "longest": {"method": "longest", "family": "rivals"},
}
N_SAMPLES = 1234
N_PROMPTS = 200  # that were answered and scored; six more were used
SHARES = {0: (0.48, 0.525, 0.51), 1: (0.49, 0.535, 0.525)}  # of prompts won at each level; later seeds as 1
ANSWERS = [
    ("1. Does the score rise with diversity?", "response-micro at N = 5", "confirmed", "It rises."),
    ("5. Does it pay?", "each of six strategies", "not asked", "This study has no random rival beside others."),
]
BATCH_SECONDS, MODEL_SECONDS, OTHER_SECONDS = 1.0, 10.0, 12.4


def finish_study(root: Path, *, seeds: tuple[int, ...] = (0, 1), models_per_job: int = 3) -> Study:
    """Write a study of three levels, as if it had been run, to the folder `root`; its settings."""
    settings = params.load("smoke").model_dump()
    settings["select"].update(levels=[0, 50, 100], sizes=[5], seeds=list(seeds))
    settings["finetune"]["models_per_job"] = models_per_job
    study = Study.model_validate({**settings, "study": "tiny", "strategies": STRATEGIES})
    out = Layout(root)
    for cell in list_cells(study).values():
        stage = cell.stage.partition("_")[2].capitalize()
        write(executed(f"{stage}: what is it?"), out.notebook(cell.stage, cell.name))
        for one in (*cell.members, cell):
            own = BATCH_SECONDS if cell.members else OTHER_SECONDS
            write_manifest(out.manifest(one.stage, one.name), one, own if one is cell else MODEL_SECONDS)
    out.params.write_text(params.dump(study), encoding="utf-8")
    write_tables(out, study)
    return study


def write_manifest(path: Path, cell: Cell, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"stage": cell.stage, "cell": cell.name, "seed": 0, "packages": provenance.package_versions()}
    facts |= {"commit": "abcdef012345", "device": "a processor", "python": "3.11.7"}
    facts |= {"used": {"dtype": "bfloat16"}} if cell.stage == "6_answer" else {}
    path.write_text(json.dumps({**facts, "wall_seconds": seconds, "peak_memory_mib": 812}), encoding="utf-8")


def write_tables(out: Layout, study: Study) -> None:
    """Everything but notebooks and manifests."""
    tables = {
        out.responded: pd.DataFrame({"id": range(N_SAMPLES), "source": "alpaca", "licence": "CC-BY-NC-4.0"}),
        out.prompts: pd.DataFrame({"id": range(N_PROMPTS + 6)}),
    }
    for strategy in study.all_strategies:
        if strategy.granularity:
            _write_types(out.types(strategy.name))
        for seed in strategy.select.seeds:
            tables |= _tables_of(out, strategy, seed)
    report = {
        "candidates": 300,
        "near_a_sample": 60,
        "near_a_base-model_text": 14,
        "not_used": 20,
        "used": N_PROMPTS + 6,
    }
    out.corpus_report.parent.mkdir(parents=True, exist_ok=True)
    out.corpus_report.write_text(json.dumps({"prompts": report}), encoding="utf-8")
    strategies = [study.strategy(name) for name in study.strategies]
    points, verdicts = (pd.concat(map(tell, strategies), ignore_index=True) for tell in (_points, _verdicts))
    shared = {"metric": "IE", "n": 3, "r": 0.5, "low": -1.0, "high": 1.0, "family": "paper"}
    for name, table in analyse_levels(verdicts, points, **dict(study.analyse))._asdict().items():
        tables[out.results / f"{name}.parquet"] = table
    tables[out.results / "scores.parquet"] = points
    tables |= _untuned_tables(out, study)
    tables[out.results / "correlations.parquet"] = pd.DataFrame([{"part": part, **shared} for part in get_args(Part)])
    slopes = tables[out.results / "slopes.parquet"]
    tables[out.results / "judge_slopes.parquet"] = pd.concat(
        [slopes.assign(judge="likelihood"), slopes.assign(judge="length", slope=-slopes["slope"])]
    )
    tables[out.results / "contrasts.parquet"] = compare_declared(points, Roles((), (), ()))
    tables[out.results / "answers.parquet"] = pd.DataFrame(
        ANSWERS, columns=["question", "subject", "answer", "sentence"]
    )
    for path, table in tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(path)


def _write_types(path: Path) -> None:
    carried = np.ones((N_SAMPLES, 2), dtype=np.uint8)
    carried[1:, 0] = 0
    matrix = sparse.csr_array(carried)
    ids, labels = np.array([f"{row:04}" for row in range(N_SAMPLES)], dtype=object), np.array(["x", "y"], dtype=object)
    report = {"untyped": {"policy": "nearest", "n": 1, "n_samples": N_SAMPLES}}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_types(TypeMatrix(matrix=matrix, ids=ids, labels=labels, report=report), path)


def _tables_of(out: Layout, strategy: Strategy, seed: int) -> dict[Path, pd.DataFrame]:
    """What the stages from selecting to judging leave of one strategy and seed."""
    datasets = strategy.datasets(seed)
    names, n = [dataset.name for dataset in datasets], len(datasets)
    levels = pd.DataFrame({"dataset": names, "size": 5, "seed": seed, "instruction_tokens": 7.0})
    levels["level"] = pd.array([dataset.level for dataset in datasets], dtype="Int64")
    levels["response_tokens"] = [40.0, 50.0, 60.0][:n]
    if strategy.has_levels:
        levels = levels.assign(
            n_types_covered=[3, 4, 5], pool_size=[5, 6, 7], coverage=[0.3, 0.4, 0.5], evenness=[0.5, 0.6, 0.7]
        )
    scores = _points(strategy).query("seed == @seed")[[*SCORED, "margin"]].assign(judge="likelihood")
    tables = {out.levels(strategy.name, seed): levels, out.scores(strategy.name, seed): scores}
    likelihood = {"prompt_id": "p", "n_answer_tokens": 4, "log_likelihood": -70.0, "n_bytes": 100}
    for name in names:
        answers = pd.DataFrame({"dataset": name, **likelihood}, index=range(N_PROMPTS))
        tables[out.answers(strategy.name, name)] = answers.assign(prompt_id=[f"p{row:03}" for row in range(N_PROMPTS)])
        steps = pd.DataFrame({"step": [1, 2], "tokens": [1000, 2345], "loss": [5.0, 4.25]})
        tables[out.model(strategy.name, name) / "loss.parquet"] = steps
    return tables


def _untuned_tables(out: Layout, study: Study) -> dict[Path, pd.DataFrame]:
    """The answers and scores of the base model as it is, by seed, and what the analysis makes of them."""
    answer = {"dataset": "untuned", "prompt_id": "p", "n_answer_tokens": 9, "log_likelihood": -140.0, "n_bytes": 100}
    tables, beside = (
        {
            out.answers("untuned", "untuned"): pd.DataFrame(
                [{**answer, "prompt_id": f"p{row:03}"} for row in range(N_PROMPTS)]
            )
        },
        [],
    )
    for seed in study.baselines["baseline"].select.seeds:
        scored = {"score": 4.5 + seed, "low": 2.0, "high": 8.0, "margin": -0.2}
        tables[out.scores("untuned", seed)] = pd.DataFrame([{"dataset": "untuned", "judge": "likelihood", **scored}])
        beside.append({"strategy": "untuned", "baseline": "baseline", "baseline_size": 5, "seed": seed, **scored})
    return {**tables, out.results / "untuned.parquet": pd.DataFrame(beside)}


SCORED = ["dataset", "score", "low", "high", "n_wins", "n_ties", "n_losses"]


def _verdicts(strategy: Strategy) -> pd.DataFrame:
    """A win or a loss on every prompt for every model, so that scores are those of `SHARES`."""
    tables = []
    for seed in strategy.select.seeds:
        for place, dataset in enumerate(strategy.datasets(seed)):
            rng = np.random.default_rng([seed, place, len(strategy.name)])
            difficulty = np.arange(N_PROMPTS) / N_PROMPTS + rng.standard_normal(N_PROMPTS)
            points = (difficulty.argsort().argsort() < round(N_PROMPTS * SHARES[min(seed, 1)][place])).astype(float)
            table = pd.DataFrame({**dataset._asdict(), "dataset": dataset.name, "points": points}, columns=VERDICTS)
            tables.append(table.assign(margin=(points - 0.5) * rng.uniform(0.1, 1.0, N_PROMPTS)))
    verdicts = pd.concat(tables, ignore_index=True)
    verdicts["prompt_id"] = [f"p{place % N_PROMPTS:03}" for place in range(len(verdicts))]
    names = {points: name for name, points in POINTS.items()}
    return verdicts.assign(verdict=verdicts["points"].map(names)).astype({"level": float})


VERDICTS = ["strategy", "dataset", "size", "level", "seed", "points"]


def _points(strategy: Strategy) -> pd.DataFrame:
    """A row per model with its score."""
    verdicts = _verdicts(strategy)
    about = {key: getattr(strategy, key) for key in ("family", "part", "granularity", "method")}
    models = verdicts.drop_duplicates("dataset")[["strategy", "dataset", "size", "level", "seed"]].assign(**about)
    return models.merge(score_verdicts(verdicts, n_bootstrap=100, confidence=0.95, seed=0), on="dataset")
