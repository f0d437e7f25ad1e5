"""Open what a section of the settings describes: a language model at an address, or one served while it is asked."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from macromicro.models.llm import GREEDY, Ask, Conversation, ask_endpoint
from macromicro.models.replies import Lazily
from macromicro.models.serve import count_gpus, serve
from macromicro.models.server import Server, through_restart


@contextmanager
def open_asking(
    *,
    model: str,
    revision: str | None = None,
    base_url: str | None,
    n_workers: int,
    max_retries: int,
    timeout: float,
    max_tokens: int,
    log: Path | None,
    sampling: Mapping[str, Any] = GREEDY,
) -> Iterator[Ask]:
    """How a language model is asked while the block runs (see `llm.ask_endpoint`).

    Parameters: base_url, the address of its server, or None: then vLLM's server of `model` at `revision`, on all GPUs
    that there are, is started when the first conversation comes, and ends with the block; log, where that server's
    output is appended, None for nowhere; the others as in `sections.LlmParams`.
    Asking raises as `llm.ask_endpoint`, and `serve.serve` where a server is started.
    """
    with ExitStack() as stack:
        servers = [Server(base_url)] if base_url else []

        def ask(conversations: Sequence[Conversation]) -> Iterator[tuple[int, str | None]]:
            if not len(conversations):
                return
            if not servers:
                target = log or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "server.txt"
                started = serve(model, revision=revision, log=target, n_gpus=max(1, count_gpus()))
                servers.append(stack.enter_context(started))

            def reply_to(places: list[int]) -> Iterator[tuple[int, str | None]]:
                client = servers[0].open_client(max_retries=max_retries, timeout=timeout)
                limits: dict[str, Any] = {"max_tokens": max_tokens, "n_workers": n_workers, "sampling": sampling}
                return ask_endpoint(client, model=model, **limits)(Lazily(conversations.__getitem__, places))

            yield from through_restart(servers[0], reply_to, len(conversations))

        yield ask


def name_model(model: str, revision: str | None) -> str:
    """The name under which replies of a model are kept.

    >>> name_model("org/model", "abc"), name_model("org/model", None)
    ('org/model@abc', 'org/model')
    """
    return f"{model}@{revision}" if revision else model


def log_beside(cache: Path | None) -> Path | None:
    """Where the output of a server goes whose replies are kept in `cache`."""
    return cache.with_suffix(".server.txt") if cache else None
