"""The types of the texts as a page shows them: topics with their map, tags, bands of tokens."""

import numpy as np
import pandas as pd

from macromicro.annotate.steps import judge_cut
from macromicro.annotate.types import TypeMatrix
from macromicro.report.blocks import Block, Table, share_of, shorten
from macromicro.report.topic_map import map_texts
from macromicro.study.sections import Granularity, Part

N_TYPES = 20
N_TOPICS = 12
BAND_LIMITS = {"high": "more than {high}", "mid": "{low} to {high}", "low": "fewer than {low}"}
NAMES: dict[Granularity, str] = {"macro": "topics", "meso": "tags", "micro": "mid-band tokens"}


def show_topics(types: TypeMatrix, texts: pd.Series, points: pd.DataFrame, part: Part) -> list[Block]:
    """The map of topics and a table of the largest.

    Parameters: texts, in the order of `types.ids`; points, as `topics.map_topics` returns them.
    """
    counts = types.samples_per_type
    largest = np.lexsort((np.arange(types.n_types), -counts))[:N_TOPICS]
    by_type = types.matrix.tocsc()
    rows = []
    for topic in largest:
        first = by_type.indices[by_type.indptr[topic] : by_type.indptr[topic + 1]].min()
        n = int(counts[topic])
        rows.append((str(types.labels[topic]), shorten(texts.iloc[first], 110), f"{n:,}", f"{n / len(texts):.1%}"))
    n_others, n_without = int(counts.sum() - counts[largest].sum()), int((types.types_per_sample == 0).sum())
    rest = {f"{types.n_types - len(largest):,} smaller topics": n_others} if types.n_types > len(largest) else {}
    rest |= {"no topic": n_without}
    rows += [(name, "", f"{n:,}", f"{n / len(texts):.1%}") for name, n in rest.items()]
    shares = share_of([*counts[largest].tolist(), *rest.values()])
    table = Table(
        f"Topics of the {part}s",
        ("topic", "such as", "texts", "share"),
        rows,
        f"A topic is named by the words that set it apart, and shown by the first of its {part}s. Texts without a "
        f"topic resemble too few others; `select` never draws them for a topic. {judge_cut(types.report)}".rstrip(),
        words=(0, 1),
        bars={3: shares},
    )
    return [map_texts(points, types.labels, texts.set_axis(types.ids), part), table]


def show_tags(types: TypeMatrix, part: Part) -> list[Block]:
    """The most frequent tags."""
    n = min(N_TYPES, types.n_types)
    return [
        _tabulate_types(
            types,
            f"Most frequent tags of the {part}s",
            f"The {n} of {types.n_types:,} tags that most {part}s carry; a text has a few tags or none. Where these "
            "first ones take a large share, the data keep asking for the same things.",
        )
    ]


def show_tokens(types: TypeMatrix, part: Part) -> list[Block]:
    """The bands of tokens, and the most frequent of those in the middle."""
    report = types.report
    names = list(report["bands"])
    rows = []
    for name in names:
        band, limits = report["bands"][name], BAND_LIMITS[name].format(low=report["low"], high=report["high"])
        rows.append((name, limits, f"{band['n_distinct']:,}", f"{band['n_occurrences']:,}", f"{band['share']:.1%}"))
    bands = Table(
        f"Bands of tokens of the {part}s",
        ("band", "occurrences of each", "different tokens", "occurrences in all", "share"),
        rows,
        "Tokens of the middle band are the types of micro: frequent enough to be learned, rare enough to tell texts "
        "apart. The high band is grammar, the low one names and numbers.",
        words=(0, 1),
        bars={4: [report["bands"][name]["share"] for name in names]},
    )
    top = _tabulate_types(
        types,
        "Tokens of the middle band that most texts hold",
        f"The first {min(N_TYPES, types.n_types)} of {types.n_types:,} types of micro, made with "
        f"{report.get('made_with', 'a tokenizer')}. "
        "`select --granularity micro` draws samples so that each is met.",
    )
    return [bands, top]


def _tabulate_types(types: TypeMatrix, title: str, reading: str) -> Table:
    counts = types.samples_per_type
    best = np.lexsort((np.arange(types.n_types), -counts))[:N_TYPES]
    readable = types.report.get("readable", {})
    names = [str(readable.get(label, label)) for label in types.labels[best]]
    rows = [
        (name, f"{n:,}", f"{n / types.n_samples:.2%}") for name, n in zip(names, counts[best].tolist(), strict=True)
    ]
    return Table(title, ("type", "texts", "share"), rows, reading, bars={2: share_of(counts[best].tolist())})
