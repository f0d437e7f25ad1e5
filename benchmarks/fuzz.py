"""Broken files through the command line: a right result, or one clear line and nothing written.

    python benchmarks/fuzz.py --n 10000 --seed 0

Files of every shape that people have (Alpaca, Dolly, prompt and completion, OpenOrca, OpenAI messages, ShareGPT; JSON
lines, a JSON array, CSV, compressed) are broken in their values and in their bytes, and read by `select` or `check`.
Every row that comes back must be one of the file as an independent reader has it. Prints how runs ended, and every one
that ended otherwise, with its seed; exit status 1 if there is one.
"""

import argparse
import csv
import gzip
import io
import json
import sys
import tempfile
import warnings
from collections import Counter
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from typing import Any

import yaml
from macromicro.cli import main as cli

ODD = [
    *(None, "", " ", 0, 1.5, True, [], {}, ["a"], {"a": 1}, "NaN", 10**400),
    *("\0", "\ud800", "\ufeff", "é" * 3, "x" * 5000),
]
TEXTS = [
    *("Add 1 and 2.", "add  1 AND 2.", "Name a colour", "Où est-il?", "春天来了", "مرحبا", "🌲"),
    *('a,b;"c"', "l1\nl2", "-"),
]
SHAPES = ("alpaca", "dolly", "trl", "orca", "messages", "sharegpt")
RULES = {
    **{"samples": {"min": 1}, "near_duplicates": {"max": 1}},
    **{"response.mean_length": {"min": 0}, "response.1-NR": {"min": 0}},
}


def make_record(random: Random, shape: str) -> dict[str, Any]:
    """A sample of a shape."""
    asked, answer = f"{random.choice(TEXTS)} {random.randrange(9)}", random.choice(TEXTS)
    if shape == "alpaca":
        return {"instruction": asked, "input": random.choice(["", "given"]), "output": answer}
    if shape == "dolly":
        return {"instruction": asked, "context": "", "response": answer, "category": "qa"}
    if shape == "trl":
        return {"id": f"i{random.randrange(10**6)}", "prompt": asked, "completion": answer, "score": random.random()}
    if shape == "orca":
        return {"system_prompt": random.choice(["", "Be brief."]), "question": asked, "response": answer}
    if shape == "messages":
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        return {"messages": [{"role": "system", "content": "Be brief."}] * random.randrange(2) + turns}
    return {"conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]}


def break_record(random: Random, record: dict[str, Any]) -> Any:
    """The record with one thing wrong: a value, a key, a turn, or all of it."""
    name, how = random.choice(list(record)), random.randrange(6)
    if how == 0:
        return random.choice(ODD)
    if how == 1:
        return {key: value for key, value in record.items() if key != name}
    if how == 2:
        return {**record, random.choice(["id", "source", "_row", "licence", name.upper()]): random.choice(ODD)}
    if how == 3 and isinstance(record[name], list) and all(isinstance(turn, dict) for turn in record[name]):
        turns = [dict(turn) for turn in record[name]]
        for turn in turns[:1]:
            turn[random.choice(["role", "content", "from", "value", "tool_calls"])] = random.choice(ODD)
        return {**record, name: turns[random.randrange(2) :]}
    return {**record, name: random.choice(ODD)}


def write(random: Random, records: list[Any], kind: str) -> bytes:
    """The file of the records."""
    if kind == "csv":
        rows = [record for record in records if isinstance(record, dict)] or [{"instruction": "a", "output": "b"}]
        names = list(dict.fromkeys(key for row in rows for key in row))
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, names)
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue().encode("utf-8", errors="surrogatepass")
    if kind == "json":
        return json.dumps(records, ensure_ascii=random.random() < 0.5).encode("utf-8", errors="surrogatepass")
    lines = (json.dumps(record, ensure_ascii=random.random() < 0.5) for record in records)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", errors="surrogatepass")


