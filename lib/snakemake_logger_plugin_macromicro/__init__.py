"""Progress of a study for a person: one line per finished cell, with the count, its time and the time left.

Snakemake finds this module by its name (`--logger macromicro`); its own full log stays under `.snakemake/log`.
"""

import logging
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent


def time_left(waiting: Counter[str], seconds: dict[str, list[float]], n_cores: int) -> float | None:
    """Estimate of the seconds until all cells are done; None before the first cell is.

    Parameters: waiting, cells not finished per rule; seconds, durations of finished cells per rule. A rule without
    a finished cell is taken at the mean over all rules.
    """
    everything = [duration for durations in seconds.values() for duration in durations]
    if not everything:
        return None
    mean = sum(everything) / len(everything)
    cost = {rule: sum(durations) / len(durations) for rule, durations in seconds.items() if durations}
    work = sum(count * cost.get(rule, mean) for rule, count in waiting.items())
    return work / max(1, min(n_cores, waiting.total()))


def readable(seconds: float) -> str:
    """Seconds as `42 s`, `3 min` or `1 h 05 min`.

    >>> readable(42), readable(185), readable(3900)
    ('42 s', '3 min', '1 h 05 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class LogHandler(LogHandlerBase):
    """Writes one line per finished or failed cell to stderr."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Start with nothing running and nothing waiting."""
        self.jobs: dict[int, tuple[str, str]] = {}
        self.begun: dict[int, float] = {}
        self.waiting: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {}
        self.n_total = self.n_done = self.n_cores = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record where a person needs it."""
        event: Any = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self._plan(record.__dict__["stats"])
        elif event == LogEvent.JOB_INFO:
            self._job(record.__dict__)
        elif event == LogEvent.JOB_STARTED:
            jobs = record.__dict__["jobs"]
            self.begun.update(dict.fromkeys(jobs if isinstance(jobs, list) else [jobs], time.monotonic()))
            self.n_cores = max(self.n_cores, len(self.begun))
        elif event == LogEvent.JOB_FINISHED:
            self._finished(record.__dict__["job_id"])
        elif event == LogEvent.JOB_ERROR:
            self._failed(record.__dict__)
        elif event in (LogEvent.ERROR, LogEvent.WORKFLOW_STARTED) or event is None:
            self._other(record)

    def _plan(self, stats: dict[str, int]) -> None:
        self.waiting = Counter({rule: n for rule, n in stats.items() if rule not in ("total", "all")})
        self.n_total = self.waiting.total()
        if not self.n_done:
            _say(f"{self.n_total} cells to compute: " + ", ".join(f"{n} {rule}" for rule, n in self.waiting.items()))

    def _job(self, info: dict[str, Any]) -> None:
        cell = " ".join(str(value) for value in (info["wildcards"] or {}).values())
        self.jobs[info["jobid"]] = (info["rule_name"], cell)
        if info["rule_name"] != "all":
            _say(f"{'':>11}{info['rule_name']} {cell} ...".rstrip())

    def _finished(self, job: int) -> None:
        rule, cell = self.jobs.get(job, ("", ""))
        if rule in ("", "all"):
            return
        took = time.monotonic() - self.begun.pop(job, time.monotonic())
        self.seconds.setdefault(rule, []).append(took)
        self.waiting[rule] -= 1
        self.waiting += Counter()
        self.n_done += 1
        left = time_left(self.waiting, self.seconds, self.n_cores)
        tail = f", about {readable(left)} left" if left else ""
        _say(f"[{self.n_done:>4}/{self.n_total:<4}] {rule} {cell} done in {readable(took)}{tail}")

    def _failed(self, info: dict[str, Any]) -> None:
        rule, cell = self.jobs.get(info["jobid"], (info["rule_name"], ""))
        self.begun.pop(info["jobid"], None)
        for log in info["log"] or []:
            lines = Path(log).read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["no word"]
            _say(f"[ FAILED  ] {rule} {cell}: {lines[-1]}".replace(" :", ":"))
            _say(f"{'':>11} the notebook with its traceback is {log.removesuffix('.txt')}")

    def _other(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        told_by_its_cell = "CalledProcessError" in message or "a job execution failed" in message
        if (record.levelno >= logging.WARNING and not told_by_its_cell) or self.common_settings.dryrun:
            _say(message)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
