"""What an objective returns."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """`value` is a scalar to minimise, `metrics` plain numbers about it."""

    value: Tensor
    metrics: dict[str, float] = field(default_factory=dict)
