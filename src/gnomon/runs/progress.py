"""What a job shows while it works: a bar per stage on a terminal, a line now and then elsewhere. On stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

Show = Callable[[int, str], None]


class Progress:
    """Shows stages one after the other; `quiet` shows nothing."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bars: Any = None

    def __enter__(self) -> "Progress":
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as Bars

            self._bars = Bars(
                TextColumn("{task.description:<18}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[status]}"),
                console=Console(stderr=True),
            )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def say(self, sentence: str) -> None:
        """One line beside the bars."""
        if self._bars is not None:
            self._bars.console.print(sentence)
        elif not self.quiet:
            print(sentence, file=sys.stderr, flush=True)

    @contextmanager
    def stage(self, name: str, total: int, first: int) -> Iterator[Show]:
        """Gives a function to call with (steps done, status)."""
        if self._bars is not None:
            bar = self._bars.add_task(name, total=total, completed=first, status="")
            yield lambda done, status: self._bars.update(bar, completed=done, status=status)
            return
        spoken = time.monotonic()

        def show(done: int, status: str) -> None:
            nonlocal spoken
            if time.monotonic() - spoken >= 5 or done == total:
                self.say(f"{name}: {done}/{total}  {status}")
                spoken = time.monotonic()

        yield show
