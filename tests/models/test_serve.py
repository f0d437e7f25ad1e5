"""Against a real server process in vLLM's place (`vllm_stand_in`); `tests/vllm` runs vLLM itself."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from macromicro.models.asking import open_asking
from macromicro.models.serve import serve
from vllm_stand_in import install_stand_in

ASKING = {"n_workers": 2, "max_retries": 0, "timeout": 10.0, "max_tokens": 5}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(install_stand_in(tmp_path / "checkout"))
    return tmp_path / "checkout"


def processes(checkout: Path) -> list[int]:
    """Those that the stand-in ever was."""
    return [int(line) for line in (checkout / "processes.txt").read_text().split()]


def are_gone(numbers: list[int], seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while any(is_running(number) for number in numbers):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def is_running(number: int) -> bool:
    state = Path(f"/proc/{number}/stat")
    return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def adapter(folder: Path, base: str = "base", rank: int = 12) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base, "r": rank}))
    return folder


def ask(texts: list[str], **changes: object) -> list[tuple[int, str | None]]:
    talks = [[{"role": "user", "content": text}] for text in texts]
    with open_asking(**{"model": "some/model", "base_url": None, "log": None, **ASKING, **changes}) as asking:
        return sorted(asking(talks))


def test_a_server_answers_in_the_block_and_is_gone_after_it(checkout: Path) -> None:
    with serve("some/model", log=checkout / "logs" / "server.txt", revision="abc", max_length=99) as server:
        completion = server.open_client(max_retries=0, timeout=10.0).completions.create(
            model="some/model", prompt=[1, 2, 3], max_tokens=2
        )
        assert completion.choices[0].token_ids == [3, 2]
        running = processes(checkout)
        assert len(running) == 2 and all(map(is_running, running))
    assert are_gone(running, 0)
    said = (checkout / "logs" / "server.txt").read_text()
    assert "-m vllm.entrypoints.openai.api_server --model some/model" in said
    for options in ("--revision abc", "--max-model-len 99", "--host 127.0.0.1", "--generation-config vllm"):
        assert options in said
    assert "lora" not in said


def test_adapters_are_served_by_name_at_a_rank_that_vllm_knows(checkout: Path) -> None:
    adapters = {name: adapter(checkout / name, rank=rank) for name, rank in (("one", 4), ("two", 12))}
    with serve(str(checkout / "base"), log=checkout / "server.txt", adapters=adapters):
        said = (checkout / "server.txt").read_text()
    assert "--enable-lora --max-lora-rank 16 --max-loras 2 --max-cpu-loras 2 --lora-modules" in said
    assert said.index('"name": "one"') < said.index('"name": "two"')


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"base": "other"}, "the adapter one must be one of 'base', but it is of 'other'"),
        ({"rank": 513}, "lora_rank=513 must be at most 512"),
    ],
)
def test_an_adapter_that_cannot_be_served_is_refused_before_anything_starts(
    checkout: Path, given: dict[str, object], rule: str
) -> None:
    adapters = {"one": adapter(checkout / "one", **given)}
    with pytest.raises(ValueError, match=rule), serve(str(checkout / "base"), log=Path("log"), adapters=adapters):
        pass
    with pytest.raises(ValueError, match="params holds no adapter"):
        serve("x", log=Path("log"), adapters={"one": checkout / "params"}).__enter__()
    assert not (checkout / "processes.txt").exists()


def test_without_an_environment_it_says_what_makes_it(checkout: Path) -> None:
    (checkout / ".venv-vllm" / "bin" / "python").unlink()
    with pytest.raises(ValueError, match=r"environment \.venv-vllm is not there: `make vllm` makes it"):
        ask(["hello"])


def test_the_log_holds_no_key_and_the_server_gets_none_of_other_servers(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sesame-sesame")
    monkeypatch.setenv("HF_TOKEN", "hf_open_the_gate")
    ask(["hello"], log=checkout / "server.txt")
    said = (checkout / "server.txt").read_text()
    assert "key: None token: ***" in said
    assert str(checkout) not in said
    assert [json.loads(line)["key"] for line in (checkout / "asked.jsonl").open()] == ["Bearer none"]


def test_it_starts_when_first_asked_and_once(checkout: Path) -> None:
    with open_asking(model="m", base_url=None, log=None, **ASKING) as asking:
        assert list(asking([])) == []
        assert not (checkout / "processes.txt").exists()
        for _ in range(2):
            assert list(asking([[{"role": "user", "content": "hi"}]])) == [(0, "read hi")]
    assert len(processes(checkout)) == 2
    assert are_gone(processes(checkout), 0)


def test_a_given_address_is_asked_and_nothing_is_started(checkout: Path) -> None:
    with serve("m", log=Path("log")) as server:
        n_processes = len(processes(checkout))
        assert ask(["hello"], base_url=server.base_url) == [(0, "read hello")]
        assert len(processes(checkout)) == n_processes
    with pytest.raises(ConnectionError, match="cannot be reached"):
        ask(["hello"], base_url=server.base_url)


def test_a_server_that_dies_at_start_is_started_once_more(checkout: Path) -> None:
    (checkout / "die-at-start").write_text("1 ValueError: a passing fault")
    assert ask(["hello"]) == [(0, "read hello")]
    (checkout / "die-at-start").write_text("2 (EngineCore) ValueError: a lasting fault")
    with pytest.raises(RuntimeError, match=r"died 2 times, .*'ValueError: a lasting fault': see \./server.txt"):
        ask(["hello"], log=checkout / "server.txt")
    assert are_gone(processes(checkout), 0)


def test_too_little_memory_is_told_apart_and_not_tried_again(checkout: Path) -> None:
    (checkout / "die-at-start").write_text("2 torch.OutOfMemoryError: CUDA out of memory. Tried")
    with pytest.raises(MemoryError, match=r"vLLM ran out of memory, 'torch\.OutOfMemoryError: CUDA out of memory"):
        ask(["hello"], log=checkout / "server.txt")
    assert len(processes(checkout)) == 1


def test_what_had_no_reply_when_it_died_is_asked_again(checkout: Path) -> None:
    texts = [*(f"text {row}" for row in range(6)), "die", *(f"text {row}" for row in range(6, 12))]
    assert ask(texts) == [(row, f"read {text}") for row, text in enumerate(texts)]
    asked = [json.loads(line)["messages"][0]["content"] for line in (checkout / "asked.jsonl").open()]
    assert asked.count("die") == 2
    assert sum(asked.count(text) - 1 for text in texts) <= ASKING["n_workers"]
    assert are_gone(processes(checkout), 0)


def test_the_second_death_is_the_end(checkout: Path) -> None:
    (checkout / "die-at-start").write_text("1 a passing fault")
    with pytest.raises(RuntimeError, match="died 2 times"):
        ask(["die"])


def test_a_server_that_never_answers_is_ended(checkout: Path) -> None:
    (checkout / "hang").touch()
    with pytest.raises(TimeoutError, match=r"did not answer within 2 s: see \./log"):
        serve("m", log=checkout / "log", wait=2).__enter__()
    assert are_gone(processes(checkout), 0)


def test_no_process_is_left_when_the_guard_is_killed(checkout: Path) -> None:
    with serve("m", log=checkout / "log") as server:
        running = processes(checkout)
        assert server._process and all(map(is_running, running))
        server._process.kill()
        assert are_gone(running)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_is_left_when_the_one_that_asked_is_killed(checkout: Path, number: int) -> None:
    script = """
        import time
        from pathlib import Path
        from macromicro.models.serve import serve
        with serve("m", log=Path("log")) as server:
            print(server.base_url, flush=True)
            time.sleep(60)
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(serve.__wrapped__.__code__.co_filename).parents[2])}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as asking:
        assert asking.stdout is not None and asking.stdout.readline().startswith("http")
        running = processes(checkout)
        assert all(map(is_running, running))
        asking.send_signal(number)
    assert are_gone(running)
