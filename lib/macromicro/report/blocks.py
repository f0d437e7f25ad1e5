"""What a page is made of: sections, and the tables, histograms and maps in them, each with how to read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias


@dataclass(frozen=True)
class Table:
    """Rows of text, with bars in some of their cells.

    Attributes
    ----------
    title, reading : what it shows, and one or two sentences on how to read it.
    header : names of the columns; those of the numbers `words` hold words, the others numbers.
    rows : the cells, as they are shown.
    bars : by column, the length of the bar in each cell of it, between 0 and 1.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    reading: str
    words: Sequence[int] = (0,)
    bars: Mapping[int, Sequence[float]] = field(default_factory=dict)
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Histogram:
    """How often values lie between edges; `counts` has a list of counts, one per bin, by the name of the series."""

    title: str
    edges: Sequence[int]
    counts: Mapping[str, Sequence[int]]
    unit: str
    reading: str
    kind: ClassVar[str] = "histogram"

    @property
    def highest(self) -> int:
        """The largest of all counts."""
        return max(max(own, default=0) for own in self.counts.values())


@dataclass(frozen=True)
class TopicMap:
    """Texts in two dimensions.

    Attributes
    ----------
    groups : of each colour the label, the number of texts on the map and the path that draws them.
    points : of each text x, y, the number of its topic in `labels` and its beginning, for the script of the page.
    """

    title: str
    width: int
    height: int
    groups: Sequence[tuple[str, int, str]]
    labels: Sequence[str]
    points: Sequence[Sequence[Any]]
    reading: str
    kind: ClassVar[str] = "map"


Block: TypeAlias = Table | Histogram | TopicMap


@dataclass(frozen=True)
class Section:
    """A part of a page: sentences, blocks, and what is missing, in sentences."""

    name: str
    title: str
    sentences: Sequence[str] = ()
    blocks: Sequence[Block] = ()
    missing: Sequence[str] = ()


def shorten(text: str, most: int) -> str:
    r"""The beginning of a text in one line, of at most `most` characters.

    >>> shorten("one  two\nthree", 9)
    'one two …'
    """
    line = " ".join(text[: 4 * most + 100].split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def share_of(values: Sequence[float]) -> list[float]:
    """Values as shares of the largest, for bars."""
    top = max(values, default=0)
    return [value / top if top else 0.0 for value in values]
