"""How long each cell of a study takes, from the speed of a machine and the lengths of texts."""

from macromicro.graph.cells import Cell, list_cells
from macromicro.graph.workload import count_judged
from macromicro.models.lengths import Lengths
from macromicro.models.smollm import SOURCE
from macromicro.models.speed import Speed
from macromicro.study.settings import Study

SECONDS = {"1_corpus": 55.0, "2_respond": 1.0, "3_population": 9.0, "3_annotate": 18.0, "4_rival": 10.0,
           "4_select": 10.0, "7_judge": 2.0, "8_analyse": 6.0, "9_ablations": 2.0}  # fmt: skip
"""What else a notebook takes, of `N_SAMPLES` samples and `N_DRAWN` of them in datasets: `smoke` on a slow core."""
N_SAMPLES, N_DRAWN = 8000, 3500
UNPACKING = 27.0
"""Seconds to read SmolLM2 out of its package."""
VALIDATION = 1.1
"""Training from nothing, with the checks of its loss, over its steps alone."""


def batch_prompts(study: Study, lengths: Lengths) -> int:
    """Prompts that are answered in one batch."""
    room = study.answer.batch_tokens // (round(lengths.prompt) + study.answer.max_new_tokens)
    return max(1, min(room, lengths.n_prompts))


def forecast(study: Study, lengths: Lengths, speed: Speed, *, texts_per_second: float) -> dict[str, float]:
    """Seconds of every cell by its id, those of starting its notebook included.

    Answers are taken to be as long as they may be. Requests to a language model that judges or tags take none: they
    go by its server.
    Parameters: texts_per_second, that are embedded by one process.
    """
    cells = list_cells(study)
    embedding = lengths.n_samples / texts_per_second
    seconds, embedded = {}, set[str]()
    for name, cell in cells.items():
        took = _seconds(study, cell, lengths, speed, texts_per_second)
        if cell.stage == "3_annotate" and "embed" in cell.settings and cell.settings["part"] not in embedded:
            embedded.add(cell.settings["part"])
            took += embedding
        seconds[name] = speed.start + took
    return seconds


def sum_by_stage(seconds: dict[str, float]) -> dict[str, float]:
    """Seconds of all cells of a stage together."""
    stages = dict.fromkeys(name.partition("/")[0] for name in seconds)
    return {stage: sum(took for name, took in seconds.items() if name.startswith(f"{stage}/")) for stage in stages}


def _seconds(study: Study, cell: Cell, lengths: Lengths, speed: Speed, texts_per_second: float) -> float:
    """Seconds of one cell once its notebook has started, without the embedding of samples."""
    if cell.stage == "0_base_model":
        return _base_model(study, speed)
    if cell.stage == "5_finetune":
        return _training(study, cell, lengths, speed)
    if cell.stage == "6_answer":
        return _answering(study, cell, lengths, speed)
    own = SECONDS[cell.stage]
    if cell.stage == "7_judge" and "similarity" in study.judge.kinds:
        return own + (count_judged(cell) + 2) * lengths.n_prompts / texts_per_second
    if cell.stage in ("4_select", "4_rival"):
        drawn = sum(_sizes(study, cell).values())
        return own * lengths.n_samples / N_SAMPLES * max(1.0, min(drawn, lengths.n_samples) / N_DRAWN)
    return own * max(0.2, lengths.n_samples / N_SAMPLES) if cell.stage == "3_annotate" else own


def _base_model(study: Study, speed: Speed) -> float:
    settings = study.base_model
    if settings.source == "tiny-llama":
        return VALIDATION * settings.n_tokens / speed.pretraining + 2 * speed.loading
    return 2 * speed.loading + (UNPACKING if settings.source == SOURCE else 0.0)


def _training(study: Study, cell: Cell, lengths: Lengths, speed: Speed) -> float:
    """Every model is loaded, trained and saved; an adapter is small."""
    sizes = _sizes(study, cell)
    n_trained = study.finetune.n_epochs * sum(sizes[member.parameters["dataset"]] for member in cell.members)
    per_model = speed.loading * (2 if study.finetune.method == "full" else 1)
    return n_trained * lengths.sample / speed.training + per_model * len(cell.members)


def _answering(study: Study, cell: Cell, lengths: Lengths, speed: Speed) -> float:
    """Every model reads all prompts, writes answers of full length, and reads the references where a judge asks."""
    n_batches = -(-lengths.n_prompts // batch_prompts(study, lengths))
    n_read = lengths.prompt + (lengths.prompt + lengths.reference if study.judge.reads_likelihood else 0)
    per_model = n_batches * study.answer.max_new_tokens * speed.step + lengths.n_prompts * n_read / speed.reading
    n_loaded = len(cell.members) if study.finetune.method == "full" else 1
    return len(cell.members) * per_model + n_loaded * speed.loading


def _sizes(study: Study, cell: Cell) -> dict[str, int]:
    """Samples of every dataset of the strategy and seed of a cell, by name."""
    chosen = study.strategy(cell.parameters["strategy"])
    return {dataset.name: dataset.size for dataset in chosen.datasets(cell.parameters["seed"])}
