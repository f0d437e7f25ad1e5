"""The command `plan`: what a study will take, before anything runs."""

from typing import Annotated

import typer

from macromicro.cli.options import JsonOption


def plan(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help="Name or file of a preset of params/.")],
    corpus: Annotated[str | None, typer.Option(metavar="FILE", help="A corpus file in place of the preset's.")] = None,
    gpu: Annotated[
        str | None, typer.Option(metavar="NAME", help="A card in place of this machine, such as 'H100 80GB'.")
    ] = None,
    per_hour: Annotated[float | None, typer.Option(metavar="USD", min=0, help="Price of an hour, for money.")] = None,
    cores: Annotated[int, typer.Option(min=1, help="Notebooks at once on this machine, as CORES of make.")] = 2,
    parameters: Annotated[
        float | None, typer.Option(min=1e4, help="Of a base model that cannot be looked at, such as 7e9.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Count what a study takes before it runs: models, tokens, calls, hours, money, memory, disk; and check it.

    This machine is measured for about a minute; a card is reckoned from its data sheet. Exit status 1 where anything
    cannot fit or is missing, with the rule and the way out.

    \b
      macromicro plan smoke
      macromicro plan paper --corpus my.parquet --gpu "H100 80GB" --per-hour 2.5
    """  # noqa: D301
    from macromicro.cli.planning import print_plan

    n_parameters = int(parameters) if parameters else None
    raise typer.Exit(
        print_plan(
            preset, corpus=corpus, gpu=gpu, per_hour=per_hour, cores=cores, n_parameters=n_parameters, as_json=json_
        )
    )
