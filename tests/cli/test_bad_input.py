"""The whole way of a file that a user brings: a result that is right, or an error of one line and nothing written."""

import contextlib
import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import unicodedata
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.annotate.types import apply_untyped, build_types, load_types
from macromicro.cli import main as cli
from macromicro.corpus.readers import read_samples
from macromicro.select.pools import peel
from macromicro.select.select import select_datasets
from macromicro.study.files import HOST
from tokenizers import Tokenizer, models, pre_tokenizers

MACROMICRO = Path(sys.executable).parent / "macromicro"
WORDS = ["--tokenizer", "words", "--set", "tokens.low=1", "--set", "tokens.high=100000"]
TOPICS = ["--granularity", "macro", "--set", "topics.reducer=pca", "--set", "topics.min_cluster_size=2"]
SPREAD = ["--method", "k-center"]
TAGS = ["--granularity", "meso", "--set", "tags.min_count=2"]


class Done(NamedTuple):
    """What a command left: its message of an error ('' for none), standard output and the files of the folder."""

    error: str
    out: str
    files: list[str]


def run(folder, *arguments):
    """Run the command in this process; an error must be one line."""
    out, err = io.StringIO(), io.StringIO()
    error = ""
    with pytest.MonkeyPatch.context() as patch, chdir(folder), redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["macromicro", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as stopped:
            error = stopped.code or ""
    if error:
        assert isinstance(error, str) and error.startswith("macromicro: ") and "\n" not in error
        assert out.getvalue() == ""
    return Done(error, out.getvalue(), sorted(path.name for path in Path(folder).iterdir()))


def write(folder, records, name="my.jsonl"):
    path = Path(folder) / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def numbered(n, **columns):
    return [{"instruction": f"question {row}", "response": f"word{row} shared", **columns} for row in range(n)]


# The hypothesis test of the whole way, and the plain reference that it is held against.

CHARACTERS = st.characters(exclude_categories=("Cs", "Cn"), exclude_characters="\0")
AWKWARD = [
    *("", " ", "\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\u200b", "\ufeff", "\xa0", "\x7f"),
    *("👩‍👩‍👧", "🇨🇭", "مرحبا بالعالم", "שלום", "\u202eabc\u202c", "e\u0301", "\u0301", "ﬁ", "\u1112\u1161"),
    *("İ", "ß", "\x07\x1b[0m"),
    *('a,"b"', "'", "=1+1", "|", "---", "null", "NaN", "NA", "\ufffe", "\U0010ffff", "Add it.", "add  it.", "_"),
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(AWKWARD), st.text(CHARACTERS, max_size=12)), max_size=3).map("".join)
NAMES = st.text(CHARACTERS, min_size=1, max_size=6).filter(str.strip)


@st.composite
def corpora(draw):
    """Records of one style as a file would hold them, and the format of the file."""
    style = draw(st.sampled_from(["pair", "alpaca", "chat"]))
    form = draw(st.sampled_from(["jsonl", "parquet"] if style == "chat" else ["jsonl", "csv", "parquet"]))
    known = draw(st.lists(TEXTS, min_size=1, max_size=4))
    texts = draw(st.lists(st.tuples(st.one_of(st.sampled_from(known), TEXTS), TEXTS), min_size=1, max_size=12))
    broken = draw(st.sampled_from([""] * 9 + ["\0", "\ud800"]))
    texts[0] = (texts[0][0] + broken * (form != "parquet" or broken != "\ud800"), texts[0][1])
    if style == "chat":
        records = [
            {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}
            for asked, answer in texts
        ]
    else:
        given = draw(st.lists(TEXTS, min_size=len(texts), max_size=len(texts)))
        records = [
            {"instruction": asked, "output": answer, "input": about}
            if style == "alpaca"
            else {"instruction": asked, "response": answer}
            for (asked, answer), about in zip(texts, given, strict=True)
        ]
    if draw(st.booleans()):
        ids = draw(st.lists(NAMES, min_size=len(texts), max_size=len(texts), unique=True))
        records = [{"id": name, **record} for name, record in zip(ids, records, strict=True)]
    licence = draw(NAMES)
    return [{**record, "licence": licence, "row": str(row)} for row, record in enumerate(records)], form


