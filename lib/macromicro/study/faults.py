"""What made a notebook fail, in one line, and whether it may pass by itself or will stop the notebooks after it too.

An ordinary exception repeats the same way and is not worth a second try; a kernel that died or a server that did not
answer is. Where the disk is full or read-only, or the memory is not enough, nothing that follows can succeed either.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["disk full", "read-only", "out of memory", "kernel died", "connection", "error"]
FATAL: tuple[Kind, ...] = ("disk full", "read-only", "out of memory")
PASSING: tuple[Kind, ...] = ("kernel died", "connection")

N_CHARACTERS = 300
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
HEADER = re.compile(r"^(\w+)\s+Traceback \(most recent call last\)$", re.MULTILINE)

# How the libraries in use say it; the first that is found counts.
SIGNS: dict[Kind, re.Pattern[str]] = {
    "disk full": re.compile(r"No space left on device|Errno 28\b|Disk quota exceeded|database or disk is full"),
    "read-only": re.compile(r"Read-only file system|Errno 30\b|attempt to write a readonly database"),
    "out of memory": re.compile(
        r"MemoryError\b|out of memory|[Cc]an(no|')t allocate memory|_STATUS_ALLOC_FAILED"
        r"|exit ?code[:=]? ?-9\b|Signals\.SIGKILL|killed by signal: Killed"
    ),
    "kernel died": re.compile(r"DeadKernelError|Kernel died|Kernel didn't respond"),
    "connection": re.compile(
        r"^[\w.]*(Connect(ion)?\w*Error|Time(d)?out\w*|RemoteDisconnected|RemoteProtocolError|gaierror)\b"
        r"|Connection (refused|reset|aborted)|couldn't connect|name resolution|timed out"
    ),
}


@dataclass(frozen=True)
class Failure:
    """What made a notebook fail: `cause`, a line for people, and `kind`, what to do about it."""

    cause: str
    kind: Kind

    @property
    def fatal(self) -> bool:
        """Whether what comes after it must fail as well, so that a study had better stop."""
        return self.kind in FATAL

    @property
    def worth_retrying(self) -> bool:
        """Whether the same notebook may succeed when it is executed again."""
        return self.kind in PASSING


def describe_failure(text: str, *, n_memory_kills: int = 0) -> Failure:
    """The cause of a failure and its kind, from what papermill raised: `NAME: message`, with the traceback if any.

    Parameters: n_memory_kills, by how much `count_memory_kills` grew meanwhile. papermill does not say what ended a
    kernel, so that one which was killed for its memory cannot be told from a crash by the text alone.

    An exception that led to the last one counts for the fatal kinds, and is then part of the cause.

    >>> describe_failure("OSError: [Errno 28] No space left on device: 'model'")
    Failure(cause="OSError: [Errno 28] No space left on device: 'model'", kind='disk full')
    """
    *earlier, last = _exceptions(ANSI.sub("", text))
    kind = _kind(last)
    if n_memory_kills and (kind == "kernel died" or "terminated abruptly" in last):
        return Failure(_shorten(f"{last} (a process was killed for want of memory)"), "out of memory")
    fatal = [line for line in earlier if _kind(line) in FATAL]
    if fatal and kind not in FATAL:
        return Failure(_shorten(f"{_shorten(last, N_CHARACTERS // 2)} (after {fatal[-1]})"), _kind(fatal[-1]))
    return Failure(_shorten(last), kind)


def count_memory_kills() -> int:
    """How many processes this machine has ended for want of memory since it started; 0 where it does not say."""
    counters = Path("/proc/vmstat")
    lines = counters.read_text().splitlines() if counters.is_file() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _exceptions(text: str) -> list[str]:
    """Name and message of every exception of a traceback, each in one line, the one that was raised last at the end.

    A text without a traceback is one exception.
    """
    names = HEADER.findall(text)
    if not names and "Traceback (most recent" not in text and not text.startswith("PapermillExecutionError"):
        return [" ".join(text.split()) or "no reason was given"]
    known = "|".join(map(re.escape, names)) or r"[\w.]*(?:Error|Exception|Exit|Interrupt)"
    starts = [match.start() for match in re.finditer(rf"^(?:{known})(?::.*)?$", text, re.MULTILINE)]
    if not starts:
        return [next(line for line in reversed(text.splitlines()) if line.strip(" -"))]
    blocks = [text[start:stop] for start, stop in zip(starts, [*starts[1:], len(text)], strict=True)]
    return [" ".join(block.split("\n\n")[0].split()).removesuffix(":") for block in blocks]


def _kind(line: str) -> Kind:
    return next((kind for kind, sign in SIGNS.items() if sign.search(line)), "error")


def _shorten(line: str, n_characters: int = N_CHARACTERS) -> str:
    return line if len(line) <= n_characters else f"{line[: n_characters - 4]} ..."
