"""Second floor: stories read as characters, places and events, and revised by moving them (visual story-writing).

`read(path)` or `Story.from_text` gives a `Story`, `extract(story)` what is told in it, `propose` an edit in small hunks
and `apply` the text with those that were accepted. Nothing here needs a model from elsewhere or a network. Names are
imported when they are used.
"""

_HOMES = {
    "Anchor": "anchors",
    "Character": "records",
    "Edit": "anchors",
    "Event": "records",
    "Extraction": "records",
    "Extractor": "extracting",
    "Fact": "records",
    "Hunk": "edits",
    "IntentError": "intents.asked",
    "Mention": "records",
    "Pack": "packs",
    "Place": "records",
    "Project": "project",
    "ProviderError": "providers.protocol",
    "Quotation": "quotations",
    "Span": "document",
    "Speech": "records",
    "Story": "document",
    "Suggestion": "edits",
    "TimeCue": "records",
    "Warning": "records",
    "apply": "edits",
    "extract": "extracting",
    "propose": "edits",
    "read": "formats",
    "write": "formats",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    """Import a name's module when it is first asked for."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"gnomon.story.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
