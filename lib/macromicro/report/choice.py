"""What `select` would choose at three levels of diversity: which types that covers, and what it does to length."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from macromicro.annotate.types import TypeMatrix
from macromicro.report.blocks import Block, Section, Table, share_of
from macromicro.report.contents import Lengths
from macromicro.report.found_types import NAMES
from macromicro.select.describe import compare_coverage
from macromicro.select.pools import peel
from macromicro.select.select import draw_baseline, select_datasets
from macromicro.study.sections import Granularity
from macromicro.study.streams import seed_of, stream

LEVELS = (0, 50, 100)
RANDOM = "random draw"


@dataclass(frozen=True)
class Corpus:
    """What is chosen from: types of the samples, lengths of both parts, and how many samples to choose."""

    types: TypeMatrix
    lengths: Lengths
    size: int


def show_choice(found: Mapping[Granularity, Corpus], *, seed: int, asked: str, notes: list[str]) -> Section:
    """The section on what would be chosen. Parameters: asked, the size as it was given; notes, sentences."""
    blocks: list[Block] = []
    missing: list[str] = []
    for granularity, corpus in found.items():
        try:
            chosen = choose_levels(corpus, seed=seed)
        except ValueError as error:  # a size that the corpus does not have, or that leaves levels no room
            missing.append(f"Nothing is shown for {granularity}: {error}.")
            continue
        blocks.append(_tabulate(chosen, granularity, corpus))
    sentences = [
        f"`select --size {asked} --level LEVEL` chooses as many samples at each level; the level says how many types "
        "they cover, from what the narrowest pool with so many samples gives (0 %) to what the whole data give (100 %)."
    ]
    return Section("choice", "What select would choose", [*sentences, *notes], blocks, missing)


def choose_levels(corpus: Corpus, *, seed: int) -> pd.DataFrame:
    """A row per level and one of a random draw of equal size, as `select` draws both.

    Columns choice, types, percent, evenness, types_per_sample (`describe.compare_coverage`), and the mean words of
    instruction and response. Raises ValueError as `select.select_datasets`.
    """
    peeling = peel(corpus.types, seed=seed_of("peel", seed))
    table, rows = select_datasets(corpus.types, peeling, levels=LEVELS, sizes=[corpus.size], seed=seed)
    names = dict(zip(table["dataset"], (f"level {level} %" for level in table["level"]), strict=True))
    drawn = draw_baseline(corpus.types.n_samples, corpus.size, stream("by chance", seed))
    choices = {names[name]: held for name, held in rows.items()} | {RANDOM: drawn}
    compared = compare_coverage(corpus.types, choices)
    means = {part: [float(words[held].mean()) for held in choices.values()] for part, words in corpus.lengths.items()}
    return compared.assign(**means)


def _tabulate(chosen: pd.DataFrame, granularity: Granularity, corpus: Corpus) -> Table:
    percent, responses = chosen["percent"].tolist(), chosen["response"].tolist()
    full, by_chance = responses[LEVELS.index(100)], responses[-1]
    rows = [
        (
            str(row["choice"]), f"{row['types']:,}", f"{row['percent']:.1f} %", f"{row['evenness']:.3f}",
            f"{row['instruction']:,.1f}", f"{row['response']:,.1f}",
            f"{row['response'] / by_chance:.2f} x" if by_chance else "–",
        )
        for row in chosen.to_dict("records")
    ]  # fmt: skip
    return Table(
        f"{granularity}: {corpus.size:,} of {corpus.types.n_samples:,} samples, by {NAMES[granularity]}",
        (
            "choice", "types covered", "share of all", "evenness", "words per instruction", "words per response",
            "beside random",
        ),
        rows,
        f"Level 100 % covers {percent[LEVELS.index(100)]:.1f} % of the {NAMES[granularity]} where chance covers "
        f"{percent[-1]:.1f} %, with responses of {full:,.1f} words where chance has {by_chance:,.1f}. Where both "
        "rise, a part of what is gained is length, and longer responses cost more to train on.",
        bars={2: [share / 100 for share in percent], 5: share_of(responses)},
    )  # fmt: skip
