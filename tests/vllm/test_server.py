"""vLLM's server itself, from `.venv-vllm`, with SmolLM2 and two adapters of it: `make test-vllm`."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from macromicro.annotate.tag_llm import open_tag_writer
from macromicro.judge.judges import open_judges
from macromicro.models.answer import answer_models, how_answered
from macromicro.models.basemodel import load_tokenizer, load_weights
from macromicro.models.respond import respond_shards
from macromicro.models.serve import serve
from macromicro.models.server import Server
from macromicro.models.smollm import unpack_smollm2
from macromicro.study.sections import AnswerParams, EmbedParams, JudgeLlmParams, JudgeParams, RespondParams
from peft import LoraConfig, get_peft_model

pytestmark = pytest.mark.vllm
QUESTIONS = ["What is the capital of France?", "Name a fruit.", "What does `sorted` do in Python?", "Hello!"]
PROMPTS = pd.DataFrame({"id": list("abcd"), "instruction": QUESTIONS, "response": "-"})
SETTINGS = AnswerParams(max_new_tokens=24)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """SmolLM2 as it is, and two random adapters of it that change what it says."""
    folder = tmp_path_factory.mktemp("models")
    base = folder / "base_model"
    unpack_smollm2(base)
    made = {"untuned": base}
    for seed, name in enumerate(("one", "two")):
        torch.manual_seed(seed)
        settings = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False)
        adapted: Any = get_peft_model(load_weights(base, load_tokenizer(base)), settings)
        with torch.no_grad():
            for weight_name, weight in adapted.named_parameters():
                weight.mul_(0.3 if "lora_" in weight_name else 1.0)
        made[name] = folder / name
        adapted.save_pretrained(made[name], save_embedding_layers=False)
    return made


@pytest.fixture(scope="module")
def server(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """SmolLM2 for whoever asks it by the name `smollm2`."""
    log = tmp_path_factory.mktemp("log") / "server.txt"
    with serve(str(models["untuned"]), name="smollm2", log=log, max_length=2048) as running:
        yield running


def test_greedy_answers_of_adapters_are_those_of_transformers(models: dict[str, Path], tmp_path: Path) -> None:
    adapters = {name: models[name] for name in ("one", "two")}
    asked: dict[str, Any] = {"base": models["untuned"], "seed": 0, "likelihood": False, "log": tmp_path / "server.txt"}
    served = SETTINGS.model_copy(update={"engine": "server"})
    found = dict(answer_models(adapters, PROMPTS, settings=served, **asked))
    expected = dict(answer_models(adapters, PROMPTS, settings=SETTINGS, **asked))
    assert set(found) == set(adapters)  # in the order in which they were done
    for name in adapters:
        pd.testing.assert_frame_equal(found[name], expected[name])
    assert (found["one"]["answer"] != found["two"]["answer"]).any()
    used = how_answered(models["untuned"], served)
    assert (used["engine"], used["batch_invariant"]) == ("server", torch.cuda.is_available())
    assert "0." in used["vllm"]


def test_a_model_responds_through_the_server(server: Server, tmp_path: Path) -> None:
    reach: dict[str, Any] = {"base_url": server.base_url, "n_workers": 4, "timeout": 300.0}
    settings = RespondParams(mode="regenerate", model="smollm2", n_shards=2, max_tokens=12, **reach)
    asked: dict[str, Any] = {"settings": settings, "seed": 0, "cache": tmp_path / "replies.sqlite"}
    tables = [table for _, table in respond_shards(PROMPTS, [0, 1], **asked)]
    whole = pd.concat(tables)
    assert sorted(whole["id"]) == list("abcd")
    assert whole["ended"].isin(["whole", "truncated"]).all() and (whole["ended"] == "truncated").any()
    assert whole.set_index("id")["response"].str.contains("Paris")["a"]


def test_tags_are_written_through_the_server(server: Server, tmp_path: Path) -> None:
    cache = tmp_path / "tags.sqlite"
    reach: dict[str, Any] = {"base_url": server.base_url, "n_workers": 4, "max_retries": 1, "timeout": 300.0}
    writer = open_tag_writer(
        model="smollm2", revision=None, max_tokens=32, max_chars=500, max_untagged=1.0, cache=cache, **reach
    )
    tags, report = writer(QUESTIONS, 3)
    assert report["n_failed"] == 0
    assert sum(map(len, tags)) == 0 or max(map(len, tags)) <= 3
    assert report["n_texts"] == len(tags) == 4


def test_the_judge_reads_through_the_server(server: Server, tmp_path: Path) -> None:
    asked = JudgeLlmParams(model="smollm2", base_url=server.base_url, n_workers=4, timeout=300.0, max_tokens=16)
    judges = open_judges(
        ["llm"], judge=JudgeParams(max_missing=0.99), judge_llm=asked, embed=EmbedParams(), embeddings=None,
        replies=tmp_path / "judge.sqlite",
    )  # fmt: skip
    sides = [PROMPTS.rename(columns={"id": "prompt_id"}).assign(dataset=name, answer=name) for name in ("m", "b")]
    with suppress(ValueError):  # a model as small as this gives hardly any verdict that can be read
        told = judges["llm"](*[side.head(2) for side in sides])
        assert told["order"].tolist() == [1, 2, 1, 2]
    with closing(sqlite3.connect(tmp_path / "judge.sqlite")) as kept:
        replies = [reply for (reply,) in kept.execute("SELECT reply FROM replies")]
    assert len(replies) >= 4 and all(replies)
