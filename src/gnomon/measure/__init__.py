"""Second floor: who is represented, and how a system treats them.

Two families on one statistical core (`gnomon.stats`): the representation ratio of samples, with what mends it (`rake`,
`post_stratify`) and what it is measured in (`mentions`); and instruments for representational harms, from their card
over answers and scores to evidence and a gate. Names are imported when they are used.
"""

_HOMES = {
    "SimModel": "simulation",
    "agreement": "rating",
    "bbq_ratings": "rating",
    "card": "library",
    "compare": "comparing",
    "concordance": "gaps",
    "contamination": "evidence",
    "coverage": "profiles",
    "equivalent_bias": "simulation",
    "expand": "bbq_templates",
    "gate": "verdict",
    "known_groups": "evidence",
    "lint": "linting",
    "lint_card": "library",
    "list_instruments": "library",
    "load_instrument": "instrument",
    "load_profile": "profiles",
    "mentions": "mentioning",
    "post_stratify": "raking",
    "rake": "raking",
    "reliability": "evidence",
    "representation_ratio": "representation",
    "score": "scoring",
    "validity": "evidence",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    """Import a name's module when it is first asked for."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"gnomon.measure.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
