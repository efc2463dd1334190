"""Who a pronoun would no longer be about when sentences go or come: the notes beside a removal or a move."""

from bisect import bisect_right
from collections.abc import Iterable

from gnomon.story.inflection import words_of
from gnomon.story.intents.asked import Asked, Seen

_OF_THE_SPEAKER = words_of("i me my mine myself we us our ours you your yours thou thee thy eu tu mie mine noi voi")
"""Pronouns that need no name before them."""

_REACH = 3
"""Sentences after the place of a change whose pronouns are looked at, and before it whose names can carry them."""


def lost_after(asked: Asked, removed: Iterable[tuple[int, int]]) -> list[str]:
    """Notes on pronouns after `removed` spans whose last name lies in one of them."""
    spans = sorted(removed)
    notes = []
    for start, end in spans:
        named = {
            seen.id
            for seen in asked.mentions_within(start, end)
            if seen.kind != "pronoun" and seen.id in asked.characters
        }
        stop = _forward(asked, end, _REACH)
        for seen in asked.mentions_within(end, stop):
            if seen.id not in named or seen.text.casefold() in _OF_THE_SPEAKER or _inside(seen.start, spans):
                continue
            named.discard(seen.id)
            if seen.kind == "pronoun" and not _named_before(asked, seen, start, spans):
                notes.append(
                    f"“{seen.text}” in “{asked.words_at(seen.start)}” would lose {asked.name(seen.id)}, who is named"
                    " only in what goes."
                )
    return notes


def lost_inside(asked: Asked, start: int, end: int, to: int) -> list[Seen]:
    """The pronouns of a passage that has no name for them before them, and finds none just before position `to`."""
    found, named = [], set()
    for seen in asked.mentions_within(start, end):
        if seen.id not in asked.characters or seen.text.casefold() in _OF_THE_SPEAKER:
            continue
        if seen.kind != "pronoun":
            named.add(seen.id)
        elif seen.id not in named:
            named.add(seen.id)
            near = asked.mentions_within(_backward(asked, to, _REACH), to)
            carried = [each for each in near if each.kind != "pronoun" and not start <= each.start < end]
            same = [each for each in carried if _alike(asked, each.id, seen.id)]
            if (not same or same[-1].id != seen.id) and asked.characters[seen.id].kind != "narrator":
                found.append(seen)
    return found


def _inside(position: int, spans: list[tuple[int, int]]) -> bool:
    """Whether one of some spans, in order and apart, holds a position."""
    index = bisect_right(spans, (position, 1 << 60)) - 1
    return index >= 0 and position < spans[index][1]


def _alike(asked: Asked, one: str, other: str) -> bool:
    """Whether a pronoun for one could be taken for the other."""
    a, b = asked.characters.get(one), asked.characters.get(other)
    return a is not None and b is not None and (a.gender == b.gender or "unknown" in (a.gender, b.gender))


def _named_before(asked: Asked, seen: Seen, start: int, spans: list[tuple[int, int]]) -> bool:
    """Whether a name just before `start` carries the pronoun, with nobody of the same kind in between."""
    near = [
        each
        for each in asked.mentions_within(_backward(asked, start, _REACH), start)
        if each.kind != "pronoun" and not _inside(each.start, spans) and _alike(asked, each.id, seen.id)
    ]
    return bool(near) and near[-1].id == seen.id


def _forward(asked: Asked, position: int, sentences: int) -> int:
    number = min(asked.sentence_number(position) + sentences, len(asked.story.sentences) - 1)
    return asked.story.sentences[number].end if asked.story.sentences else position


def _backward(asked: Asked, position: int, sentences: int) -> int:
    number = max(asked.sentence_number(max(0, position - 1)) - sentences + 1, 0)
    return asked.story.sentences[number].start if asked.story.sentences else position
