"""The model that responds is a real server process in vLLM's place (`vllm_stand_in`)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_study import enter_checkout, finish, members_waiting, waiting, write_preset
from macromicro.graph import execute
from macromicro.models.respond import count_responses, respond_shards, use_responses
from macromicro.study.sections import RespondParams
from vllm_stand_in import install_stand_in

GIVEN: dict[str, Any] = {"mode": "regenerate", "model": "some/model", "n_shards": 3, "max_retries": 0, "n_workers": 2}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(install_stand_in(tmp_path / "checkout"))
    return tmp_path / "checkout"


def make_samples(*instructions: str) -> pd.DataFrame:
    names = [f"s{row:02d}" for row in range(len(instructions))]
    return pd.DataFrame({"id": names, "instruction": instructions, "response": "as it was", "source": "x"})


def respond(samples: pd.DataFrame, folder: Path, shards: range | list[int] = range(3), **changes: Any) -> dict:
    settings = RespondParams(**{**GIVEN, **changes})
    found = respond_shards(samples, list(shards), settings=settings, seed=7, cache=folder / "replies.sqlite")
    return dict(found)


def asked(checkout: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (checkout / "asked.jsonl").open()]


def test_every_sample_is_in_one_shard_by_its_id_alone(checkout: Path, tmp_path: Path) -> None:
    samples = make_samples(*(f"question {row}" for row in range(30)))
    tables = respond(samples.iloc[::-1], tmp_path)
    assert list(tables) == [0, 1, 2]
    assert sorted(len(table) for table in tables.values())[0] >= 3
    whole = pd.concat(tables.values()).set_index("id")
    assert sorted(whole.index) == samples["id"].tolist()
    assert whole.loc["s07"].tolist() == ["read question 7", "whole"]
    fewer = respond(samples.iloc[:20], tmp_path)
    for shard, table in fewer.items():
        assert set(table["id"]) <= set(tables[shard]["id"])
    assert len(asked(checkout)) == 30, "a reply that was there was asked for again"


def test_how_tokens_are_drawn_is_asked_for_and_known_to_the_cache(checkout: Path, tmp_path: Path) -> None:
    samples = make_samples("one")
    respond(samples, tmp_path)
    respond(samples, tmp_path, temperature=0.5, top_p=0.9)
    respond(samples, tmp_path, temperature=0.5, top_p=0.9)
    greedy, drawn = asked(checkout)
    assert (greedy["temperature"], "seed" in greedy) == (0.0, False)
    assert (drawn["temperature"], drawn["top_p"], drawn["seed"]) == (0.5, 0.9, 7)
    respond(samples, tmp_path, revision="newer")
    assert len(asked(checkout)) == 3


@pytest.mark.filterwarnings("ignore:.*gave no reply")
def test_what_is_cut_or_missing_is_left_out_with_its_reason(checkout: Path, tmp_path: Path) -> None:
    samples = make_samples("short", "long", "refused", *(f"question {row}" for row in range(9)))
    settings = RespondParams(**{**GIVEN, "n_shards": 1, "max_missing": 0.1})
    tables = list(respond(samples, tmp_path, [0], n_shards=1, max_missing=0.1).values())
    used, out = use_responses(samples, tables, settings=settings)
    assert out[["id", "reason"]].to_numpy().tolist() == [["s01", "truncated"], ["s02", "missing"]]
    assert len(used) == 10 and used["response"][0] == "read short"
    assert used.columns.tolist() == samples.columns.tolist()
    kept, out = use_responses(samples, tables, settings=settings.model_copy(update={"truncated": "keep"}))
    assert (kept["response"][1], out["reason"].tolist()) == ("read long", ["missing"])
    facts = count_responses(tables)["responses"]
    assert facts[["whole", "truncated", "missing", "refusals", "words, median"]].tolist() == [10, 1, 1, 0, 3]
    rule = r"at most 0 of 12 responses of a shard may be missing \(respond.max_missing\), but 1"
    with pytest.raises(RuntimeError, match=rule):
        respond(samples, tmp_path, [0], n_shards=1, max_missing=0.05)


def test_refusals_are_told_by_how_they_begin() -> None:
    texts = ["I'm sorry, but I can't.", "I cannot help.", "As an AI language model", "Sorry, no.", "I can count.", None]
    table = pd.DataFrame({"id": range(6), "response": texts, "ended": ["whole"] * 5 + ["missing"]})
    assert count_responses([table])["responses"]["refusals"] == 4


def test_kept_responses_are_the_samples_and_lost_ones_an_error() -> None:
    samples = make_samples("one", "two")
    used, out = use_responses(samples, [], settings=RespondParams())
    assert used is samples and out.empty
    one = pd.DataFrame({"id": ["s00"], "response": ["a"], "ended": ["whole"]})
    with pytest.raises(ValueError, match="every sample must be in a shard, but 's01' is in none"):
        use_responses(samples, [one], settings=RespondParams(**GIVEN))
    with pytest.raises(ValueError, match=r"no response of 1 is left: raise respond\.max_tokens=1024"):
        use_responses(samples.head(1), [one.assign(ended="truncated")], settings=RespondParams(**GIVEN))


def test_regenerating_needs_a_model() -> None:
    with pytest.raises(ValueError, match="mode='regenerate' needs model"):
        RespondParams(mode="regenerate")


@pytest.mark.slow
def test_the_notebook_asks_only_for_shards_that_are_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter_checkout(tmp_path, monkeypatch)
    (tmp_path / ".venv-vllm").symlink_to(install_stand_in(tmp_path / "other") / ".venv-vllm")
    monkeypatch.setattr(execute.os, "environ", dict(execute.os.environ))
    pinned = {**GIVEN, "revision": "c" * 40}  # a commit is what it is, so that no hub is asked for it
    study = write_preset({f"respond.{key}": value for key, value in pinned.items()})
    samples = make_samples(*(f"question {row}" for row in range(30))).assign(licence="")
    study.out.samples.parent.mkdir(parents=True)
    samples.to_parquet(study.out.samples)
    finish(study)
    for path in (study.out.responses(1), study.out.responded):
        path.unlink()
    for shard in (0, 2):
        table = pd.DataFrame({"id": samples["id"], "response": f"shard {shard}", "ended": "whole"})
        numbers = np.floor(_places(samples["id"]) * 3).astype(int)
        table[numbers == shard].to_parquet(study.out.responses(shard))
    finish(study)
    study.out.responses(1).unlink()
    assert members_waiting(study, "2_respond/2_respond") == {"shard-1"}
    assert "2_respond/2_respond" in waiting(study)
    assert execute.compute("tiny", "2_respond/2_respond") == 0
    found = pd.read_parquet(study.out.responded)["response"]
    assert {"shard 0", "shard 2"} < set(found) and found.str.startswith("read question").sum() == len(asked(tmp_path))


def _places(ids: pd.Series) -> np.ndarray:
    from macromicro.corpus.split import places

    return places(ids, use="respond")
