"""First floor: environments and their verifiers.

`get(name, **settings)` gives an environment, `names()` the built-in ones. A user's own is `module:Class`; what it has
to be is in `environment.py`, and `testing.check_environment` checks that it is.
"""

from gnomon.tasks.environment import Environment, Episode, SingleTurn, Step, Task
from gnomon.tasks.registry import get, names

__all__ = ["Environment", "Episode", "SingleTurn", "Step", "Task", "get", "names"]
