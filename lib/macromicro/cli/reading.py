"""What the commands read: the samples of files, and which of them can be used."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.cli.input import say
from macromicro.cli.output import write_columns
from macromicro.corpus.clean import find_unusable
from macromicro.corpus.conversations import Turns, count_conversations
from macromicro.corpus.readers import ROW, place_samples
from macromicro.corpus.records import BadRows, Records
from macromicro.corpus.shapes import FILE
from macromicro.corpus.sources import SKIPPED, open_source, source_name

COLUMNS = ("id", "instruction", "input", "response", "source", "licence")
PROMPTS = ("instruction", "prompt", "question")
WORDS = {
    "empty": "no text",
    "repeated_sample": "repeats the sample",
    "repeated_instruction": "repeats the instruction of",
}

CONVERSATIONS = {
    "cut": "of conversations with several turns of a user; exchanges used: {turns}",
    "with_system_turns": "with system turns, which begin the instruction",
    "opened_by_assistant": "of conversations that the assistant opens; the greeting is skipped",
    "with_tools": "with turns of tools, or calls of them, read as text",
    "not_all_text": "hold what is not text, which is left out",
    "without_answer": "without an exchange of a user and an assistant",
}
"""What `count_conversations` counts, in words."""


@dataclass(frozen=True, eq=False)
class Read:
    """Files as they were read: what they are called together, their records, and which of their columns are mapped.

    `samples` are those of all files, sorted by id, with the columns `shapes.FILE` and `readers.ROW`; `conversations`
    are the counts of `count_conversations`.
    """

    name: str
    records: list[Records]
    columns: list[dict[str, str]]
    samples: pd.DataFrame
    conversations: Counter[str]
    turns: Turns
    bad: BadRows

    def places(self, samples: pd.DataFrame) -> list[str]:
        """Where samples stand, such as `my.jsonl, line 3`."""
        rows = zip(samples[FILE], samples[ROW], strict=True)
        found = ((self.records[file], row) for file, row in rows)
        return [_place(one.name, one.unit, one.numbers[row]) for one, row in found]


class Sieve:
    """Samples from which a subset is chosen: `reasons` says of each why it cannot be, '' where it can."""

    def __init__(self, samples: pd.DataFrame) -> None:
        self._samples = samples
        self.reasons: NDArray[np.object_] = np.full(len(samples), "", dtype=object)

    @property
    def kept(self) -> pd.DataFrame:
        """The samples that are still there, in their order."""
        return self._samples[self.reasons == ""].reset_index(drop=True)

    def drop(self, reasons: NDArray[np.object_]) -> int:
        """Leave out those of the kept samples that have a reason, and return how many."""
        self.reasons[self.reasons == ""] = reasons
        return int((reasons != "").sum())


def read_all(
    files: Sequence[str], columns: Sequence[str], *, turns: Turns = "first", bad: BadRows | None = None
) -> Read:
    """The samples of several files as one corpus.

    Parameters: columns, the likes of `response=answer`, our name and the file's; each holds for the files that have
    such a column; turns, which exchanges of a conversation are samples.
    Raises ValueError if none has it or `columns` is malformed, and as `readers.read_samples`.
    """
    named = _parse_columns(columns)
    bad = bad or BadRows()
    records = [found for file in files for found in open_source(file, bad)]
    _check_columns(named, records)
    tables = [_read_one(found, named, turns).assign(**{FILE: place}) for place, found in enumerate(records)]
    lost = sum((Counter(count_conversations(table)) for table in tables), Counter[str]())
    mapped = [_columns_of(found, named) for found in records]
    samples = pd.concat(tables, ignore_index=True).sort_values(["id", "source"], kind="stable", ignore_index=True)
    if bad.found:
        row, reason = list_bad(bad)[0]
        say(f"{len(bad.found):,} records cannot be used and are skipped, such as {row}: {reason}")
    return Read(", ".join(map(source_name, files)), records, mapped, samples, lost, turns, bad)


def list_bad(bad: BadRows) -> list[tuple[str, str]]:
    """Place and reason of every record that cannot be used."""
    return [(_place(*where), reason) for where, reason in sorted(bad.found.items())]


def write_bad(bad: BadRows, output: str) -> None:
    """List the records that were skipped in OUTPUT.bad.jsonl: place, reason. To a pipe, nothing is written."""
    if bad.found and output != "-":
        places, reasons = zip(*list_bad(bad), strict=True)
        write_columns({"place": list(places), "reason": list(reasons)}, f"{output}{SKIPPED}")
        say(f"skipped records are listed in {output}{SKIPPED}")


def read_files(files: Mapping[str, str], columns: Sequence[str]) -> dict[str, pd.DataFrame]:
    """All samples of each file, sorted by id, under the names that the files have here; as `read_all`."""
    named = _parse_columns(columns)
    records = {name: open_source(file, BadRows()) for name, file in files.items()}
    _check_columns(named, [found for held in records.values() for found in held])
    read = {}
    for name, held in records.items():
        tables = [_read_one(found, named, "first") for found in held]
        read[name] = pd.concat(tables, ignore_index=True).sort_values("id", kind="stable", ignore_index=True)
    return read


def sift(read: Read, *, keep_repeats: bool) -> tuple[Sieve, dict[str, Any]]:
    """The samples that have text and do not repeat others, and what was dropped, in numbers.

    Parameters: keep_repeats, whether instructions may be repeated with other responses.
    Raises ValueError if none is left, or two samples of one id are left.
    """
    found = find_unusable(read.samples, keep_repeats=keep_repeats)
    counts = {name: int((found["reason"] == name).sum()) for name in WORDS}
    sieve = Sieve(read.samples)
    sieve.drop((found["reason"].map(WORDS).fillna("") + " " + found["of"]).str.strip().to_numpy(dtype=object))
    kept = sieve.kept
    if sum(counts.values()):
        say(
            f"left out: {counts['empty']:,} without text, {counts['repeated_instruction']:,} repeated instructions "
            f"with another response, {counts['repeated_sample']:,} repeated samples"
        )
    if not len(kept):
        raise ValueError(f"{read.name}: none of its {len(read.samples)} samples has both an instruction and a response")
    if kept["id"].duplicated().any():
        raise ValueError(f"{read.name}: id {kept['id'][kept['id'].duplicated()].iloc[0]!r} is that of several samples")
    about = {
        "file": read.name,
        "samples in the file": len(read.samples),
        **({"records that cannot be used, skipped": len(read.bad.found)} if read.bad.found else {}),
        **{
            words.format(turns=read.turns): n
            for name, words in CONVERSATIONS.items()
            if (n := read.conversations[name])
        },
        "without text, dropped": counts["empty"],
        "repeated instructions with another response, dropped": counts["repeated_instruction"],
        "repeated samples, dropped": counts["repeated_sample"],
        "samples that can be used": len(kept),
    }
    return sieve, about


def find_column(samples: pd.DataFrame, name: str, option: str) -> pd.Series:
    """A column of the samples by its name. Raises ValueError that lists the names, for the option, if there is none."""
    if name not in samples:
        shown = ", ".join(name for name in map(str, samples) if not name.startswith("_"))
        raise ValueError(f"{option} {name}: no such column; there are {shown}")
    return samples[name]


def read_prompts(file: str) -> pd.DataFrame:
    """Columns id and instruction of an evaluation set, with or without responses. Raises as `read_all`."""
    [records, *others] = open_source(file, BadRows())
    if others:
        raise ValueError(f"{file}: an evaluation set is one file, but this folder holds {1 + len(others)}")
    alone = next((name for name in PROMPTS if name in records.columns), None)
    try:
        return place_samples(records, source=source_name(file), columns={})[["id", "instruction"]]
    except ValueError:
        if alone is None:
            raise
    texts = records.texts(alone).to_pandas().astype("str").str.strip()
    names = [_place(records.name, records.unit, number) for number in records.numbers]
    return pd.DataFrame({"id": names, "instruction": texts})


def _place(name: str, unit: str, number: int) -> str:
    """Where a record stands, without folders of the machine."""
    return f"{source_name(name)}, {unit} {number}"


def _check_columns(named: Mapping[str, str], records: Sequence[Records]) -> None:
    """Raise ValueError if no file has a column that is named."""
    for theirs in named.values():
        if not any(theirs in found.columns for found in records):
            held = "; ".join(f"{source_name(found.name)} has {', '.join(found.columns)}" for found in records)
            raise ValueError(f"no column {theirs!r}: {held}")


def _columns_of(records: Records, named: Mapping[str, str]) -> dict[str, str]:
    """Those of the named columns that a file has."""
    return {ours: theirs for ours, theirs in named.items() if theirs in records.columns}


def _read_one(records: Records, named: Mapping[str, str], turns: Turns) -> pd.DataFrame:
    """The samples of one file, and a word about them to the person at the terminal."""
    name = source_name(records.name)
    table = place_samples(records, source=name, columns=_columns_of(records, named), turns=turns)
    say(f"{name}: {len(table):,} samples")
    counts = count_conversations(table)
    for fact, words in CONVERSATIONS.items():
        if n := counts.get(fact):
            say(f"{name}: {n:,} {words.format(turns=turns)}{_first_odd(table, fact)}")
    return table


def _first_odd(table: pd.DataFrame, name: str) -> str:
    """The first turn that holds what is not text, where these are counted."""
    if name != "not_all_text":
        return ""
    first = table[table["not_text"] != ""].iloc[0]
    return f", such as {first['not_text']} of {first['id']}"


def _parse_columns(columns: Sequence[str]) -> dict[str, str]:
    """Our names and the file's. Raises ValueError if one is malformed."""
    named = dict(pair.partition("=")[::2] for pair in columns)
    for ours, theirs in named.items():
        if ours not in COLUMNS or not theirs:
            raise ValueError(f"--column {ours}={theirs}: expected OURS=THEIRS with OURS one of {', '.join(COLUMNS)}")
    return named
