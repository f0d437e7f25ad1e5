"""The cells of a study: for every notebook and coordinate what it reads, from which files, and what it makes.

A cell is one execution of one notebook. Its settings are those that it reads and no others, so that a change recomputes
what depends on it and nothing else. Fine-tuning and answering do several models in one cell; each of these is a cell
of its own among the cell's `members`, and is computed only if it is not done.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macromicro.study.dependencies import LIBRARY
from macromicro.study.files import digest
from macromicro.study.layout import find_root
from macromicro.study.portable import cut_paths
from macromicro.study.sections import HOW_TO_REACH
from macromicro.study.settings import SECTIONS_OF, UNTUNED, Dataset, Strategy, Study

STAGES = (
    *("1_corpus", "0_base_model", "2_respond", "3_population", "3_annotate", "4_rival", "4_select", "5_finetune"),
    *("6_answer", "7_judge", "8_analyse", "9_ablations"),
)
"""Notebooks in the order in which data passes through them."""


@dataclass(frozen=True)
class Cell:
    """One execution of a notebook (or, as a member, one model within it).

    Attributes
    ----------
    stage : the notebook's name, such as `3_annotate`.
    name : the cell among those of its stage, such as `response-micro/s0`; empty where the stage has one.
    parameters : what the notebook is given besides the preset.
    settings : what it reads of the settings, as values that JSON can hold.
    inputs, outputs : files and folders.
    members : the models that it computes, each a cell.
    """

    stage: str
    name: str
    parameters: dict[str, Any]
    settings: dict[str, Any]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    members: tuple["Cell", ...] = ()

    @property
    def id(self) -> str:
        """Stage and name, unique within a study."""
        return f"{self.stage}/{self.name or self.stage}"


def list_cells(study: Study) -> dict[str, Cell]:
    """All cells of a study by id, each after those whose outputs it reads."""
    made = [_corpus(study), _base_model(study), _respond(study), _population(study)]
    made += [*_annotations(study), *_selections(study)]
    for strategy in study.all_strategies:
        for seed in strategy.select.seeds:
            made += list(_models(study, strategy, seed))
    made.append(_untuned_answers(study))
    made += [_judge(study, study.strategy(name), seed) for name, seed in (*_judged(study), *_judged_untuned(study))]
    made.append(_analyse(study))
    if study.variants:
        made.append(_ablations(study))
    order = {stage: place for place, stage in enumerate(STAGES)}
    return {cell.id: cell for cell in sorted(made, key=lambda cell: order[cell.stage])}


def makers(cells: dict[str, Cell]) -> dict[Path, Cell]:
    """The cell (or member) that makes each file."""
    every = [part for cell in cells.values() for part in (*cell.members, cell)]
    return {path: cell for cell in reversed(every) for path in cell.outputs}


def cells_before(cell: Cell, cells: dict[str, Cell]) -> list[Cell]:
    """The cells whose outputs a cell reads, in order and each once."""
    made = {path: other for other in cells.values() for path in other.outputs}
    return list({made[path].id: made[path] for path in cell.inputs if path in made}.values())


def _section(study: Study, *names: str) -> dict[str, Any]:
    plain = study.model_dump(mode="json")
    return cut_paths({name: plain[name] for name in names}, marked=True)


def _asked(study: Study, section: str) -> dict[str, Any]:
    """What a language model's replies follow from, of a section that says how it is asked."""
    return {key: value for key, value in _section(study, section)[section].items() if key not in HOW_TO_REACH}


def _corpus(study: Study) -> Cell:
    out, corpus = study.out, study.corpus
    settings = _section(study, "corpus", "seed")
    settings["corpus"]["path"] = Path(corpus.path).name if corpus.source == "file" and corpus.path else corpus.path
    settings["corpus"]["eval_file"] = Path(corpus.eval_file).name if corpus.eval_file else None
    outputs = (out.samples, out.held_out, out.prompts, out.corpus_report)
    return Cell("1_corpus", "", {}, settings, tuple(_corpus_files(study)), outputs)


def _corpus_files(study: Study) -> Iterator[Path]:
    """The corpus file and the evaluation file beside it, or the pins of the packages that are read."""
    corpus, root = study.corpus, find_root()
    if corpus.source == "file":
        path = root / str(corpus.path)
        beside = path.parent / (corpus.eval_file or "")
        yield from [path, beside] if beside.is_file() else [path]
    elif corpus.source == "pydocs" and (root / "requirements.lock").is_file():
        yield root / "requirements.lock"


def _base_model(study: Study) -> Cell:
    out, source = study.out, study.base_model.source
    inputs = [out.held_out] if source == "tiny-llama" else []
    local = find_root() / source / "config.json"
    inputs += [local] if local.is_file() else []
    return Cell("0_base_model", "", {}, _section(study, "base_model", "seed"), tuple(inputs), (out.base_model,))


