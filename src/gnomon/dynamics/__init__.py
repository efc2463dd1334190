"""Second floor: training dynamics. When the loss stops falling fast (deceleration), and what opposes its fall
(interference, zero-sum learning).

"Training Dynamics Underlying Language Model Scaling Laws: Loss Deceleration and Zero-Sum Learning" (arXiv 2506.05447).
Curves need NumPy and SciPy only; torch is imported when an interference of gradients or a probe is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnomon.dynamics.curves import Curve, read_curve
    from gnomon.dynamics.deceleration import Attribution, Deceleration, compare, fit
    from gnomon.dynamics.gradients import GradientInterference, ZeroSumMatrix, gradient_interference, zero_sum_matrix
    from gnomon.dynamics.interference import (
        Decomposition,
        Interference,
        destructive_interference,
        first_order_decomposition,
    )
    from gnomon.dynamics.monitor import DecelerationMonitor
    from gnomon.dynamics.probe import Probe

__all__ = [
    "Attribution",
    "Curve",
    "Deceleration",
    "DecelerationMonitor",
    "Decomposition",
    "GradientInterference",
    "Interference",
    "Probe",
    "ZeroSumMatrix",
    "compare",
    "destructive_interference",
    "first_order_decomposition",
    "fit",
    "gradient_interference",
    "read_curve",
    "zero_sum_matrix",
]

_HOMES = {
    "Attribution": "deceleration",
    "Curve": "curves",
    "Deceleration": "deceleration",
    "DecelerationMonitor": "monitor",
    "Decomposition": "interference",
    "GradientInterference": "gradients",
    "Interference": "interference",
    "Probe": "probe",
    "ZeroSumMatrix": "gradients",
    "compare": "deceleration",
    "destructive_interference": "interference",
    "first_order_decomposition": "interference",
    "fit": "deceleration",
    "gradient_interference": "gradients",
    "read_curve": "curves",
    "zero_sum_matrix": "gradients",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: half of the room needs torch, the other half does without."""
    if name in _HOMES:
        return getattr(import_module(f"gnomon.dynamics.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
