"""The command `judge-check`: how far judges agree with people."""

from pathlib import Path
from typing import Annotated

import typer

from macromicro.cli.options import CacheOption, JsonOption, SeedOption, SetOption


def judge_check(
    votes: Annotated[
        str,
        typer.Argument(metavar="VOTES", help="Pairs of answers with people's votes: .parquet, .jsonl, .json, .csv."),
    ],
    judge: Annotated[
        list[str] | None, typer.Option(help="similarity, length or llm; may be repeated. Default: similarity.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="A column of VOTES that holds verdicts (1, 2 or 0); may be repeated.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the numbers to this .csv file.")
    ] = None,
    json_: JsonOption = False,
    seed: SeedOption = 0,
    cache: CacheOption = None,
    set_: SetOption = None,
) -> None:
    """Measure how far a judge agrees with people, beside `length`, the longer answer, and people themselves.

    VOTES has columns instruction, output_1, output_2 and annotator_1, annotator_2, ... (1 or 2 is the better answer, 0
    equal); for similarity also reference. Intervals at 95 % are over instructions.

    \b
      accuracy               percent with what most people say; a tie is a third answer
      of decided pairs       where most people prefer one answer
      kappa                  Cohen's, against the majority: 0 is chance
      against one person     the same against single people; the row of people is the ceiling
      same in both orders    for a judge that is asked in two orders
      explained by length    percent of the variance of its verdicts

    \b
      macromicro judge-check votes.parquet --judge similarity --column verdict_gpt35
      macromicro judge-check votes.parquet --judge llm --cache cache --set judge_llm.model=MODEL
    """  # noqa: D301
    from macromicro.cli.checking import check_file

    kinds = list(dict.fromkeys([*(judge or ([] if column else ["similarity"])), "length"]))
    check_file(votes, kinds, column or [], output=output, as_json=json_, seed=seed, cache=cache, assignments=set_ or [])