def _respond(study: Study) -> Cell:
    """Kept responses are one copy; a model's are made shard by shard, each a member of the cell."""
    out, settings = study.out, {"respond": {"mode": "keep"}, "seed": study.seed}
    if study.respond.mode == "keep":
        return Cell("2_respond", "", {}, settings, (out.samples,), (out.responded,))
    asked = {**settings, "respond": _asked(study, "respond")}
    shards = tuple(
        Cell("2_respond", f"shard-{n}", {"shard": n}, asked, (out.samples,), (out.responses(n),))
        for n in range(study.respond.n_shards)
    )
    outputs = (*(path for shard in shards for path in shard.outputs), out.responded)
    return Cell("2_respond", "", {}, asked, (out.samples,), outputs, shards)


def _population(study: Study) -> Cell:
    out, finetune = study.out, study.finetune
    conversation = {"max_tokens": finetune.max_tokens, "template": finetune.template}
    settings = {**_section(study, "population"), "finetune": conversation}
    return Cell("3_population", "", {}, settings, (out.responded, out.base_model), (out.population,))


def _annotations(study: Study) -> Iterator[Cell]:
    for strategy in study.all_strategies:
        if strategy.granularity is None:
            continue
        sections = [*SECTIONS_OF[strategy.granularity], "types"]
        if study.types.untyped == "nearest" and "embed" not in sections:
            sections.append("embed")
        own = {"part": strategy.part, "granularity": strategy.granularity}
        settings = {**_section(study, *sections, "seed"), **own, **_resolved(strategy, sections)}
        if strategy.granularity == "meso" and strategy.tags.tagger == "llm":
            settings["tag_llm"] = _asked(study, "tag_llm")
        tokens = strategy.tokens
        by_base_model = strategy.granularity == "micro" and tokens.unit == "token" and tokens.tokenizer is None
        inputs = (study.out.responded, *([study.out.base_model] if by_base_model else []))
        given = {"strategy": strategy.name}
        yield Cell("3_annotate", strategy.name, given, settings, inputs, (study.out.types(strategy.name),))


def _resolved(strategy: Strategy, sections: list[str]) -> dict[str, Any]:
    """The sections that a strategy may set for itself, as it has them."""
    own = {name: value for name, value in strategy.model_dump(mode="json").items() if name in sections}
    return cut_paths(own, marked=True)


def _selections(study: Study) -> Iterator[Cell]:
    out = study.out
    for strategy in study.all_strategies:
        own = strategy.model_dump(mode="json", include={"part", "granularity", "method", "select"})
        kept = {"sizes", "length", "share", *(("levels", "budget", "pruning") if strategy.has_levels else ())}
        own["select"] = {key: value for key, value in own["select"].items() if key in kept}
        typed = [out.types(strategy.name)] if strategy.granularity else []
        for seed in strategy.select.seeds:
            datasets = [out.dataset(strategy.name, dataset.name) for dataset in strategy.datasets(seed)]
            tables = [out.levels(strategy.name, seed), out.metrics(strategy.name, seed)]
            yield Cell(
                "4_select" if strategy.has_levels else "4_rival",
                f"{strategy.name}/s{seed}",
                {"strategy": strategy.name, "seed": seed},
                {**_section(study, "seed", "embed"), **own},
                (out.responded, out.population, out.base_model, *typed),
                (*datasets, *tables),
            )


def _models(study: Study, strategy: Strategy, seed: int) -> Iterator[Cell]:
    """Fine-tuning and answering of the datasets of a strategy and seed, so many models in a cell."""
    datasets, n = strategy.datasets(seed), study.finetune.models_per_job
    batches = [datasets[start : start + n] for start in range(0, len(datasets), n)]
    for place, batch in enumerate(batches):
        name = f"{strategy.name}/s{seed}" if len(batches) == 1 else f"{strategy.name}/s{seed}-{place + 1}"
        for stage, member in (("5_finetune", _model), ("6_answer", _answers)):
            members = tuple(member(study, dataset) for dataset in batch)
            given = {"strategy": strategy.name, "seed": seed, "batch": place + 1}
            inputs = tuple(dict.fromkeys(path for one in members for path in one.inputs))
            outputs = tuple(path for one in members for path in one.outputs)
            yield Cell(stage, name, given, members[0].settings, inputs, outputs, members)


