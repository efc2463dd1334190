"""First floor: environments and their verifiers.

`get(name, **settings)` gives an environment, `names()` the built-in ones; `TwoAttempt`, `Latent` and `Binary` wrap any.
A user's own is `module:Class`; what it has to be is in `environment.py`, and `testing.check_environment` checks it.
"""

from typing import TYPE_CHECKING, Any

from gnomon.tasks.environment import Environment, Episode, SingleTurn, Step, Task
from gnomon.tasks.wrappers import Binary, Latent, TwoAttempt

if TYPE_CHECKING:
    from gnomon.tasks.registry import get, names

__all__ = [
    "Binary",
    "Environment",
    "Episode",
    "Latent",
    "SingleTurn",
    "Step",
    "Task",
    "TwoAttempt",
    "get",
    "names",
]


def __getattr__(name: str) -> Any:
    """Import the registry when it is asked for: settings are validated with a package that is slow to load."""
    if name in ("get", "names"):
        from gnomon.tasks import registry

        return getattr(registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
