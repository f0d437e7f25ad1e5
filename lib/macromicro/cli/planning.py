"""What the command `plan` does once its options are read: counts, hours, memory, disk and checks."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from macromicro.annotate.embed_models import PACKAGED, STATIC, STATIC_DIMENSIONS, load_encoder, resolve_dtype
from macromicro.api.messages import say
from macromicro.cli.plan_checks import Check, check_disk, check_packages, check_texts
from macromicro.cli.plan_output import GIB, show_plan
from macromicro.corpus.glance import Glance, glance, known_corpus
from macromicro.graph.cells import list_cells
from macromicro.graph.workload import Workload, count_work, simulate
from macromicro.judge.pairwise import read_prompt
from macromicro.models.architecture import Architecture, find_architecture
from macromicro.models.forecast import batch_prompts, forecast, sum_by_stage
from macromicro.models.lengths import CHARACTERS, Lengths, bound_lengths, measure_lengths
from macromicro.models.measurement import Asked, measure_speed
from macromicro.models.room import PROCESS, answering_memory, embeddings_on_disk, model_on_disk, training_memory
from macromicro.models.smollm import SOURCE as SMOLLM2
from macromicro.models.speed import Card, Speed, find_card, speed_of_card
from macromicro.study import params
from macromicro.study.compute import use_bf16
from macromicro.study.settings import Study

ON_CARD = ("0_base_model", "3_annotate", "4_rival", "4_select", "5_finetune", "6_answer")
"""Stages of which one notebook at a time runs where they share a card."""
N_EMBEDDED = 200
STATIC_RATE, CARD_RATE, OTHER_RATE = 5000.0, 2000.0, 50.0
"""Texts embedded a second by the static model, on a card, and by a model that is not on this machine; assumptions."""
MADE_HERE = ("tiny-llama", SMOLLM2)
"""Base models that a study writes out, in float32; of the hub's, its cache has a copy, mostly in 16 bits."""
MINILM_DIMENSIONS = 384
NOTEBOOK = 300_000
"""Bytes of an executed notebook with its manifest and log, about."""
CARD_BESIDE = 1e9
"""Bytes of a card that its driver and the kernels of torch take, about."""


@dataclass(frozen=True)
class Machine:
    """What the study runs on: a card of a name, or this machine (both None); notebooks at once."""

    name: str | None
    card: Card | None
    cores: int


def print_plan(
    preset: str,
    *,
    corpus: str | None,
    gpu: str | None,
    per_hour: float | None,
    cores: int,
    n_parameters: int | None,
    as_json: bool,
) -> int:
    """Print what a study will take; 1 if it cannot run so, else 0. Raises ValueError if the preset is not valid."""
    machine = Machine(gpu, find_card(gpu) if gpu else None, cores)
    study = params.load(preset, corpus=corpus)
    checks: list[Check] = []
    lengths = _look_at_corpus(study, checks)
    work = count_work(study, n_samples=lengths.n_samples, n_prompts=lengths.n_prompts)
    found: dict[str, Any] = {"study": study.study, **_counts(study, work, lengths)}
    checks += check_packages(study)
    try:
        shape, known_from = find_architecture(study.base_model, n_parameters=n_parameters)
    except ValueError as error:
        checks.append(Check("the base model must be there", False, "unknown", str(error)))
    else:
        found["model"] = {"source": study.base_model.source, "parameters": shape.n_parameters, "known": known_from}
        found["room"] = _room(study, shape, work, lengths, machine)
        memory = _check_memory(study, found["room"], machine)
        checks += [*memory, *check_disk(study.out.root, found["room"]["disk"])]
        if all(check.holds for check in memory):
            found["time"] = _time(study, shape, lengths, machine, per_hour)
    found["checks"] = [check._asdict() for check in checks]
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        show_plan(found)
    return 0 if all(check.holds for check in checks) else 1


def _look_at_corpus(study: Study, checks: list[Check]) -> Lengths:
    """The lengths of the corpus, or the most that they can be; what is wrong with it is added to `checks`."""
    say(f"looking at the corpus of {study.study}")
    began = time.perf_counter()
    try:
        seen = _read(study)
    except (ValueError, OSError) as error:
        found = " ".join(str(error).split())
        checks.append(Check("the corpus must be readable", False, found, "mend the file, or give --corpus FILE"))
        return bound_lengths(study)
    lengths = measure_lengths(study, seen)
    checks.append(Check("the corpus must be readable", True, f"{seen.seen}, {time.perf_counter() - began:.0f} s"))
    checks += check_texts(study, seen, lengths)
    return lengths


