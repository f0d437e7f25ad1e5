"""What the commands of the command line write: samples and types (files or standard output), tables, cards."""

import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from macromicro.annotate.types import TypeMatrix, save_types
from macromicro.api.filtering import name_quality
from macromicro.api.messages import say
from macromicro.api.reading import list_bad
from macromicro.corpus.formats import is_known
from macromicro.corpus.records import BadRows, Column
from macromicro.corpus.sources import SKIPPED, source_name
from macromicro.corpus.writers import save_columns
from macromicro.select.card import save_card
from macromicro.study.files import name_only, write_aside

FILE_OPTIONS = ("", "--", "-o", "--output", "--card", "--types", "--cache", "--exclude", "--rejected")
CARD_TAG = b"\n- macromicro\n"  # one of the tags in the metadata of every card


def check_output(output: str, suffixes: Sequence[str], **others: str | Path | None) -> None:
    """Refuse, before any work, an output of an unknown format, or one that would replace a file that is read.

    Parameters: others, the files that are read, by what to call them; None or `-` for none.
    Raises ValueError naming the formats, or which file would be lost.
    """
    if output == "-":
        return
    if Path(output).suffix not in suffixes:
        raise ValueError(f"{output}: expected a name that ends in {', '.join(suffixes)}, or - for a pipe")
    _check_place(Path(output), "output", others)
    listed = Path(f"{output}{SKIPPED}")
    _check_place(listed, "list of skipped records", others)
    if listed.is_file() and not _lists_skipped(listed):
        raise ValueError(f"{listed}: there is a file that is no list of skipped records; give another output name")


def parse_columns(columns: Sequence[str] | None) -> dict[str, str]:
    """Our names and the file's of the likes of `response=answer`."""
    return dict(pair.partition("=")[::2] for pair in columns or ())


def name_inputs(files: Sequence[str]) -> dict[str, str | Path | None]:
    """The files that are read, by what to call them."""
    return {f"input {place}" if place else "input": file for place, file in enumerate(files)}


def place_card(card: Path | None, output: str, **others: str | Path | None) -> Path | None:
    """Where the card goes, None for nowhere: `card`, or else OUTPUT.card.md (x.jsonl.card.md) beside the output.

    Parameters: others, as in `check_output`.
    Raises ValueError if it would replace the output, a file that is read, or one that is no card of this output.
    """
    place = card or (None if output == "-" else Path(f"{output}.card.md"))
    if place is None:
        return None
    _check_place(place, "card", {**others, "output": output})
    if place.exists():
        text = place.read_bytes()
        if CARD_TAG not in text:
            raise ValueError(
                f"{place}: there is a file that is no card of macromicro; give the card another --card name"
            )
        if Path(output).name.encode() not in text.split(b"\n---\n")[0]:
            raise ValueError(f"{place}: there is the card of another file; give the card another --card name")
    return place


def write_chosen(
    rows: Mapping[str, Column], output: str, chosen: pd.DataFrame, card: Path | None, **about: Any
) -> None:
    """Write rows and their card: both, or on an error neither.

    Parameters: chosen, the samples that the rows are of; card, where it goes, None for nowhere; about, further
    arguments of `card.save_card`.
    """
    if card is None:
        write_columns(rows, output)
        return
    with write_aside(card) as aside:
        save_card(chosen, aside, data_file=output, columns=rows, **about)
        write_columns(rows, output)


def write_bad(bad: BadRows, output: str) -> None:
    """List the records that were skipped in OUTPUT.bad.jsonl: place, reason. To a pipe, nothing is written.

    Where none were skipped, the list of an earlier output of this name goes.
    """
    if output == "-":
        return
    listed = f"{output}{SKIPPED}"
    if not bad.found:
        Path(listed).unlink(missing_ok=True)
        return
    places, reasons = zip(*list_bad(bad), strict=True)
    write_columns({"place": list(places), "reason": list(reasons)}, listed)
    say(f"skipped records are listed in {listed}")


def write_columns(columns: Mapping[str, Column], output: str) -> None:
    """Write columns to a file, or as JSON lines to standard output (`-`)."""
    if output != "-":
        save_columns(columns, output)
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "samples.jsonl"
        save_columns(columns, file)
        with file.open("rb") as lines:
            shutil.copyfileobj(lines, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def write_types(types: TypeMatrix, output: str) -> None:
    """Write the type matrix (.npz), or a row per sample: id, and names of its types as a person reads them."""
    if output.endswith(".npz"):
        save_types(types, output)
        return
    starts = types.matrix.indptr
    readable = types.report.get("readable", {})
    labels = np.array([readable.get(label, label) for label in types.labels], dtype=object)
    names = [labels[types.matrix.indices[a:b]].tolist() for a, b in pairwise(starts)]
    write_columns({"id": types.ids.tolist(), "types": names}, output)


def show_facts(about: Mapping[str, Any]) -> None:
    """Print a line per fact, name and value."""
    for name, value in about.items():
        shown = ", ".join(f"{key} {_number(item)}" for key, item in value.items()) if isinstance(value, dict) else value
        print(f"{name.replace('_', ' ')}: {_number(shown)}")


def show_table(table: pd.DataFrame) -> None:
    """Print a table below an empty line."""
    print()
    print(table.to_string(index=False, float_format=lambda value: f"{value:,.4g}", na_rep="-"))


def shown_command(arguments: Sequence[str]) -> str:
    """The command as one would type it beside the files: files by their names, nothing of the machine.

    Parameters: arguments of a command all of whose options take a value, as those of `select` do.
    """
    command, *words = arguments
    shown, option = ["macromicro", command], ""
    for word in words:
        if option or not word.startswith("-") or word == "-":
            shown.append(_shown_value(option, word))
            option = ""
        elif word.startswith("--") and "=" in word:
            name, _, value = word.partition("=")
            shown.append(f"{name}={_shown_value(name, value)}")
        elif word.startswith("--") or len(word) == 2:
            shown.append(word)
            option = word
        else:
            shown.append(word[:2] + _shown_value(word[:2], word[2:]))
    return shlex.join(shown)


def _shown_value(option: str, value: str) -> str:
    """The value of an option ('' for FILE) without folders of the machine and addresses of servers."""
    if option in FILE_OPTIONS:
        return value if value == "-" else source_name(value)
    if option == "--set":
        key, _, setting = value.partition("=")
        return f"{key}=URL" if key == "tag_llm.base_url" else f"{key}={name_only(setting)}"
    return name_quality(value) if option == "--quality" else name_only(value)


def _number(value: Any) -> Any:
    return f"{value:,}" if isinstance(value, int) else value


def _check_place(place: Path, role: str, others: Mapping[str, str | Path | None]) -> None:
    """Refuse a place that is a folder or one of the other files."""
    if place.is_dir():
        raise ValueError(f"{place}: the {role} must be a file, but this is a folder")
    for name, other in others.items():
        if other in (None, "-"):
            continue
        if Path(str(other)).resolve() == place.resolve():
            raise ValueError(f"{place}: the {role} would replace the {name}")
        if Path(str(other)).resolve() == place.resolve().parent and is_known(place) and not place.match(f"*{SKIPPED}"):
            raise ValueError(f"{place}: the {role} would be a file of the {name}, a folder: write it elsewhere")


def _lists_skipped(path: Path) -> bool:
    """Whether a file begins as `write_bad` writes it."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        first = next(lines, "")
    try:
        return set(json.loads(first)) == {"place", "reason"}
    except (ValueError, TypeError):
        return False
