"""Voting in JupyterLab: a pair at a time, two answers side by side and three buttons, every vote on disk at once."""

import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from macromicro.judge.people import BLIND
from macromicro.study.files import write_aside

if TYPE_CHECKING:
    import ipywidgets

CHOICES = {"The first is better": 1, "Equally good": 0, "The second is better": 2}
TEXT = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 1em 1em 0; padding: 0.5em; border: 1px solid #888"


def name_votes(folder: str | Path, person: int) -> Path:
    """Where the votes of a person are kept. Raises ValueError if the person is no number: names are kept nowhere."""
    if not isinstance(person, int) or isinstance(person, bool) or person < 1:
        raise ValueError("person must be a number from 1 on; names are kept nowhere")
    return Path(folder) / f"votes-{person}.csv"


def list_votes(folder: str | Path) -> list[Path]:
    """The files of votes in a folder. Raises ValueError if one is not called by a number."""
    files = sorted(Path(folder).glob("votes-*.csv"))
    if not all(re.fullmatch(r"votes-[1-9]\d*\.csv", file.name) for file in files):
        raise ValueError("votes are kept as votes-<number>.csv, but one of these files has something else for a number")
    return files


def open_ballot(pairs: pd.DataFrame, path: str | Path) -> "ipywidgets.VBox":
    """What one person votes with; it goes on where the votes at `path` end.

    Parameters: pairs, columns pair, instruction, output_1, output_2; path, a CSV of pair and vote, written with every
    vote. Texts are shown as they are: no HTML of theirs is alive.
    """
    import ipywidgets

    sheet = pairs[BLIND].drop_duplicates("pair").reset_index(drop=True)
    votes = _read_own(Path(path))
    waiting = [row for row, pair in enumerate(sheet["pair"]) if pair not in votes]
    at = {"row": waiting[0] if waiting else len(sheet)}
    shown = ipywidgets.HTML()
    back = ipywidgets.Button(description="Back")
    buttons = [ipywidgets.Button(description=words, layout={"width": "14em"}) for words in CHOICES]

    def show() -> None:
        shown.value = _describe(sheet, at["row"], len(votes))
        back.disabled = at["row"] == 0
        for button in buttons:
            button.disabled = at["row"] >= len(sheet)

    def vote(button: Any) -> None:
        votes[sheet["pair"][at["row"]]] = CHOICES[button.description]
        with write_aside(path) as aside:
            pd.DataFrame({"pair": votes.keys(), "vote": votes.values()}).to_csv(aside, index=False)
        go(1)

    def go(step: int) -> None:
        at["row"] += step
        show()

    for button in buttons:
        button.on_click(vote)
    back.on_click(lambda _: go(-1))
    show()
    return ipywidgets.VBox([shown, ipywidgets.HBox([*buttons, back])])


def _read_own(path: Path) -> dict[str, int]:
    """The votes that are there by pair."""
    if not path.is_file():
        return {}
    table = pd.read_csv(path, dtype={"pair": str})
    return dict(zip(table["pair"], table["vote"].astype(int), strict=True))


def _describe(sheet: pd.DataFrame, row: int, n_votes: int) -> str:
    """A pair as HTML, or that there is none left."""
    if row >= len(sheet):
        return f"<p>All {len(sheet)} pairs are shown, {n_votes} voted on. Thank you.</p>"
    instruction, *answers = (f"<div style='{TEXT}'>{escape(sheet[name][row])}</div>" for name in BLIND[1:])
    columns = "".join(
        f"<div style='flex: 1; min-width: 0'><b>{title}</b>{text}</div>"
        for title, text in zip(("First answer", "Second answer"), answers, strict=True)
    )
    return (f"<p>Pair {row + 1} of {len(sheet)}: which answer helps the one who asked more?</p>"
            f"{instruction}<div style='display: flex'>{columns}</div>")  # fmt: skip