def break_bytes(random: Random, data: bytes) -> bytes:
    """The bytes with one thing wrong, or as they are."""
    place, how = random.randrange(len(data) + 1), random.randrange(12)
    changes = {
        0: data[:place],
        1: data[:place] + bytes([random.randrange(256)]) + data[place + 1 :],
        2: data[:place] + data[place:].replace(b"\n", b"", 1),
        3: b"\xef\xbb\xbf" + data,
        4: data.replace(b"\n", b"\r\n"),
        5: data[:place] + random.choice([b"\0", b'"', b"{", b"}", b",", b"\n\n"]) + data[place:],
    }
    return changes.get(how, data)


def read_rows(data: bytes, kind: str) -> list[Any]:
    """The rows of a file by plain readers, as far as they can be read."""
    text = data.decode("utf-8", errors="surrogatepass").removeprefix("\ufeff")
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    if kind == "json":
        return list(json.loads(text))
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def run(arguments: list[str]) -> tuple[str, str]:
    """The error of a command ('' for none), and what went wrong besides."""
    sys.argv, said = ["macromicro", *arguments], io.StringIO()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(said):
            cli.main()
    except SystemExit as stopped:
        code = stopped.code
        if code in (0, None) or (code == 1 and arguments[0] == "check"):
            return "", ""
        good = isinstance(code, str) and code.startswith("macromicro: ") and "\n" not in code
        return str(code), "" if good else f"no clear line: {code!r}"
    except BaseException as error:  # what a person would see as a traceback
        return str(error), f"{type(error).__name__}: {error}"
    return "", ""


def try_one(seed: int) -> tuple[str, str]:
    """How one broken file ended: in a word, and what is wrong with that."""
    random = Random(seed)
    shape = random.choice(SHAPES)
    kind = random.choice(["jsonl", "json", "csv"])
    kind = "jsonl" if shape in ("messages", "sharegpt") and kind == "csv" else kind
    records: list[Any] = [make_record(random, shape) for _ in range(random.randrange(1, 9))]
    for _ in range(random.choice([0, 1, 1, 1, 2])):
        place = random.randrange(len(records))
        if isinstance(records[place], dict) and records[place]:
            records[place] = break_record(random, records[place])
    data = break_bytes(random, write(random, records, kind))
    name, zipped = f"my.{kind}", random.random() < 0.1
    Path(f"{name}.gz" if zipped else name).write_bytes(gzip.compress(data, mtime=0) if zipped else data)
    name = f"{name}.gz" if zipped else name
    before = sorted(path.name for path in Path.cwd().iterdir())
    skip = ["--bad-rows", random.choice(["fail", "skip"])]
    if random.random() < 0.15:
        error, wrong = run(["check", name, "--rules", "rules.yaml"])
        return ("refused" if error else "checked"), wrong
    method = random.choice(["even", "random", "longest"])
    asked = ["select", name, "-n", random.choice(["1", "2", "50%"]), "-o", "out.jsonl", "--method", method, *skip]
    asked += ["--tokenizer", "words", "--set", "tokens.low=1", "--repeats", random.choice(["keep", "drop"])]
    error, wrong = run(asked)
    if error or wrong:
        left = sorted({path.name for path in Path.cwd().iterdir()} - set(before))
        return "refused", wrong or (f"an error, but {left} is there" if left else "")
    chosen = [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]
    try:
        known = read_rows(data, kind)
    except (ValueError, csv.Error):
        return "chosen", "" if "skip" in skip else "chosen from what a plain reader refuses"
    strange = [row for row in chosen if not any(_same(row, other) for other in known)]
    return "chosen", f"a row that is not in the file: {strange[0]!r}" if strange or not chosen else ""


def _same(row: dict[str, Any], other: Any) -> bool:
    """Whether a row is one of the file; CSV has no null but the empty text."""
    if not isinstance(other, dict):
        return False
    plain = {key: value for key, value in row.items() if value not in (None, "")}
    return plain == {key: value for key, value in other.items() if value not in (None, "")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    ends, wrong = Counter[str](), 0
    for seed in range(options.seed, options.seed + options.n):
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            Path("rules.yaml").write_text(yaml.safe_dump(RULES))
            end, why = try_one(seed)
        ends[end] += 1
        if why:
            wrong += 1
            print(f"seed {seed}: {end}: {why[:300]}", flush=True)
    print(dict(ends), f"{wrong} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
