"""What the command `judge-check` does once its options are read."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from macromicro.api.messages import say
from macromicro.cli.settings import read_sections
from macromicro.corpus.sources import source_name
from macromicro.judge.agreement import show_agreement
from macromicro.judge.judges import open_judges
from macromicro.judge.validity import check_votes, judge_pairs, measure_agreement, read_choices
from macromicro.study.files import write_aside
from macromicro.study.sections import EmbedParams, Judge, JudgeLlmParams, JudgeParams, Section

CHECKED: tuple[Judge, ...] = ("similarity", "length", "llm")
"""Judges that read answers: likelihood reads none, and knows nothing of a pair of them."""
SECTIONS: dict[str, type[Section]] = {"judge": JudgeParams, "judge_llm": JudgeLlmParams, "embed": EmbedParams}


def check_file(
    votes: str,
    kinds: Sequence[str],
    columns: Sequence[str],
    *,
    output: Path | None,
    as_json: bool,
    seed: int,
    cache: Path | None,
    assignments: Sequence[str],
) -> None:
    """Print how far judges and columns of verdicts agree with people, and write the numbers if asked to."""
    for kind in kinds:
        if kind not in CHECKED:
            raise ValueError(f"--judge {kind}: expected one of {', '.join(CHECKED)}")
    settings = read_sections(assignments, SECTIONS)
    judge, judge_llm, embed = (settings[name] for name in SECTIONS)
    if "llm" in kinds and not judge_llm.model:
        raise ValueError("--judge llm needs --set judge_llm.model=NAME, the language model that judges")
    if output is not None and output.suffix != ".csv":
        raise ValueError(f"{output}: the numbers go to a file that ends in .csv")
    pairs = read_pairs(votes)
    check_votes(pairs)
    said = {column: read_choices(pairs, column) for column in columns}
    orders = {}
    judges = open_judges(
        [kind for kind in CHECKED if kind in kinds], judge=judge, judge_llm=judge_llm, embed=embed,
        embeddings=cache / "embeddings" if cache else None, replies=cache / "judge.sqlite" if cache else None,
    )  # fmt: skip
    for name, judging in judges.items():
        say(f"{name} judges {len(pairs):,} pairs")
        said[name], orders[name] = judge_pairs(pairs, judging)
    agreement = measure_agreement(pairs, said, orders=orders, seed=seed)
    if output is not None:
        with write_aside(output) as aside:
            agreement.round(4).to_csv(aside, index=False)
    if as_json:
        print(json.dumps(json.loads(agreement.to_json(orient="records")), indent=1))
        return
    print(f"{source_name(votes)}: {len(pairs):,} pairs of {pairs['instruction'].nunique():,} instructions\n")
    print(show_agreement(agreement).set_index("judge").T.to_string())


def read_pairs(votes: str) -> pd.DataFrame:
    """The pairs of a file. Raises ValueError if it is of another format or cannot be read, FileNotFoundError."""
    path = Path(votes)
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".parquet": pd.read_parquet,
        ".csv": pd.read_csv,
        ".json": pd.read_json,
        ".jsonl": _read_lines,
    }
    if path.suffix not in readers:
        raise ValueError(f"{votes}: votes are a file that ends in {', '.join(readers)}")
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {votes!r}")
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path.name}: cannot be read: {error}") from None


def _read_lines(path: Path) -> pd.DataFrame:
    return pd.read_json(path, lines=True)
