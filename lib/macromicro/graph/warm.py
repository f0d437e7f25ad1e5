"""One process imports the packages that notebooks import, and forks: cells and kernels start in a tenth of the time.

`python -m macromicro.graph.warm MODULE ARGUMENTS` is `python -m MODULE ARGUMENTS`, in a fork of that process where one
is there (`start`), else as ever. It imports packages only and nothing of macromicro: a cell runs the code that lies in
the checkout when it starts. Linux only; elsewhere modules run as ever.
"""

import gc
import importlib
import json
import os
import runpy
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

ADDRESS = "MACROMICRO_WARM"
"""Environment variable with the name of the socket at which the process is asked."""
PACKAGES = (
    *("papermill", "ipykernel.ipkernel", "ipykernel.zmqshell", "matplotlib_inline.backend_inline"),
    *("pandas", "pyarrow.parquet", "pydantic.main", "yaml", "seaborn", "scipy.stats", "sklearn.linear_model"),
    *("torch", "transformers.core_model_loading", "transformers.integrations.flash_attention", "tokenizers"),
)
STARTED = b"\x01"
STATUS = struct.Struct("i")
CREDENTIALS = struct.Struct("3i")  # process, user, group


def start(environment: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    """Start the process; it ends with the one that called this. None where it cannot be.

    Parameters: environment, what modules shall find set already when their packages are imported.
    """
    if not hasattr(os, "pidfd_open") or not hasattr(socket, "SO_PEERCRED"):
        return None
    name = f"macromicro-{os.urandom(8).hex()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen(64)
        number = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "macromicro.graph.warm", "--serve", str(number)],
            stdin=subprocess.PIPE,
            env={**os.environ, **environment},
            pass_fds=[number],
        )
    os.environ[ADDRESS] = name
    return process


def run(arguments: Sequence[str]) -> int:
    """Run a module in a fork of the warm process, or in this process where there is none; its exit status.

    Parameters: arguments, the module's name and its arguments. A module that a signal ends ends this process likewise.
    """
    status = _ask(os.environ.get(ADDRESS, ""), arguments)
    if status is None:
        os.execv(sys.executable, [sys.executable, "-m", *arguments])
    if status < 0:
        with suppress(OSError):  # the default is all that SIGKILL has
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _ask(name: str, arguments: Sequence[str]) -> int | None:
    """The exit status of a module that the warm process runs; None if it could not be started there."""
    if not name or not hasattr(socket, "send_fds"):
        return None
    request = {"arguments": list(arguments), "folder": str(Path.cwd()), "environment": dict(os.environ)}
    message = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(f"\0{name}")
            socket.send_fds(server, [STATUS.pack(len(message))], [0, 1, 2])
            server.sendall(message)
            if server.recv(1) != STARTED:
                return None
        except OSError:
            return None
        parent = os.getppid()
        while not select.select([server], [], [], 1.0)[0]:
            if os.getppid() != parent:  # nobody waits for this any more
                return 1
        with suppress(OSError):
            if reply := server.recv(STATUS.size):
                return STATUS.unpack(reply)[0]
    print("the process that ran this was ended from outside", file=sys.stderr, flush=True)
    return 1


def serve(listener: socket.socket) -> list[str]:
    """Fork for every request, until standard input ends; in a fork, the arguments of the module that it shall run.

    A process whose caller has gone is ended. Callers of other users are turned away.
    """
    with warnings.catch_warnings(action="ignore"):
        for name in PACKAGES:
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # forks share these pages as long as nobody writes to them
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    children: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj == 0:
                _end(children)
            elif key.fileobj is listener:
                caller, _ = listener.accept()
                arguments = _receive_and_fork(caller, selector, children)
                if arguments is not None:
                    selector.close()
                    listener.close()
                    for _, other in children.values():
                        other.close()
                    return arguments
            elif key.fd in children:
                _report(key.fd, selector, children)
            elif any(caller is key.fileobj for _, caller in children.values()):  # the caller has gone
                selector.unregister(key.fileobj)
                os.kill(key.data, signal.SIGKILL)


def _receive_and_fork(
    caller: socket.socket, selector: selectors.BaseSelector, children: dict[int, tuple[int, socket.socket]]
) -> list[str] | None:
    """Fork for a caller. In the fork, which has become what was asked for: its arguments."""
    credentials = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    request, streams = _receive(caller) if CREDENTIALS.unpack(credentials)[1] == os.getuid() else (None, [])
    if request is None:
        caller.close()
        return None
    if (process := os.fork()) == 0:
        caller.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(request["environment"])
        time.tzset()
        os.chdir(request["folder"])
        sys.path[0] = request["folder"]  # as `python -m` does
        return request["arguments"]
    for stream in streams:
        os.close(stream)
    ending = os.pidfd_open(process)
    children[ending] = (process, caller)
    selector.register(ending, selectors.EVENT_READ)
    selector.register(caller, selectors.EVENT_READ, data=process)
    with suppress(OSError):
        caller.sendall(STARTED)
    return None


def _receive(caller: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """What a caller asks, and its three streams; None if it went away before it had asked."""
    head, streams, _, _ = socket.recv_fds(caller, STATUS.size, 3)
    message, missing = b"", STATUS.unpack(head)[0] if len(head) == STATUS.size else -1
    while 0 <= len(message) < missing and (part := caller.recv(missing - len(message))):
        message += part
    if len(message) == missing:
        return json.loads(message), streams
    for stream in streams:
        os.close(stream)
    return None, []


def _report(ending: int, selector: selectors.BaseSelector, children: dict[int, tuple[int, socket.socket]]) -> None:
    """Tell the caller of an ended process its exit status."""
    process, caller = children.pop(ending)
    selector.unregister(ending)
    os.close(ending)
    with suppress(KeyError):
        selector.unregister(caller)
    _, status = os.waitpid(process, 0)
    with suppress(OSError):
        caller.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))
    caller.close()


def _end(children: Mapping[int, tuple[int, socket.socket]]) -> NoReturn:
    for process, _ in children.values():
        os.kill(process, signal.SIGKILL)
    sys.exit(0)


def main() -> None:
    """Serve, or run a module."""
    if sys.argv[1] != "--serve":
        sys.exit(run(sys.argv[1:]))
    module, *arguments = serve(socket.socket(fileno=int(sys.argv[2])))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
