"""The answer of a study in brief: for the book's front page, and of the reference study for the README.

`python -m macromicro.book.answer` puts the answer of the reference study, from its results, into README and abstract
of `CITATION.cff`.
"""

import re
import sys
import textwrap
from pathlib import Path

import pandas as pd

from macromicro.analyse import brief, findings
from macromicro.analyse.answers import SIX
from macromicro.analyse.declared import list_missing, warn_missing
from macromicro.analyse.judges import describe_judges
from macromicro.book.markdown import markdown_table
from macromicro.book.summary import load_study
from macromicro.judge.agreement import describe_headline
from macromicro.study.files import write_aside
from macromicro.study.layout import Layout, find_root
from macromicro.study.settings import Study

ABOUT = (
    "Does the diversity of a fixed-size fine-tuning dataset make a better language model, and at which granularity and "
    "on which side should one control it? A study from text to figures, with repeats, intervals and corrected tests."
)
ABSTRACT = re.compile(r"^abstract: >-\n(?:  .*\n)+", re.MULTILINE)
BEGIN, END = "<!-- the answer: python -m macromicro.book.answer -->", "<!-- end of the answer -->"


def tabulate_answers(out: Layout) -> pd.DataFrame:
    """The declared questions and their answers."""
    return brief.summarise_answers(_read(out, "answers"))


def tabulate_slopes(out: Layout) -> pd.DataFrame:
    """The slope of every strategy and what may be said of it."""
    return brief.summarise_slopes(_read(out, "slopes"), _read(out, "decisions"), _read(out, "levels"))


def advise(out: Layout) -> str:
    """What may be taken from the answers for a corpus of one's own."""
    slopes = _read(out, "slopes")
    of_claims = slopes[slopes["strategy"].isin(SIX)]  # variants may have fewer seeds, and rivals have no slope
    seeds = (of_claims if len(of_claims) else slopes)["n_seeds"].dropna()
    answers, levels, contrasts, scores = (_read(out, name) for name in ("answers", "levels", "contrasts", "scores"))
    return brief.advise(answers, levels, contrasts, scores, int(seeds.min()) if len(seeds) else 0)


def warn_incomplete(study: Study) -> str:
    """What must be said where strategies of a study that is shown from kept numbers are missing; else empty."""
    return warn_missing(list_missing(study))


def in_brief(out: Layout, study: Study) -> str:
    """The answer in Markdown: the questions, the slopes, how big, how far to believe the judge, what to do with it."""
    parts = [
        warn_incomplete(study),
        markdown_table(tabulate_answers(out)),
        markdown_table(tabulate_slopes(out)),
        findings.verdict_on_claims(out),
        f"{findings.coverage(out)} {findings.in_plain_words(out)} {findings.untuned(out)}",
        describe_headline(study),
        describe_judges(_read(out, "judge_slopes"), alpha=study.analyse.alpha),
        f"For a corpus of your own: {advise(out)}",
    ]
    return leave_size(study, "\n\n".join(filter(None, parts)))


def write_answer(text: str, readme: Path) -> None:
    """Put an answer between the two marks of a file. Raises ValueError if it has not both, each once."""
    whole = readme.read_text(encoding="utf-8")
    if whole.count(BEGIN) != 1 or whole.count(END) != 1:
        raise ValueError(f"{readme.name} must hold {BEGIN!r} and {END!r}, each once")
    before, _, rest = whole.partition(BEGIN)
    with write_aside(readme) as path:
        path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def in_a_sentence(out: Layout, study: Study) -> str:
    """What the study is, and the two claims of the paper as it finds them."""
    claims = findings.verdict_on_claims(out).partition("\n\n")[0]
    said = leave_size(study, " ".join(line.removeprefix("- ") for line in claims.splitlines()))
    return (
        f"{ABOUT} In its reference study, which is not complete: {said}"
        if warn_incomplete(study)
        else f"{ABOUT} {said}"
    )


def write_abstract(text: str, citation: Path) -> None:
    """Replace the abstract of a citation file, which is a folded block. Raises ValueError if it has none."""
    whole = citation.read_text(encoding="utf-8")
    if not ABSTRACT.search(whole):
        raise ValueError(f"{citation.name} must have an abstract that begins with 'abstract: >-'")
    lines = textwrap.fill(text, 118, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    with write_aside(citation) as path:
        path.write_text(ABSTRACT.sub(lambda _: f"abstract: >-\n{lines}\n", whole), encoding="utf-8")


def leave_size(study: Study, text: str) -> str:
    """A text in which strategies are named without a size, where all datasets have the same."""
    sizes = {size for name in study.strategies for size in study.strategy(name).select.sizes}
    return text.replace(f" at N = {sizes.pop():,}", "") if len(sizes) == 1 else text


def main() -> int:
    """Write the answer of the reference study into README and citation; 1 if it has no results."""
    root = find_root()
    try:
        out = Layout(root / "outputs" / "reference")
        write_answer(in_brief(out, load_study(out.root)), root / "README.md")
        write_abstract(in_a_sentence(out, load_study(out.root)), root / "CITATION.cff")
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _read(out: Layout, name: str) -> pd.DataFrame:
    return pd.read_parquet(out.results / f"{name}.parquet")


if __name__ == "__main__":
    sys.exit(main())
