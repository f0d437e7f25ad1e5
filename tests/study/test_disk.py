"""Outputs on a disk whose power goes, which is full, or which turns read-only: what is under its name is whole.

An ext4 file system in a file is mounted through a loop device. What was not written to the disk is only in the memory
of that file system, so a copy of the file at any moment is a disk whose power was lost at that moment.
"""

import errno
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from macromicro.study.files import digest, move_into_place, sweep, write_aside

TOOLS = ("mkfs.ext4", "fsck.ext4", "mount", "umount")
CAN_MOUNT = os.geteuid() == 0 and all(map(shutil.which, TOOLS)) and Path("/dev/loop-control").exists()
pytestmark = [
    pytest.mark.power_loss,
    pytest.mark.skipif(not CAN_MOUNT, reason="only root can mount, with the tools of ext4 and a loop device"),
]

TARGETS = ("table.parquet", "model", "notebook.ipynb")
VERSIONS = (1, 2)
# Nothing is written of itself for five minutes, and a rename does not help the data along as it does by default.
PATIENT = "commit=300,noauto_da_alloc"
ORDERED, WRITEBACK = f"{PATIENT},data=ordered", f"{PATIENT},data=writeback,nodelalloc"


def new_disk(tmp_path):
    image = tmp_path / "disk.img"
    with image.open("wb") as empty:
        empty.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    return image


@contextmanager
def mounted(image, options):
    folder = image.with_suffix(".mounted")
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", f"loop,{options}", image, folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no loop device can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(path, name, version):
    """Write a version of an output, without a thought of power."""
    content = np.random.default_rng(version).bytes(100_000)
    if name != "model":
        path.write_bytes(content)
        return
    (path / "tokenizer").mkdir(parents=True)
    (path / "model.safetensors").write_bytes(content)
    (path / "config.json").write_text(json.dumps({"version": version}))
    (path / "tokenizer" / "vocab.json").write_text(json.dumps({"token": version}))


def write(disk, name, version):
    if name.endswith(".ipynb"):
        fill(disk / f".log-of-{name}", name, version)
        move_into_place(disk / f".log-of-{name}", disk / name)
    else:
        with write_aside(disk / name) as aside:
            fill(aside, name, version)


def write_unsynced(disk, name, version):
    """A whole file and an atomic rename, and no thought of power."""
    fill(disk / f".{name}.part", name, version)
    if (disk / name).is_dir():
        (disk / name).rename(disk / f".{name}.{version}.old")
    (disk / f".{name}.part").rename(disk / name)


def write_all(how, disk, image, copies):
    """Write all versions of all outputs; copy the disk before every step of each, and when each has returned."""
    done, busy = dict.fromkeys(TARGETS, 0), [False]

    def copy():
        number = len(list(copies.glob("*.json")))
        shutil.copyfile(image, copies / f"{number:03}.img")
        (copies / f"{number:03}.json").write_text(json.dumps(done))

    def look(event, arguments):
        if busy[0] or event not in ("open", "os.rename", "shutil.rmtree") or str(disk) not in str(arguments[0]):
            return
        busy[0] = True
        if not str(arguments[0]).endswith(".old"):
            with (disk / ".of-another-program").open("a") as other:  # its file reaches the disk, and so do our renames
                other.write("saved\n")
                other.flush()
                os.fsync(other.fileno())
        copy()
        busy[0] = False

    sys.addaudithook(look)
    for version in VERSIONS:
        for name in TARGETS:
            how(disk, name, version)
            done[name] = version
            busy[0] = True
            copy()
            busy[0] = False


def copies_of(tmp_path, how, options):
    """Every copy of a disk on which all versions were written, with the versions whose writing had returned."""
    image, copies = new_disk(tmp_path), tmp_path / "copies"
    copies.mkdir()
    with mounted(image, options) as disk:
        process = multiprocessing.get_context("fork").Process(target=write_all, args=(how, disk, image, copies))
        process.start()
        process.join()
    assert process.exitcode == 0
    for copied in sorted(copies.glob("*.img")):
        assert subprocess.run(["fsck.ext4", "-p", copied], stdout=subprocess.DEVNULL).returncode <= 1
        with mounted(copied, "defaults") as disk:
            yield json.loads(copied.with_suffix(".json").read_text()), disk


def versions_there(tmp_path, disk):
    """The version of each output that is there, None where it is none of them."""
    known = {}
    for name in TARGETS:
        for version in VERSIONS:
            place = tmp_path / "whole" / f"{name}-{version}"
            if not place.exists():
                place.parent.mkdir(exist_ok=True)
                fill(place, name, version)
            known[digest(place)] = version
    return {name: known.get(digest(disk / name)) for name in TARGETS if (disk / name).exists()}


@pytest.mark.parametrize("options", [ORDERED, WRITEBACK], ids=["ordered", "writeback"])
def test_what_is_there_is_whole_whenever_the_power_goes(tmp_path, options):
    n_copies = 0
    for done, disk in copies_of(tmp_path, write, options):
        before, _, after = versions_there(tmp_path, disk), sweep(disk), versions_there(tmp_path, disk)
        for name, version in (*before.items(), *after.items()):
            assert version in (done[name], done[name] + 1), (n_copies, name, version, done)
        assert {name for name in TARGETS if done[name]} <= after.keys(), (n_copies, done, after)
        assert not [path for path in disk.rglob(".*") if path.suffix in (".part", ".old")]
        n_copies += 1
    assert n_copies > 30


def test_what_was_only_renamed_is_not(tmp_path):
    """The other test would see it: this is what it looks for."""
    wrong = [
        name
        for _, disk in copies_of(tmp_path, write_unsynced, ORDERED)
        for name, version in versions_there(tmp_path, disk).items()
        if version is None
    ]
    assert set(wrong) == set(TARGETS)


@pytest.mark.parametrize("name", ["table.parquet", "model"])
def test_a_full_disk_keeps_what_was_there(tmp_path, name):
    with mounted(new_disk(tmp_path), "defaults") as disk:
        write(disk, name, 1)
        with pytest.raises(OSError, match="No space left") as told, write_aside(disk / name) as aside:
            fill(aside, name, 2)
            (disk / "large").write_bytes(bytes(20 << 20))
        assert told.value.errno == errno.ENOSPC
        assert versions_there(tmp_path, disk) == {name: 1}
        assert {path.name for path in disk.iterdir()} == {name, "large", "lost+found"}


@pytest.mark.parametrize("name", ["table.parquet", "model"])
def test_a_disk_that_turns_read_only_keeps_what_was_there(tmp_path, name):
    with mounted(new_disk(tmp_path), "defaults") as disk:
        write(disk, name, 1)
        with pytest.raises(OSError, match="Read-only") as told, write_aside(disk / name) as aside:
            fill(aside, name, 2)
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert told.value.errno == errno.EROFS
        assert told.value.filename2  # of the rename, and not of tidying up after it
        assert versions_there(tmp_path, disk) == {name: 1}
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        write(disk, name, 2)
        assert versions_there(tmp_path, disk) == {name: 2}
        assert {path.name for path in disk.iterdir()} == {name, "lost+found"}
