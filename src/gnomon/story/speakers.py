"""Who says each utterance, and to whom.

Said outright ("said she", "Jane replied:"); otherwise, in this order: the speaker of an utterance before it in the same
paragraph; who acts in the narration beside it; the turn of conversation (two speak by turns, a name called out is not
the speaker's own, and is likely to answer). What comes later settles what is left: a second look goes backward.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gnomon.story.grouping import Referent
from gnomon.story.mentions import LocalMention


class Utterance(NamedTuple):
    """An utterance of the story, absolute, by its number; `paragraph` is where it begins."""

    number: int
    paragraph: int
    start: int
    end: int
    parts: tuple[tuple[int, int], ...]


class Piece(NamedTuple):
    """A quoted part, relative to its paragraph."""

    start: int
    end: int
    utterance: Utterance


class Turn(NamedTuple):
    """An utterance with its speaker and those spoken to."""

    utterance: Utterance
    speaker: Referent | None
    addressees: tuple[Referent, ...]
    confidence: float


def utterances_by_paragraph(story: Any) -> dict[int, list[Piece]]:
    """For every paragraph with speech in it, its quoted pieces in order."""
    found: dict[int, list[Piece]] = {}
    spans = story.paragraphs
    place = 0
    for number, quotation in enumerate(story.quotations):
        while place + 1 < len(spans) and spans[place].end <= quotation.start:
            place += 1
        utterance = Utterance(number, place, quotation.start, quotation.end, quotation.parts)
        here = place
        for start, end in quotation.parts:
            while here + 1 < len(spans) and spans[here].end <= start:
                here += 1
            inside = here
            while True:  # one part may run over several paragraphs
                span = spans[inside]
                found.setdefault(inside, []).append(
                    Piece(max(start - span.start, 0), min(end, span.end) - span.start, utterance)
                )
                if end <= span.end or inside + 1 >= len(spans):
                    break
                inside += 1
    return found


class _Draft:
    """A turn being made."""

    __slots__ = ("called", "confidence", "explicit", "group", "listeners", "paragraph", "speaker", "utterance")

    def __init__(self, utterance: Utterance) -> None:
        self.utterance = utterance
        self.paragraph = utterance.paragraph
        self.speaker: Referent | None = None
        self.confidence = 0.0
        self.explicit = False
        self.called: Sequence[Referent] = ()
        self.listeners: list[Referent] = []
        self.group = 0


_NEAR = 90
"""Characters between an utterance and the words that name its speaker."""
_GAP = 2
"""Paragraphs without speech that end a conversation."""


class Dialogue:
    """The conversation as far as it has been read."""

    def __init__(self) -> None:
        self.drafts: list[_Draft] = []
        self.actors: list[Referent] = []  # who was narrated lately, the last first
        self.lead: tuple[int, Referent] | None = None  # a paragraph that ends by giving somebody the word
        self.group = 0

    @property
    def before(self) -> tuple[Referent | None, Referent | None]:
        """The speakers of the last turn and of the one before it."""
        last: Referent | None = None
        paragraph = -1
        for draft in self.drafts[-1:-7:-1]:
            if last is None:
                if draft.speaker is None:
                    return None, None
                last, paragraph = draft.speaker, draft.paragraph
            elif draft.paragraph != paragraph and draft.speaker is not last:
                return last, draft.speaker
        return last, None

    def parties(self, utterance: Utterance) -> tuple[Referent | None, Referent | None]:
        """Speaker and addressee of an utterance as far as they are known by now."""
        draft = self.drafts[utterance.number]
        listener = draft.called[0] if draft.called else draft.listeners[0] if draft.listeners else None
        return draft.speaker, listener

    def narrate(self, paragraph: int, told: Sequence[tuple[LocalMention, Referent]]) -> None:
        """Take note of who acts in the narration of a paragraph."""
        for mention, referent in told:
            if mention.role == "subject" and not referent.plural:
                actors = self.actors
                if not actors or actors[0] is not referent:
                    if referent in actors:
                        actors.remove(referent)
                    actors.insert(0, referent)
                    del actors[4:]
                if mention.speaks:
                    self.lead = (paragraph, referent)

    def attribute(
        self,
        utterance: Utterance,
        offset: int,
        told: Sequence[tuple[LocalMention, Referent]],
        called: Sequence[Referent],
        text: str,
    ) -> None:
        """Find the speaker of `utterance` from what its paragraph (at `offset`) and those before say."""
        draft = _Draft(utterance)
        draft.called = called
        previous = self.drafts[-1] if self.drafts else None
        if previous is None or draft.paragraph - previous.paragraph > _GAP:
            self.group += 1
        draft.group = self.group
        self.drafts.append(draft)
        best: tuple[int, Referent, LocalMention] | None = None
        actor: tuple[int, Referent] | None = None
        for mention, referent in told:
            if mention.role != "subject":
                continue
            gap = self._gap(utterance, mention, offset, text)
            if gap is None:
                continue
            if mention.speaks:
                if gap <= _NEAR and (best is None or gap < best[0]):
                    best = (gap, referent, mention)
            elif actor is None or gap < actor[0]:
                actor = (gap, referent)
        if best is not None:
            draft.speaker, draft.explicit = best[1], True
            draft.confidence = 0.95 if best[2].kind == "name" else 0.85
            self._listeners(draft, best[2], told)
        elif previous is not None and previous.paragraph == draft.paragraph and previous.speaker is not None:
            draft.speaker, draft.confidence = previous.speaker, 0.85 * previous.confidence
            draft.listeners = previous.listeners
        elif self._lead_in(draft, offset, text):
            pass
        elif actor is not None and actor[1] not in called and actor[0] < 200:
            draft.speaker, draft.confidence = actor[1], 0.65
        else:
            self._by_turn(draft)
        if draft.speaker is not None:
            draft.speaker.speeches += 1
            if previous is not None and previous.paragraph == draft.paragraph and previous.speaker is None:
                # "“…” … “…,” said X": the first piece is of the same paragraph and speaker.
                previous.speaker, previous.confidence = draft.speaker, 0.8 * draft.confidence

    @staticmethod
    def _gap(utterance: Utterance, mention: LocalMention, offset: int, text: str) -> int | None:
        """Characters between the mention and the nearest part of the utterance; what follows counts as nearer."""
        start, end = mention.start + offset, mention.end + offset
        best: int | None = None
        for first, last in utterance.parts:
            if start >= last:
                gap = start - last
                if gap > 8 and "." in text[last:start].replace("Mr.", "").replace("Mrs.", ""):
                    gap += 60  # another sentence
            elif end <= first:
                gap = first - end + 5
                if "." in text[end:first] or "!" in text[end:first]:
                    gap += 60
            else:
                continue
            if best is None or gap < best:
                best = gap
        return best

    def _listeners(self, draft: _Draft, tag: LocalMention, told: Sequence[tuple[LocalMention, Referent]]) -> None:
        """`said X to Y`."""
        for mention, referent in told:
            if (
                mention.verb == tag.verb
                and mention.verb >= 0
                and mention.role in ("oblique", "object")
                and referent is not draft.speaker
                and not referent.plural
            ):
                draft.listeners.append(referent)

    def _lead_in(self, draft: _Draft, offset: int, text: str) -> bool:
        """The paragraph before ends with a colon or comma after somebody who speaks."""
        if self.lead is None or self.lead[0] != draft.paragraph - 1:
            return False
        before = text[max(0, offset - 8) : offset].rstrip()
        if not before.endswith((":", ",", "—", "–")) or draft.utterance.start - offset > 3:
            return False
        draft.speaker, draft.confidence, draft.explicit = self.lead[1], 0.85, True
        return True

    def _turns(self, draft: _Draft) -> list[_Draft]:
        """One draft for each paragraph of this conversation before `draft`, the last first; three at most."""
        found: list[_Draft] = []
        for other in self.drafts[-2:-14:-1]:
            if other.group != draft.group:
                break
            if other.paragraph != draft.paragraph and (not found or other.paragraph != found[-1].paragraph):
                found.append(other)
                if len(found) == 3:
                    break
        return found

    def _by_turn(self, draft: _Draft) -> None:
        """By turns: the one before the last, whoever was called, or the other party."""
        turns = self._turns(draft)
        called = draft.called
        if turns:
            last = turns[0]
            if last.called and last.called[0] not in called and last.called[0] is not last.speaker:
                draft.speaker, draft.confidence = last.called[0], 0.65
                return
            second = turns[1] if len(turns) > 1 else None
            known = second is not None and None not in (second.speaker, last.speaker)
            if second is not None and known and second.speaker is not last.speaker and second.speaker not in called:
                draft.speaker = second.speaker
                draft.confidence = 0.8 * min(second.confidence, last.confidence, 0.9)
                return
            if last.listeners and last.listeners[0] not in called:
                draft.speaker, draft.confidence = last.listeners[0], 0.55
                return
            if last.speaker is not None:
                for actor in self.actors:
                    if actor is not last.speaker and actor not in called:
                        draft.speaker, draft.confidence = actor, 0.4
                        return
        elif self.actors and self.actors[0] not in called:
            draft.speaker, draft.confidence = self.actors[0], 0.4

    def finish(self) -> list[Turn]:
        """Every turn; those without a speaker get one from what follows, and all get those they speak to."""
        drafts = self.drafts
        firsts: list[_Draft] = []  # one a paragraph, per conversation
        for draft in drafts:
            if not firsts or firsts[-1].paragraph != draft.paragraph:
                firsts.append(draft)
        for place in range(len(firsts) - 3, -1, -1):
            draft, after, second = firsts[place : place + 3]
            if draft.group != second.group:
                continue
            # What is said outright two turns later is better than a guess.
            weak = draft.speaker is None or (not draft.explicit and draft.confidence < 0.5)
            if weak and second.explicit and second.speaker is not after.speaker and second.speaker not in draft.called:
                draft.speaker, draft.confidence = second.speaker, 0.55
        turns = []
        for place, draft in enumerate(firsts):
            previous = firsts[place - 1] if place and firsts[place - 1].group == draft.group else None
            following = (
                firsts[place + 1] if place + 1 < len(firsts) and firsts[place + 1].group == draft.group else None
            )
            if not draft.called and not draft.listeners and draft.speaker is not None:
                for other in (previous, following):
                    if other is not None and other.speaker not in (None, draft.speaker):
                        draft.listeners = [other.speaker]
                        break
        first = None
        for draft in drafts:
            if first is None or draft.paragraph != first.paragraph:
                first = draft
            listeners = draft.called or draft.listeners or first.called or first.listeners
            speaker = draft.speaker
            turns.append(
                Turn(
                    draft.utterance,
                    speaker,
                    tuple(dict.fromkeys(each for each in listeners if each is not speaker)),
                    round(draft.confidence, 2) if speaker is not None else 0.0,
                )
            )
        return turns
