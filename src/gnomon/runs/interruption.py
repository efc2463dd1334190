"""Ctrl-C as a request: a job that is asked to stop first finishes its step and saves itself."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Interruption:
    """Whether someone asked the job to stop."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.asked = False
        self._say = say

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Inside, the first Ctrl-C (or SIGTERM) sets `asked`; the second raises KeyboardInterrupt at once."""

        def ask(signum: int, frame: Any) -> None:
            if self.asked:
                raise KeyboardInterrupt
            self.asked = True
            self._say("stopping after a checkpoint; once more to stop at once")

        before: dict[int, Any] = {}
        try:
            for number in (int(signal.SIGINT), int(signal.SIGTERM)):
                before[number] = signal.signal(number, ask)
        except ValueError:  # not the main thread: whoever runs us there handles signals
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop_if_asked(self) -> None:
        """Raises KeyboardInterrupt where someone asked."""
        if self.asked:
            raise KeyboardInterrupt
