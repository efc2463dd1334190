"""The executor that gives every worker a process of its own on this machine, with one thread each.

A worker is a fresh interpreter that talks over a socket pair; messages are pickled, and only between our own
processes. It ends when the socket closes or, on Linux, the moment its parent dies.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import connection
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gnomon.compute.protocol import Call, WorkerDied, WorkerError
from gnomon.compute.worker import Mapper
from gnomon.errors import UserError

if TYPE_CHECKING:
    from gnomon.compute.shared import SharedBroadcast

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class _Call:
    def __init__(self, worker: "_Handle") -> None:
        self._worker = worker
        self._answer: tuple[str, Any] | None = None

    def done(self) -> bool:
        return self._answer is not None

    def answer(self, kind: str, value: Any) -> None:
        self._answer = kind, value

    def result(self) -> Any:
        while self._answer is None:
            connection.wait([self._worker.connection])
            self._worker.receive()
        kind, value = self._answer
        if kind == "value":
            return value
        if kind == "mistake":
            raise UserError(value)
        if kind == "died":
            raise WorkerDied(value)
        raise WorkerError(f"{self._worker.name} failed:\n{value}")


class _Handle:
    def __init__(self, name: str, making: tuple[Any, ...], shared: Sequence[int], script: str | None) -> None:
        self.name = name
        self._making = making
        self._shared = shared
        self._script = [script] if script is not None else []
        self._launch()

    def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gnomon.compute.worker", str(theirs.fileno()), *self._script],
                pass_fds=[theirs.fileno(), *self._shared],
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        self.connection = connection.Connection(ours.detach())
        self._calls: dict[int, _Call] = {}
        self._count = 0
        self._ended = ""
        self._send(self._making)

    def _send(self, message: Any) -> None:
        try:
            self.connection.send(message)
        except OSError:  # the worker is gone: its calls fail below, by name
            self._end()

    @property
    def alive(self) -> bool:
        return not self._ended

    def call(self, method: str, *args: Any, **kwargs: Any) -> _Call:
        call = _Call(self)
        if self._ended:
            call.answer("died", self._ended)
            return call
        self._calls[self._count] = call
        self._send((self._count, method, args, kwargs))
        self._count += 1
        return call

    def receive(self) -> None:
        """Take in every answer that has arrived; fail the calls of a worker that is gone."""
        try:
            while not self._ended and self.connection.poll():
                number, kind, value = self.connection.recv()
                self._calls.pop(number).answer(kind, value)
        except (EOFError, OSError):
            self._end()

    def _end(self) -> None:
        if not self._ended:
            code = self.process.wait()
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            self._ended = f"{self.name} (process {self.process.pid}) died with {how}"
            for call in self._calls.values():
                call.answer("died", self._ended)
            self._calls.clear()

    def restart(self) -> None:
        self.close()
        self._launch()

    def close(self) -> None:
        self.connection.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


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
        under_way: dict[Call, tuple[int, _Handle]] = {}
        todo = iter(range(len(work)))
        try:
            for mapper in mappers:
                index = next(todo)
                under_way[mapper.call("apply", function, work[index])] = index, mapper
            while under_way:
                for call in self.wait(list(under_way), None):
                    index, mapper = under_way.pop(call)
                    try:
                        results[index] = call.result()
                    except (WorkerError, WorkerDied) as fault:
                        raise type(fault)(f"item {index}: {fault}") from fault
                    if (following := next(todo, None)) is not None:
                        under_way[mapper.call("apply", function, work[following])] = following, mapper
        finally:
            for mapper in mappers:
                mapper.close()
                self._handles.remove(mapper)
        return results

    def start(self, worker_class: type, *args: Any, **kwargs: Any) -> _Handle:
        return self._start(worker_class, worker_class, args, kwargs)

    def _start(self, sent: Any, worker_class: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Handle:
        name = f"{worker_class.__name__}-{len(self._handles) + 1}"
        shared = [channel.descriptor for channel in self._shared]
        # What a script defines itself is known to a worker only if it runs the script's definitions too.
        script = getattr(sys.modules["__main__"], "__file__", None) if sent.__module__ == "__main__" else None
        handle = _Handle(name, (worker_class, args, kwargs), shared, script)
        self._handles.append(handle)
        return handle

    def broadcast(self, tensors: dict[str, Any]) -> "SharedBroadcast":
        from gnomon.compute.shared import SharedBroadcast

        channel = SharedBroadcast(tensors)
        self._shared.append(channel)
        return channel

    def wait(self, calls: Sequence[Call], timeout: float | None) -> list[Call]:
        workers = {id(call._worker): call._worker for call in calls if isinstance(call, _Call)}
        for worker in workers.values():
            worker.receive()
        done = [call for call in calls if call.done()]
        if done or not calls or timeout == 0:
            return done
        connection.wait([worker.connection for worker in workers.values()], timeout)
        for worker in workers.values():
            worker.receive()
        return [call for call in calls if call.done()]

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
