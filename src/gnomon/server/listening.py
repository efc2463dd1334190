"""Listening on a port of this machine's loopback address, until a signal ends it."""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from gnomon.errors import UserError
from gnomon.server.sse import Closing

LONGEST_END = 2
"""Seconds that requests have to finish once the server ends."""

SWITCHES = 0.001
"""Seconds a thread computes before another has its turn: a story is read beside the requests that change it."""


def bound(port: int) -> socket.socket:
    """A socket that holds `port` (0: one that is free) and does not listen yet. Raises UserError where it is taken."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with _port_errors(port):
        found.bind(("127.0.0.1", port))
    return found


def listen(app: FastAPI, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve `app` on a bound socket until SIGINT or SIGTERM; `ready` is called once it answers."""
    with _port_errors(listening.getsockname()[1]):
        listening.listen(128)
    sys.setswitchinterval(SWITCHES)
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,  # nothing of an address is ever logged
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=LONGEST_END,
    )
    asyncio.run(_Server(config, app.state.closing, ready).serve(sockets=[listening]))


class _Server(uvicorn.Server):
    """A server that says when it answers, and that a signal ends with every stream, without killing the process."""

    def __init__(self, config: uvicorn.Config, closing: Closing, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._closing, self._ready = closing, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def end(number: int, frame: Any) -> None:
            self.force_exit = self.should_exit  # the second time, whatever is still going on
            self.should_exit = True
            loop.call_soon_threadsafe(self._closing.set)

        loop = asyncio.get_running_loop()
        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _port_errors(port: int) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise UserError(f"Port {port} cannot be used: {reason}; --port 0 takes one that is free.") from fault
