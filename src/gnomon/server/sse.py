"""Server-sent events: what happens in worker threads, told to the browsers that listen, until either side ends."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from starlette.responses import StreamingResponse

from gnomon.runs.files import to_json

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that what lies between does not give up on the connection."""

WAITING = 1000  # events that wait for one reader; a slower reader is dropped, and gets the present state on coming back

_HEARTBEAT = b": \n\n"


def encode(name: str | None, data: Any) -> bytes:
    """One event as it is sent: `data` as JSON under `name`, or without a name."""
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {to_json(data)}\n\n".encode()


class EventStream(StreamingResponse):
    """An answer that is a stream of events: `EventStream(bus.subscribe(request.app.state.closing))`."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], status_code: int = 200) -> None:
        """`status_code` stands here since FastAPI describes a route by it."""
        super().__init__(events, status_code, headers={"Cache-Control": "no-store"})


class Closing:
    """Whether the server is ending. It is set once, and every stream ends then."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._set = False
        self._calls: set[Callable[[], None]] = set()

    def set(self) -> None:
        """The server ends. From any thread."""
        with self._guard:
            self._set = True
            calls, self._calls = self._calls, set()
        for call in calls:
            call()

    def is_set(self) -> bool:
        """Whether the server is ending."""
        return self._set

    def add(self, call: Callable[[], None]) -> None:
        """Have `call` called when the server ends: at once where it does already."""
        with self._guard:
            if not self._set:
                self._calls.add(call)
                return
        call()

    def remove(self, call: Callable[[], None]) -> None:
        """Do not call `call` any more."""
        with self._guard:
            self._calls.discard(call)

    async def wait(self, seconds: float) -> bool:
        """Sleep; True, and at once, where the server ends meanwhile."""
        loop, ending = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            loop.call_soon_threadsafe(ending.set)

        self.add(end)
        try:
            await asyncio.wait_for(ending.wait(), seconds)
        except TimeoutError:
            pass
        finally:
            self.remove(end)
        return self._set


class Feed:
    """Events for one reader, put in by any thread and read in the event loop that it was made in.

    Reading ends after `end`, when the server ends, or when the reader is too slow.
    """

    def __init__(self, closing: Closing, *, waiting: int = WAITING) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing, self._waiting = closing, waiting
        self._missed = False  # whether there was no room for an event
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def put(self, name: str | None, data: Any) -> None:
        """One more event. From any thread; after the reader has gone it does nothing."""
        self._hand_over(encode(name, data))

    def end(self) -> None:
        """Nothing comes any more: reading ends after what is there. From any thread."""
        self._hand_over(None)

    def _hand_over(self, event: bytes | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, event)

    def _take(self, event: bytes | None) -> None:
        if self._queue.qsize() < self._waiting:
            self._queue.put_nowait(event)
        else:
            self._missed = True

    async def read(self) -> AsyncIterator[bytes]:
        """The events, encoded, with a comment after each silence."""
        self._closing.add(self.end)
        try:
            while not self._missed:
                try:
                    event = await asyncio.wait_for(self._queue.get(), HEARTBEAT)
                except TimeoutError:
                    event = _HEARTBEAT
                if event is None or self._missed or self._closing.is_set():
                    return
                yield event
        finally:
            self._closing.remove(self.end)


class Bus:
    """What happens to one thing, told to everyone who listens."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._feeds: set[Feed] = set()

    def publish(self, name: str, data: Any) -> None:
        """Tell every listener. From any thread; nobody waits for a slow one."""
        with self._guard:
            for feed in self._feeds:
                feed.put(name, data)

    def close(self) -> None:
        """End every listener's stream, after what it was told already."""
        with self._guard:
            for feed in self._feeds:
                feed.end()

    async def subscribe(
        self, closing: Closing, first: Callable[[], Iterable[tuple[str, Any]]] | None = None
    ) -> AsyncIterator[bytes]:
        """The events from now on, encoded. `first` gives those that every listener begins with: the present state.

        It is asked after the listening has begun, so that nothing falls between it and the next event.
        """
        feed = Feed(closing)
        with self._guard:
            self._feeds.add(feed)
        try:
            for name, data in first() if first is not None else ():
                yield encode(name, data)
            async for event in feed.read():
                yield event
        finally:
            with self._guard:
                self._feeds.discard(feed)
