"""The command line: annotate, select, measure, compare and check one's own instruction data.

Only what `--help` needs is imported here, so that it answers at once; everything else is imported by the commands.
"""

import logging
import signal
import sqlite3
import sys

import typer

from macromicro.cli.annotate import annotate
from macromicro.cli.check_dataset import check
from macromicro.cli.judge_check import judge_check
from macromicro.cli.measure import compare, measure
from macromicro.cli.plan import plan
from macromicro.cli.report import report
from macromicro.cli.score import model_outputs, score
from macromicro.cli.select import select

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
  macromicro report my.jsonl -o report.html
  macromicro check my.jsonl --rules rules.yaml
  macromicro score annotations.json
  macromicro plan smoke

A FILE holds one sample per row: .jsonl, .json, .csv, .tsv or .parquet, text also as .gz or .zst; it may be a folder of
such, hub:owner/name, or - for JSON from a pipe. Understood are
instruction/response, instruction/input/output (Alpaca), prompt/completion, messages (OpenAI) and conversations
(ShareGPT); other names are given with --column. Results go to stdout or -o, everything else to stderr.""",
)

for command in (annotate, select, measure, compare, report, check, score, model_outputs, judge_check, plan):
    app.command()(command)


def main() -> None:
    """Run the command line; an error is one line on stderr and exit status 1.

    What the functions say while they work goes to stderr. Being terminated is an exit like any other, so that what was
    written aside is removed.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    log, lines = logging.getLogger("macromicro"), logging.StreamHandler()
    log.setLevel(logging.INFO)
    log.addHandler(lines)
    try:
        app()
    except (ValueError, OSError, RuntimeError, sqlite3.Error) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        sys.exit(f"macromicro: {message}")
    finally:
        log.removeHandler(lines)
