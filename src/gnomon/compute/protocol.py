"""What every executor promises: stateless maps, long-lived workers, and a channel for the newest weights."""

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from gnomon.errors import UserError


class WorkerError(RuntimeError):
    """A worker's method raised; the message holds the worker's name and its traceback."""


class WorkerDied(RuntimeError):
    """A worker's process ended with calls unanswered; the message names it and its exit code or signal."""


class Call(Protocol):
    """One call under way. Hashable by identity."""

    def done(self) -> bool:
        """Whether `result` would return or raise at once."""
        ...

    def result(self, timeout: float | None = None) -> Any:
        """What the method returned, waiting for it.

        Raises WorkerError, WorkerDied, the worker's UserError, or TimeoutError after `timeout` seconds.
        """
        ...


class WorkerHandle(Protocol):
    """A long-lived worker. Its calls run one after the other, in order; several may be outstanding."""

    name: str

    @property
    def alive(self) -> bool:
        """Whether the worker can still answer."""
        ...

    def call(self, method: str, *args: Any, **kwargs: Any) -> Call:
        """Ask for `method(*args, **kwargs)` on the worker and return at once. Arguments and results go by value."""
        ...

    def restart(self) -> None:
        """Start the worker again, dead or not, with its original arguments; calls unanswered raise WorkerDied."""
        ...


class Receiver(Protocol):
    """The workers' side of a broadcast; it can be sent as an argument to `start`."""

    def latest(self, after: int) -> tuple[int, dict[str, Any]] | None:
        """The newest (version, tensors), or None where nothing newer than version `after` was published."""
        ...


class Broadcast(Protocol):
    """A channel that holds the newest weights only: publishing never waits for anyone to read."""

    def publish(self, version: int, tensors: dict[str, Any]) -> None:
        """Offer `tensors` (the names, shapes and types the broadcast was made with) as `version`, which must grow."""
        ...

    def receiver(self) -> Receiver:
        """The side to hand to workers."""
        ...


class Executor(Protocol):
    """Where work runs. A context manager: nothing is left running behind it."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """`function` of every item, in the items' order, whatever the number of workers.

        Where items fail, the first of them by position is raised, as a call's result would be, with its index.
        """
        ...

    def start(self, worker_class: type, *args: Any, **kwargs: Any) -> WorkerHandle:
        """A worker made from `worker_class(*args, **kwargs)`; returns before it is ready."""
        ...

    def broadcast(self, tensors: dict[str, Any]) -> Broadcast:
        """A channel for tensors like these. Make it before the workers that receive from it."""
        ...

    def wait(self, calls: Sequence[Call], timeout: float | None) -> list[Call]:
        """Those of `calls` that are done, waiting up to `timeout` seconds (None: as long as it takes) for one."""
        ...

    def close(self) -> None:
        """End every worker."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def executor(name: str, *, workers: int = 1) -> Executor:
    """The executor called `name`: `inline` or `process` (with `workers` processes for maps)."""
    if name == "inline":
        from gnomon.compute.inline import InlineExecutor

        return InlineExecutor()
    if name == "process":
        from gnomon.compute.process import ProcessExecutor

        return ProcessExecutor(workers)
    raise UserError(f"There is no executor {name!r} here; 'inline' and 'process' are.")
