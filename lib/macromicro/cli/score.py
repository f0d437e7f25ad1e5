"""The commands `score` and `model-outputs`: win rates of any models, and answers as AlpacaEval reads them."""

from pathlib import Path
from typing import Annotated

import typer

from macromicro.cli.options import JsonOption


def score(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Verdicts of a study, or AlpacaEval's.")],
    compare: Annotated[bool, typer.Option("--compare", help="Compare all models in pairs, prompt by prompt.")] = False,
    ratings: Annotated[bool, typer.Option("--ratings", help="Rate all models on one scale (Bradley-Terry).")] = False,
    cluster: Annotated[
        str | None, typer.Option(help="Column of what belongs together, e.g. category: prompts of it count as alike.")
    ] = None,
    difference: Annotated[
        float, typer.Option(help="With --compare: the difference in win rate for which prompts are counted.")
    ] = 5.0,
    confidence: Annotated[float, typer.Option(help="Of all intervals.")] = 0.95,
    json_: JsonOption = False,
) -> None:
    """Win rates of models with intervals, and with length held equal; differences; ratings.

    A FILE is .parquet as a study writes its verdicts, or .json: AlpacaEval's annotations, a list of objects with
    instruction, output_1, output_2, generator_1, generator_2 and preference, from 1 (the first is better) to 2.

    \b
      win rate        percent of prompts won, ties half; low and high over prompts
      lc win rate     the same at equal length, as AlpacaEval 2 has it, without its difficulties of instructions
      first share     percent that went to the answer shown first: 50 without position bias
      orders agree    percent of prompts with the same verdict in both orders; where they differ it is a tie

    With --compare two models are held against each other by what each scored on the same prompts; p-values are
    corrected over all pairs (Holm), and n needed says how many prompts would show --difference 80 times in 100.

    \b
      macromicro score annotations.json --cluster category
      macromicro score outputs/smoke/verdicts/response-micro/verdicts-s0.parquet --compare
    """  # noqa: D301
    import json

    from macromicro.analyse.paired import compare_models, find_alone
    from macromicro.analyse.win_rates import rate_models, win_rates
    from macromicro.cli.output import show_facts, show_table
    from macromicro.judge.annotations import read_verdicts

    if compare and ratings:
        raise ValueError("--compare and --ratings are two tables: ask for one at a time")
    if not 0 < confidence < 1:
        raise ValueError(f"--confidence {confidence} must lie between 0 and 1")
    verdicts = read_verdicts(files, cluster=cluster)
    if compare:
        table = compare_models(verdicts, difference=difference, confidence=confidence)
    elif ratings:
        table = rate_models(verdicts, confidence=confidence)
    else:
        table = win_rates(verdicts, confidence=confidence)
    about = {
        "files": ", ".join(Path(file).name for file in files),
        "verdicts": len(verdicts),
        "clusters": f"{verdicts['cluster'].nunique():,} of {cluster}" if cluster else "every prompt by itself",
    }
    if compare and (alone := find_alone(verdicts)):
        about["not compared, alone against its opponent"] = ", ".join(alone)
    if json_:
        rows = json.loads(table.to_json(orient="records"))
        print(json.dumps({**about, "rows": rows}, indent=1, ensure_ascii=False))
    else:
        show_facts(about)
        show_table(table)


def model_outputs(
    answers: Annotated[list[Path], typer.Argument(metavar="ANSWERS...", help="Answers of a study, .parquet.")],
    prompts: Annotated[Path, typer.Option(help="The study's prompts, .parquet: columns id and instruction.")],
    output: Annotated[str, typer.Option("-o", "--output", help="The file to write, .json.")],
) -> None:
    """Write answers as AlpacaEval's model_outputs.json: a list of instruction, output and generator.

      \b
        cd outputs/smoke
    macromicro model-outputs answers/baseline/*.parquet --prompts corpus/prompts.parquet -o baseline.json
    """  # noqa: D301
    import json

    import pandas as pd

    from macromicro.cli.output import check_output
    from macromicro.judge.annotations import model_outputs as outputs_of
    from macromicro.study.files import write_aside

    check_output(output, (".json",), prompts=prompts)
    read = pd.concat([pd.read_parquet(file, columns=["dataset", "prompt_id", "answer"]) for file in answers])
    found = outputs_of(read, pd.read_parquet(prompts))
    with write_aside(output) as aside:
        aside.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
