"""The dataset card of a chosen subset, in the format of the Hugging Face hub (YAML between dashes, then Markdown)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import yaml

from macromicro.corpus.readers import arrow_column
from macromicro.corpus.records import Column, is_text
from macromicro.study.files import write_aside

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
# The identifiers of https://huggingface.co/docs/hub/repositories-licenses that are used for data or code.
HUB_LICENCES = frozenset(
    "afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc "
    "cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 "
    "cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 "
    "cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 "
    "gemma gfdl gpl gpl-2.0 gpl-3.0 isc lgpl lgpl-2.1 lgpl-3.0 llama2 mit mpl-2.0 "
    "ms-pl ncsa odbl odc-by ofl-1.1 openrail osl-3.0 pddl postgresql unlicense wtfpl zlib".split()
)
NOT_STATED = "not stated"


def save_card(
    chosen: pd.DataFrame,
    path: str | Path,
    *,
    data_file: str,
    columns: Mapping[str, Column],
    made_from: Mapping[str, Any],
    made_how: Mapping[str, Any],
    coverage: Mapping[str, Any],
    command: str,
    shift: pd.DataFrame,
) -> None:
    """Write the card of the chosen samples.

    Parameters: chosen, with columns source and licence; data_file, the file with the samples, `-` for none;
    columns, of that file; made_from, made_how and coverage, name to value, each shown as a table; command, that chooses
    the same again; shift, how the samples differ from all (`shift.describe_shift`).
    """
    name = Path(data_file).name
    text = "\n\n".join(
        [
            f"---\n{yaml.safe_dump(describe_for_hub(chosen, name), sort_keys=False, allow_unicode=True)}---",
            f"# {Path(name).stem if name != '-' else 'Chosen samples'}",
            f"{len(chosen):,} instruction/response samples, chosen from {made_from['file']} "
            f"({made_from['samples chosen from']:,} samples) with macromicro.",
            "## What it was chosen from",
            _table(made_from, "", "value"),
            "## How it was chosen",
            _table(made_how, "setting", "value"),
            "The same command on the same file chooses the same samples:",
            f"```\n{command}\n```",
            "## What it covers",
            _table(coverage, "", "value") if coverage else "No types were asked for, so no coverage is known.",
            "## What moved with it",
            "Diverse samples tend to be long ones, and some sources have more of them. A random draw of equal size "
            "shows what choosing did.",
            _table_of(shift.rename(columns={"measure": "", "random": "random draw"})),
            "## Sources and licences",
            "Every row keeps the licence that it has in the file; none was changed or added.",
            _count(chosen, ["source", "licence"]),
            "## Columns",
            _table({name: _kind(values) for name, values in columns.items()}, "column", "type"),
        ]
    )
    with write_aside(path) as aside:
        aside.write_text(text + "\n", encoding="utf-8")


def describe_for_hub(chosen: pd.DataFrame, data_file: str) -> dict[str, Any]:
    """The metadata that the hub reads: licence, size, task, tags and which file is the data.

    Licences are those of the rows. Where one is not of the hub's list, or only some rows state one, the hub's word for
    it is `other`, with its name or `mixed` in `license_name`; where none is stated, `unknown`. All names stand in the
    text of the card.
    """
    named = sorted(set(chosen["licence"].replace("", NOT_STATED)))
    known = [name.lower() for name in named if name.lower() in HUB_LICENCES]
    licence: dict[str, Any] = {"license": known[0] if len(known) == 1 else known}
    if named == [NOT_STATED]:
        licence = {"license": "unknown"}
    elif len(known) < len(named):
        slug = re.sub(r"[^a-z0-9.]+", "-", named[0].lower()).strip("-")
        licence = {"license": "other", "license_name": slug if len(named) == 1 and slug else "mixed"}
    size = next((label for bound, label in SIZES if len(chosen) < bound), "n>1M")
    split = [{"split": "train", "path": data_file}]
    configs = [] if data_file == "-" else [{"config_name": "default", "data_files": split}]
    return {
        **licence,
        "task_categories": ["text-generation"],
        "size_categories": [size],
        "tags": ["instruction-tuning", "data-selection", "macromicro"],
        **({"configs": configs} if configs else {}),
    }


def _table(values: Mapping[str, Any], first: str, second: str) -> str:
    """A Markdown table of two columns."""
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in values.items()]
    return "\n".join([f"| {first} | {second} |", "|---|---|", *rows])


def _count(chosen: pd.DataFrame, columns: list[str]) -> str:
    """A Markdown table of how many samples have each combination of values, most first."""
    filled = chosen[columns].replace("", NOT_STATED)
    counts = filled.value_counts().reset_index().sort_values(["count", *columns], ascending=[False, True, True])
    rows = [
        f"| {' | '.join(_cell(row[name]) for name in columns)} | {row['count']:,} |" for _, row in counts.iterrows()
    ]
    return "\n".join([f"| {' | '.join(columns)} | samples |", "|---|---|---|", *rows])


def _table_of(table: pd.DataFrame) -> str:
    """A table as Markdown."""
    rows = [f"| {' | '.join(map(_cell, row))} |" for row in table.itertuples(index=False)]
    return "\n".join([f"| {' | '.join(table.columns)} |", "|---" * table.shape[1] + "|", *rows])


def _kind(values: Column) -> str:
    """What a column holds, in a word."""
    held = arrow_column(values).type
    return "text" if is_text(held) else "list" if pa.types.is_large_list(held) else str(held).partition("<")[0]


def _cell(value: Any) -> str:
    """A value that cannot break a table."""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return " ".join(text.split()).replace("|", "\\|")
