"""Replies of a language model kept on disk as they arrive, so that a killed run pays for none of them twice."""

import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import overload

from tqdm import tqdm

from macromicro.models.llm import Ask, Conversation


class Lazily(Sequence[Conversation]):
    """Conversations that are made when they are asked, so that not all of them are in memory at once.

    Parameters: make, the conversation of a place; places, which and in what order.
    """

    def __init__(self, make: Callable[[int], Conversation], places: Sequence[int]) -> None:
        self._make, self._places = make, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Conversation: ...
    @overload
    def __getitem__(self, place: slice) -> "Lazily": ...
    def __getitem__(self, place: int | slice) -> "Conversation | Lazily":
        chosen = self._places[place]
        return self._make(chosen) if isinstance(chosen, int) else Lazily(self._make, chosen)


def ask_cached(
    ask: Ask,
    *,
    model: str,
    max_tokens: int,
    cache: Path | None,
    conversations: Sequence[Conversation],
    worth_keeping: Callable[[str], bool] = bool,
    check: Callable[[int], None] | None = None,
    sampling: Mapping[str, float] | None = None,
) -> Iterator[tuple[int, str | None]]:
    """Place and reply of each conversation as soon as it is there, those of the cache first; new ones are kept there.

    No reply is held, so that there may be more of them than fit memory; `sorted` puts them in order.
    Parameters: model and max_tokens (where a reply is cut), parts of the key with the conversation; cache, an SQLite
    file or None; worth_keeping, whether a reply need not be asked for again; check, called with the number of missing
    replies whenever one more is missing, which may raise and so end the asking; sampling, how tokens are drawn, a
    part of the key where they are.
    Equal conversations are asked once. A missing reply (None) is never kept: the next run asks again.
    """
    known_by = [model, max_tokens, *([dict(sampling)] if sampling else [])]
    keys = [sha256(json.dumps([*known_by, talk]).encode()).hexdigest() for talk in conversations]
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    with closing(_open_cache(cache)) as known:
        missing, n_missing = [], 0
        for key, same in places.items():
            reply = _find(known, key)
            if reply is None:
                missing.append(same[0])
                continue
            yield from ((place, reply) for place in same)
        with _keeping(known) as keep:
            asked = ask(Lazily(conversations.__getitem__, missing))
            for row, reply in tqdm(asked, total=len(missing), desc=model, unit="reply", disable=not missing):
                key = keys[missing[row]]
                if reply is None:
                    n_missing += 1
                    if check is not None:
                        check(n_missing)
                elif worth_keeping(reply):
                    keep(key, reply)
                yield from ((place, reply) for place in places[key])


@contextmanager
def _keeping(known: sqlite3.Connection) -> Iterator[Callable[[str, str], None]]:
    """A function that writes a reply to the cache, in a thread of its own; all are on disk when the block is left.

    A disk may take 30 ms for one: whatever has come meanwhile is written with the next. It raises what went wrong with
    an earlier one.
    """
    rows: deque[tuple[str, str]] = deque()
    written: Future[None] = Future()
    written.set_result(None)

    def write() -> None:
        waiting = [rows.popleft() for _ in range(len(rows))]
        if waiting:
            with known:
                known.executemany("INSERT OR REPLACE INTO replies VALUES (?, ?)", waiting)

    def keep(key: str, reply: str) -> None:
        nonlocal written
        if written.done():
            written.result()
        rows.append((key, reply))
        written = writer.submit(write)

    with ThreadPoolExecutor(1) as writer:
        yield keep
    written.result()


def _open_cache(cache: Path | None) -> sqlite3.Connection:
    """The database of replies; in memory if there is no file. Raises ValueError if the file is something else."""
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
    known = sqlite3.connect(cache or ":memory:", timeout=60, check_same_thread=False)
    try:
        with known:
            known.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")
    except sqlite3.DatabaseError as error:
        known.close()
        raise ValueError(f"{cache} is no cache of replies: {error}") from None
    return known


def _find(known: sqlite3.Connection, key: str) -> str | None:
    """The reply kept under a key."""
    row = known.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None
