"""Scores of untrained networks ("zero-cost proxies"): the built-in rankers, in files by family, and a user's own.

`score` gives the values for a network at hand. `measure` is what `evaluate` runs: the same with a status for each
ranker that has no value. All built-in rankers asked for share one forward pass (`one_pass.py`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gnomon.search.rankers.catalogue import Ranker, get, names, register

if TYPE_CHECKING:
    from gnomon.search.rankers.scoring import Measured, measure, score

__all__ = ["Measured", "Ranker", "get", "measure", "names", "register", "score"]


def __getattr__(name: str) -> Any:
    """Import torch only where something is to be scored."""
    if name in ("Measured", "measure", "score"):
        return getattr(import_module("gnomon.search.rankers.scoring"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
