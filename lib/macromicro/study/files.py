"""Files and folders that are either whole or not there, and what they hold.

Everything that a study writes goes through `write_aside`: what lies under its name has reached the disk before it got
that name, so that neither a killed run nor a power loss leaves a file that looks done and is not. What a killed run
leaves is hidden, carries the name of the host and the process that wrote it, and is swept away by `sweep`.
"""

import errno
import glob
import hashlib
import os
import re
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

# A dot would make the name of the host two parts of the name of a leftover.
HOST = socket.gethostname().replace(".", "-")
LEFTOVER = re.compile(r"\.(?P<target>.+)\.(?P<host>[^.]*)\.(?P<process>[1-9]\d{0,6})\.(?P<kind>part|old)")


@contextmanager
def write_aside(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (file or folder) and move it to `path` when the block succeeds.

    What is then at `path` is on the disk. On an exception `path` is what it was before, and what was written so far
    is removed. Leftovers of dead processes that wrote to the same path are swept first.
    """
    path = Path(path)
    _make_folder(path.parent)
    _sweep(path.parent.glob(f".{glob.escape(path.name)}.*.*.*"), target=path)
    aside = _beside(path, "part")
    try:
        yield aside
        move_into_place(aside, path)
    except BaseException:
        with suppress(OSError):  # what went wrong first is what the caller shall read
            _remove(aside)
        raise


def write_once(path: str | Path, text: str) -> None:
    """Write a text file if there is none at `path`; of several processes that do so at once, the first one does.

    Raises OSError if it cannot be written, or the file system knows no hard links.
    """
    path = Path(path)
    _make_folder(path.parent)
    aside = _beside(path, "part")
    try:
        aside.write_text(text, encoding="utf-8")
        _sync(aside)
        with suppress(FileExistsError):
            os.link(aside, path)
        _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def move_into_place(source: str | Path, target: str | Path) -> None:
    """Move a file or folder that is complete to `target` on the same file system, in place of what is there.

    It is on the disk before it gets its new name, and its new name is on the disk when this returns.
    Raises OSError if that fails, on a full or read-only disk say; `target` is then what it was before, unless only
    the last step, writing the new name to the disk, went wrong.
    """
    source, target = Path(source), Path(target)
    _sync_all(source)
    _make_folder(target.parent)
    if source.is_dir() and target.is_dir():
        _replace_folder(source, target)
    else:
        source.replace(target)
        _sync(target.parent)
    if source.parent != target.parent:
        _sync(source.parent)


def sweep(folder: str | Path) -> list[str]:
    """Remove what dead processes of this host left half-written below `folder`; a line for each, to be shown.

    A folder that was to be replaced and lies aside while nothing is in its place is moved back. Leftovers of a living
    process stay, also where another process has its number by now, and so do those of other hosts, which are told
    apart by their name. Raises OSError if one cannot be removed.
    """
    folder, found = Path(folder), []
    for here, folders, files in os.walk(folder):
        found += [Path(here, name) for name in (*folders, *files) if LEFTOVER.fullmatch(name)]
        folders[:] = [name for name in folders if not LEFTOVER.fullmatch(name)]
    return [f"{what} {place.relative_to(folder).as_posix()}" for what, place in _sweep(sorted(found))]


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


def _beside(path: Path, kind: str) -> Path:
    """Where this process puts what will be (`part`) or was (`old`) at `path`."""
    return path.with_name(f".{path.name}.{HOST}.{os.getpid()}.{kind}")


def _replace_folder(source: Path, target: Path) -> None:
    """Put the folder `source` in place of the folder `target`; between two renames neither is there."""
    old = _beside(target, "old")
    target.rename(old)
    try:
        source.rename(target)
    except BaseException:
        with suppress(OSError):  # another process was faster, or the disk is read-only by now: swept later
            old.rename(target)
        raise
    _sync(target.parent)  # else the old folder could be gone, and the new one not there yet
    with suppress(OSError):  # the new folder is in place: swept later
        _remove(old)


def _sweep(places: Iterable[Path], *, target: Path | None = None) -> list[tuple[str, Path]]:
    """Remove or move back the leftovers among `places`; what was done, and to what.

    Parameters: target, only what was to be this path; this process is about to write it, so that what carries its
    number is of an earlier process with the same number.
    """
    done = []
    for place in places:
        found = LEFTOVER.fullmatch(place.name)
        if not found or found["host"] != HOST or not (place.is_file() or place.is_dir()):
            continue
        meant, process = place.with_name(found["target"]), int(found["process"])
        if target is not None and meant != target:
            continue
        if _is_alive(process) and (target is None or process != os.getpid()):
            continue
        if found["kind"] == "old" and not os.path.lexists(meant):
            with suppress(FileNotFoundError):  # another process is sweeping as well
                place.rename(meant)
            done.append(("moved back", meant))
        else:
            _remove(place)
            done.append(("removed", place))
    return done


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def _remove(path: Path) -> None:
    """Remove a file or folder, which another process may be removing as well."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, and write their names to the disk."""
    missing = [above for above in (folder, *folder.parents) if not above.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        _sync(made.parent)


def _sync_all(path: Path) -> None:
    """Write a file, or a folder with everything in it, to the disk."""
    for here, _, files in os.walk(path, topdown=False):
        for file in (Path(here, name) for name in files):
            if file.is_file():
                _sync(file)
        _sync(Path(here))
    if not path.is_dir():
        _sync(path)


def _sync(path: Path) -> None:
    """Write a file, or the names in a folder, to the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot, and is none the worse for it
            raise
    finally:
        os.close(opened)
