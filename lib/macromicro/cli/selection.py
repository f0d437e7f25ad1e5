"""What the command `select` does once its options are read."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from macromicro.api.annotation import check_tokenizer
from macromicro.api.messages import say_all
from macromicro.api.pool import Band, Budget
from macromicro.api.reading import Use, read
from macromicro.api.samples import Repeats, Samples
from macromicro.api.selection import say_json_text, select
from macromicro.cli.output import (
    check_output,
    name_inputs,
    parse_columns,
    place_card,
    shown_command,
    write_bad,
    write_chosen,
    write_columns,
)
from macromicro.cli.settings import read_settings
from macromicro.corpus.conversations import Turns
from macromicro.corpus.shapes import Shape, check_shape
from macromicro.corpus.text_columns import find_texts
from macromicro.corpus.writers import SUFFIXES
from macromicro.study.sections import Granularity, Method, Part

HALF = "50%"


@dataclass(frozen=True)
class Options:
    """The options of the command, by the names of the command line."""

    files: Sequence[str]
    size: str
    output: str
    part: Part | None
    granularity: Granularity | None
    level: int
    method: Method
    tokenizer: str
    types: Path | None
    card: Path | None
    rejected: str | None
    format: Shape
    quality: str | None
    quality_share: str | None
    stratify: str | None
    length: str | None
    budget: Budget
    near_duplicates: Repeats
    exclude: str | None
    turns: Turns
    repeats: Repeats
    bad_rows: Use
    seed: int
    cache: Path | None
    column: Sequence[str]
    set: Sequence[str]


def select_files(options: Options) -> None:
    """Choose samples of files, and write them with their card and, if asked to, what was not chosen."""
    card, band = _place_outputs(options), parse_band(options.length)
    if options.quality_share and not options.quality:
        raise ValueError(f"--quality-share {options.quality_share} needs --quality COLUMN")
    settings = read_settings(options.set, tokenizer=options.tokenizer)
    check_tokenizer(options.tokenizer, settings)
    samples = read(
        *options.files, columns=parse_columns(options.column), turns=options.turns, repeats=options.repeats,
        bad_rows=options.bad_rows,
    )  # fmt: skip
    _check_shape(samples, options)
    chosen = select(
        samples, options.size, part=options.part, granularity=options.granularity, level=options.level,
        method=options.method, tokenizer=options.tokenizer, types=options.types, quality=options.quality,
        quality_share=float((options.quality_share or HALF).removesuffix("%")) / 100, stratify=options.stratify,
        length=band, budget=options.budget,
        near_duplicates=options.near_duplicates, exclude=options.exclude, seed=options.seed, cache=options.cache,
        settings=settings,
    )  # fmt: skip
    rows = chosen.rows(options.format)
    write_chosen(rows, options.output, chosen.table, card, command=shown_command(sys.argv[1:]), **chosen.describe())
    say_json_text(rows, options.output)
    if options.rejected:
        write_columns({str(name): chosen.dropped[name].tolist() for name in chosen.dropped}, options.rejected)
    write_bad(samples.bad, options.output)
    say_all({**chosen.facts, **_moved(chosen.shift), **({"card": card} if card else {})})


def parse_band(length: str | None) -> Band | None:
    """The lowest and highest length of LOW:HIGH, either of which may be missing."""
    if length is None:
        return None
    low, colon, high = length.partition(":")
    if colon and all(not end or (end.isascii() and end.isdigit()) for end in (low, high)):
        band = (int(low) if low else None, int(high) if high else None)
        if not (low and high) or int(low) <= int(high):
            return band
    raise ValueError(f"--length {length}: expected LOW:HIGH in tokens of the response, such as 5:200 or :400")


def _place_outputs(options: Options) -> Path | None:
    """Where the card goes, None for nowhere. Raises ValueError if one of the files to write would replace another."""
    places = {**name_inputs(options.files), "types": options.types, "evaluation set": options.exclude}
    check_output(options.output, SUFFIXES, **places)
    if options.rejected:
        if options.rejected == options.output == "-":
            raise ValueError("--rejected -: the subset goes to standard output already; give it a file")
        check_output(options.rejected, SUFFIXES, **places, subset=options.output)
    return place_card(options.card, options.output, **places, rejected=options.rejected)


def _check_shape(samples: Samples, options: Options) -> None:
    """Refuse a shape that the rows cannot have in the output, before anything is annotated."""
    check_shape(samples.records, options.format)
    texts = [find_texts(found, named) for found, named in zip(samples.records, samples.mapped, strict=True)]
    listed = options.format == "messages" or (options.format == "same" and any(len(names) == 1 for names in texts))
    if listed and Path(options.output).suffix == ".csv":
        raise ValueError(
            f"{options.output}: conversations are lists of turns, which CSV cannot hold: write .jsonl, .json or "
            ".parquet, or give --format trl or alpaca"
        )


def _moved(shift: pd.DataFrame) -> dict[str, str]:
    """The lines of the summary on what moved: all, a random draw, the subset."""
    shown = shift[~shift["measure"].str.contains("characters")].to_dict("records")
    return {
        str(row["measure"]): f"{row['chosen']} (random draw {row['random']}{', all ' * bool(row['all'])}{row['all']})"
        for row in shown
    }