def write_as(folder, records, form):
    path = Path(folder) / f"my.{form}"
    if form == "jsonl":
        return write(folder, records)
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
        return path
    with path.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
        writer = csv.DictWriter(file, list(records[0]), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(records)
    return path


def normalised(text):
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").strip()


def pair_of(record):
    """Instruction and response of a record, as `readers` documents them."""
    if "messages" in record:
        asked, answer = (turn["content"] for turn in record["messages"])
    else:
        asked, answer = record["instruction"], record.get("response", record.get("output"))
        about = record.get("input", "").strip()
        asked = f"{asked.strip()}\n\n{about}" if about else asked
    return normalised(asked), normalised(answer)


def shows(text):
    """Whether a text holds more than white space, control and format characters."""
    kinds = map(unicodedata.category, text)
    return any(kind == "Cn" or kind[0] not in "CZ" for kind in kinds)


def has_word(text):
    return any(unicodedata.category(character)[0] in "LMN" or character == "_" for character in text)


def usable(records):
    """Id to (instruction, response, licence, row) of the samples that can be chosen."""
    found, seen = [], set()
    for record in records:
        asked, answer = pair_of(record)
        made = hashlib.sha256(f"{asked}\0{answer}".encode()).hexdigest()[:16]
        found.append((record.get("id", made), (asked, answer, record["licence"], record["row"])))
    kept = {}
    for name, sample in sorted(found, key=lambda pair: pair[0]):
        form = " ".join(unicodedata.normalize("NFKC", sample[0]).casefold().split())
        if shows(sample[0]) and shows(sample[1]) and form not in seen:
            seen.add(form)
            kept[name] = sample
    return kept


def is_broken(records):
    """Whether a text holds what is not text: they are only ever added to the first instruction."""
    return any(mark in pair_of(records[0])[0] for mark in ("\0", "\ud800"))


@settings(max_examples=60, deadline=None)
@given(corpora(), st.data())
def test_select_gives_samples_of_the_file_or_a_clear_error(corpus, data):
    records, form = corpus
    size = data.draw(st.integers(1, len(records) + 2))
    method = data.draw(st.sampled_from(["even", "even", "random", "longest", "max-coverage"]))
    level = data.draw(st.sampled_from([100, 100, 50, 0]))
    output = data.draw(st.sampled_from(["subset.jsonl", "subset.parquet"]))
    annotated_before = method in ("even", "max-coverage") and data.draw(st.booleans())
    with TemporaryDirectory() as folder:
        file = write_as(folder, records, form)
        kept = {} if is_broken(records) else usable(records)
        n_typed = sum(has_word(sample[1]) for sample in kept.values())
        options, before = WORDS, [file.name]
        if annotated_before:
            done = run(folder, "annotate", file.name, "-o", "types.npz", *WORDS)
            assert bool(done.error) == (not n_typed), done.error
            if done.error:
                assert done.files == before
                return
            options, before = ["--types", "types.npz"], [*before, "types.npz"]
        asked = ("-n", size, "--method", method, "--level", level, "-o", output)
        done = run(folder, "select", file.name, *asked, *options)
        most = {"even": n_typed, "max-coverage": len(kept) if n_typed else 0}.get(method, len(kept))
        if level == 100 or method != "even" or size > most:
            assert bool(done.error) == (size > most), done.error
        if done.error:
            assert done.files == sorted(before)
            return
        assert done.files == sorted([*before, output, f"{output}.card.md"])
        chosen = read_samples(Path(folder) / output)
        check_chosen(chosen, kept, size)
        if output.endswith(".jsonl"):
            lines = (Path(folder) / output).read_bytes().decode().split("\n")[:-1]
            check_rows(list(map(json.loads, lines)), records, kept)
        about = yaml.safe_load((Path(folder) / f"{output}.card.md").read_text(encoding="utf-8").split("---\n")[1])
        assert about["configs"][0]["data_files"] == [{"split": "train", "path": output}]


def check_rows(written, records, kept):
    """Every row is one of the file, unchanged, and the first of its instruction."""
    by_row = {record["row"]: record for record in records}
    assert all(row == by_row[row["row"]] for row in written)
    assert {row["row"] for row in written} <= {sample[-1] for sample in kept.values()}


def check_chosen(chosen, kept, size):
    """Every row is a sample of the file as a whole: its id, texts, licence and other column belong together."""
    assert len(chosen) == size
    assert chosen["id"].is_unique
    for row in chosen.itertuples():
        assert (row.instruction, row.response, row.licence, row.row) == kept[row.id]


# One case each for what the list of bad input names.


def choose(folder, size, *options):
    """The run of `select my.jsonl`, which on an error must leave nothing."""
    done = run(folder, "select", "my.jsonl", "-n", size, "-o", "x.jsonl", *options)
    assert done.files == (["my.jsonl"] if done.error else ["my.jsonl", "x.jsonl", "x.jsonl.card.md"])
    return done


def test_rows_that_are_all_alike_are_one_sample(tmp_path):
    write(tmp_path, [{"instruction": "same", "response": "words"}] * 50)
    assert "size=2 must be at most the 1 usable samples" in choose(tmp_path, 2, *WORDS).error
    assert choose(tmp_path, 1, *WORDS).error == ""
    assert read_samples(tmp_path / "x.jsonl")["instruction"].tolist() == ["same"]


def test_responses_that_are_all_alike_carry_one_type_or_are_noise(tmp_path):
    write(tmp_path, [{"instruction": f"question {row}", "response": "words"} for row in range(12)])
    error = choose(tmp_path, 12, *TOPICS).error  # no direction in which they differ
    assert "no response of 12 samples has a type of granularity 'macro': lower topics.min_cluster_size=2" in error
    for options in (WORDS, TAGS):
        assert choose(tmp_path, 12, *options).error == ""
        assert len(read_samples(tmp_path / "x.jsonl")) == 12
        (tmp_path / "x.jsonl").unlink(), (tmp_path / "x.jsonl.card.md").unlink()
        assert "size=5 leaves no room for levels=[0]" in choose(tmp_path, 5, "--level", 0, *options).error


def test_metrics_of_rows_that_are_all_alike(tmp_path):
    write(tmp_path, [{"instruction": "same", "response": "words"}] * 20)
    done = run(tmp_path, "measure", "my.jsonl", "--json")
    found = json.loads(done.out)["metrics"]["value"]["response"]
    assert found["NovelSum"] is None and found["2-NR"] is None
    assert (found["1-NR"], found["SL"], found["IE"]) == (1 / 20, 1, 0)
    assert (found["Vendi"], found["ED"]) == pytest.approx((1, 0), abs=1e-6)
    shown = run(tmp_path, "compare", "my.jsonl", "my.jsonl").out
    for part in ("instruction", "response"):
        assert [part, "NovelSum", "higher", "-", "-", "-", "-"] in [line.split() for line in shown.splitlines()]
    datasets = "one, two, random half, other random half"
    assert f"missing: 2-NR of the instructions and responses, {datasets}: no text has two tokens\n" in shown


def test_one_row(tmp_path):
    write(tmp_path, numbered(1))
    assert "leaves no room for levels=[50]" in choose(tmp_path, 1, "--level", 50, *WORDS).error
    for method in ("even", "random", "longest", "max-coverage", "k-center", "facility-location"):
        assert choose(tmp_path, 1, "--method", method, *WORDS).error == ""
        assert read_samples(tmp_path / "x.jsonl")["response"].tolist() == ["word0 shared"]
    for command in (["measure", "my.jsonl"], ["compare", "my.jsonl", "my.jsonl"]):
        assert "has 1; give at least 2" in run(tmp_path, *command).error
    assert run(tmp_path, "annotate", "my.jsonl", "-o", "types.npz", *WORDS).error == ""
    assert load_types(tmp_path / "types.npz").labels.tolist() == ["shared", "word0"]


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("my.jsonl", "", "no records"),
        ("my.json", "", "no records"),
        ("my.csv", "", "no rows"),
        ("my.parquet", "", "not a readable Parquet file"),
        ("my.jsonl", "\ufeff \n\n", "no records"),
        ("my.jsonl", "\0\0", "line 1: not valid JSON"),
        ("my.csv", "instruction,response\na\0,b\n", "line 2: 'instruction' holds a NUL character"),
        ("my.jsonl", r'{"instruction": "a", "response": "b\u0000"}', "line 1: 'response' holds a NUL character"),
        ("my.jsonl", r'{"instruction": "a", "response": "b", "id": "\ud800"}', "line 1: 'id' holds half of a surr"),
    ],
)
def test_every_command_refuses_a_file_without_text_and_names_it(tmp_path, name, content, rule):
    (tmp_path / name).write_text(content, encoding="utf-8")
    commands = (["annotate", name, "-o", "x.npz"], ["select", name, "-n", 1, "-o", "x.jsonl"])
    for command in (*commands, ["measure", name], ["compare", name, name]):
        done = run(tmp_path, *command)
        assert done.error.startswith(f"macromicro: {name}") and rule in done.error
        assert done.files == [name]


