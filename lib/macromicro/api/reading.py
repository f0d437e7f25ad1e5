"""Samples of files, DataFrames and datasets, which of them can be used, and why the others cannot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from macromicro.api.messages import say
from macromicro.api.samples import Reasons, Repeats, Samples, place_record
from macromicro.api.settings import check_choice
from macromicro.corpus.clean import find_unusable
from macromicro.corpus.conversations import Turns, count_conversations
from macromicro.corpus.readers import place_samples
from macromicro.corpus.records import BadRows, Records, arrow_records
from macromicro.corpus.shapes import FILE
from macromicro.corpus.sources import open_source, source_name
from macromicro.study.sections import COLUMNS

Source: TypeAlias = str | Path | pd.DataFrame | pa.Table | Any
"""A path (or hub:owner/name, or - for standard input), a DataFrame, an Arrow table or a `datasets.Dataset`."""
Use: TypeAlias = Literal["fail", "skip"]

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


def read(
    *sources: Source,
    columns: Mapping[str, str] | None = None,
    turns: Turns = "first",
    repeats: Repeats = "drop",
    bad_rows: Use = "fail",
) -> Samples:
    """The samples of sources as one corpus, without those that have no text or repeat others.

    Parameters: columns, the sources' names of id, instruction, input, response, source, licence and system (a prompt)
    where they differ; each holds for the sources that have such a column; turns, which exchanges of a conversation are
    samples; repeats, whether an instruction may come again with another response (of equal ones the first by id stays);
    bad_rows, what becomes of records that cannot be read.
    Raises FileNotFoundError, or ValueError that names the source, the row and what was expected, if no sample is left,
    or if two samples of one id are.

    >>> samples = read(pd.DataFrame({"prompt": ["Add 1 and 1", "Say no", "say NO"], "completion": ["2", "No", "Nope"]}))
    >>> len(samples), samples.dropped["reason"].str[:26].tolist()
    (2, ['repeats the instruction of'])
    """
    check_choice("repeats", repeats, Repeats)
    found = open_groups({"": sources}, columns=columns, turns=turns, bad_rows=bad_rows)[""]
    given = {"columns": columns, "turns": turns, "repeats": repeats, "bad_rows": bad_rows}
    usual = {"columns": None, "turns": "first", "repeats": "drop", "bad_rows": "fail"}
    told = [f"{name}={value!r}" for name, value in given.items() if value != usual[name]]
    named = [repr(source_name(str(one))) if _is_path(one) else type(one).__name__ for one in sources]
    call = f"mm.read({', '.join(named + told)})" if len(named + told) > 1 else named[0]
    return replace(sift(found, keep_repeats=repeats == "keep"), call=call)


def open_groups(
    groups: Mapping[str, Sequence[Source]],
    *,
    columns: Mapping[str, str] | None = None,
    turns: Turns = "first",
    bad_rows: Use = "fail",
) -> dict[str, Samples]:
    """All samples of several corpora, each of one or more sources, by the names of the corpora.

    Parameters: as `read`; a column must be that of a source of any of them. Raises as `read`.
    """
    columns = columns or {}
    if not all(groups.values()):
        raise ValueError("give at least one source")
    check_choice("turns", turns, Turns)
    check_choice("bad_rows", bad_rows, Use)
    for ours, theirs in columns.items():
        if ours not in COLUMNS or not theirs:
            raise ValueError(f"column {ours}={theirs}: expected OURS=THEIRS with OURS one of {', '.join(COLUMNS)}")
    bad = {name: BadRows(skip=bad_rows == "skip") for name in groups}
    opened = {
        name: [found for source in sources for found in open_records(source, bad[name])]
        for name, sources in groups.items()
    }
    _check_columns(columns, [found for records in opened.values() for found in records])
    return {name: _gather(opened[name], columns, turns, bad[name], sources) for name, sources in groups.items()}


def sift(samples: Samples, *, keep_repeats: bool) -> Samples:
    """The samples that have text and do not repeat others.

    Parameters: keep_repeats, whether instructions may be repeated with other responses.
    Raises ValueError if none is left, or two samples of one id are left.
    """
    found = find_unusable(samples.whole, keep_repeats=keep_repeats)
    counts = {name: int((found["reason"] == name).sum()) for name in WORDS}
    reasons = (found["reason"].map(WORDS).fillna("") + " " + found["of"]).str.strip().to_numpy(dtype=object)
    kept = samples.drop(reasons)
    if sum(counts.values()):
        say(
            f"left out: {counts['empty']:,} without text, {counts['repeated_instruction']:,} repeated instructions "
            f"with another response, {counts['repeated_sample']:,} repeated samples"
        )
    if not len(kept):
        raise ValueError(f"{kept.name}: none of its {len(kept.whole)} samples has both an instruction and a response")
    ids = kept.table["id"]
    if ids.duplicated().any():
        raise ValueError(f"{kept.name}: id {ids[ids.duplicated()].iloc[0]!r} is that of several samples")
    about = {
        "without text, dropped": counts["empty"],
        "repeated instructions with another response, dropped": counts["repeated_instruction"],
        "repeated samples, dropped": counts["repeated_sample"],
        "samples that can be used": len(kept),
    }
    return replace(kept, about={**kept.about, **about}, repeats="keep" if keep_repeats else "drop")


def as_samples(samples: Samples | Source) -> Samples:
    """Samples as they are, or those of a source (`read`)."""
    return samples if isinstance(samples, Samples) else read(samples)


def list_bad(bad: BadRows) -> list[tuple[str, str]]:
    """Place and reason of every record that cannot be used."""
    return [(place_record(*where), reason) for where, reason in sorted(bad.found.items())]


def open_records(source: Source, bad: BadRows) -> list[Records]:
    """The records of a source, one for each file that it means."""
    if _is_path(source):
        return open_source(str(source), bad)
    kind = type(source).__name__
    if isinstance(source, dict):
        splits = ", ".join(map(str, source))
        raise ValueError(f"{kind}: expected one split of it, such as data['train']; it has {splits}")
    table: Any = source
    try:
        if isinstance(source, pd.DataFrame):
            table = pa.Table.from_pandas(source, preserve_index=False)
        elif not isinstance(source, pa.Table):
            table = table.with_format("arrow")[: len(table)]  # a stream has no length: TypeError
    except pa.ArrowException as error:
        raise ValueError(f"{kind}: a column holds values of several kinds: {error}") from None
    except (AttributeError, TypeError):
        way = "; take Dataset.from_list(list(data.take(1000)))" if kind == "IterableDataset" else ""
        raise ValueError(f"expected a path, DataFrame, Arrow table or datasets.Dataset, not {kind}{way}") from None
    return [arrow_records(table, kind, bad)]


def _is_path(source: Source) -> bool:
    return isinstance(source, str | Path)


def _gather(
    records: Sequence[Records], columns: Mapping[str, str], turns: Turns, bad: BadRows, sources: Sequence[Source]
) -> Samples:
    """All samples of the records of one corpus, none left out."""
    mapped = [{ours: theirs for ours, theirs in columns.items() if theirs in found.columns} for found in records]
    tables = [
        _read_one(found, named, turns).assign(**{FILE: place})
        for place, (found, named) in enumerate(zip(records, mapped, strict=True))
    ]
    lost = sum((Counter(count_conversations(table)) for table in tables), Counter[str]())
    whole = tables[0]  # sorted as it is
    if len(tables) > 1:
        whole = _tell_apart(pd.concat(tables, ignore_index=True), records)
        whole = whole.sort_values(["id", "source"], kind="stable", ignore_index=True)
    if bad.found:
        row, reason = list_bad(bad)[0]
        say(f"{len(bad.found):,} records cannot be used and are skipped, such as {row}: {reason}")
    named = [source_name(str(one)) if _is_path(one) else type(one).__name__ for one in sources]
    name, files = ", ".join(named), [str(one) for one in sources if _is_path(one)]
    about = {
        "file": name,
        "samples in the file": len(whole),
        **({"records that cannot be used, skipped": len(bad.found)} if bad.found else {}),
        **{words.format(turns=turns): n for fact, words in CONVERSATIONS.items() if (n := lost[fact])},
    }
    reasons: Reasons = np.full(len(whole), "", dtype=object)
    return Samples(name, whole, reasons, about, records, mapped, files, bad, repeats="keep", call=name)


def _tell_apart(samples: pd.DataFrame, records: Sequence[Records]) -> pd.DataFrame:
    """Samples of several files, with the files in their ids where different samples of two files have the same."""
    different = samples.drop_duplicates(["id", "instruction", "response"])
    if not different["id"].duplicated().any():
        return samples
    names = [source_name(found.name) for found in records]
    told = [
        f"{name} ({names[:place].count(name) + 1})" if name in names[:place] else name
        for place, name in enumerate(names)
    ]
    ids = np.array(told, dtype=object)[samples[FILE]] + ":" + samples["id"].astype(object)
    say(f"ids repeat from file to file: each is told apart by its file, such as {ids.iloc[0]}")
    return samples.assign(id=ids.astype("str"))


def _check_columns(named: Mapping[str, str], records: Sequence[Records]) -> None:
    """Raise ValueError if no file has a column that is named."""
    for theirs in named.values():
        if not any(theirs in found.columns for found in records):
            held = "; ".join(f"{source_name(found.name)} has {', '.join(found.columns)}" for found in records)
            raise ValueError(f"no column {theirs!r}: {held}")


def _read_one(records: Records, named: Mapping[str, str], turns: Turns) -> pd.DataFrame:
    """The samples of one file, and a word about them to the person at the terminal."""
    name = source_name(records.name)
    table = place_samples(records, source=name, columns=named, turns=turns)
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
