"""What papermill says of a notebook that failed is told in one line, with what to do about it."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from macromicro.study.faults import count_memory_kills, describe_failure
from nbformat.v4 import new_code_cell, new_notebook


def failure_of(tmp_path, source):
    """What papermill raises for a notebook of one cell, as text."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_code_cell(source)], metadata=kernel), tmp_path / "in.ipynb")
    try:
        papermill.execute_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb", progress_bar=False)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("the notebook did not fail")


CHAINED = """
try:
    open("/dev/full", "w").write("x" * 100_000)
except OSError as error:
    raise RuntimeError("the model was not saved") from error
"""


@pytest.mark.parametrize(
    ("source", "kind", "cause"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "kernel died", "DeadKernelError: Kernel died"),
        ("bytearray(1 << 60)", "out of memory", "MemoryError"),
        (
            CHAINED,
            "disk full",
            "RuntimeError: the model was not saved (after OSError: [Errno 28] No space left on device)",
        ),
        ("raise ValueError('size=500:\\n  at most 412')", "error", "ValueError: size=500: at most 412"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "connection", "refused"),
        (
            "class Stopped(Exception): pass\nraise Stopped('TypeError:\\nTypeError: no')",
            "error",
            "Stopped: TypeError: TypeError: no",
        ),
        ("def f(:", "error", "SyntaxError: invalid syntax"),
    ],
    ids=["killed", "memory", "full", "value", "connection", "own", "syntax"],
)
def test_a_real_failure_is_told_in_one_line(tmp_path, source, kind, cause):
    failure = describe_failure(failure_of(tmp_path, source))
    assert failure.kind == kind
    assert failure.cause.endswith(cause)
    assert failure.fatal == (kind in ("out of memory", "disk full"))
    assert failure.worth_retrying == (kind in ("kernel died", "connection"))


# As torch, transformers, huggingface-hub, safetensors, pyarrow, sqlite, openai, nbclient and jupyter-client say it.
SAID = [
    ("OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.", "out of memory"),
    ("RuntimeError: [enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory", "out of memory"),
    ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "out of memory"),
    ("_ArrayMemoryError: Unable to allocate 8.00 EiB for an array", "out of memory"),
    ("RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed.", "out of memory"),
    ("RuntimeError: the server ended with exitcode -9", "out of memory"),
    ('SafetensorError: IoError(Os { code: 28, message: "No space left on device" })', "disk full"),
    ("OSError: [Errno 122] Disk quota exceeded: 'a'", "disk full"),
    ("OperationalError: database or disk is full", "disk full"),
    ("OSError: [Errno 30] Read-only file system: 'a'", "read-only"),
    ("RuntimeError: Kernel didn't respond in 60 seconds", "kernel died"),
    ("RuntimeError: Kernel died before replying to kernel_info", "kernel died"),
    ("openai.APITimeoutError: Request timed out.", "connection"),
    ("APIConnectionError: Connection error.", "connection"),
    ("OSError: We couldn't connect to 'https://huggingface.co' to load the files", "connection"),
    ("CellTimeoutError: A cell timed out while it was being executed, after 5 seconds.", "connection"),
    ("NoSuchKernel: No such kernel named nosuch", "error"),
    ("PermissionError: [Errno 13] Permission denied: 'a'", "error"),
    ("ValueError: n_tokens=280 must be at most 28", "error"),
]


@pytest.mark.parametrize(("text", "kind"), SAID)
def test_what_libraries_say_is_known(text, kind):
    assert describe_failure(text).kind == kind
    assert describe_failure(text).cause == text
    assert describe_failure(f"\x1b[31m{text}\x1b[0m\n").cause == text


def test_a_plain_traceback_is_read_too():
    done = subprocess.run([sys.executable, "-c", "open('/nowhere')"], stderr=subprocess.PIPE, text=True)
    assert describe_failure(done.stderr).cause == "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'"


def test_an_endless_message_is_cut():
    failure = describe_failure("ValueError: " + "x" * 1000)
    assert len(failure.cause) == 300
    assert failure.cause.endswith(" ...")


@pytest.mark.parametrize("text", ["", " \n ", 'PapermillExecutionError: \n---\nException encountered at "In [1]":\n\n'])
def test_no_reason_is_an_error_still(text):
    failure = describe_failure(text)
    assert failure.kind == "error"
    assert failure.cause


def test_a_kernel_that_was_killed_for_its_memory_is_not_tried_again():
    assert describe_failure("DeadKernelError: Kernel died").worth_retrying
    failure = describe_failure("DeadKernelError: Kernel died", n_memory_kills=1)
    assert (failure.kind, failure.fatal, failure.worth_retrying) == ("out of memory", True, False)
    assert describe_failure("ValueError: a", n_memory_kills=1).kind == "error"


GROUPS = Path("/sys/fs/cgroup/memory")


@pytest.mark.skipif(os.geteuid() != 0 or not GROUPS.is_dir(), reason="only root can give a process little memory")
def test_a_process_that_was_killed_for_its_memory_is_counted():
    group, before = GROUPS / f"macromicro-{os.getpid()}", count_memory_kills()
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(60 << 20))
        enter = f"open('{group}/cgroup.procs', 'w').write(str(__import__('os').getpid()))"
        done = subprocess.run([sys.executable, "-c", f"{enter}; b'x' * (400 << 20)"])
        assert done.returncode == -9
        assert count_memory_kills() > before
    finally:
        group.rmdir()
