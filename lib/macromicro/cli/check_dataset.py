"""The command `check`: whether a dataset keeps the rules of a file."""

from pathlib import Path
from typing import Annotated

import typer

from macromicro.cli.options import (
    BadRowsCountedOption,
    CacheOption,
    ColumnOption,
    File,
    JsonOption,
    SetOption,
    TokenizerOption,
    TurnsOption,
)


def check(
    file: File,
    rules: Annotated[Path, typer.Option(metavar="RULES", help="YAML file: names with their min, max or both.")],
    tokenizer: TokenizerOption = "words",
    json_: JsonOption = False,
    turns: TurnsOption = "first",
    bad_rows: BadRowsCountedOption = "fail",
    cache: CacheOption = None,
    column: ColumnOption = None,
    set_: SetOption = None,
) -> None:
    """Check a dataset against thresholds; exit status 1 where one is broken, for CI of datasets.

    A rule is a name with the least and the largest value that it may have (min, max, or one of them):

    \b
      samples: {min: 1000}
      near_duplicates: {max: 0.02}
      response.MTLD: {min: 40}
      response.mean_length: {min: 20, max: 400}

    \b
      samples                   number of samples
      without_text              share without instruction or response
      repeated_instructions     share that repeats the instruction of an earlier sample
      near_duplicates           share of which another sample says nearly the same
      PART.mean_length          words or tokens; PART is instruction or response
      PART.METRIC               a metric of `macromicro measure`, e.g. response.1-NR

    Only what the rules name is computed; embeddings are made for ED, Vendi and NovelSum. A value that does not exist,
    such as HD-D of fewer than 42 tokens, breaks its rule. 1-NR, 2-NR, CR, BL, IE, Vendi and NovelSum move with the
    number of samples: set their bounds for datasets of one size.

    \b
      macromicro check my.jsonl --rules rules.yaml
    """  # noqa: D301
    from macromicro.cli.dataset_rules import check_dataset
    from macromicro.cli.settings import read_settings

    status = check_dataset(
        file, rules, tokenizer=tokenizer, as_json=json_, turns=turns, bad_rows=bad_rows, cache=cache,
        columns=column or [], settings=read_settings(set_ or []),
    )  # fmt: skip
    raise typer.Exit(status)
