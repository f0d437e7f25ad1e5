"""Run a command no longer than the process that asked for it lives.

`python -m macromicro.models.guard PARENT LOG COMMAND...` is what `serve` starts. The command and all that it starts are
a group of processes, which is ended when the command ends, when the guard is told to end, and when PARENT is gone, also
by `kill -9`. So it is when the guard itself is killed: a shell beside it waits for that. What the command prints goes
to the file LOG, without keys and folders of the machine.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from macromicro.study.portable import redact

LOOK_EVERY = 0.2
GRACE = 15.0
"""Seconds between two looks at the parent, and those that a command has to end when it is asked to."""
WHEN_GONE = f"read _; kill -s TERM -- -{{group}}; sleep {GRACE:g}; kill -s KILL -- -{{group}}"
"""What ends the command's group where the guard no longer can."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit status, negative where a signal ended it. Arguments as above."""
    parent, log, *command = arguments
    told = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    with Path(log).open("a", encoding="utf-8") as target:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
        )
        assert process.stdout is not None
        beside = subprocess.Popen(
            ["sh", "-c", WHEN_GONE.format(group=process.pid)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )  # it reads to the end of a pipe that only this process holds open
        copying = threading.Thread(target=_copy, args=(process.stdout, target), daemon=True)
        copying.start()
        while process.poll() is None and not told.is_set() and os.getppid() == int(parent):
            told.wait(LOOK_EVERY)
        _end(process)
        beside.kill()
        beside.wait()
        copying.join(timeout=1)
    return process.returncode


def _copy(lines: IO[bytes], target: IO[str]) -> None:
    """Write lines to a file as they come, each at once."""
    for line in lines:
        target.write(redact(line.decode("utf-8", errors="replace")))
        target.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and its whole group: asked first, killed where it does not."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=GRACE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
