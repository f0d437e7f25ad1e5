"""A server of language models as a process: started, looked after, started again once, and ended whatever happens."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from macromicro.models import guard
from macromicro.models.llm import KEY_VARIABLE, Reply, open_client
from macromicro.study.layout import find_root
from macromicro.study.portable import redact

if TYPE_CHECKING:
    from openai import OpenAI

HOST = "127.0.0.1"
START_SECONDS = 3600.0
"""How long a model may take to load: 70 billion parameters from a slow disk take long."""
LOOK_EVERY = 0.1
MEMORY_SIGNS = re.compile(
    r"out of memory|MemoryError|[Cc]an(no|')t allocate memory|No available memory for the cache blocks"
    r"|(less|larger) than (desired|the available KV cache|the maximum available KV)|[Nn]ot enough memory"
)
CAUSE = re.compile(r"^.*?\b((?:[\w.]+Error|Exception|RuntimeError): .+)$")
VARIABLES = {"VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "2"}
"""What vLLM is told by its environment, unless that says otherwise: to report nothing to anyone, and how many GiB of
keys and values a processor holds."""


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
            raise MemoryError(f"vLLM ran out of memory, {line.strip()[-200:]!r}: {where}")
        causes = [found[1] for line in said.splitlines() if (found := CAUSE.match(line))]
        last = (causes or said.splitlines()[-1:] or [""])[0]
        raise RuntimeError(f"vLLM's server died {self._n_starts} times, the last time of {last[:200]!r}: {where}")


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


def _environment() -> dict[str, str]:
    """The environment of this process, without the key of other servers."""
    return {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}


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
