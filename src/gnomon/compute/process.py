"""The executor that gives every worker a process of its own on this machine, with one thread each.

A worker is a fresh interpreter that talks over a socket pair; messages are pickled, and only between our own
processes. It ends when the socket closes, also in the middle of a call.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import connection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gnomon.compute import worker as worker_side
from gnomon.compute.protocol import Call
from gnomon.compute.worker import Mapper, item_result, settle
from gnomon.errors import UserError

if TYPE_CHECKING:
    from gnomon.compute.shared import SharedBroadcast

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
# -P: a file in the working directory must not stand in for a module of the library.
ENTRY = ("-P", "-c", "from gnomon.compute.worker import main; main()")
GRACE = 5.0  # seconds a worker whose socket has closed may take to end
LOOK = 0.5  # seconds between looks at a silent worker: one whose own children hold its socket dies without a sign


class _Call:
    def __init__(self, worker: "_Handle") -> None:
        self.worker = worker
        self._answer: tuple[str, Any] | None = None

    def done(self) -> bool:
        return self._answer is not None

    def answer(self, kind: str, value: Any) -> None:
        self._answer = kind, value

    def result(self, timeout: float | None = None) -> Any:
        _wait([self], timeout)
        if self._answer is None:
            raise TimeoutError(f"{self.worker.name} has not answered within {timeout} s")
        return settle(self.worker.name, *self._answer)


def _wait(calls: Sequence[_Call], timeout: float | None) -> list[_Call]:
    """Those of `calls` that are done, waiting up to `timeout` seconds for one."""
    end = float("inf") if timeout is None else time.monotonic() + timeout
    while True:
        workers = {id(call.worker): call.worker for call in calls if not call.done()}
        for worker in workers.values():
            worker.receive()
        done = [call for call in calls if call.done()]
        left = end - time.monotonic()
        if done or not calls or left <= 0:
            return done
        connection.wait([worker.connection for worker in workers.values()], min(left, LOOK))


class _Handle:
    def __init__(self, name: str, making: bytes, shared: Sequence[int], script: str | None) -> None:
        self.name = name
        self._making = making
        self._shared = shared
        self._script = [script] if script is not None else []
        self._launch()

    def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        # The kernel ends a child with the thread that made it, which is the process only if that is the main one.
        tied = "tied" if threading.current_thread() is threading.main_thread() else "free"
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a worker is deaf to Ctrl-C from birth
        try:
            with theirs:
                self.process = subprocess.Popen(
                    [sys.executable, *ENTRY, str(theirs.fileno()), tied, *self._script],
                    pass_fds=[theirs.fileno(), *self._shared],
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self.connection = connection.Connection(ours.detach())
        self._calls: deque[_Call] = deque()  # unanswered; a worker answers in order
        self._ended = ""
        self._send(self._making)

    def _send(self, message: bytes) -> None:
        try:
            self.connection.send_bytes(message)
        except OSError:  # the worker is gone: its calls fail by name
            self.receive()

    @property
    def alive(self) -> bool:
        self.receive()
        return not self._ended

    def call(self, method: str, *args: Any, **kwargs: Any) -> _Call:
        message = pickle.dumps((method, args, kwargs))
        call = _Call(self)
        if self._ended:
            call.answer("died", self._ended)
        else:
            self._calls.append(call)
            self._send(message)
        return call

    def receive(self) -> None:
        """Take in every answer that has arrived; fail the calls of a worker that is gone."""
        if self._ended:
            return
        gone = self.process.poll() is not None  # asked first: what it said before it ended is still to be read
        try:
            while self.connection.poll():
                answer = self.connection.recv_bytes()
                self._calls.popleft().answer(*self._read(answer))
        except (EOFError, OSError):
            gone = True
        if gone:
            self._end()

    def _read(self, answer: bytes) -> tuple[str, Any]:
        try:
            kind, value = pickle.loads(answer)
        except Exception as fault:
            return "error", f"its result cannot be read here: {fault!r}"
        return kind, value

    def _end(self) -> None:
        try:
            code = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:  # it let go of its socket and yet lives: nobody can reach it any more
            self.process.kill()
            code = self.process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._ended = f"{self.name} (process {self.process.pid}) died with {how}"
        self.connection.close()
        while self._calls:
            self._calls.popleft().answer("died", self._ended)

    def restart(self) -> None:
        self.close()
        self._launch()

    def close(self) -> None:
        if not self._ended:
            self.process.kill()
            self._end()


class ProcessExecutor:
    """Workers as processes; `map` spreads its items over `workers` of them."""

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise UserError(f"process executor: workers = {workers} must be at least 1.")
        self._workers = workers
        self._handles: list[_Handle] = []
        self._shared: list[SharedBroadcast] = []

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        work = list(items)
        mappers = [self._start(function, Mapper, (), {}) for _ in range(min(self._workers, len(work)))]
        results: list[Any] = [None] * len(work)
        under_way: dict[_Call, int] = {}
        todo = iter(range(len(work)))
        failed = len(work)  # the first item that raises, whichever is noticed first
        try:
            free = list(mappers)
            while True:
                while free and failed == len(work) and (index := next(todo, None)) is not None:
                    under_way[free.pop().call("apply", function, work[index])] = index
                if not any(index < failed for index in under_way.values()):
                    break
                for call in _wait(list(under_way), None):
                    index = under_way.pop(call)
                    free.append(call.worker)
                    try:
                        results[index] = item_result(index, call)
                    except Exception as fault:
                        if index < failed:
                            failed, first = index, fault
            if failed < len(work):
                raise first
        finally:
            for mapper in mappers:
                mapper.close()
                self._handles.remove(mapper)
        return results

    def start(self, worker_class: type, *args: Any, **kwargs: Any) -> _Handle:
        return self._start(worker_class, worker_class, args, kwargs)

    def _start(self, sent: Any, worker_class: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Handle:
        if worker_side.adopting:  # the script would start itself again in every worker, without end
            raise UserError(
                "A script that defines what its workers need starts them below `if __name__ == '__main__':`; this one"
                " starts them whenever it is read."
            )
        name = f"{worker_class.__name__}-{len(self._handles) + 1}"
        shared = [channel.descriptor for channel in self._shared]
        making = pickle.dumps((worker_class, args, kwargs))
        # What a script defines itself is known to a worker only if it runs the script's definitions too.
        own = getattr(sent, "__module__", None) == "__main__" or b"__main__" in making
        script = getattr(sys.modules["__main__"], "__file__", None) if own else None
        handle = _Handle(name, making, shared, script)
        self._handles.append(handle)
        return handle

    def broadcast(self, tensors: dict[str, Any]) -> "SharedBroadcast":
        from gnomon.compute.shared import SharedBroadcast

        channel = SharedBroadcast(tensors)
        self._shared.append(channel)
        return channel

    def wait(self, calls: Sequence[Call], timeout: float | None) -> list[Call]:
        return list(_wait([call for call in calls if isinstance(call, _Call)], timeout))

    def close(self) -> None:
        for handle in self._handles:
            handle.close()
        for channel in self._shared:
            channel.close()
        self._handles, self._shared = [], []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
