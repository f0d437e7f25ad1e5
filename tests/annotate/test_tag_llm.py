"""The language model is a real HTTP server that speaks the OpenAI chat protocol, with rules instead of a model."""

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from local_server import chat_completion, serving
from macromicro.annotate import tag_llm
from macromicro.annotate.tag_llm import open_tag_writer, parse_tags, write_tags
from macromicro.annotate.tags import annotate_tags
from macromicro.models.llm import ask_endpoint, open_client
from macromicro.models.replies import ask_cached
from vllm_stand_in import install_stand_in

MODEL = "rules-1"
TEXTS = ["tags poetry rivers", "tags poetry", "tags rivers"]


class RuleServer(ThreadingHTTPServer):
    """Replies with the words after `tags`, and breaks where the text says so."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.asked, self.keys, self.running, self.most_running = [], set(), 0, 0

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


GARBAGE = {
    "torn": b'{"choices": [{"mess',
    "binary": b"\xff\xfe",
    "nothing": b"",
    "no choices": b'{"id": "x"}',
    "bare choice": b'{"choices": [{}]}',
    "a number": b'{"choices": [{"message": {"content": 5}}]}',
    "null": b'{"choices": [{"message": {"content": null}}]}',
    "blank": b'{"choices": [{"message": {"content": " "}}]}',
}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = request["messages"][0]["content"].split("Text:\n")[-1]
        server = self.server
        with server.lock:
            server.asked.append(text)
            server.keys.add(self.headers["Authorization"])
            server.running += 1
            server.most_running = max(server.most_running, server.running)
            n_before = server.asked.count(text) - 1
        if "slow" in text:
            time.sleep(0.05)
        status, reply = self.answer(request, text, n_before)
        with server.lock:
            server.running -= 1
        body = chat_completion(request["model"], reply)
        data = json.dumps(body if status == 200 else {"error": {"message": reply}}).encode()
        garbage = [found for word, found in GARBAGE.items() if word in text]
        data = garbage[0] if garbage else b"<html>welcome</html>" if "html" in text else data
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if "html" in text else "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status >= 429:
            self.send_header("retry-after-ms", "1")
        self.end_headers()
        with suppress(BrokenPipeError):  # the client did not wait
            self.wfile.write(data)

    def answer(self, request, text, n_before):
        if request["model"] != MODEL:
            return 404, "no such model"
        if "locked" in text:
            return 401, f"who are you, {self.headers['Authorization']}?"
        if "too long" in text:
            return 400, "longer than the context"
        if "throttled" in text:
            return 429, "slow down"
        if "broken" in text or ("flaky" in text and n_before < 2):
            return 500, "boom"
        if "babble" in text or ("sloppy" in text and len(request["messages"]) == 1):
            return 200, "Sure! Here are some tags: poetry"
        return 200, json.dumps(text.split()[1:])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with serving(RuleServer()) as server:
        yield server


def write(server, texts, cache=None, *, n_tags=4, model=MODEL, n_workers=4, max_tokens=64, **limits):
    client = open_client(server.base_url, max_retries=3, timeout=10.0)
    ask = ask_endpoint(client, model=model, max_tokens=max_tokens, n_workers=n_workers)
    limits = {"max_chars": 1000, "max_untagged": 1.0, **limits}
    return write_tags(texts, ask=ask, model=model, n_tags=n_tags, max_tokens=max_tokens, cache=cache, **limits)


def test_tags_of_every_text_in_order(server):
    tags, report = write(server, TEXTS)
    assert tags == [["poetry", "rivers"], ["poetry"], ["rivers"]]
    assert report == {
        "tagger": "llm", "model": MODEL, "n_texts": 3, "n_cut": 0,
        "n_malformed": 0, "n_malformed_again": 0, "n_empty": 0, "n_failed": 0,
    }  # fmt: skip


def test_malformed_replies_are_asked_for_once_more_and_counted(server):
    tags, report = write(server, ["tags poetry", "sloppy rivers", "babble poetry"])
    assert tags == [["poetry"], ["rivers"], []]
    assert (report["n_malformed"], report["n_malformed_again"], report["n_failed"]) == (2, 1, 0)
    assert sorted(server.asked) == ["babble poetry"] * 2 + ["sloppy rivers"] * 2 + ["tags poetry"]


@pytest.mark.filterwarnings("ignore:.*gave no reply")
def test_errors_of_the_server_are_retried_and_then_counted(server, tmp_path):
    tags, report = write(server, ["flaky rivers", "broken poetry", "too long a", "tags ok"], tmp_path / "c.sqlite")
    assert tags == [["rivers"], [], [], ["ok"]]
    assert (report["n_failed"], report["n_malformed"]) == (2, 0)
    assert (server.asked.count("flaky rivers"), server.asked.count("broken poetry")) == (3, 4)
    server.asked.clear()
    write(server, ["flaky rivers", "too long a", "tags ok"], tmp_path / "c.sqlite")
    assert server.asked == ["too long a"]


@pytest.mark.filterwarnings("ignore:.*gave no reply")
@pytest.mark.parametrize("word", GARBAGE)
def test_a_reply_that_cannot_be_read_is_a_failed_request_and_is_asked_for_again(server, tmp_path, word):
    for _ in range(2):
        tags, report = write(server, [f"tags {word}", "tags ok"], tmp_path / "c.sqlite")
        assert (tags, report["n_failed"], report["n_malformed"]) == ([[], ["ok"]], 1, 0)
    assert (server.asked.count(f"tags {word}"), server.asked.count("tags ok")) == (2, 1)


def test_why_requests_failed_is_said_once(server):
    with pytest.warns(UserWarning, match=rf"{server.base_url}/ gave no reply to a request: status 429") as told:
        write(server, [f"throttled {row}" for row in range(5)] + ["tags ok"])
    assert len({str(one.message) for one in told}) == 1


@pytest.mark.filterwarnings("ignore:.*gave no reply")
def test_more_failures_than_allowed_end_the_asking_and_are_never_taken_for_done(server, tmp_path):
    cache = tmp_path / "c.sqlite"
    texts = [f"tags word{row}" for row in range(20)] + [f"too long {row}" for row in range(980)]
    rule = r"51 of 1,000 texts have no tags \(51 requests failed, .*more than tag_llm.max_untagged=0.05 allows: .*again"
    with pytest.raises(RuntimeError, match=rule):
        write(server, texts, cache, max_untagged=0.05)
    assert len(server.asked) < 100, "it went on when it was sure to fail"
    failed = [text for text in server.asked if text.startswith("too long")]
    server.asked.clear()
    with pytest.raises(RuntimeError, match="max_untagged"):
        write(server, texts, cache, max_untagged=0.05)
    assert not [text for text in server.asked if text.startswith("tags")]
    assert set(failed) & set(server.asked)


def test_texts_without_tags_are_counted_whatever_the_reason(server, tmp_path):
    texts = ["tags ok"] * 17 + ["tags", "babble poetry", "too long a"]
    with pytest.warns(UserWarning, match="status 400"):
        tags, report = write(server, texts, tmp_path / "c.sqlite", max_untagged=0.15)
    assert [report[name] for name in ("n_failed", "n_malformed_again", "n_empty")] == [1, 1, 1]
    assert tags[17:] == [[], [], []]
    words = r"3 of 20 texts have no tags \(1 requests failed, 1 replies were no list, 1 lists were empty\)"
    with pytest.raises(RuntimeError, match=words):
        write(server, texts, tmp_path / "c.sqlite", max_untagged=0.14)
    assert server.asked.count("tags ok") == 1
    assert server.asked.count("tags") == server.asked.count("too long a") == 2, "what failed was taken for done"


def test_a_resumed_run_pays_for_nothing_twice(server, tmp_path):
    cache = tmp_path / "deep" / "replies.sqlite"
    texts = [f"tags word{row}" for row in range(20)] + ["sloppy rivers", "babble poetry", "tags locked"]
    with pytest.raises(PermissionError, match=r"OPENAI_API_KEY.*who are you"):
        write(server, texts, cache, n_workers=1)
    assert server.asked.count("tags locked") == 1
    paid = set(server.asked) - {"tags locked"}
    server.asked.clear()
    first = write(server, texts[:-1], cache)
    assert len(paid) == 22
    assert sorted(server.asked) == ["babble poetry", "sloppy rivers"]  # the corrections, not asked before
    server.asked.clear()
    assert write(server, texts[:-1], cache) == first
    assert server.asked == ["babble poetry"], "its last reply gave no tags"


def test_the_cache_knows_content_model_prompt_and_where_replies_are_cut(server, tmp_path):
    cache = tmp_path / "replies.sqlite"
    write(server, TEXTS, cache)
    write(server, TEXTS, cache, n_tags=2)
    assert len(server.asked) == 6
    write(server, TEXTS, cache, max_tokens=32)
    assert len(server.asked) == 9
    with pytest.raises(ValueError, match="no model 'other'"):
        write(server, TEXTS, cache, model="other")


def test_equal_texts_are_asked_once(server):
    tags, _ = write(server, ["tags poetry"] * 5 + ["sloppy rivers"] * 3)
    assert tags == [["poetry"]] * 5 + [["rivers"]] * 3
    assert len(server.asked) == 3


def test_concurrency_is_used_and_bounded(server):
    write(server, [f"slow word{row}" for row in range(24)], n_workers=6)
    assert server.most_running == 6


def test_long_texts_and_long_lists_are_cut(server):
    tags, report = write(server, ["tags a b c d e f"], n_tags=2, max_chars=10)
    assert (tags, server.asked, report["n_cut"]) == ([["a", "b"]], ["tags a b c"], 1)


def test_the_key_comes_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    write(server, TEXTS)
    assert server.keys == {"Bearer sesame"}
    with pytest.raises(PermissionError, match="who are you") as error:
        write(server, ["tags locked"])
    assert "sesame" not in str(error.value) and error.value.__cause__ is None
    monkeypatch.delenv("OPENAI_API_KEY")
    write(server, TEXTS)
    assert server.keys == {"Bearer sesame", "Bearer none"}


@pytest.mark.filterwarnings("ignore:.*gave no reply")
def test_nobody_answers(server):
    with pytest.raises(RuntimeError, match="none of 2 requests"):
        write(server, ["broken a", "broken b"])
    client = open_client("http://127.0.0.1:9/v1", max_retries=0, timeout=2.0)
    ask = ask_endpoint(client, model=MODEL, max_tokens=8, n_workers=2)
    with pytest.raises(ConnectionError, match=r"http://127.0.0.1:9/v1/ cannot be reached"):
        write_tags(TEXTS, ask=ask, model=MODEL, n_tags=4, max_tokens=8, max_chars=99, max_untagged=1.0, cache=None)
    client = open_client(server.base_url, max_retries=0, timeout=0.02)
    ask = ask_endpoint(client, model=MODEL, max_tokens=8, n_workers=2)
    with pytest.raises(ConnectionError, match="too slow"):
        write_tags(["slow a"], ask=ask, model=MODEL, n_tags=4, max_tokens=8, max_chars=99, max_untagged=1.0, cache=None)


def test_not_such_a_server(server):
    with pytest.raises(ValueError, match="does not speak the OpenAI chat protocol"):
        write(server, ["html a"])


def test_replies_before_a_crash_are_kept(tmp_path):
    def ask(conversations):
        yield 1, "kept"
        raise KeyboardInterrupt

    talks = [[{"role": "user", "content": text}] for text in "ab"]
    cache = tmp_path / "replies.sqlite"
    with pytest.raises(KeyboardInterrupt):
        list(ask_cached(ask, model="m", max_tokens=8, cache=cache, conversations=talks))
    replies = ask_cached(lambda left: iter([(0, str(left[0][0]["content"]))]), model="m", max_tokens=8, cache=cache,
                         conversations=talks)  # fmt: skip
    assert [reply for _, reply in sorted(replies)] == ["a", "kept"]


@pytest.mark.parametrize(
    ("reply", "tags"),
    [
        ('["a b", " c ", "c"]', ["a b", "c"]),
        ('```json\n["a"]\n```', ["a"]),
        (" [] ", []),
        ('{"tags": ["a"]}', None),
        ('["a", 1]', None),
        ('["a", ""]', None),
        ('["a"] and more', None),
        ("", None),
        ("[" * 100_000, None),
    ],
)
def test_parse_tags(reply, tags):
    assert parse_tags(reply) == tags


def test_annotate_tags_through_the_endpoint(server, tmp_path):
    writer = open_tag_writer(
        model=MODEL, revision=None, base_url=server.base_url, n_workers=2, max_retries=1, timeout=10.0,
        max_tokens=64, max_chars=1000, max_untagged=0.0, cache=tmp_path / "replies.sqlite",
    )  # fmt: skip
    rest = dict(n_tags=4, min_count=2, merge_distance=0.05, min_support=40, min_confidence=0.99,
                embed=lambda tags: np.eye(len(tags)))  # fmt: skip
    types = annotate_tags(["c", "b", "a"], TEXTS, tagger="llm", write_tags=writer, **rest)
    assert types.matrix.toarray().tolist() == [[0, 1], [1, 0], [1, 1]]
    assert (types.labels.tolist(), types.report["tagger"]) == (["poetry", "rivers"], "llm")
    with pytest.raises(ValueError, match="'llm' with write_tags"):
        annotate_tags(["a"], ["text"], tagger="llm", **rest)


def test_tags_by_a_server_that_is_started_for_them_once_and_only_where_replies_are_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(install_stand_in(tmp_path / "checkout"))
    writer = open_tag_writer(
        model="some/model", revision="abc", base_url=None, n_workers=2, max_retries=1, timeout=10.0,
        max_tokens=64, max_chars=1000, max_untagged=1.0, cache=tmp_path / "replies" / "tags.sqlite",
    )  # fmt: skip
    assert writer(["tags a"], 4)[1]["n_malformed"] == 1  # the stand-in repeats what it is told
    assert (
        "--model some/model --served-model-name some/model --revision abc"
        in (tmp_path / "replies" / "tags.server.txt").read_text()
    )
    (tmp_path / "checkout" / "processes.txt").unlink()
    replies = {"model": "some/model@abc", "max_tokens": 64, "cache": tmp_path / "replies" / "tags.sqlite"}
    talks = [[{"role": "user", "content": tag_llm.PROMPT.format(n_tags=4, text="tags b")}]]
    list(ask_cached(lambda _: iter([(0, '["a"]')]), conversations=talks, **replies))
    assert writer(["tags b"], 4)[0] == [["a"]]
    assert not (tmp_path / "checkout" / "processes.txt").exists()


def test_annotate_on_the_command_line(server, tmp_path):
    rows = [{"instruction": f"question {row}", "response": text} for row, text in enumerate(TEXTS)]
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ["tags.tagger=llm", f"tag_llm.model={MODEL}", f"tag_llm.base_url={server.base_url}", "tags.min_count=2",
                "tags.merge_distance=0"]  # fmt: skip
    command = [Path(sys.executable).parent / "macromicro", "annotate", "my.jsonl", "--granularity", "meso", "-o", "-"]
    command += ["--cache", "cache", *(word for setting in settings for word in ("--set", setting))]
    for n_asked in (3, 3):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        found = sorted(json.loads(line)["types"] for line in done.stdout.splitlines())
        assert found == [["poetry"], ["poetry", "rivers"], ["rivers"]]
        assert len(server.asked) == n_asked
