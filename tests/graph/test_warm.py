"""A module that runs in a fork of the warm process does what it does in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from macromicro.graph import warm

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux only")


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A warm process, at which this one and those it starts ask."""
    started = warm.start({"TZ": "UTC"})
    yield started
    started.stdin.close()
    assert started.wait(30) == 0
    del os.environ[warm.ADDRESS]


@pytest.fixture
def run(process, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run code as a module, by default through the warm process."""

    def run(code: str, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(tmp_path, code, *arguments),
            cwd=tmp_path,
            env={**os.environ, **environment},
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def command(folder: Path, code: str, *arguments: str) -> list[str]:
    (folder / "asked.py").write_text(code)
    return [sys.executable, "-m", "macromicro.graph.warm", "asked", *arguments]


def alive(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return not Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].strip().startswith("Z")
    return False


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.time() + 60
    while not condition():
        assert time.time() < deadline
        time.sleep(0.05)


SHOWS = """
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ.get("SAID"), __name__, sys.stdin.read(), "torch" in sys.modules)
print("wrong", file=sys.stderr)
sys.exit(7)
"""


def test_a_module_finds_all_that_it_would_find_in_a_process_of_its_own(run, tmp_path):
    forked = run(SHOWS, "a", "--b", given="read", SAID="hello")
    apart = run(SHOWS, "a", "--b", given="read", SAID="hello", **{warm.ADDRESS: "nothing"})
    shown = f"['a', '--b'] {tmp_path} hello __main__ read"
    assert (forked.stdout, apart.stdout) == (f"{shown} True\n", f"{shown} False\n")
    for done in (forked, apart):
        assert (done.stderr, done.returncode) == ("wrong\n", 7)


def test_an_error_is_told_and_a_module_that_changes_is_read_again(run):
    done = run("raise ValueError('this is wrong')")
    assert done.returncode == 1 and done.stderr.endswith("ValueError: this is wrong\n")
    assert run("print('other')").stdout == "other\n"


def test_what_a_signal_ends_ends_as_if_it_had_been_the_module_itself(run):
    done = run("import os, signal; print('before', flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    assert (done.stdout, done.returncode) == ("before\n", -signal.SIGKILL)


def test_no_module_of_macromicro_is_in_a_fork(run):
    done = run("import sys; print(sorted(name for name in sys.modules if name.startswith('macromicro')))")
    assert done.stdout == "['macromicro', 'macromicro.graph']\n"


def test_many_at_a_time_are_told_apart(run, tmp_path):
    call = command(tmp_path, "import sys, time; time.sleep(0.2); sys.exit(int(sys.argv[1]))")
    running = [subprocess.Popen([*call, str(number)], cwd=tmp_path) for number in range(12)]
    assert [process.wait(120) for process in running] == list(range(12))


SLEEPS = """
import os, time
from pathlib import Path
Path("aside").write_text(str(os.getpid()))
Path("aside").rename("number")
time.sleep(600)
"""


def test_it_ends_with_its_caller(process, tmp_path):
    caller = subprocess.Popen(command(tmp_path, SLEEPS), cwd=tmp_path)
    wait_for((tmp_path / "number").exists)
    number = int((tmp_path / "number").read_text())
    assert alive(number)
    caller.kill()
    caller.wait()
    wait_for(lambda: not alive(number))


def test_it_ends_with_the_one_who_called_its_caller(process, tmp_path):
    middle = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    caller = subprocess.Popen([sys.executable, "-c", middle, *command(tmp_path, SLEEPS)], cwd=tmp_path)
    wait_for((tmp_path / "number").exists)
    number = int((tmp_path / "number").read_text())
    caller.kill()
    caller.wait()
    wait_for(lambda: not alive(number))


def test_all_end_with_the_one_who_started_the_warm_process(tmp_path, monkeypatch):
    monkeypatch.delenv(warm.ADDRESS, raising=False)
    call = command(tmp_path, SLEEPS)
    starts = "import subprocess, sys; from macromicro.graph import warm; warm.start({}); subprocess.run(sys.argv[1:])"
    starter = subprocess.Popen([sys.executable, "-c", starts, *call], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_for((tmp_path / "number").exists)
    number = int((tmp_path / "number").read_text())
    starter.kill()
    assert "was ended from outside" in starter.communicate(timeout=60)[1]
    wait_for(lambda: not alive(number))
