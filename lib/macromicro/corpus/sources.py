"""What a person may name as a corpus: a file, a folder of files, a dataset of the Hugging Face hub, or a pipe."""

import re
from pathlib import Path

from macromicro.corpus.formats import SUFFIXES, is_known, read_records
from macromicro.corpus.readers import load_hub_records
from macromicro.corpus.records import BadRows, Records

HUB = "hub:"
SKIPPED = ".bad.jsonl"
"""How the names of lists of skipped records end."""
URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def open_source(name: str, bad: BadRows) -> list[Records]:
    """The records of `name`, one for each file that it means.

    `hub:owner/name` is a dataset of the hub, `hub:owner/name:validation` a split of it other than `train`; a folder
    means the files in it that can be read, by name; `-` is standard input.
    Parameters: bad, for records that cannot be used.
    Raises FileNotFoundError, or ValueError if it is an address, a folder without data, or cannot be read.
    """
    if name.startswith(HUB):
        path, _, split = name.removeprefix(HUB).partition(":")
        return [load_hub_records(path, split=split or "train", bad=bad)]
    if URL.match(name):
        raise ValueError(
            f"{name.split('?')[0]}: an address is not read; download the file, or give hub:owner/name for a dataset of "
            "the Hugging Face hub"
        )
    if not Path(name).is_dir():
        return [read_records(name, bad)]
    known = (file for file in Path(name).iterdir() if file.is_file() and is_known(file))
    files = sorted(file for file in known if not file.name.endswith(SKIPPED))
    if not files:
        raise ValueError(f"{name}: a folder without a file that ends in {', '.join(SUFFIXES)}")
    return [read_records(file, bad) for file in files]


def source_name(name: str) -> str:
    """How a source is called in what is printed, without folders of the machine.

    >>> source_name("/data/my.jsonl"), source_name("-"), source_name("hub:owner/name")
    ('my.jsonl', 'standard input', 'hub:owner/name')
    """
    if name.startswith(HUB):
        return f"{HUB}{Path(name.removeprefix(HUB)).name}" if name[len(HUB) : len(HUB) + 1] == "/" else name
    return "standard input" if name in ("-", "standard input") else Path(name).name
