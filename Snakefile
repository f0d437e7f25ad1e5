"""The study as a graph: one rule per notebook, one job per cell of the grid, each run by papermill.

`make report` runs it; by hand: `snakemake --cores 2 --config preset=smoke`. A job's settings are those that its
notebook reads, its code is the notebook and the library modules that this imports (`macromicro.study.dependencies`), so a
change reruns what depends on it and nothing else.
"""

import json
import shutil
from pathlib import Path

from macromicro.study import dependencies, params
from macromicro.study.files import write_aside
from macromicro.study.layout import Layout

study = params.load(config.get("preset", "smoke"), corpus=config.get("corpus"))
out = Layout(Path("outputs") / study.study)
NOTEBOOKS = Path("notebooks")
TINY = study.base_model.source == "tiny-llama"

# Jobs that use a GPU where there is one; `--resources gpu=1` then runs them one at a time.
GPU = 1 if shutil.which("nvidia-smi") else 0

# One thread per process (two processes beat one with two threads) and the same bytes on every run.
ENVIRONMENT = (
    "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false "
    "PYTHONHASHSEED=0 MPLBACKEND=module://matplotlib_inline.backend_inline"
)


onstart:
    for leftover in Path(out.root).rglob(".*.part"):  # of runs that were killed: this folder is locked by now
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    with write_aside(out.params) as path:
        path.write_text(params.dump(study), encoding="utf-8")


def code(stage):
    """The notebook of a stage and every library module that it imports."""
    return [NOTEBOOKS / f"{stage}.ipynb", *dependencies.modules_of(NOTEBOOKS / f"{stage}.ipynb")]


def settings(stage):
    """The settings that a stage reads, as a constant: a change of any of them reruns it."""
    read = {name: study.model_dump()[name] for name in dependencies.sections_of(NOTEBOOKS / f"{stage}.ipynb")}
    return lambda wildcards: json.dumps(read, sort_keys=True)


def execute(stage, **coordinates):
    """Shell command that runs a notebook into its log and takes it for done only on success.

    Raises ValueError if a coordinate is not among the notebook's parameters (papermill would only warn).
    """
    known = dependencies.coordinates_of(NOTEBOOKS / f"{stage}.ipynb")
    for name in ("preset", *coordinates):
        if name not in known:
            raise ValueError(f"notebooks/{stage}.ipynb has no parameter {name!r}: its parameters are {known}")
    given = " ".join(f"-r {name} '{value}'" for name, value in {"preset": out.params, **coordinates}.items())
    papermill = f"papermill -k python3 --no-progress-bar --log-output {NOTEBOOKS}/{stage}.ipynb {{log}} {given}"
    return f"{ENVIRONMENT} {papermill} > {{log}}.txt 2>&1 && mv {{log}} {{output.notebook}}"


def corpus_files():
    """What the samples are read from: the corpus file and the evaluation file beside it, or the pinned packages."""
    if study.corpus.source != "file":
        return [lock for lock in (Path("requirements.lock"),) if study.corpus.source == "pydocs" and lock.is_file()]
    beside = Path(study.corpus.path).parent / (study.corpus.eval_file or "")
    return [study.corpus.path, beside] if beside.is_file() else [study.corpus.path]


wildcard_constraints:
    part="instruction|response",
    granularity="macro|meso|micro",
    strategy="baseline|(instruction|response)-(macro|meso|micro)",
    dataset=r"n\d+(-d\d+)?-s\d+",


rule all:
    input:
        out.notebook("8_analyse"),


rule corpus:
    input:
        code("1_corpus"),
        files=corpus_files(),
    output:
        samples=out.samples,
        held_out=out.held_out,
        prompts=out.prompts,
        report=out.corpus_report,
        notebook=out.notebook("1_corpus"),
        manifest=out.manifest("1_corpus"),
    log:
        out.log("1_corpus"),
    params:
        settings=settings("1_corpus"),
    shell:
        execute("1_corpus")


rule base_model:
    input:
        code("0_base_model"),
        held_out=out.held_out if TINY else [],
    output:
        model=directory(out.base_model),
        notebook=out.notebook("0_base_model"),
        manifest=out.manifest("0_base_model"),
    log:
        out.log("0_base_model"),
    params:
        settings=settings("0_base_model"),
    priority: 1
    resources:
        gpu=GPU,
    shell:
        execute("0_base_model")


rule respond:
    input:
        code("2_respond"),
        samples=out.samples,
    output:
        samples=out.responded,
        notebook=out.notebook("2_respond"),
        manifest=out.manifest("2_respond"),
    log:
        out.log("2_respond"),
    params:
        settings=settings("2_respond"),
    shell:
        execute("2_respond")


