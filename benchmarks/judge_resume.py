"""Calls repeated and replies lost where a judging run is killed (SIGKILL) and started again, many times.

python benchmarks/judge_resume.py [--pairs 3000] [--kills 20] [--workers 32] [--delay 0.05]

The server is a thread of this process and has no model: it waits, says A>B, and keeps what it was asked. A run is
killed at a random moment after its first calls; the last one goes to its end. A call is repeated if its reply was on
disk when the run began; a reply is lost if it was on disk after a kill and is not at the end. Calls that were under
way, or on their way to the disk, when a run was killed are asked once more; they are counted apart.
"""

import argparse
import asyncio
import json
import multiprocessing
import random
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from judge_client import REPLY, make_pairs
from macromicro.judge.pairwise import Asking, judge_pairwise
from macromicro.models.llm import ask_endpoint, open_client


class Server:
    """Replies after `delay` seconds; `asked` are the keys of all calls, as the cache has them."""

    def __init__(self, delay: float) -> None:
        self.delay, self.asked, self.port, ready = delay, [], 0, threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True).start()
        ready.wait()

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=256)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                body = json.loads(await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0])))
                talk = json.dumps([body["model"], body["max_tokens"], body["messages"]])
                self.asked.append(sha256(talk.encode()).hexdigest())
                await asyncio.sleep(self.delay)
                writer.write(REPLY)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def judge(n_pairs: int, n_workers: int, port: int, cache: str) -> None:
    client = open_client(f"http://127.0.0.1:{port}/v1", max_retries=2, timeout=30.0)
    ask = ask_endpoint(client, model="m", max_tokens=16, n_workers=n_workers)
    asking = Asking(ask, "m", max_tokens=16, max_chars=4000, cache=Path(cache))
    verdicts = judge_pairwise(*make_pairs(n_pairs), asking=asking, max_missing=0.0)
    assert verdicts["verdict"].notna().all()


def read_kept(cache: str) -> set[str]:
    if not Path(cache).exists():
        return set()
    with closing(sqlite3.connect(cache)) as known:
        return {key for (key,) in known.execute("SELECT key FROM replies")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--delay", type=float, default=0.05)
    given = parser.parse_args()
    server, rng, context = Server(given.delay), random.Random(0), multiprocessing.get_context("spawn")
    repeated, kept, n_killed = 0, set(), 0
    with tempfile.TemporaryDirectory() as folder:
        cache = str(Path(folder, "judge.sqlite"))
        for turn in range(given.kills + 1):
            before, n_asked = read_kept(cache), len(server.asked)
            process = context.Process(target=judge, args=(given.pairs, given.workers, server.port, cache))
            process.start()
            while turn < given.kills and process.is_alive() and len(server.asked) == n_asked:
                time.sleep(0.01)
            process.join(rng.uniform(0.05, 1.2) if turn < given.kills else None)
            n_killed += process.is_alive()
            process.kill()
            process.join()
            repeated += len(before & set(server.asked[n_asked:]))
            kept |= read_kept(cache)
        lost = kept - read_kept(cache)
        n_kept = len(read_kept(cache))
    again = len(server.asked) - len(set(server.asked))
    print("| verdicts | killed | repeated | lost | under way when killed, asked once more |\n|--:|--:|--:|--:|--:|")
    print(f"| {n_kept} of {2 * given.pairs} | {n_killed} | {repeated} | {len(lost)} | {again} |")


if __name__ == "__main__":
    main()
