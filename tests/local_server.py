"""Servers of this machine for tests, and what a server of the OpenAI chat protocol sends."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import TypeVar

Server = TypeVar("Server", bound=ThreadingHTTPServer)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """The server while it answers in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def chat_completion(model: str, content: str, finish_reason: str = "stop") -> dict[str, object]:
    """The body of a reply."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "finish_reason": finish_reason, "message": message}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": model, "choices": [choice]}
