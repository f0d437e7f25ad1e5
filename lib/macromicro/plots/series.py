"""How strategies look in every figure: a colour, a marker and a name each, families in order.

Colours are those of Okabe and Ito, which people with any colour vision can tell apart; every series has a marker of
its own as well. The paper's six strategies are drawn by granularity, all others by turns.
"""

from itertools import cycle
from typing import NamedTuple

import pandas as pd

from macromicro.analyse.paper import list_families
from macromicro.plots.names import literal

STYLES = {"macro": ("#0072B2", "o"), "meso": ("#009E73", "s"), "micro": ("#D55E00", "^")}
COLOURS = ("#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
MARKERS = ("D", "v", "P", "X", "<", ">", "h")


class Style(NamedTuple):
    """Colour and marker of a strategy, and what a legend calls it."""

    colour: str
    marker: str
    label: str


def style_strategies(table: pd.DataFrame) -> dict[str, Style]:
    """The style of every strategy of a table with strategy, part and granularity, by name.

    A strategy named by part and granularity, such as `response-micro`, is called by its granularity: its panel names
    the part. Others take colours and markers by turns, in order of family and name.
    """
    styles = {}
    turns = zip(cycle(COLOURS), cycle(MARKERS), strict=False)
    rows = list_strategies(table)
    for name, part, granularity in zip(rows["strategy"], rows["part"], rows["granularity"], strict=True):
        if name == f"{part}-{granularity}":
            styles[name] = Style(*STYLES[granularity], label=granularity)
        elif name not in styles:
            colour, marker = next(turns)
            styles[name] = Style(colour, marker, label=literal(name))
    return styles


def list_strategies(table: pd.DataFrame) -> pd.DataFrame:
    """The strategies of a table, each once: family, strategy, part, granularity, the paper's family first."""
    rows = table[["family", "strategy", "part", "granularity"]].drop_duplicates(["family", "strategy"])
    place = rows["family"].map({name: place for place, name in enumerate(list_families(table))})
    return rows.assign(place=place).sort_values(["place", "strategy"]).drop(columns="place")