PROSE = " ".join(f"word{n % 11} stone{n % 997}" for n in range(80_000))[:1_000_000]


@pytest.mark.parametrize(
    ("options", "long"),
    [(WORDS, PROSE), (["--set", "tokens.low=1"], "na" * 500_000), (TAGS, PROSE), (TOPICS, PROSE), (SPREAD, PROSE)],
    ids=["words", "bpe", "tags", "topics", "k-center"],
)
def test_a_response_of_a_megabyte_is_chosen_whole(tmp_path, options, long):
    records = [*numbered(11), {"instruction": "question long", "response": long}]
    write(tmp_path, records)
    size = 12 if options == SPREAD else 8
    assert choose(tmp_path, size, *options).error == ""
    chosen = read_samples(tmp_path / "x.jsonl")
    assert len(chosen) == size
    known = {record["instruction"]: record["response"] for record in records}
    assert all(known[row.instruction] == row.response for row in chosen.itertuples())


def test_a_response_of_a_megabyte_is_measured(tmp_path):
    write(tmp_path, [*numbered(11), {"instruction": "question long", "response": PROSE}])
    found = json.loads(run(tmp_path, "measure", "my.jsonl", "--json", "--cache", "cache").out)["metrics"]["value"][
        "response"
    ]
    words = [word for row in numbered(11) for word in row["response"].split()] + PROSE.split()
    assert found["SL"] == len(words) / 12
    assert found["1-NR"] == len(set(words)) / len(words)
    assert all(np.isfinite(value) for value in found.values())
    write(tmp_path, numbered(12), "two.jsonl")
    assert "difference" in run(tmp_path, "compare", "my.jsonl", "two.jsonl", "--cache", "cache").out


