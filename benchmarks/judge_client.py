"""Verdicts a second of the language-model judge against a local server that answers in 50 ms, and its memory.

python benchmarks/judge_client.py [--pairs 1000 4000] [--workers 32] [--delay 0.05]

The server is a process of its own and has no model: it waits and says A>B. A row per number of pairs: two verdicts for
each, every reply kept in an SQLite file on disk; then the same again from that file. Peak memory is that of a process
that judges that many pairs and nothing else, beside what it had before it began. Peer: the same requests by as many
threads through `openai` alone, without the cache, the parsing and the table.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from macromicro.judge.pairwise import Asking, judge_pairwise
from macromicro.models.llm import ask_endpoint, open_client

BODY = json.dumps(
    {"id": "x", "object": "chat.completion", "created": 0, "model": "m",
     "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A>B"}}]}
).encode()  # fmt: skip
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def serve(delay: float, port: multiprocessing.SimpleQueue) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                await asyncio.sleep(delay)
                writer.write(REPLY)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=256)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def make_pairs(n_pairs: int) -> list[pd.DataFrame]:
    rng = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(2000)])
    table = pd.DataFrame({"prompt_id": [f"{place:06d}" for place in range(n_pairs)]})
    texts = [[" ".join(rng.choice(words, 60)) for _ in range(n_pairs)] for _ in range(3)]
    return [table.assign(dataset=name, instruction=texts[2], answer=texts[side]) for side, name in enumerate("mb")]


def measure(n_pairs: int, n_workers: int, port: int, folder: str, report: multiprocessing.SimpleQueue) -> None:
    client = open_client(f"http://127.0.0.1:{port}/v1", max_retries=2, timeout=30.0)
    ask = ask_endpoint(client, model="m", max_tokens=16, n_workers=n_workers)
    pairs = make_pairs(n_pairs)
    before, found = peak(), []
    for _ in range(2):
        start = time.perf_counter()
        asking = Asking(ask, "m", max_tokens=16, max_chars=4000, cache=Path(folder, f"{n_pairs}.sqlite"))
        judge_pairwise(*pairs, asking=asking, max_missing=0.0)
        found.append(2 * n_pairs / (time.perf_counter() - start))
    report.put((*found, before, peak()))


def measure_peer(n_asked: int, n_workers: int, port: int) -> float:
    client = open_client(f"http://127.0.0.1:{port}/v1", max_retries=2, timeout=30.0)
    talk = [{"role": "user", "content": "word " * 200}]
    start = time.perf_counter()
    with ThreadPoolExecutor(n_workers) as pool:
        for future in [pool.submit(client.chat.completions.create, model="m", messages=talk) for _ in range(n_asked)]:
            future.result()
    return n_asked / (time.perf_counter() - start)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--delay", type=float, default=0.05)
    asked = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ports = context.SimpleQueue()
    server = context.Process(target=serve, args=(asked.delay, ports), daemon=True)
    server.start()
    port = ports.get()
    print("| pairs | verdicts | verdicts/s | again, from disk | MiB before | MiB at most |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for n_pairs in asked.pairs:
            report = context.SimpleQueue()
            process = context.Process(target=measure, args=(n_pairs, asked.workers, port, folder, report))
            process.start()
            rate, again, before, most = report.get()
            process.join()
            print(f"| {n_pairs} | {2 * n_pairs} | {rate:.0f} | {again:.0f} | {before:.0f} | {most:.0f} |", flush=True)
    print(f"\npeer: {measure_peer(1000, asked.workers, port):.0f} replies/s")
    server.terminate()


if __name__ == "__main__":
    main()
