"""A server that speaks the OpenAI chat completions protocol: Ollama, llama.cpp, vLLM, LM Studio, OpenRouter, OpenAI."""

import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gnomon.errors import UserError
from gnomon.models.chat import OFFLINE, ChatFault, complete, sendable, server_address, shortened
from gnomon.story.providers.protocol import (
    INSTRUCTIONS,
    Cancelled,
    ProviderBadAnswer,
    ProviderError,
    ProviderTimeout,
    ProviderUnreachable,
    Reply,
    wire,
)

_TRIES = 3


@dataclass(frozen=True)
class OpenAI:
    """A server at `base_url` (it usually ends in /v1) that serves `model`.

    `timeout_s` is for one answer, its tries included. HTTP 429, 5xx and faults of the connection are tried twice more,
    after about `pause_s` and twice that, or after what the server asks for. The key is in no text that leaves here but
    the one header.
    """

    base_url: str
    model: str
    name: str = "openai"
    key: str = field(default="", repr=False)
    timeout_s: float = 120.0
    prices: tuple[float, float] | None = None
    pause_s: float = 0.5

    def __post_init__(self) -> None:
        address, host, query = server_address(
            self.base_url, "base_url", "the keyring, the environment or a file of yours"
        )
        if query:
            raise UserError(f"base_url: the address of {host!r} holds a query, which would be kept; it ends in /v1.")
        if not self.model:
            raise UserError("model: the name of a model that the server has is expected.")
        if not self.timeout_s > 0:
            raise UserError(f"timeout_s: {self.timeout_s!r} is no number of seconds above 0.")
        if not sendable(self.key):
            raise UserError(f"The key of {self.name!r} holds spaces or characters that no key has; set it anew.")
        object.__setattr__(self, "base_url", address)

    def complete(
        self,
        request: Mapping[str, Any],
        *,
        on_text: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Reply:
        """One answer. Raises ProviderError, Cancelled, and UserError where GNOMON_OFFLINE forbids to ask."""
        if os.environ.get(OFFLINE, "") not in ("", "0"):
            raise UserError(f"{OFFLINE} is set, so {self.name} is not asked; the built-in editor needs no network.")
        messages = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": wire(request)}]
        body = {"model": self.model, "messages": messages}
        deadline = time.monotonic() + self.timeout_s
        waiting = stop or threading.Event()
        for attempt in range(1, _TRIES + 1):
            try:
                left = max(deadline - time.monotonic(), 0.01)
                done = complete(self.base_url, body, self.key, timeout=left, stop=stop, on_text=on_text)
                return Reply(done.text, done.finish_reason, done.usage)
            except ChatFault as fault:
                if fault.kind == "cancelled":
                    raise Cancelled from None
                pause = self.pause_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
                pause = pause if fault.retry_after is None else fault.retry_after
                if not fault.passing or attempt == _TRIES or time.monotonic() + pause > deadline:
                    raise self._error(fault, attempt) from None
                if waiting.wait(pause):
                    raise Cancelled from None
        raise AssertionError("the last try returns or raises")

    def _error(self, fault: ChatFault, tries: int) -> ProviderError:
        where = f"{self.name} at {self.base_url}"
        after = f", {tries} tries in a row" if tries > 1 else ""
        if fault.kind == "timeout":
            return ProviderTimeout(f"{where} did not answer within {self.timeout_s:g} seconds.")
        if fault.kind in ("refused", "connection"):
            return ProviderUnreachable(f"{where} cannot be reached{after}: {shortened(fault.said)}; is it running?")
        if fault.kind == "cut":
            return ProviderBadAnswer(f"{where} sent an answer that breaks off{after}.")
        if fault.kind == "not_chat":
            return ProviderBadAnswer(f"{where} answered {shortened(fault.said)!r}, which is no chat completion.")
        if fault.status in (401, 403):
            what = "does not accept the key" if self.key else "asks for a key, and none is set"
            return ProviderError(f"{where} {what} (HTTP {fault.status}).")
        if 300 <= fault.status < 400:
            return ProviderError(f"{where} sends elsewhere (HTTP {fault.status}), which is not followed.")
        return ProviderError(f"{where} refused{after} (HTTP {fault.status}: {shortened(fault.said)}).")
