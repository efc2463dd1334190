"""The executor that runs everything in the calling process, at once: for tests, debugging and reproducible runs."""

import pickle
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gnomon.compute.protocol import Call, WorkerError
from gnomon.compute.worker import Host, Mapper, item_result, settle

if TYPE_CHECKING:
    from gnomon.compute.shared import SharedBroadcast


class _Call:
    def __init__(self, name: str, answer: bytes, fault: Exception | None) -> None:
        self._name = name
        self._answer: tuple[str, Any] = pickle.loads(answer)
        self._fault = fault

    def done(self) -> bool:
        return True

    def result(self, timeout: float | None = None) -> Any:
        try:
            return settle(self._name, *self._answer)
        except WorkerError as error:
            raise error from self._fault  # the fault itself, for a debugger


class _Handle:
    def __init__(self, name: str, making: bytes) -> None:
        self.name = name
        self._making = making
        self._host = Host(making)

    @property
    def alive(self) -> bool:
        return True

    def call(self, method: str, *args: Any, **kwargs: Any) -> _Call:
        # Run now, not when the result is asked for: the call sees the weights that are newest now.
        answer = self._host.answer(pickle.dumps((method, args, kwargs)))
        return _Call(self.name, answer, self._host.fault)

    def restart(self) -> None:
        self._host = Host(self._making)


class InlineExecutor:
    """Runs maps and workers in the caller."""

    def __init__(self) -> None:
        self._started = 0
        self._shared: list[SharedBroadcast] = []

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        mapper = _Handle("Mapper", pickle.dumps((Mapper, (), {})))
        return [item_result(index, mapper.call("apply", function, item)) for index, item in enumerate(items)]

    def start(self, worker_class: type, *args: Any, **kwargs: Any) -> _Handle:
        self._started += 1
        return _Handle(f"{worker_class.__name__}-{self._started}", pickle.dumps((worker_class, args, kwargs)))

    def broadcast(self, tensors: dict[str, Any]) -> "SharedBroadcast":
        from gnomon.compute.shared import SharedBroadcast

        channel = SharedBroadcast(tensors)
        self._shared.append(channel)
        return channel

    def wait(self, calls: Sequence[Call], timeout: float | None) -> list[Call]:
        return list(calls)

    def close(self) -> None:
        for channel in self._shared:
            channel.close()
        self._shared = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
