"""Second floor: choosing an architecture from scores of untrained networks, without fooling oneself.

Variation Matters (Rumiantsev and Coates, arXiv 2502.19657): a score depends on the weights drawn and the batch seen, so
candidates are compared as random variables with `gnomon.stats.order`. Torch is imported when a network is built.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnomon.search import rankers, spaces
    from gnomon.search.evaluator import Evaluator, ScoreTable, evaluate
    from gnomon.search.finding import Found, find
    from gnomon.search.table import Table

__all__ = ["Evaluator", "Found", "ScoreTable", "Table", "evaluate", "find", "rankers", "spaces"]

_HOMES = {
    "Evaluator": "evaluator",
    "Found": "finding",
    "ScoreTable": "evaluator",
    "Table": "table",
    "evaluate": "evaluator",
    "find": "finding",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for."""
    if name in _HOMES:
        return getattr(import_module(f"gnomon.search.{_HOMES[name]}"), name)
    if name in ("rankers", "spaces"):
        return import_module(f"gnomon.search.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
