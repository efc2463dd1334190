"""First floor: policies. Building, loading, saving, sampling, scoring, and the one supervised training loop.

`Policy` is a model with its tokenizer; a checkpoint is an ordinary `transformers` folder, so that everything
saved here loads in the tools people already use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnomon.models.policy import Policy, Sample, ScoredActions

_HOMES = {"Policy": "policy", "Sample": "policy", "ScoredActions": "policy"}

__all__ = ["Policy", "Sample", "ScoredActions"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: torch and transformers are slow to load."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"gnomon.models.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
