"""A worker and its calls as messages: the part that `inline` runs in the caller and `process` in a process of its own.

Arguments and results pass as pickled bytes, by value, everywhere: no executor shares an object with its workers.
"""

import ctypes
import os
import pickle
import queue
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from gnomon.compute.protocol import Call, WorkerDied, WorkerError
from gnomon.errors import UserError

PR_SET_PDEATHSIG = 1
adopting = False  # whether this process is running the definitions of its caller's script


class Host:
    """Holds a worker and answers its calls. A worker that cannot be made answers every call with the reason."""

    def __init__(self, making: bytes, script: str | None = None) -> None:
        self.fault: Exception | None = None
        self._failure: bytes | None = None
        try:
            if script is not None:
                _adopt(script)
            worker_class, args, kwargs = pickle.loads(making)
            self._worker = worker_class(*args, **kwargs)
        except Exception as fault:
            self._failure = self._failed(fault)

    def answer(self, message: bytes) -> bytes:
        """The pickled (kind, value) to a pickled (method, args, kwargs): "value", "mistake" or "error"."""
        if self._failure is not None:
            return self._failure
        try:
            method, args, kwargs = pickle.loads(message)
            return pickle.dumps(("value", getattr(self._worker, method)(*args, **kwargs)))
        except Exception as fault:
            return self._failed(fault)

    def _failed(self, fault: Exception) -> bytes:
        self.fault = fault
        if isinstance(fault, UserError):
            return pickle.dumps(("mistake", str(fault)))
        return pickle.dumps(("error", "".join(traceback.format_exception(fault))))


def settle(name: str, kind: str, value: Any) -> Any:
    """Give back or raise what the worker called `name` answered."""
    if kind == "value":
        return value
    if kind == "mistake":
        raise UserError(value)
    if kind == "died":
        raise WorkerDied(value)
    raise WorkerError(f"{name} failed:\n{value}")


class Mapper:
    """The worker behind an executor's `map`."""

    def apply(self, function: Callable[[Any], Any], item: Any) -> Any:
        """`function(item)`."""
        return function(item)


def item_result(index: int, call: Call) -> Any:
    """The call's result; what it raises says that it was item `index`."""
    try:
        return call.result()
    except (UserError, WorkerError, WorkerDied) as fault:
        raise type(fault)(f"item {index}: {fault}") from fault


def _adopt(script: str) -> None:
    """Run a script's definitions, but not what it guards as its main part, and let them be found as in the caller."""
    global adopting
    main = ModuleType("__mp_main__")  # the name under which multiprocessing, and so our caller, knows its __main__
    adopting = True
    try:
        main.__dict__.update(runpy.run_path(script, run_name="__mp_main__"))
    finally:
        adopting = False
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main


def main() -> None:
    """The process of a worker: arguments are the socket's descriptor, whether to die with the parent, and a script."""
    descriptor, tied, *script = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if tied == "tied" and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    channel = Connection(int(descriptor))
    incoming: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    outgoing: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        """Take calls in at any time, so that the caller never waits to send and its end is noticed during a call."""
        try:
            while True:
                incoming.put(channel.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)

    def write() -> None:
        """Hand results over beside the next call: the caller may take its time to fetch them."""
        try:
            while True:
                channel.send_bytes(outgoing.get())
        except OSError:
            os._exit(0)

    for side in (read, write):
        threading.Thread(target=side, daemon=True).start()
    host = Host(incoming.get(), *script)
    while True:
        outgoing.put(host.answer(incoming.get()))
