"""The executor that runs everything in the calling process, at once: for tests, debugging and reproducible runs."""

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from gnomon.compute.protocol import Call
from gnomon.errors import UserError


class _Done:
    def __init__(self, value: Any) -> None:
        self.value = value

    def done(self) -> bool:
        return True

    def result(self) -> Any:
        return self.value


class _Handle:
    def __init__(self, name: str, worker_class: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.name = name
        self._make = lambda: worker_class(*args, **kwargs)
        self._worker = self._make()

    @property
    def alive(self) -> bool:
        return True

    def call(self, method: str, *args: Any, **kwargs: Any) -> _Done:
        # Run now, not when the result is asked for: the call sees the weights that are newest now.
        return _Done(getattr(self._worker, method)(*args, **kwargs))

    def restart(self) -> None:
        self._worker = self._make()


class _Channel:
    """Broadcast and receiver in one: both sides are this process."""

    def __init__(self) -> None:
        self._newest: tuple[int, dict[str, Any]] | None = None

    def publish(self, version: int, tensors: dict[str, Any]) -> None:
        if self._newest is not None and version <= self._newest[0]:
            raise UserError(f"broadcast: version {version} does not follow version {self._newest[0]}.")
        self._newest = version, {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def receiver(self) -> "_Channel":
        return self

    def latest(self, after: int) -> tuple[int, dict[str, Any]] | None:
        return self._newest if self._newest is not None and self._newest[0] > after else None


class InlineExecutor:
    """Runs maps and workers in the caller. A fault keeps its own traceback."""

    def __init__(self) -> None:
        self._started = 0

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [function(item) for item in items]

    def start(self, worker_class: type, *args: Any, **kwargs: Any) -> _Handle:
        self._started += 1
        return _Handle(f"{worker_class.__name__}-{self._started}", worker_class, args, kwargs)

    def broadcast(self, tensors: dict[str, Any]) -> _Channel:
        return _Channel()

    def wait(self, calls: Sequence[Call], timeout: float | None) -> list[Call]:
        return list(calls)

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