def _read(study: Study) -> Glance:
    """What was seen of the corpus: that which the study has read from packages, else the source itself."""
    out = study.out
    if study.corpus.source == "pydocs" and out.samples.is_file() and out.prompts.is_file():
        return known_corpus(pd.read_parquet(out.samples), pd.read_parquet(out.prompts), seed=study.seed)
    return glance(study.corpus, seed=study.seed)


def _counts(study: Study, work: Workload, lengths: Lengths) -> dict[str, Any]:
    """What the study will compute, in numbers; tokens of answers are the most that they can be."""
    n_said = len(read_prompt("pairwise") + read_prompt(study.judge_llm.reply)) / CHARACTERS
    n_judge_tokens = work.n_judge_calls * (n_said + lengths.prompt + 2 * study.answer.max_new_tokens)
    return {
        "cells": work.cells,
        "models": [{**row._asdict(), "tokens": round(row.n_samples * lengths.sample)} for row in work.models],
        "counts": {
            "samples": lengths.n_samples,
            "prompts": lengths.n_prompts,
            "tokens of a sample": round(lengths.sample, 1),
            "tokens counted by": lengths.counted_by,
            "models to train": work.n_models,
            "tokens to train": round(work.n_samples_trained * lengths.sample),
            "answers": work.n_answers,
            "tokens to read for answers": round(work.n_answers * lengths.prompt),
            "tokens to generate, at most": work.n_answers * study.answer.max_new_tokens,
            "judge calls": work.n_judge_calls,
            "tokens that the judge reads, at most": round(n_judge_tokens),
            "tokens that the judge writes, at most": work.n_judge_calls * study.judge_llm.n_written,
            "tag calls": work.n_tag_calls,
            "texts to embed, at most": work.n_texts,
        },
    }


