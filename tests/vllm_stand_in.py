"""Stands in for vLLM's server: its command line, `/health` and replies by rules, in a process of its own.

The script that `install_stand_in` writes runs it as `.venv-vllm/bin/python -I -m vllm.entrypoints.openai.api_server`.
What it does wrong is said by files in its working folder: `die-at-start` holds how often it still dies with what words,
and a prompt that says `die` ends it, once.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from local_server import chat_completion

ROOT = Path(__file__).resolve().parent


def install_stand_in(folder: Path) -> Path:
    """Make `folder` a checkout whose environment of vLLM is this module."""
    for name in ("params", "notebooks", ".venv-vllm/bin"):
        (folder / name).mkdir(parents=True)
    python = folder / ".venv-vllm" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "{__file__}" "$@"\n')
    python.chmod(0o755)
    return folder


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def note_process() -> None:
    with Path("processes.txt").open("a") as file:
        file.write(f"{os.getpid()}\n")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.reply(200, {})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = str(request.get("messages") or request["prompt"])
        with Path("asked.jsonl").open("a") as file:
            file.write(json.dumps({**request, "key": self.headers["Authorization"]}) + "\n")
        if "die" in said and not Path("died").exists():
            Path("died").touch()
            os._exit(1)
        if "messages" in request:
            text = request["messages"][-1]["content"]
            reply = chat_completion(request["model"], f"read {text}", "length" if "long" in text else "stop")
            self.reply(400 if "refused" in text else 200, reply)
            return
        tokens = [*reversed(request["prompt"])][: request["max_tokens"]]
        choice = {"index": 0, "text": "", "finish_reason": "stop", "token_ids": tokens, "prompt_token_ids": []}
        body = {"id": "x", "object": "text_completion", "created": 0, "model": request["model"], "choices": [choice]}
        self.reply(200, body)

    def reply(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    note_process()
    print("arguments:", *sys.argv[1:], flush=True)
    print("key:", os.environ.get("OPENAI_API_KEY"), "token:", os.environ.get("HF_TOKEN"), flush=True)
    deaths = Path("die-at-start")
    if deaths.exists():
        n, words = deaths.read_text().split(" ", 1)
        if int(n):
            deaths.write_text(f"{int(n) - 1} {words}")
            print(words, flush=True)
            sys.exit(1)
    if Path("hang").exists():
        ThreadingHTTPServer((option("--host"), 0), Handler).serve_forever()
    if not os.fork():  # as vLLM, which computes in a process of its own
        note_process()
        while True:
            time.sleep(60)
    ThreadingHTTPServer((option("--host"), int(option("--port"))), Handler).serve_forever()


if __name__ == "__main__":
    main()
