"""Finding an environment by its name, and checking its settings."""

import difflib
import importlib
import inspect
from typing import Any

from gnomon.config import Settings, validate
from gnomon.errors import UserError
from gnomon.tasks.environment import Environment

BUILT_IN = {
    "add": "add:Add",
    "countdown": "countdown:Countdown",
    "g2p": "g2p:G2P",
    "gsm8k": "gsm8k:GSM8K",
    "gsm8k_equations": "gsm8k:GSM8KEquations",
    "multiply": "multiply:Multiply",
    "parallel": "parallel:Parallel",
    "scan": "scan:Scan",
    "sort": "sort:Sort",
    "story_edit": "story_edit:StoryEdit",
}


def names() -> list[str]:
    """The built-in environments. `reasoning_gym:NAME` and `module:Class` are understood besides."""
    return sorted(BUILT_IN)


def get(name: str, **settings: Any) -> Environment:
    """The environment `name` with `settings`.

    Raises UserError for an unknown name (with the nearest one) and for a setting that is unknown or impossible.
    """
    if name.startswith("reasoning_gym:"):
        from gnomon.tasks.reasoning_gym import ReasoningGym

        return validate(ReasoningGym, {"dataset": name.partition(":")[2], **settings}, source=f"task {name!r}")
    if name in BUILT_IN:
        module, _, member = BUILT_IN[name].partition(":")
        found = getattr(importlib.import_module(f"gnomon.tasks.{module}"), member)
    elif ":" in name:
        found = _own(name)
    else:
        near = difflib.get_close_matches(name, BUILT_IN, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "built in are " + ", ".join(names()) + "."
        raise UserError(f"There is no task {name!r}; {hint}")
    if isinstance(found, type) and issubclass(found, Settings):
        return validate(found, settings, source=f"task {name!r}")  # type: ignore[return-value]
    try:
        inspect.signature(found).bind(**settings)
    except TypeError as mistake:
        raise UserError(f"task {name!r}: {mistake}.") from mistake
    environment: Environment = found(**settings)
    return environment


def _own(name: str) -> Any:
    module, _, member = name.partition(":")
    try:
        return getattr(importlib.import_module(module), member)
    except ImportError as fault:
        raise UserError(f"task {name!r}: the module {module!r} cannot be imported ({fault}).") from fault
    except AttributeError as fault:
        raise UserError(f"task {name!r}: the module {module!r} has no {member!r}.") from fault