def _room(study: Study, shape: Architecture, work: Workload, lengths: Lengths, machine: Machine) -> dict[str, float]:
    """Bytes of memory that one notebook takes at most, and of disk that the study does."""
    tune, answer = study.finetune, study.answer
    bf16 = {one: _bf16(wanted, machine) for one, wanted in (("tune", tune.bf16), ("answer", answer.bf16))}
    n_shares = tune.processes if machine.card else 1  # processors share a memory
    n_in_pass = min(tune.batch_size, -(-tune.batch_size * tune.gradient_accumulation // n_shares))
    pass_tokens = n_in_pass * min(tune.max_tokens, int(lengths.samples.max()))
    held = min(answer.batch_tokens, lengths.n_prompts * (int(lengths.prompts.max()) + answer.max_new_tokens))
    training = training_memory(shape, tune, pass_tokens=pass_tokens, bf16=bf16["tune"], n_shares=n_shares)
    source, weights = study.base_model.source, 4 * shape.n_parameters
    n_dimensions = STATIC_DIMENSIONS if study.embed.model == STATIC else MINILM_DIMENSIONS
    disk = {
        "models": work.n_models * model_on_disk(shape, tune),
        "base model": weights if source in MADE_HERE else 0 if Path(source).is_dir() else weights / 2,  # hub's cache
        "embeddings": embeddings_on_disk(work.n_texts, n_dimensions=n_dimensions),
        "texts": 4 * (3 * lengths.n_samples + sum(row.n_models * row.size for row in work.models)) * lengths.sample,
        "notebooks": NOTEBOOK * sum(work.cells.values()),
    }
    return {
        "training": training.total,
        "of it frozen": training.frozen,
        "of it trained": training.trained,
        "of it activations": training.activations,
        "answering": answering_memory(shape, answer, batch_tokens=held, bf16=bf16["answer"]),
        "disk": sum(disk.values()),
        **{f"disk: {name}": n for name, n in disk.items()},
    }


def _bf16(wanted: Any, machine: Machine) -> bool:
    """Whether it is computed in bfloat16 there: all cards of the table have it."""
    return wanted is not False if machine.card else use_bf16(wanted)


def _check_memory(study: Study, room: Mapping[str, float], machine: Machine) -> list[Check]:
    """Training and answering must fit the card, or so many of them at once this machine."""
    qlora, shared = "lower finetune.batch_size, or use finetune.method=qlora", "or more finetune.processes"
    tune = {"full": f"use finetune.method=lora, {shared}", "lora": qlora}
    ways = {"training": tune.get(study.finetune.method, "lower finetune.batch_size")}
    ways["answering"] = "lower answer.batch_tokens" + ("" if study.answer.bf16 else ", or use answer.bf16=auto")
    checks = []
    for what, way_out in ways.items():
        if machine.card:
            needed, there, place = room[what] + CARD_BESIDE, machine.card.memory, machine.name
        else:
            needed, there = machine.cores * (PROCESS + room[what]), float(psutil.virtual_memory().total)
            place, way_out = f"{machine.cores} notebooks on this machine", f"{way_out}, or run with fewer CORES"
        rule = f"{what} needs {needed / GIB:.1f} GiB ({place})"
        checks.append(Check(rule, needed <= there, f"{there / GIB:.1f} GiB", way_out))
    return checks


def _time(
    study: Study, shape: Architecture, lengths: Lengths, machine: Machine, per_hour: float | None
) -> dict[str, Any]:
    """Hours of the study, from the measured speed of this machine or the reckoned one of a card."""
    batch = batch_prompts(study, lengths)
    if machine.card:
        held = batch * (round(lengths.prompt) + study.answer.max_new_tokens)
        answers_in_bf16 = _bf16(study.answer.bf16, machine)
        speed = speed_of_card(machine.card, shape, study.finetune, held=held, bf16=answers_in_bf16)
    else:
        say(f"measuring this machine, {machine.cores} processes at once, for about a minute")
        pretrained = study.base_model if study.base_model.source == "tiny-llama" else None
        sample, prompt = max(2, round(lengths.sample)), max(1, round(lengths.prompt))
        asked = Asked(shape, study.finetune, study.answer, pretrained, sample, prompt, batch)
        speed = measure_speed(asked, n_at_once=machine.cores)
    rate, rate_known = _embedding_rate(study, machine)
    seconds = forecast(study, lengths, speed, texts_per_second=rate)
    alone = ON_CARD if machine.card else ()
    wall = simulate(list_cells(study), seconds, n_at_once=machine.cores, alone=alone)
    return {
        "machine": machine.name or f"this machine, {machine.cores} notebooks at once",
        "hours": round(wall / 3600, 3),
        **({"money": round(wall / 3600 * per_hour, 2)} if per_hour is not None else {}),
        "seconds of all notebooks, by stage": {name: round(took) for name, took in sum_by_stage(seconds).items()},
        "rates": _rates(speed, batch),
        "texts embedded a second": round(rate, 1),
        "embedding": rate_known,
    }


def _rates(speed: Speed, batch: int) -> dict[str, float]:
    """The speed of one process in the numbers that people know."""
    return {
        "tokens trained a second": round(speed.training, 1),
        "tokens of the base model trained a second": round(speed.pretraining, 1),
        "tokens read a second": round(speed.reading, 1),
        "tokens generated a second": round(batch / speed.step, 1),
        "seconds to load a model": round(speed.loading, 2),
        "seconds to start a notebook": round(speed.start, 1),
    }


def _embedding_rate(study: Study, machine: Machine) -> tuple[float, str]:
    """Texts that one process embeds in a second, and how that is known."""
    model, embed = study.embed.model, study.embed
    if model == STATIC:
        return STATIC_RATE, "assumed"
    if machine.card:
        return CARD_RATE, "assumed of a card"
    if model != PACKAGED and not Path(model).is_dir():
        return OTHER_RATE, "assumed, the model is not on this machine"
    encoder = load_encoder(model, embed.revision, embed.max_tokens, resolve_dtype(embed.dtype))
    texts = [f"text {place} " + "which model embeds how fast " * 8 for place in range(N_EMBEDDED)]
    encoder.encode(texts[:20], batch_tokens=embed.batch_tokens)
    began = time.perf_counter()
    encoder.encode(texts, batch_tokens=embed.batch_tokens)
    return N_EMBEDDED / (time.perf_counter() - began), "measured"
