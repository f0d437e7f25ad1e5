"""Ask a language model: through any OpenAI-compatible endpoint, or vLLM in this process.

Both are a function from conversations to replies, given one by one as they arrive, so that `replies.ask_cached` can
keep each on disk at once: a run that was killed and started again pays for no reply twice.
"""

import atexit
import json
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openai import OpenAI

Conversation = list[dict[str, str]]
Ask = Callable[[Sequence[Conversation]], Iterator[tuple[int, str | None]]]

KEY_VARIABLE = "OPENAI_API_KEY"
VLLM_CHUNK = 512
GREEDY: Mapping[str, Any] = {"temperature": 0.0}
FIRST_TOKEN: Mapping[str, Any] = {**GREEDY, "logprobs": True, "top_logprobs": 20}
"""Asks for the probabilities of tokens, of as many as OpenAI gives, and vLLM by default."""
CUT = "\n[cut]"
"""Stands at the end of a reply that an endpoint cut at `max_tokens`, so that it is not taken for a whole one."""


def open_client(base_url: str, *, max_retries: int, timeout: float) -> "OpenAI":
    """Client of an OpenAI-compatible endpoint; the key is read from the environment variable OPENAI_API_KEY.

    Parameters: base_url, such as `http://localhost:8000/v1`; max_retries, per request, after 408, 409, 429, 5xx and
    lost connections, with growing pauses; timeout in seconds. Servers of one's own usually need no key.
    """
    from openai import OpenAI

    key = os.environ.get(KEY_VARIABLE) or "none"
    return OpenAI(base_url=base_url, api_key=key, max_retries=max_retries, timeout=timeout)


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
    return _side_by_side(partial(_ask_once, client, model, settings), n_workers)


def _side_by_side(ask_one: Callable[[Conversation], str | None], n_workers: int) -> Ask:
    """Ask `n_workers` at a time; when one raises, nothing more is asked, and the others under way still reply."""

    def ask(conversations: Sequence[Conversation]) -> Iterator[tuple[int, str | None]]:
        places = iter(range(len(conversations)))
        running: dict[Future[str | None], int] = {}
        failed: BaseException | None = None
        pool = ThreadPoolExecutor(n_workers)
        try:
            while True:
                while failed is None and len(running) < n_workers and (place := next(places, None)) is not None:
                    running[pool.submit(ask_one, conversations[place])] = place
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

    return ask


def _ask_once(client: "OpenAI", model: str, settings: Mapping[str, Any], conversation: Conversation) -> str | None:
    """The reply to one conversation, as `ask_endpoint` says."""
    import openai

    messages: Any = conversation
    server = client.base_url
    try:
        reply = client.chat.completions.create(model=model, messages=messages, **settings)
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
    else:
        return (_read_probabilities if settings.get("logprobs") else _read_text)(server, reply)
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


def ask_vllm(*, model: str, max_tokens: int) -> Ask:
    """Greedy replies from vLLM in this process; the engine is loaded when the first conversation comes.

    A reply is None where the engine refused this conversation (too long, say). What vLLM logs goes to stderr.
    Asking raises RuntimeError if vLLM is not installed.
    """
    engine: list[Any] = []

    def ask(conversations: Sequence[Conversation]) -> Iterator[tuple[int, str | None]]:
        if not conversations:
            return
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
        try:
            from vllm import LLM, SamplingParams
            from vllm.exceptions import VLLMValidationError
        except ImportError as error:
            raise RuntimeError(
                f"backend=vllm needs vLLM: pip install vllm, in an environment apart ({error})"
            ) from error
        sampling = SamplingParams(temperature=0.0, max_tokens=max_tokens)

        def reply_to(chunk: Sequence[Conversation]) -> list[str | None]:
            try:
                replies = engine[0].chat(list(chunk), sampling, use_tqdm=False)
            except VLLMValidationError:  # one of them is refused, and all with it
                return [None] if len(chunk) == 1 else [text for talk in chunk for text in reply_to([talk])]
            return [reply.outputs[0].text for reply in replies]

        if not engine:
            engine.append(LLM(model=model))
            atexit.register(engine[0].llm_engine.engine_core.shutdown)  # else Python waits for its processes forever
        for start in range(0, len(conversations), VLLM_CHUNK):
            yield from enumerate(reply_to(conversations[start : start + VLLM_CHUNK]), start)

    return ask