def test_all_samples_or_more_than_the_pool_holds(tmp_path):
    """Eight samples carry types, in two clumps; two have no word at all."""
    texts = ["red", "red", "red", "red blue", "green", "green", "green", "green gold", "?", "!"]
    write(tmp_path, [{"instruction": f"question {row}", "response": text} for row, text in enumerate(texts)])
    assert "size=11 must be at most the 10 usable samples" in choose(tmp_path, 11, *WORDS).error
    for size in (9, 10):
        error = choose(tmp_path, size, *WORDS).error
        assert f"size={size} must be between 1 and the 8 samples that carry a type" in error
    assert "size=8 leaves no room for levels=[0]" in choose(tmp_path, 8, "--level", 0, *WORDS).error
    assert choose(tmp_path, 8, *WORDS).error == ""
    assert sorted(read_samples(tmp_path / "x.jsonl")["response"]) == sorted(texts[:8])
    assert choose(tmp_path, 3, "--level", 0, *WORDS).error == ""
    assert set(read_samples(tmp_path / "x.jsonl")["response"]) in ({"red"}, {"green"})
    for untyped, n_types in (("own", 6), ("nearest", 4)):
        assert choose(tmp_path, 10, *WORDS, "--set", f"types.untyped={untyped}").error == ""
        assert sorted(read_samples(tmp_path / "x.jsonl")["response"]) == sorted(texts)
        card = (tmp_path / "x.jsonl.card.md").read_text()
        assert f"| types.untyped | {untyped} |" in card and f"| types in the corpus | {n_types} |" in card
        assert "| samples of the corpus without a type | 2 |" in card


