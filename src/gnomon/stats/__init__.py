"""Ground floor: the statistics that every printed figure goes through.

`Estimate` is a value with its interval; `intervals`, `resample` and `weights` make them; `order` compares noisy scores
and chooses among many. NumPy and SciPy only, imported when a function is used.
"""

from gnomon.stats.estimate import Estimate

__all__ = [
    "Estimate",
    "bootstrap",
    "effective_sample_size",
    "exact",
    "mean",
    "order",
    "paired_difference",
    "proportion_difference",
    "wilson",
]

_HOMES = {
    "bootstrap": "resample",
    "effective_sample_size": "weights",
    "exact": "intervals",
    "mean": "intervals",
    "paired_difference": "intervals",
    "proportion_difference": "intervals",
    "wilson": "intervals",
}


def __getattr__(name: str) -> object:
    """Import a function's module, or the package `order`, when it is first asked for."""
    from importlib import import_module

    if name == "order":
        return import_module("gnomon.stats.order")
    if name in _HOMES:
        return getattr(import_module(f"gnomon.stats.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
