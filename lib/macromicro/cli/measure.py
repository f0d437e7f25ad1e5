"""The commands `measure` and `compare`: how diverse a file is, alone or beside another."""

from typing import Annotated

import typer

from macromicro.cli.options import (
    BadRowsCountedOption,
    CacheOption,
    ColumnOption,
    Files,
    IntervalsOption,
    JsonOption,
    ReferenceOption,
    SeedOption,
    SetOption,
    TokenizerOption,
    TurnsOption,
    VendiOption,
)


def measure(
    files: Files,
    before: Annotated[
        str | None, typer.Option(help="The file that FILE was chosen from, to measure beside it.")
    ] = None,
    reference: ReferenceOption = None,
    tokenizer: TokenizerOption = "words",
    vendi_order: VendiOption = 1.0,
    intervals: IntervalsOption = False,
    json_: JsonOption = False,
    turns: TurnsOption = "first",
    bad_rows: BadRowsCountedOption = "fail",
    seed: SeedOption = 0,
    cache: CacheOption = None,
    column: ColumnOption = None,
    set_: SetOption = None,
) -> None:
    """Measure how diverse a dataset is, alone or beside the corpus it was chosen from; several files are one dataset.

    Ratios fall with the number of samples, so the corpus is shown whole (before) and as a random draw of the size of
    FILE (random), which is what chance gives: `difference` is after less random, and a sentence at the end says by how
    many metrics FILE is more diverse than that draw. With --intervals only differences whose interval leaves out zero
    count. SL judges no diversity, but most metrics move with it. Of every missing value is said why.

    All samples of the file are measured, those without instruction or response and repeated ones too: `n without text`
    counts the former. `select`, `annotate` and `report` leave both out, so that their numbers are of fewer samples.

    \b
      1-NR, 2-NR  different 1-grams and 2-grams over all        more is more diverse
      ED          mean cosine distance of embeddings            more is more diverse
      SL          mean length                                   words or tokens
      CR          compression ratio (gzip)                      more is more repetitive
      BL          mean self-BLEU                                more is more alike
      IE          entropy of the words or tokens, bits          more is more diverse
      MTLD        tokens over which 72 % stay different         more is richer, at any length
      HD-D        share of different ones among 42 tokens       more is richer, at any length
      Vendi       effective number of different texts           more is more diverse
      NovelSum    distance to the others, dense regions first   more is more diverse

    NovelSum weighs by how dense a region is in a reference: the samples of --reference, or else all samples read, FILE
    and --before. It looks at all pairs: above 50,000 samples it is left out.

    \b
      macromicro measure subset.jsonl --before my.jsonl --cache cache
      macromicro measure my.jsonl --reference world.parquet --intervals --json
    """  # noqa: D301
    from macromicro.api.annotation import check_token_maker
    from macromicro.api.measures import measure as measure_samples
    from macromicro.cli.comparison_output import open_datasets, write_comparison
    from macromicro.cli.settings import read_settings

    settings = read_settings(set_ or [])
    check_token_maker(tokenizer)
    given = {"samples": files, "before": before, "reference": reference}
    measured = measure_samples(
        **open_datasets(given, column, turns, bad_rows), tokenizer=tokenizer, vendi_order=vendi_order,
        intervals=intervals, seed=seed, cache=cache, settings=settings,
    )  # fmt: skip
    write_comparison(measured, as_json_text=json_)


def compare(
    one: Annotated[str, typer.Argument(metavar="ONE", help="A dataset: a file, a folder, hub:owner/name or -.")],
    two: Annotated[str, typer.Argument(metavar="TWO", help="Another.")],
    reference: ReferenceOption = None,
    tokenizer: TokenizerOption = "words",
    vendi_order: VendiOption = 1.0,
    intervals: IntervalsOption = False,
    json_: JsonOption = False,
    turns: TurnsOption = "first",
    bad_rows: BadRowsCountedOption = "fail",
    seed: SeedOption = 0,
    cache: CacheOption = None,
    column: ColumnOption = None,
    set_: SetOption = None,
) -> None:
    """Compare two datasets: all metrics of `measure` at equal size, and what they share.

    Of the larger one as many samples are drawn at random as the smaller one has: most metrics depend on the size, and
    those that do are also shown at a quarter, a half and all of the samples where the sizes differ.

    \b
      more diverse    which value is that of the more diverse dataset
      difference      TWO less ONE; with --intervals also its interval, as of two independent datasets
      chance          how far two random halves of both together differ: one draw

    A sentence at the end says by how many metrics ONE is more diverse than TWO, what MTLD and HD-D say, which length
    leaves alone, and whether mean lengths differ by more than a tenth. With --intervals only differences whose interval
    leaves out zero count.

    \b
      macromicro compare one.jsonl two.jsonl --intervals --cache cache
    """  # noqa: D301
    from macromicro.api.annotation import check_token_maker
    from macromicro.api.measures import compare as compare_samples
    from macromicro.cli.comparison_output import open_datasets, write_comparison
    from macromicro.cli.settings import read_settings

    settings = read_settings(set_ or [])
    check_token_maker(tokenizer)
    given = {"one": one, "two": two, "reference": reference}
    compared = compare_samples(
        **open_datasets(given, column, turns, bad_rows), tokenizer=tokenizer, vendi_order=vendi_order,
        intervals=intervals, seed=seed, cache=cache, settings=settings,
    )  # fmt: skip
    write_comparison(compared, as_json_text=json_)
