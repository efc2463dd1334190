"""An estimate: a value that never travels without its interval, its n and the method that made it."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A figure with its uncertainty.

    `low` and `high` bound the interval at `level`; `value`, `low` and `high` are None where the figure is undefined,
    and `reason` says why. `n` counts what it rests on, `n_clusters` the independent units among them. `draws` holds
    resampled values where the method made some; it is neither compared nor printed.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    level: float = 0.95
    se: float | None = None
    n_clusters: int | None = None
    reason: str | None = None
    draws: "np.ndarray | None" = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: plain numbers, None for what is not finite, no draws."""

        def plain(number: float | None) -> float | None:
            return None if number is None or not math.isfinite(number) else float(number)

        return {
            "value": plain(self.value),
            "low": plain(self.low),
            "high": plain(self.high),
            "n": int(self.n),
            "method": self.method,
            "level": float(self.level),
            "se": plain(self.se),
            "n_clusters": self.n_clusters,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        if self.value is None:
            return f"undefined ({self.reason})"
        if self.low is None or self.high is None:
            return f"{self.value:.3f} (no interval)"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"