@pytest.mark.parametrize("untyped", ["drop", "own", "nearest"])
def test_topics_that_are_all_noise_are_refused_under_every_policy(tmp_path, untyped):
    write(tmp_path, numbered(12))
    options = [*TOPICS, "--set", "topics.min_cluster_size=15", "--set", f"types.untyped={untyped}"]
    assert "no response of 12 samples has a type" in choose(tmp_path, 3, *options).error
    done = run(tmp_path, "annotate", "my.jsonl", "-o", "x.npz", *options)
    assert "lower topics.min_cluster_size=15" in done.error and done.files == ["my.jsonl"]


WRONG = ("not-there", "cut.json", "list.json", "none.json", "broken", "empty")


def test_a_tokenizer_that_cannot_be_loaded_or_cannot_encode(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder, numbered(3))
    (tmp_path / "broken").mkdir()
    (tmp_path / "empty").mkdir()
    for name, content in (("cut.json", '{"version": "1.0"'), ("list.json", "[]"), ("none.json", "")):
        (tmp_path / name).write_text(content)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "broken" / name).write_text("{")
    for name in (*(f"../{name}" for name in WRONG), "no-org/no-model", ""):
        assert f"cannot load tokenizer {name!r} (" in choose(folder, 1, "--tokenizer", name).error
        assert f"cannot load tokenizer {name!r} (" in run(folder, "measure", "my.jsonl", "--tokenizer", name).error
    few = Tokenizer(models.WordLevel({"shared": 0}, unk_token="[UNK]"))
    few.pre_tokenizer = pre_tokenizers.Whitespace()
    few.save(str(tmp_path / "few.json"))
    assert "the tokenizer cannot encode every text: " in choose(folder, 1, "--tokenizer", "../few.json").error


# Writing: both files or neither, whatever stops it.


def locked(folder):
    """A folder in which nothing can be made: root may write everywhere but where there is no disk."""
    if os.geteuid() == 0:
        return Path("/proc")
    folder.mkdir(mode=0o500)
    return folder


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder where nobody can write")
def test_output_folders(tmp_path):
    write(tmp_path, numbered(5))
    wrong = locked(tmp_path.parent / "locked")
    for output, card in ((wrong / "x.jsonl", "x.md"), ("x.jsonl", wrong / "x.md"), (wrong / "x.jsonl", wrong / "x.md")):
        done = run(tmp_path, "select", "my.jsonl", "-n", 2, "-o", output, "--card", card, *WORDS)
        assert str(wrong) in done.error and done.files == ["my.jsonl"]
    for output in (wrong / "x.npz", wrong / "x.jsonl", wrong / "deeper" / "x.parquet"):
        done = run(tmp_path, "annotate", "my.jsonl", "-o", output, *WORDS)
        assert str(wrong) in done.error and done.files == ["my.jsonl"]
    assert run(tmp_path, "select", "my.jsonl", "-n", 2, "-o", "new/deep/x.jsonl", *WORDS).error == ""
    assert sorted(path.name for path in (tmp_path / "new" / "deep").iterdir()) == ["x.jsonl", "x.jsonl.card.md"]


