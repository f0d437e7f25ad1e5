"""What the command `report` does once its options are read."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.annotate.annotate import MAP_POINTS, NoTypesError
from macromicro.annotate.tokens import count_words
from macromicro.annotate.topics import map_topics
from macromicro.annotate.types import TypeMatrix
from macromicro.api.annotation import check_tokenizer, embedder, make_types, token_maker, why_not_embed
from macromicro.api.evaluation import read_prompts
from macromicro.api.measures import list_left_out
from macromicro.api.messages import say
from macromicro.api.pool import count_samples
from macromicro.api.reading import Use, read
from macromicro.api.samples import Repeats, Samples, describe_files
from macromicro.api.settings import list_settings
from macromicro.cli.output import check_output, name_inputs, parse_columns, write_bad
from macromicro.cli.settings import read_settings
from macromicro.corpus.conversations import Turns
from macromicro.corpus.scripts import NO_SPACES, lacks_spaces
from macromicro.corpus.sources import source_name
from macromicro.measure.comparison import PARTS
from macromicro.report.blocks import Block, Section
from macromicro.report.choice import Corpus, show_choice
from macromicro.report.contents import describe_samples
from macromicro.report.diversity import Measured, measure_diversity
from macromicro.report.found_types import show_tags, show_tokens, show_topics
from macromicro.report.page import Page, render
from macromicro.report.repeats import find_repeats
from macromicro.select.select import draw_baseline
from macromicro.study.files import name_only, write_aside
from macromicro.study.sections import Granularity, Part, TypeSettings
from macromicro.study.streams import stream

MAX_DRAWN = 10_000  # samples: embeddings and topics of more take long, and NovelSum looks at all pairs


@dataclass(frozen=True)
class Options:
    """The options of the command, by the names of the command line."""

    files: Sequence[str]
    output: str
    before: str | None
    exclude: str | None
    part: Part
    granularity: Granularity | None
    size: str
    tokenizer: str
    turns: Turns
    repeats: Repeats
    bad_rows: Use
    seed: int
    cache: Path | None
    column: Sequence[str]
    set: Sequence[str]


@dataclass
class Found:
    """What was found about types: blocks that show them, what may be chosen from, what is missing, and settings."""

    blocks: list[Block] = field(default_factory=list)
    corpora: dict[Granularity, Corpus] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    made_with: dict[str, Any] = field(default_factory=dict)


def report_files(options: Options) -> None:
    """Write one page on the samples of files."""
    places = {"corpus before": options.before, "evaluation set": options.exclude}
    check_output(options.output, (".html",), **name_inputs(options.files), **places)
    settings = read_settings(options.set, tokenizer=options.tokenizer)
    check_tokenizer(options.tokenizer, settings)
    prompts = read_prompts(options.exclude) if options.exclude else None
    samples = _read(options.files, options)
    with TemporaryDirectory() as scratch:  # so that no text is embedded twice
        page = _make_page(samples, options, settings, options.cache or Path(scratch), prompts)
    if options.output == "-":
        sys.stdout.write(render(page))
        return
    with write_aside(options.output) as aside:
        aside.write_text(render(page), encoding="utf-8")
    write_bad(samples.bad, options.output)


def _make_page(
    read: Samples, options: Options, settings: TypeSettings, cache: Path, prompts: pd.DataFrame | None
) -> Page:
    """All sections, from types to choosing."""
    samples = read.table
    lengths = {part: count_words(samples[part]) for part in PARTS}
    found = _find_types(samples, lengths, options, settings, cache)
    contents = [*describe_samples(samples, dict(read.about), lengths), *found.blocks]
    say("measuring how diverse the samples are, and what is said twice")
    diversity = _measure(samples, read.name, options, settings, cache)
    repeats = find_repeats(samples, prompts, source_name(options.exclude) if options.exclude else "")
    choice = show_choice(found.corpora, seed=options.seed, asked=options.size, notes=found.notes)
    summary = [f"{len(samples):,} of {read.about['samples in the file']:,} samples can be used.", *repeats.sentences]
    summary += diversity.sentences[: 2 if options.before else 0]
    sections = [Section("contents", "What is in the data", (), contents, found.missing), diversity, repeats, choice]
    return Page(f"What is in {read.name}", summary, sections, _describe(options, found))


def _read(files: Sequence[str], options: Options) -> Samples:
    """The samples of files that can be used."""
    return read(
        *files, columns=parse_columns(options.column), turns=options.turns, repeats=options.repeats,
        bad_rows=options.bad_rows,
    )  # fmt: skip


def _find_types(
    samples: pd.DataFrame,
    lengths: dict[str, NDArray[np.int64]],
    options: Options,
    settings: TypeSettings,
    cache: Path,
) -> Found:
    """The types of every granularity that the text allows, or of the one that was asked for."""
    found = Found()
    for granularity in get_args(Granularity):
        if options.granularity not in (None, granularity):
            continue
        wanted = options.granularity is not None
        if not wanted and (reason := _why_not(granularity, samples[options.part], settings)):
            found.missing.append(reason)
            continue
        rows = _draw(len(samples), MAX_DRAWN if granularity == "macro" and not wanted else len(samples), options.seed)
        part = samples.iloc[rows].reset_index(drop=True)
        how: dict[str, Any] = {"tokenizer": options.tokenizer, "seed": options.seed, "cache": cache}
        try:
            types = make_types(part, options.part, granularity, settings=settings, **how)
        except NoTypesError as error:
            if wanted:
                raise
            found.missing.append(f"{granularity}: {error}.")
            continue
        if len(rows) < len(samples):
            found.notes.append(_say_drawn("Topics", len(rows), len(samples), "--granularity macro takes all"))
        found.blocks += _show(types, granularity, part[options.part], options, settings, cache)
        size = max(1, round(count_samples(options.size, len(samples)) * len(rows) / len(samples)))
        found.corpora[granularity] = Corpus(types, {name: words[rows] for name, words in lengths.items()}, size)
        found.made_with |= {granularity: types.report["made_with"], **list_settings(settings, granularity)}
    return found


def _why_not(granularity: Granularity, texts: pd.Series, settings: TypeSettings) -> str:
    """Why types of a granularity mean nothing for the texts, '' where they mean something."""
    if granularity == "macro" and (reason := why_not_embed(texts, settings)):
        return f"Topics are left out: {reason}."
    if granularity == "meso" and settings.tags.tagger == "offline" and lacks_spaces(texts):
        return f"Tags are left out: those of the offline tagger mean nothing in {NO_SPACES}; --set tags.tagger=llm."
    return ""


def _show(
    types: TypeMatrix, granularity: Granularity, texts: pd.Series, options: Options, settings: TypeSettings, cache: Path
) -> list[Block]:
    """The blocks that show types of one granularity."""
    if granularity == "meso":
        return show_tags(types, options.part)
    if granularity == "micro":
        return show_tokens(types, options.part)
    how: dict[str, Any] = {"reducer": settings.topics.reducer, "n_neighbors": settings.topics.n_neighbors}
    vectors = embedder(cache, settings)(texts)
    points = map_topics(types, vectors, seed=options.seed, n_points=MAP_POINTS, **how)
    return show_topics(types, texts, points, options.part)


def _measure(samples: pd.DataFrame, name: str, options: Options, settings: TypeSettings, cache: Path) -> Section:
    """The section on diversity, of no more than `MAX_DRAWN` samples, beside a draw of equal size."""
    origin = _read([options.before], options).table if options.before else None
    size = min(len(samples), MAX_DRAWN, len(samples) if origin is None else len(origin))
    own = samples.iloc[_draw(len(samples), size, options.seed)].reset_index(drop=True)
    draw = None
    if origin is not None:
        rng = np.random.default_rng(options.seed)  # as `measure --before` draws
        draw = origin.iloc[draw_baseline(len(origin), size, rng)].reset_index(drop=True)
    tokenizer, _ = token_maker("words", own)
    notes = [] if size == len(samples) else [_say_drawn("Metrics", size, len(samples), "`measure` takes all")]
    measured = Measured(own, draw, name, source_name(options.before) if options.before else "")
    left_out = list_left_out([samples] if origin is None else [samples, origin], settings)
    embed = embedder(cache, settings)
    return measure_diversity(measured, tokenize=tokenizer, embed=embed, left_out=left_out, notes=notes)


def _draw(n_samples: int, size: int, seed: int) -> NDArray[np.int64]:
    """Rows of a random draw, sorted; all where no more are asked for."""
    return draw_baseline(n_samples, min(size, n_samples), stream("report", seed))


def _say_drawn(what: str, n: int, n_samples: int, instead: str) -> str:
    return f"{what} are those of a random draw of {n:,} of the {n_samples:,} samples; {instead}."


def _describe(options: Options, found: Found) -> dict[str, Any]:
    """What the page was made with: files by their content, options and settings; nothing of the machine."""
    files = [*options.files, *(file for file in (options.before, options.exclude) if file)]
    asked = {"before": options.before, "evaluation set": options.exclude}
    return {
        "files": ", ".join(map(source_name, options.files)),
        **{name: source_name(file) for name, file in asked.items() if file},
        **describe_files(files),
        "part": options.part,
        "size": options.size,
        "tokenizer": name_only(options.tokenizer),
        "turns": options.turns,
        "repeated instructions": options.repeats,
        "seed": options.seed,
        **found.made_with,
    }
