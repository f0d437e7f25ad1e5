"""Files and folders that are either whole or not there, and what they hold.

Everything that a study writes goes through `write_aside`, so that a run that is killed leaves nothing half-written.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath


@contextmanager
def write_aside(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (file or folder) and move it to `path` when the block succeeds.

    On an exception `path` is what it was before, and what was written so far is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
    except BaseException:
        shutil.rmtree(aside) if aside.is_dir() else aside.unlink(missing_ok=True)
        raise
    if aside.is_dir() and path.is_dir():
        old = path.with_name(f".{path.name}.{os.getpid()}.old")
        path.rename(old)
        aside.rename(path)
        shutil.rmtree(old)
    else:
        aside.replace(path)


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files of a folder, hidden ones left out.

    Snakemake keeps a hidden time stamp in every folder that a job has made.

    Raises FileNotFoundError if there is nothing at `path`.
    """
    path = Path(path)
    if path.is_dir():
        whole = hashlib.sha256()
        for file in sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")):
            whole.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode())
        return whole.hexdigest()
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def name_only(value: str) -> str:
    """The name of a file or folder given by an absolute or home path; any other text as it is.

    >>> name_only("/data/models/my-model"), name_only("org/my-model")
    ('my-model', 'org/my-model')
    """
    return PurePath(value).name if value.startswith(("/", "~", "..")) else value