@contextlib.contextmanager
def little_room():
    """Files may hold 100 kB only, as on a disk that is almost full."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def long_records():
    """Half a megabyte that does not compress to less than a quarter of it."""
    rng = np.random.default_rng(0)
    return [{"instruction": f"question {row}", "response": rng.bytes(50_000).hex()} for row in range(5)]


@pytest.mark.parametrize("output", ["x.jsonl", "x.parquet"])
def test_a_full_disk_leaves_what_was_there(tmp_path, output):
    write(tmp_path, long_records())
    asked = ("select", "my.jsonl", "--method", "random", "-o", output)
    assert run(tmp_path, *asked, "-n", 2).error == ""
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with little_room():
        done = run(tmp_path, *asked, "-n", 5)
    assert "File too large" in done.error
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def aside(process):
    return f".x.jsonl.{HOST}.{process}.part"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_while_it_writes_leaves_no_part_of_the_result(tmp_path, sent):
    """What it writes aside is a pipe here, so that it stands still in the middle of its rows until it is stopped."""
    write(tmp_path, long_records())
    asked = [MACROMICRO, "select", "my.jsonl", "-n", "5", "--method", "random", "-o", "x.jsonl"]
    process = subprocess.Popen(
        asked, cwd=tmp_path, stderr=subprocess.DEVNULL, preexec_fn=lambda: os.mkfifo(aside(os.getpid()))
    )
    pipe = os.open(tmp_path / aside(process.pid), os.O_RDONLY | os.O_NONBLOCK)
    try:
        for _ in range(600):
            with contextlib.suppress(BlockingIOError):
                if os.read(pipe, 1):
                    break
            time.sleep(0.1)
        else:
            pytest.fail("nothing was written")
        process.send_signal(sent)
    finally:
        os.close(pipe)
        status = process.wait(60)
    left = {path.name for path in tmp_path.iterdir()} - {"my.jsonl"}
    assert status != 0
    if sent == signal.SIGKILL:  # nobody is left to tidy up: only hidden parts, and none under a name of the result
        assert all(name.startswith(".x.") and name.endswith(".part") for name in left)
    else:
        assert not left
        assert status == 128 + signal.SIGTERM


# The type matrix: any at all.


@st.composite
def type_matrices(draw):
    """Up to 14 samples and 8 types, from empty to full, with any text for names."""
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 8)))
    share = draw(st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]))
    matrix = np.random.default_rng(draw(st.integers(0, 2**32))).random(shape) < share
    ids, labels = (draw(st.lists(st.text(max_size=4), min_size=n, max_size=n, unique=True)) for n in shape)
    return build_types(ids, *matrix.nonzero(), labels, report={})


@settings(max_examples=120, deadline=None)
@given(type_matrices(), st.integers(1, 16), st.sets(st.integers(0, 100), min_size=1, max_size=4), st.integers(0, 3))
def test_any_matrix_gives_datasets_of_the_size_asked_or_an_error(types, size, levels, seed):
    n_typed = types.n_samples - len(types.untyped)
    peeling = peel(types, seed=seed)
    try:
        table, rows = select_datasets(types, peeling, levels=sorted(levels), sizes=[size], seed=seed)
    except ValueError as error:
        assert ("carry a type" in str(error)) == (size > n_typed)
        assert size > n_typed or ("leaves no room" in str(error) and levels != {100})
        return
    assert size <= n_typed
    for row in table.itertuples():
        chosen = rows[row.dataset]
        counts = types.matrix.toarray()[chosen].sum(axis=0)
        assert len(chosen) == size and (np.diff(chosen) > 0).all()
        assert set(chosen) <= set(peeling.pool(row.k)) and row.pool_size == len(peeling.pool(row.k)) >= size
        assert row.n_types_covered == (counts > 0).sum() <= row.k
        assert row.coverage == row.n_types_covered / (types.samples_per_type > 0).sum()
        assert 0 < row.evenness <= 1 + 1e-12
        assert row.n_types_covered == row.k or size < row.k
    assert table["k_target"].is_monotonic_increasing
    assert table["k"].is_monotonic_increasing


@settings(max_examples=40, deadline=None)
@given(type_matrices(), st.data())
def test_with_a_type_of_their_own_any_number_of_samples_can_be_drawn(types, data):
    try:
        own = apply_untyped(types, untyped="own")
    except ValueError as error:
        assert "labels must be unique" in str(error)
        return
    size = data.draw(st.integers(1, types.n_samples))
    table, rows = select_datasets(own, peel(own, seed=0), levels=[100], sizes=[size], seed=0)
    assert len(set(next(iter(rows.values())))) == size
    if size == types.n_samples:
        assert table["coverage"].tolist() == [1]
