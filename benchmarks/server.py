"""Seconds to start vLLM's server, and tokens a second of a model and of its adapters together.

python benchmarks/server.py BASE ADAPTER... [--requests 48] [--tokens 64]

BASE is a checkpoint folder, of which each ADAPTER is a LoRA adapter. As many requests at once, all of the base
model first, then dealt out over the adapters; every one writes exactly so many tokens, greedily and in float32.
"""

import argparse
import tempfile
import time
from pathlib import Path

from macromicro.models.basemodel import load_tokenizer
from macromicro.models.llm import run_at_once
from macromicro.models.serve import serve
from macromicro.models.server import Server

PROMPT = "Explain in a few words what a Python list is, and number {} of its uses."


def rate(server: Server, models: list[str], prompts: list[list[int]], n_tokens: int) -> float:
    client = server.open_client(max_retries=0, timeout=3600.0)
    more = {"ignore_eos": True}

    def ask(place: int) -> int:
        model = models[place % len(models)]
        reply = client.completions.create(
            model=model, prompt=prompts[place], max_tokens=n_tokens, temperature=0.0, extra_body=more
        )
        return reply.usage.completion_tokens

    began = time.perf_counter()
    written = sum(n for _, n in run_at_once(ask, len(prompts), n_workers=len(prompts)))
    return written / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", type=Path)
    parser.add_argument("adapters", type=Path, nargs="*")
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=64)
    given = parser.parse_args()
    tokenizer = load_tokenizer(given.base)
    prompts = [tokenizer(PROMPT.format(place))["input_ids"] for place in range(given.requests)]
    adapters = {path.name: path.resolve() for path in given.adapters}
    began = time.perf_counter()
    options = {"name": "base", "adapters": adapters, "dtype": "float32", "max_length": 512}
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(str(given.base.resolve()), log=Path(folder) / "server.txt", **options) as server,
    ):
        print(f"start: {time.perf_counter() - began:.1f} s", flush=True)
        rate(server, ["base"], prompts[:2], 2)
        print(f"base model: {rate(server, ['base'], prompts, given.tokens):.0f} tokens/s", flush=True)
        if adapters:
            found = rate(server, list(adapters), prompts, given.tokens)
            print(f"{len(adapters)} adapters together: {found:.0f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
