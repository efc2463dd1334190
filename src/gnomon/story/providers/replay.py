"""Recorded answers: what a provider said once is said again, without a network. For tests and for looking again.

A recording is a file of JSON lines, `{"request": {...}, "content": "...", "finish_reason": "...", "usage": {...}}`.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gnomon.errors import UserError
from gnomon.runs.files import append_lines, read_lines
from gnomon.story.providers.protocol import Provider, ProviderError, Reply, wire


class Replay:
    """The answers of a recording, each to the request it was given for."""

    prices = (0.0, 0.0)

    def __init__(self, path: str | Path, *, name: str = "replay") -> None:
        self.path, self.name = Path(path), name
        if not self.path.is_file():
            raise UserError(f"There is no recording {str(path)!r}; a file of JSON lines was looked for.")
        try:
            self._answers = {wire(row["request"]): row for row in read_lines(self.path)}
        except (ValueError, KeyError, TypeError) as fault:
            raise UserError(f"{str(path)!r} is no recording of answers: {fault}.") from fault

    def complete(
        self,
        request: Mapping[str, Any],
        *,
        on_text: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Reply:
        """The recorded answer. Raises ProviderError where there is none."""
        row = self._answers.get(wire(request))
        if row is None:
            raise ProviderError(f"The recording {self.path.name!r} holds no answer to this request.")
        if on_text is not None:
            on_text(row["content"])
        return Reply(row["content"], row.get("finish_reason", ""), row.get("usage", {}))


class Recording:
    """Another provider, whose answers are written to a file as they come."""

    def __init__(self, provider: Provider, path: str | Path) -> None:
        self.provider, self.path = provider, Path(path)

    @property
    def name(self) -> str:
        """The name of the provider that is recorded."""
        return self.provider.name

    @property
    def prices(self) -> tuple[float, float] | None:
        """Those of the provider that is recorded."""
        return self.provider.prices

    def complete(
        self,
        request: Mapping[str, Any],
        *,
        on_text: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Reply:
        """The provider's answer, kept."""
        reply = self.provider.complete(request, on_text=on_text, stop=stop)
        row = {"request": dict(request), "content": reply.content, "finish_reason": reply.finish_reason}
        with self.path.open("a", encoding="utf-8") as file:
            append_lines(file, [{**row, "usage": dict(reply.usage)}])
        return reply