rule annotate:
    input:
        code("3_annotate"),
        samples=out.responded,
        tokenizer=lambda cell: [out.base_model] if cell.granularity == "micro" else [],
    output:
        types=out.types("{part}-{granularity}"),
        notebook=out.notebook("3_annotate", "{part}-{granularity}"),
        manifest=out.manifest("3_annotate", "{part}-{granularity}"),
    log:
        out.log("3_annotate", "{part}-{granularity}"),
    params:
        settings=settings("3_annotate"),
    resources:
        gpu=GPU,
    shell:
        execute("3_annotate", part="{wildcards.part}", granularity="{wildcards.granularity}")


rule baseline:
    input:
        code("4_baseline"),
        samples=out.responded,
        tokenizer=out.base_model,
    output:
        datasets=[out.dataset("baseline", name) for name in study.baselines],
        levels=out.levels("baseline"),
        metrics=out.metrics("baseline"),
        notebook=out.notebook("4_baseline"),
        manifest=out.manifest("4_baseline"),
    log:
        out.log("4_baseline"),
    params:
        settings=settings("4_baseline"),
    resources:
        gpu=GPU,
    shell:
        execute("4_baseline")


rule select:
    input:
        code("4_select"),
        samples=out.responded,
        types=out.types("{part}-{granularity}"),
        tokenizer=out.base_model,
    output:
        datasets=[out.dataset("{part}-{granularity}", name) for name in study.datasets],
        levels=out.levels("{part}-{granularity}"),
        metrics=out.metrics("{part}-{granularity}"),
        notebook=out.notebook("4_select", "{part}-{granularity}"),
        manifest=out.manifest("4_select", "{part}-{granularity}"),
    log:
        out.log("4_select", "{part}-{granularity}"),
    params:
        settings=settings("4_select"),
    resources:
        gpu=GPU,
    shell:
        execute("4_select", part="{wildcards.part}", granularity="{wildcards.granularity}")


rule finetune:
    input:
        code("5_finetune"),
        dataset=out.dataset("{strategy}", "{dataset}"),
        levels=out.levels("{strategy}"),
        base_model=out.base_model,
    output:
        model=directory(out.model("{strategy}", "{dataset}")),
        notebook=out.notebook("5_finetune", "{strategy}/{dataset}"),
        manifest=out.manifest("5_finetune", "{strategy}/{dataset}"),
    log:
        out.log("5_finetune", "{strategy}/{dataset}"),
    params:
        settings=settings("5_finetune"),
    resources:
        gpu=GPU,
    shell:
        execute("5_finetune", strategy="{wildcards.strategy}", dataset="{wildcards.dataset}")


def models_of(cell):
    """The models that one answering job loads: all of a strategy, or all baselines."""
    names = study.baselines if cell.strategy == "baseline" else study.datasets
    return [out.model(cell.strategy, name) for name in names]


rule answer:
    input:
        code("6_answer"),
        models=models_of,
        base_model=out.base_model,
        prompts=out.prompts,
    output:
        answers=out.answers("{strategy}"),
        notebook=out.notebook("6_answer", "{strategy}"),
        manifest=out.manifest("6_answer", "{strategy}"),
    log:
        out.log("6_answer", "{strategy}"),
    params:
        settings=settings("6_answer"),
    resources:
        gpu=GPU,
    shell:
        execute("6_answer", strategy="{wildcards.strategy}")


rule judge:
    input:
        code("7_judge"),
        answers=out.answers("{strategy}"),
        baseline=out.answers("baseline"),
    output:
        verdicts=out.verdicts("{strategy}"),
        scores=out.scores("{strategy}"),
        notebook=out.notebook("7_judge", "{strategy}"),
        manifest=out.manifest("7_judge", "{strategy}"),
    log:
        out.log("7_judge", "{strategy}"),
    params:
        settings=settings("7_judge"),
    shell:
        execute("7_judge", strategy="{wildcards.strategy}")


rule analyse:
    input:
        code("8_analyse"),
        sorted((dependencies.LIBRARY / "paper_data").glob("*.csv")),
        scores=[out.scores(strategy) for strategy in study.strategies],
        levels=[out.levels(strategy) for strategy in study.strategies],
        metrics=[out.metrics(strategy) for strategy in study.strategies],
    output:
        results=directory(out.results),
        notebook=out.notebook("8_analyse"),
        manifest=out.manifest("8_analyse"),
    log:
        out.log("8_analyse"),
    params:
        settings=settings("8_analyse"),
    shell:
        execute("8_analyse")
