"""The command line: annotate, select, measure and compare one's own instruction data.

Only what `--help` needs is imported here, so that it answers at once; everything else is imported by the commands.
"""

import signal
import sqlite3
import sys
from pathlib import Path
from typing import Annotated

import typer

from macromicro.cli.options import (
    GRANULARITY,
    PART,
    CacheOption,
    ColumnOption,
    File,
    Granularity,
    IntervalsOption,
    JsonOption,
    Method,
    Part,
    ReferenceOption,
    SeedOption,
    SetOption,
    TokenizerOption,
    VendiOption,
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""Choose diverse instruction data, and measure how diverse it is.

\b
  macromicro select my.jsonl --size 10000 -o subset.jsonl
  macromicro measure subset.jsonl --before my.jsonl

A FILE holds one sample per row: .jsonl, .json, .csv or .parquet, or - for JSON lines from a pipe. Understood are
instruction/response, instruction/input/output (Alpaca), prompt/completion, messages (OpenAI) and conversations
(ShareGPT); other names are given with --column. Results go to stdout or -o, everything else to stderr.""",
)


@app.command()
def annotate(
    file: File,
    output: Annotated[str, typer.Option("--output", "-o", help="Where to: .npz, .jsonl, .parquet or - (JSON lines).")],
    part: Annotated[Part, PART] = "response",
    granularity: Annotated[Granularity, GRANULARITY] = "micro",
    tokenizer: TokenizerOption = "bpe",
    seed: SeedOption = 0,
    cache: CacheOption = None,
    column: ColumnOption = None,
    set_: SetOption = None,
) -> None:
    """Say which types (topics, tags or tokens) every sample carries.

    Samples without text and repeated instructions are left out first, and counted: they have no row in the result.
    An .npz file holds the type matrix for `select --types`; .jsonl and .parquet hold a row per sample: id, types.

    \b
      macromicro annotate my.jsonl --granularity meso -o tags.jsonl
      macromicro annotate my.jsonl --granularity meso --set tags.tagger=llm \\
          --set tag_llm.model=MODEL --set tag_llm.base_url=http://localhost:8000/v1 --cache cache -o tags.npz
    """  # noqa: D301
    from macromicro.cli.input import make_types, read_usable, say
    from macromicro.cli.output import check_output, write_types
    from macromicro.cli.settings import read_settings

    check_output(output, (".npz", ".jsonl", ".parquet"), input=file)
    settings = read_settings(set_ or [])
    samples, _ = read_usable(file, column or [])
    types = make_types(samples, part, granularity, tokenizer=tokenizer, seed=seed, cache=cache, settings=settings)
    write_types(types, output)
    n_untyped = types.report["untyped"]["n"]
    say(f"{types.n_types:,} types; {n_untyped:,} of {types.n_samples:,} {part}s got none")


@app.command()
def select(
    file: File,
    size: Annotated[int, typer.Option("--size", "-n", min=1, help="How many samples to choose.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Where to: .jsonl, .parquet or - (JSON lines).")],
    part: Annotated[Part | None, PART] = None,
    granularity: Annotated[Granularity | None, GRANULARITY] = None,
    level: Annotated[int, typer.Option(min=0, max=100, help="Diversity in percent: 100 covers most types.")] = 100,
    method: Annotated[
        Method, typer.Option(help="even = type-aware sampling, the others are its rivals; longest counts words.")
    ] = "even",
    tokenizer: TokenizerOption = "bpe",
    types: Annotated[Path | None, typer.Option(help="An .npz file of `annotate`, instead of annotating here.")] = None,
    card: Annotated[Path | None, typer.Option(help="Dataset card; default: OUTPUT.card.md beside the output.")] = None,
    seed: SeedOption = 0,
    cache: CacheOption = None,
    column: ColumnOption = None,
    set_: SetOption = None,
) -> None:
    """Choose SIZE samples of a file, with a dataset card that says how.

    Samples without text and repeated instructions are left out first, and counted. The card is in the format of the
    Hugging Face hub: what was chosen, from what, how, with which coverage, and the licences of the rows. It replaces an
    older card, but no other file.

    \b
      macromicro select my.jsonl --granularity micro --part response --size 10000 -o subset.jsonl
      macromicro select my.parquet -n 1000 --granularity meso --level 50 -o half.parquet --card README.md
      macromicro select my.jsonl -n 1000 --method k-center --cache cache -o spread.jsonl
      cat my.jsonl | macromicro select - -n 500 -o - > subset.jsonl
    """  # noqa: D301
    from macromicro.cli.input import describe_types, embedder, make_types, read_types, read_usable, say
    from macromicro.cli.output import check_output, describe_origin, place_card, shown_command, write_chosen
    from macromicro.cli.settings import describe_choice, read_settings
    from macromicro.select.choose import choose

    check_output(output, (".jsonl", ".parquet"), input=file, types=types)
    place = place_card(card, output, input=file, types=types)
    settings = read_settings(set_ or [])
    samples, about = read_usable(file, column or [])
    if size > len(samples):
        raise ValueError(f"--size {size} must be at most the {len(samples)} usable samples of {about['file']}")
    if types:
        found = read_types(types, part=part, granularity=granularity)
        part = part or found.report["part"]
    elif granularity or method in ("even", "max-coverage"):
        part, granularity = part or "response", granularity or "micro"
        found = make_types(samples, part, granularity, tokenizer=tokenizer, seed=seed, cache=cache, settings=settings)
    else:
        found, part = None, part or "response"
    how = {"method": method, "part": part, "size": size, "seed": seed}
    how |= describe_choice(method, level, settings) | describe_types(found, types)
    say(f"choosing {size:,} of {len(samples):,} samples, method {method}")
    embed = embedder(cache, settings)
    choice = choose(samples, part, method=method, size=size, level=level, seed=seed, types=found, embed=embed)
    chosen = samples.iloc[choice.rows].reset_index(drop=True)
    about |= describe_origin(file)
    again = shown_command(sys.argv[1:])
    write_chosen(chosen, output, place, made_from=about, made_how=how, coverage=choice.facts, command=again)
    for name, value in choice.facts.items():
        say(f"{name}: {value:,}")
    if place:
        say(f"card: {place}")


@app.command()
def measure(
    file: File,
    before: Annotated[
        str | None, typer.Option(help="The file that FILE was chosen from, to measure beside it.")
    ] = None,
    reference: ReferenceOption = None,
    tokenizer: TokenizerOption = "words",
    vendi_order: VendiOption = 1.0,
    intervals: IntervalsOption = False,
    json_: JsonOption = False,
    seed: SeedOption = 0,
    cache: CacheOption = None,
    column: ColumnOption = None,
    set_: SetOption = None,
) -> None:
    """Measure how diverse a dataset is, alone or beside the corpus it was chosen from.

    Ratios fall with the number of samples, so the corpus is shown whole (before) and as a random draw of the size of
    FILE (random): compare `after` with `random`.

    \b
      1-NR, 2-NR  different 1-grams and 2-grams over all        more is more diverse
      ED          mean cosine distance of embeddings            more is more diverse
      SL          mean length                                   words or tokens
      CR          compression ratio (gzip)                      more is more repetitive
      BL          mean self-BLEU                                more is more alike
      IE          entropy of the words or tokens, bits          more is more diverse
      Vendi       effective number of different texts           more is more diverse
      NovelSum    distance to the others, dense regions first   more is more diverse

    NovelSum weighs by how dense a region is in a reference: the samples of --reference, or else all samples read, FILE
    and --before. It looks at all pairs: above 50,000 samples it is left out.

    \b
      macromicro measure subset.jsonl --before my.jsonl --cache cache
      macromicro measure my.jsonl --reference world.parquet --intervals --json
    """  # noqa: D301
    from macromicro.cli.measure import Options, measure_file
    from macromicro.cli.settings import read_settings

    settings = read_settings(set_ or [])
    options = Options(reference, tokenizer, vendi_order, intervals, json_, seed, cache, column or [], settings)
    measure_file(file, before, options)


@app.command()
def compare(
    one: Annotated[str, typer.Argument(metavar="ONE", help="A dataset.")],
    two: Annotated[str, typer.Argument(metavar="TWO", help="Another.")],
    reference: ReferenceOption = None,
    tokenizer: TokenizerOption = "words",
    vendi_order: VendiOption = 1.0,
    intervals: IntervalsOption = False,
    json_: JsonOption = False,
    seed: SeedOption = 0,
    cache: CacheOption = None,
    column: ColumnOption = None,
    set_: SetOption = None,
) -> None:
    """Compare two datasets: all metrics of `measure` at equal size, and what they share.

    Of the larger one as many samples are drawn at random as the smaller one has: most metrics depend on the size.
    With --intervals the difference has one too, as that of two independent datasets.

    \b
      macromicro compare one.jsonl two.jsonl --intervals --cache cache
    """  # noqa: D301
    from macromicro.cli.measure import Options, compare_files
    from macromicro.cli.settings import read_settings

    settings = read_settings(set_ or [])
    options = Options(reference, tokenizer, vendi_order, intervals, json_, seed, cache, column or [], settings)
    compare_files(one, two, options)


def main() -> None:
    """Run the command line; an error is one line on stderr and exit status 1.

    Being terminated is an exit like any other, so that what was written aside is removed.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        app()
    except (ValueError, OSError, RuntimeError, sqlite3.Error) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        sys.exit(f"macromicro: {message}")
