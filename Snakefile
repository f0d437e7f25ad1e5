"""The study as a graph: one rule per notebook, one job per cell of the grid, each run by papermill.

`make report` runs it. A job's product is a stamp, an empty file that stands for everything that its notebook made:
stamps are given and taken here, before the graph is drawn, by comparing contents with what the manifests say
(`macromicro.graph.freshness`). So a changed setting, module or file reruns what depends on it, and a copied or renamed
checkout reruns nothing.
"""

import os
import shutil

from macromicro.graph import cells, freshness, warm
from macromicro.graph.execute import ENVIRONMENT
from macromicro.study import params

study = params.load(config.get("preset") or os.environ.get("PRESET") or "smoke")
out = study.out
grid = cells.list_cells(study)
PRESET = os.path.relpath(out.params)

# Jobs that use a GPU where there is one; `--resources gpu=1` then runs them one at a time.
GPU = 1 if shutil.which("nvidia-smi") else 0

if workflow.is_main_process:
    freshness.reconcile(study)


def stamp(stage, cell="{cell}"):
    """Stamp of a cell, from the root of the repository."""
    return os.path.relpath(out.stamp(stage, cell))


def log(stage, cell="{cell}"):
    """What a cell prints."""
    return os.path.relpath(out.log(stage, cell)) + ".txt"


def before(stage):
    """Stamps of the cells whose outputs a cell of this stage reads."""
    return lambda wildcards: [
        stamp(cell.stage, cell.name)
        for cell in cells.cells_before(grid[f"{stage}/{getattr(wildcards, 'cell', stage)}"], grid)
    ]


def execute(stage, cell="{wildcards.cell}"):
    """Shell command that computes a cell."""
    return f"python -m macromicro.graph.warm macromicro.graph.execute {PRESET} {stage}/{cell} > {{log}} 2>&1"


onstart:
    # A process that has used a GPU cannot be forked, and beside what runs there a kernel's start is short.
    if not GPU:
        warm.start(ENVIRONMENT)


rule all:
    input:
        [stamp(cell.stage, cell.name) for cell in grid.values()],


rule corpus:
    output:
        stamp("1_corpus", ""),
    log:
        log("1_corpus", ""),
    shell:
        execute("1_corpus", "1_corpus")


rule base_model:
    input:
        before("0_base_model"),
    output:
        stamp("0_base_model", ""),
    log:
        log("0_base_model", ""),
    priority: 1
    resources:
        gpu=GPU,
    shell:
        execute("0_base_model", "0_base_model")


rule respond:
    input:
        before("2_respond"),
    output:
        stamp("2_respond", ""),
    log:
        log("2_respond", ""),
    resources:
        gpu=GPU if study.respond.mode == "regenerate" else 0,
    shell:
        execute("2_respond", "2_respond")


rule population:
    input:
        before("3_population"),
    output:
        stamp("3_population", ""),
    log:
        log("3_population", ""),
    shell:
        execute("3_population", "3_population")


rule annotate:
    input:
        before("3_annotate"),
    output:
        stamp("3_annotate"),
    log:
        log("3_annotate"),
    resources:
        gpu=GPU,
    shell:
        execute("3_annotate")


rule rival:
    input:
        before("4_rival"),
    output:
        stamp("4_rival"),
    log:
        log("4_rival"),
    resources:
        gpu=GPU,
    shell:
        execute("4_rival")


rule select:
    input:
        before("4_select"),
    output:
        stamp("4_select"),
    log:
        log("4_select"),
    resources:
        gpu=GPU,
    shell:
        execute("4_select")


rule finetune:
    input:
        before("5_finetune"),
    output:
        stamp("5_finetune"),
    log:
        log("5_finetune"),
    threads: study.finetune.processes
    resources:
        gpu=GPU,
    shell:
        execute("5_finetune")


rule answer:
    input:
        before("6_answer"),
    output:
        stamp("6_answer"),
    log:
        log("6_answer"),
    resources:
        gpu=GPU,
    shell:
        execute("6_answer")


rule judge:
    input:
        before("7_judge"),
    output:
        stamp("7_judge"),
    log:
        log("7_judge"),
    resources:
        gpu=GPU if "llm" in study.judge.kinds and not study.judge_llm.base_url else 0,
    shell:
        execute("7_judge")


rule analyse:
    input:
        before("8_analyse"),
    output:
        stamp("8_analyse", ""),
    log:
        log("8_analyse", ""),
    shell:
        execute("8_analyse", "8_analyse")


rule ablations:
    input:
        before("9_ablations"),
    output:
        stamp("9_ablations", ""),
    log:
        log("9_ablations", ""),
    shell:
        execute("9_ablations", "9_ablations")