def _model(study: Study, dataset: Dataset) -> Cell:
    settings = _section(study, "finetune", "seed")
    alone = ["processes"] if study.finetune.processes == 1 else []
    for without_effect in ("models_per_job", "save_every_minutes", *alone):
        settings["finetune"].pop(without_effect)
    out, place = study.out, (dataset.strategy, dataset.name)
    given = {"dataset": dataset.name, "seed": dataset.seed}
    inputs = (out.dataset(*place), out.base_model)
    return Cell("5_finetune", "/".join(place), given, settings, inputs, (out.model(*place),))


def _answers(study: Study, dataset: Dataset) -> Cell:
    out, place = study.out, (dataset.strategy, dataset.name)
    given = {"dataset": dataset.name}
    inputs, settings = (out.model(*place), out.prompts, out.base_model), _answering(study)
    return Cell("6_answer", "/".join(place), given, settings, inputs, (out.answers(*place),))


def _answering(study: Study) -> dict[str, Any]:
    """What answers depend on: of the judge only whether one reads likelihoods, of training only the template."""
    read = {"judge": {"reads_likelihood": study.judge.reads_likelihood}}
    return {**_section(study, "answer", "seed"), **read, "finetune": {"template": study.finetune.template}}


def _untuned_answers(study: Study) -> Cell:
    """The answers of the base model, whose draws at a temperature go by the study's seed alone: once in a study."""
    out = study.out
    inputs, outputs = (out.base_model, out.prompts), (out.answers(UNTUNED, UNTUNED),)
    settings = _answering(study)
    member = Cell("6_answer", f"{UNTUNED}/{UNTUNED}", {"dataset": UNTUNED}, settings, inputs, outputs)
    given = {"strategy": UNTUNED, "seed": None, "batch": 1}
    return Cell("6_answer", UNTUNED, given, settings, inputs, outputs, (member,))


def _judged(study: Study) -> list[tuple[str, int]]:
    return [(name, seed) for name in study.strategies for seed in study.strategy(name).select.seeds]


def _judged_untuned(study: Study) -> list[tuple[str, int]]:
    return [(name, seed) for name, one in study.untuned.items() for seed in one.select.seeds]


def _judge(study: Study, strategy: Strategy, seed: int) -> Cell:
    out = study.out
    against = Dataset(strategy.baseline, strategy.baseline_size, None, seed)
    owner = UNTUNED if strategy.is_untuned else strategy.name
    answers = [out.answers(owner, dataset.name) for dataset in strategy.datasets(seed)]
    return Cell(
        "7_judge",
        f"{strategy.name}/s{seed}",
        {"strategy": strategy.name, "seed": seed},
        _judging(study),
        (*answers, out.answers(against.strategy, against.name), out.prompts),
        (out.verdicts(strategy.name, seed), out.scores(strategy.name, seed)),
    )


def _judging(study: Study) -> dict[str, Any]:
    """The settings that verdicts follow from: of the judges, and of what each of them reads with."""
    settings = _section(study, "judge", "seed")
    settings["judge"]["kinds"] = study.judge.all_kinds
    if "similarity" in study.judge.kinds:
        settings |= _section(study, "embed")
    if "llm" in study.judge.kinds:
        prompts = {path.stem: digest(path) for path in sorted((LIBRARY / "judge" / "prompts").glob("*.txt"))}
        settings["judge_llm"] = {**_asked(study, "judge_llm"), "prompts": prompts}
    return settings


def _analyse(study: Study) -> Cell:
    out = study.out
    judged = (out.levels, out.metrics, out.verdicts, out.scores)
    files = [path(*cell) for cell in _judged(study) for path in judged]
    files += [path(*cell) for cell in _judged_untuned(study) for path in (out.verdicts, out.scores)]
    files += [out.levels(one.name, seed) for one in study.baselines.values() for seed in one.select.seeds]
    files += [out.losses(one.name, dataset.name) for one in study.all_strategies for dataset in one.datasets()]
    strategies = [study.strategy(name) for name in study.strategies]
    about = {"family", "part", "granularity", "method"}
    described = {one.name: one.model_dump(mode="json", include=about) for one in strategies}
    for one in strategies:
        described[one.name] |= one.select.model_dump(mode="json", include={"length", "budget"})
    settings = {**_section(study, "analyse", "judge", "seed"), "strategies": described}
    return Cell("8_analyse", "", {}, settings, tuple(files), (out.results,))


def _ablations(study: Study) -> Cell:
    """What variants change: their slopes as the analysis has them, their datasets beside those of the default."""
    out, variants = study.out, study.variants
    strategies = [study.strategy(name) for name in dict.fromkeys([*variants.values(), *variants])]
    files = [out.levels(one.name, seed) for one in strategies for seed in one.select.seeds]
    files += [out.dataset(one.name, dataset.name) for one in strategies for dataset in one.datasets()]
    return Cell("9_ablations", "", {}, {"variants": variants}, (out.results, *files), (out.ablations,))
