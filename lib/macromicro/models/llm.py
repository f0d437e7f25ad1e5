"""Ask a language model through an OpenAI-compatible endpoint; `serve` starts one where there is none.

Asking is a function from conversations to replies, given one by one as they arrive, so that `replies.ask_cached` can
keep each on disk at once: a run that was killed and started again pays for no reply twice.
"""

import json
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from openai import OpenAI

Conversation = list[dict[str, str]]
Ask = Callable[[Sequence[Conversation]], Iterator[tuple[int, str | None]]]
Reply = TypeVar("Reply")

KEY_VARIABLE = "OPENAI_API_KEY"
GREEDY: Mapping[str, Any] = {"temperature": 0.0}
FIRST_TOKEN: Mapping[str, Any] = {**GREEDY, "logprobs": True, "top_logprobs": 20}
"""Asks for the probabilities of tokens, of as many as OpenAI gives, and vLLM by default."""
CUT = "\n[cut]"
"""Stands at the end of a reply that an endpoint cut at `max_tokens`, so that it is not taken for a whole one."""


def open_client(base_url: str, *, max_retries: int, timeout: float, key: str | None = None) -> "OpenAI":
    """Client of an OpenAI-compatible endpoint.

    Parameters: base_url, such as `http://localhost:8000/v1`; max_retries, per request, after 408, 409, 429, 5xx and
    lost connections, with growing pauses; timeout in seconds; key, None for that of the environment variable
    OPENAI_API_KEY, if it is set. Servers of one's own usually need none.
    """
    from openai import OpenAI

    known = key or os.environ.get(KEY_VARIABLE) or "none"
    return OpenAI(base_url=base_url, api_key=known, max_retries=max_retries, timeout=timeout)


def ask_endpoint(
    client: "OpenAI", *, model: str, max_tokens: int, n_workers: int, sampling: Mapping[str, Any] = GREEDY
) -> Ask:
    """Replies from an endpoint, at most `n_workers` requests at a time; greedy, or as `sampling` has it.

    A reply is None where the endpoint refused this conversation (too long, say), kept failing on it, or replied nothing
    that can be read; a warning says so, once for every status. With `FIRST_TOKEN` it is JSON such as
    `{"A": 0.9, " B": 0.08}`: the likeliest first tokens with their probabilities.
    Asking raises ConnectionError if the endpoint cannot be reached in time, PermissionError if it refuses the key, and
    ValueError if it does not know the model or the protocol, or gives no probabilities that were asked for; replies to
    what was under way then still come before.
    """
    settings = {"max_tokens": max_tokens, **sampling}
    read = _read_probabilities if sampling.get("logprobs") else _read_text

    def ask(conversations: Sequence[Conversation]) -> Iterator[tuple[int, str | None]]:
        def reply_to(place: int) -> str | None:
            messages: Any = conversations[place]
            create = client.chat.completions.create
            reply = send(client, model, lambda: create(model=model, messages=messages, **settings))
            return None if reply is None else read(client.base_url, reply)

        yield from run_at_once(reply_to, len(conversations), n_workers=n_workers)

    return ask


def run_at_once(call: Callable[[int], Reply], n_calls: int, *, n_workers: int) -> Iterator[tuple[int, Reply]]:
    """Place and result of each of `n_calls` calls as it is done, at most `n_workers` of them in threads at a time.

    When one raises, no other begins, and what it raised is raised when those under way are done.
    """
    places = iter(range(n_calls))
    running: dict[Future[Reply], int] = {}
    failed: BaseException | None = None
    pool = ThreadPoolExecutor(n_workers)
    try:
        while True:
            while failed is None and len(running) < n_workers and (place := next(places, None)) is not None:
                running[pool.submit(call, place)] = place
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                place, error = running.pop(future), future.exception()
                if error is None:
                    yield place, future.result()
                failed = failed or error
        if failed is not None:
            raise failed
    finally:
        pool.shutdown(cancel_futures=True)


def send(client: "OpenAI", model: str, request: Callable[[], Reply]) -> Reply | None:
    """What a request to the endpoint of a client brings; None with a warning, or raised, as `ask_endpoint` says."""
    import openai

    server = client.base_url
    try:
        return request()
    except openai.APIConnectionError as error:
        raise ConnectionError(f"{server} cannot be reached or is too slow: {error}") from error
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise PermissionError(f"{server} refuses the key of {KEY_VARIABLE}: {_without_key(error)}") from None
    except openai.NotFoundError as error:
        raise ValueError(f"{server} has no model {model!r}: {_without_key(error)}") from None
    except openai.APIStatusError as error:
        _warn_of(server, f"status {error.status_code} {error.code or ''}")
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        _warn_of(server, "no JSON")
    except openai.OpenAIError as error:
        raise ValueError(f"{server} gives no reply that can be read: {_without_key(error)}") from None
    return None


def _read_text(server: object, reply: Any) -> str | None:
    """The text of a reply, None if it has none; what was cut short ends with `CUT`."""
    choice = _first_choice(server, reply)
    content: Any = getattr(getattr(choice, "message", None), "content", None)
    if choice is not None and isinstance(content, str) and content.strip():
        return content + CUT if choice.finish_reason == "length" else content
    _warn_of(server, "no text")
    return None


def _read_probabilities(server: object, reply: Any) -> str | None:
    """The probabilities of the first token as JSON, None if they are no numbers.

    Raises ValueError if the reply has none at all: then no reply of this endpoint will.
    """
    choice = _first_choice(server, reply)
    if choice is not None and not getattr(choice, "logprobs", None):
        raise ValueError(f"{server} gives no probabilities of tokens (logprobs): let the judge reply in words")
    found: dict[str, float] = {}
    try:
        for one in choice.logprobs.content[0].top_logprobs if choice is not None else []:
            found[str(one.token)] = found.get(str(one.token), 0.0) + math.exp(one.logprob)
    except (AttributeError, IndexError, TypeError, OverflowError):
        found = {}
    if found:
        return json.dumps(found)
    _warn_of(server, "no probabilities that can be read")
    return None


def _first_choice(server: object, reply: Any) -> Any:
    """The first of the alternative replies, None if there is none. Raises ValueError if it is not of the protocol."""
    from openai.types.chat import ChatCompletion

    if not isinstance(reply, ChatCompletion):
        shown = _without_key(reply)[:80]
        raise ValueError(f"{server} does not speak the OpenAI chat protocol: {shown!r}")
    return reply.choices[0] if reply.choices else None


def _without_key(said: object) -> str:
    """What was said without the key of the environment, which a server may repeat."""
    key = os.environ.get(KEY_VARIABLE)
    return str(said).replace(key, "***") if key else str(said)


def _warn_of(server: object, why: str) -> None:
    """Warn that a request has no reply; the same reason is shown once."""
    warnings.warn(f"{server} gave no reply to a request: {_without_key(why)[:80].strip()}", stacklevel=2)
