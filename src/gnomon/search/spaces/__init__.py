"""Spaces by name: the built-in ones, those of installed packages, and a user's own as `module:Class`."""

import difflib
import importlib
import inspect
from importlib.metadata import entry_points
from typing import Any

from gnomon.errors import UserError
from gnomon.search.spaces.space import Arch, Space

__all__ = ["Arch", "Space", "get", "names"]

GROUP = "gnomon.search.spaces"
"""The entry-point group in which a package offers spaces."""

BUILT_IN = {
    "decoder-lm": "gnomon.search.spaces.decoder_lm:DecoderLM",
    "nb201": "gnomon.search.spaces.nb201:NB201",
    "transception": "gnomon.search.spaces.transception:TransCeption",
}


def names() -> list[str]:
    """Every space that has a name, in alphabetical order. `module:Class` is understood besides."""
    return sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=GROUP))})


def options(name: str) -> dict[str, Any]:
    """The options of the space `name` with their defaults (`inspect.Parameter.empty` where one must be given)."""
    return {option.name: option.default for option in inspect.signature(_find(name)).parameters.values()}


def get(name: str, **settings: Any) -> Space:
    """The space `name` with `settings`. Raises UserError for an unknown name or option, or an impossible value."""
    found = _find(name)
    known = options(name)
    for key in settings:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "there are " + (", ".join(known) or "none") + "."
            raise UserError(f"space {name!r} has no option {key!r}; {hint}")
    try:
        inspect.signature(found).bind(**settings)
    except TypeError as mistake:
        raise UserError(f"space {name!r}: {mistake}.") from mistake
    space: Space = found(**settings)
    return space


def _find(name: str) -> Any:
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return entry.load()
    address = BUILT_IN.get(name, name)
    if ":" not in address:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "there are " + ", ".join(names()) + "."
        raise UserError(f"There is no space {name!r}; {hint}")
    module, _, member = address.partition(":")
    try:
        return getattr(importlib.import_module(module), member)
    except ImportError as fault:
        raise UserError(f"space {name!r}: the module {module!r} cannot be imported ({fault}).") from fault
    except AttributeError as fault:
        raise UserError(f"space {name!r}: the module {module!r} has no {member!r}.") from fault
