"""Which of several processes that want the same files computes which of them."""

import fcntl
from pathlib import Path
from typing import Self


class Claims:
    """Claims on the shards of a folder, whose names are hexadecimal: a process locks one byte of its `.lock` for each.

    What a process has locked is free when it ends, however it does. Without a folder all are this process's.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / ".lock").open("w")
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._lock.close()

    def file(self, name: str) -> Path:
        """Where a shard is kept."""
        return (self._folder or Path()) / f"{name}.npy"

    def take(self, name: str, *, wait: bool = False) -> bool:
        """Whether a shard is now this process's to compute: not done, nor another's, who with `wait` ends first."""
        if self._folder is None:
            return True
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, _place(name))
        except BlockingIOError:
            return False
        if done := self.file(name).is_file():
            self.free(name)
        return not done

    def free(self, name: str) -> None:
        """Let others have a shard."""
        if self._folder is not None:
            fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, _place(name))


def _place(name: str) -> int:
    """The byte that stands for a shard."""
    return int(name[:12], 16)
