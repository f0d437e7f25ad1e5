"""Outputs are either whole or not there, and are known by their content."""

import errno
import hashlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from macromicro.study import files
from macromicro.study.files import HOST, digest, move_into_place, sweep, write_aside


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@contextmanager
def little_room():
    """No file may be larger than 100 bytes: a write that passes it fails, as on a full disk, pytest's too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def make_folder(path, text):
    path.mkdir()
    (path / "config.json").write_text(text)
    return path


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), write_aside(path) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_folder_is_removed(tmp_path):
    with pytest.raises(RuntimeError), write_aside(tmp_path / "model") as aside:
        make_folder(aside, "half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_write_replaces_a_file_at_once(tmp_path):
    path = tmp_path / "deep" / "er" / "table.txt"
    for text in ("one", "two"):
        with write_aside(path) as aside:
            aside.write_text(text)
            assert not path.exists() or path.read_text() == "one"
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_replaces_a_folder(tmp_path):
    path = tmp_path / "model"
    for name in ("a", "b"):
        with write_aside(path) as aside:
            aside.mkdir()
            (aside / name).touch()
    assert names(path) == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_a_folder_is_replaced_and_not_what_it_points_to(tmp_path):
    make_folder(tmp_path / "elsewhere", "theirs")
    (tmp_path / "model").symlink_to(tmp_path / "elsewhere")
    with write_aside(tmp_path / "model") as aside:
        make_folder(aside, "new")
    assert (tmp_path / "model" / "config.json").read_text() == "new"
    assert (tmp_path / "elsewhere" / "config.json").read_text() == "theirs"
    assert names(tmp_path) == ["elsewhere", "model"]


@pytest.mark.parametrize("there", ["file", "folder"])
def test_a_block_that_writes_nothing_is_an_error(tmp_path, there):
    path = tmp_path / "model"
    path.write_text("old") if there == "file" else make_folder(path, "old")
    before = digest(path)
    with pytest.raises(FileNotFoundError), write_aside(path):
        pass
    assert digest(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_does_not_take_the_place_of_a_file(tmp_path):
    (tmp_path / "model").write_text("a file")
    with pytest.raises(NotADirectoryError), write_aside(tmp_path / "model") as aside:
        make_folder(aside, "new")
    assert (tmp_path / "model").read_text() == "a file"
    assert names(tmp_path) == ["model"]


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("old")
    with little_room(), pytest.raises(OSError, match="File too large") as told, write_aside(path) as aside:
        aside.write_text("x" * 200)
    assert told.value.errno == errno.EFBIG
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_notebook_is_moved_from_its_log(tmp_path):
    log, target = tmp_path / "logs" / "a.ipynb", tmp_path / "notebooks" / "1" / "a.ipynb"
    log.parent.mkdir()
    for text in ("one", "two"):
        log.write_text(text)
        move_into_place(log, target)
        assert target.read_text() == text
        assert not log.exists()
    with pytest.raises(FileNotFoundError):
        move_into_place(log, target)
    assert target.read_text() == "two"


def test_a_folder_is_moved_over_a_folder(tmp_path):
    make_folder(tmp_path / "try", "new"), make_folder(tmp_path / "model", "old")
    move_into_place(tmp_path / "try", tmp_path / "model")
    assert (tmp_path / "model" / "config.json").read_text() == "new"
    assert names(tmp_path) == ["model"]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_a_folder_that_cannot_be_moved_leaves_the_old_one_in_place(tmp_path):
    make_folder(tmp_path / "model", "old")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        with pytest.raises(OSError, match="cross-device"):
            move_into_place(make_folder(Path(elsewhere, "model"), "new"), tmp_path / "model")
        assert names(Path(elsewhere)) == ["model"]
    assert (tmp_path / "model" / "config.json").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_leftovers_of_the_dead_are_swept_and_all_others_stay(tmp_path, dead):
    below = tmp_path / "models" / "a"
    below.mkdir(parents=True)
    kept = [f".x.{HOST}.{os.getppid()}.part", f".x.other.{dead}.part", f".x.{HOST}.part", ".y.part", "y.1.part", "y"]
    for name in (*kept, f".x.{HOST}.{dead}.part"):
        (below / name).write_text(name)
    make_folder(below / f".y.{HOST}.{dead}.part", "half")
    make_folder(below / f".y.{HOST}.{dead}.old", "replaced")
    assert sweep(tmp_path) == [
        f"removed models/a/.x.{HOST}.{dead}.part",
        f"removed models/a/.y.{HOST}.{dead}.old",
        f"removed models/a/.y.{HOST}.{dead}.part",
    ]
    assert names(below) == sorted(kept)
    assert sweep(tmp_path) == []


def test_what_is_being_written_is_not_swept(tmp_path):
    with write_aside(tmp_path / "model") as aside:
        make_folder(aside, "new")
        make_folder(aside / f".inner.{HOST}.4000000.part", "of somebody's package")
        assert sweep(tmp_path) == []
    assert names(tmp_path / "model") == [f".inner.{HOST}.4000000.part", "config.json"]


def test_the_folder_that_was_being_replaced_comes_back(tmp_path, dead):
    make_folder(tmp_path / f".model.v1.{HOST}.{dead}.old", "old")
    make_folder(tmp_path / f".model.v1.{HOST}.{dead}.part", "new")
    assert sweep(tmp_path) == ["moved back model.v1", f"removed .model.v1.{HOST}.{dead}.part"]
    assert (tmp_path / "model.v1" / "config.json").read_text() == "old"
    assert names(tmp_path) == ["model.v1"]


def test_a_write_sweeps_leftovers_of_its_own_target(tmp_path, dead):
    """Also one of an earlier process with the number of this one, as containers have it: it is not written into."""
    others = [f".model.json.{HOST}.{os.getpid()}.part", f".model.{HOST}.{os.getppid()}.part"]
    for name in others:
        (tmp_path / name).write_text("being written")
    make_folder(tmp_path / f".model.{HOST}.{os.getpid()}.part", "stale")
    make_folder(tmp_path / f".model.{HOST}.{dead}.old", "old")
    with pytest.raises(RuntimeError), write_aside(tmp_path / "model") as aside:
        assert not aside.exists()
        raise RuntimeError
    assert (tmp_path / "model" / "config.json").read_text() == "old"
    with write_aside(tmp_path / "model") as aside:
        make_folder(aside, "new")
    assert (tmp_path / "model" / "config.json").read_text() == "new"
    assert names(tmp_path) == sorted([*others, "model"])


def test_a_file_system_that_cannot_sync_is_none_the_worse_for_it():
    files._sync(Path("/proc"))
    with pytest.raises(FileNotFoundError):
        files._sync(Path("/proc/nowhere"))


def test_a_file_and_a_folder_are_hashed_by_content(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("one")
    assert digest(tmp_path / "a" / "x") == hashlib.sha256(b"one").hexdigest()
    before = digest(tmp_path / "a")
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    renamed = digest(tmp_path / "a")
    (tmp_path / "a" / "y").write_text("two")
    changed = digest(tmp_path / "a")
    assert len({before, renamed, changed}) == 3
    (tmp_path / "a" / ".snakemake_timestamp").touch()
    assert digest(tmp_path / "a") == changed
