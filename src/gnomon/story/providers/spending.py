"""What a request would cost before it is sent, and the cap above which nothing is sent."""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gnomon.errors import UserError
from gnomon.story.providers.protocol import INSTRUCTIONS, Provider, wire

_BYTES_PER_TOKEN = 4
"""Of English; a letter with a mark counts as two bytes, which fits that tokenizers cut such words smaller."""


def tokens(text: str) -> int:
    """About how many tokens a text has."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)


@dataclass(frozen=True)
class Estimate:
    """What some requests would take. `cost` is None where the provider's prices are not known."""

    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        money = "" if self.cost is None else f", about {self.cost:.4f} at the prices given"
        many = "1 request" if self.requests == 1 else f"{self.requests} requests"
        return f"{many}, about {self.prompt_tokens} tokens sent and {self.completion_tokens} written{money}"


def estimate(provider: Provider, requests: Iterable[Mapping[str, Any]]) -> Estimate:
    """About what `requests` would take: an edit writes its span again, an extraction about half its scene."""
    read = written = number = 0
    for request in requests:
        number += 1
        read += tokens(INSTRUCTIONS) + tokens(wire(request))
        written += (
            tokens(json.dumps(request.get("span", ""))) if request["task"] == "edit" else tokens(request["scene"]) // 2
        )
        written += 16
    return Estimate(number, read, written, price(provider, read, written))


def price(provider: Provider, read: int, written: int) -> float | None:
    """What so many tokens cost, None where prices are not known."""
    prices = provider.prices
    return None if prices is None else (prices[0] * read + prices[1] * written) / 1_000_000


class NotApproved(UserError):
    """More than one scene would be sent, and nobody has agreed to that. `estimate` says what it would take."""

    def __init__(self, provider: str, expected: Estimate) -> None:
        super().__init__(f"{provider} would be sent more than one scene: {expected}; approve it to go on.")
        self.estimate = expected


class SpendingCap(UserError):
    """What is asked would go above the cap; nothing was sent."""


class Budget:
    """The cap of one project: in tokens, in money, or both; None is no cap. `spent_*` grow with every answer."""

    def __init__(
        self,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        *,
        spent_tokens: int = 0,
        spent_cost: float = 0.0,
    ) -> None:
        self.max_tokens, self.max_cost = max_tokens, max_cost
        self.spent_tokens, self.spent_cost = spent_tokens, spent_cost
        self._lock = threading.Lock()

    def check(self, expected: Estimate) -> None:
        """Raise SpendingCap where `expected` does not fit under the cap any more."""
        more = expected.prompt_tokens + expected.completion_tokens
        if self.max_tokens is not None and self.spent_tokens + more > self.max_tokens:
            raise SpendingCap(
                f"The cap of this project is {self.max_tokens} tokens, {self.spent_tokens} are spent, and this would"
                f" take about {more}; raise the cap or ask for less."
            )
        if self.max_cost is not None:
            if expected.cost is None:
                raise SpendingCap("The cap of this project is an amount of money; give the provider's prices to go on.")
            if self.spent_cost + expected.cost > self.max_cost:
                raise SpendingCap(
                    f"The cap of this project is {self.max_cost:g}, {self.spent_cost:.4f} is spent, and this would cost"
                    f" about {expected.cost:.4f}; raise the cap or ask for less."
                )

    def add(self, read: int, written: int, cost: float | None) -> None:
        """Count what an answer took."""
        with self._lock:
            self.spent_tokens += read + written
            self.spent_cost += cost or 0.0
