"""Edits as proposals: an intent becomes a `Suggestion` of small hunks, each of which the writer takes or leaves.

`propose` asks the built-in editor (`gnomon.story.intents`) or a provider; `apply` gives the story with the hunks that
were accepted. Nothing that is proposed is in the story before that.
"""

import difflib
import hashlib
import re
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from gnomon.errors import UserError
from gnomon.runs.files import to_json
from gnomon.story.anchors import Edit
from gnomon.story.document import Story
from gnomon.story.inflection import name_forms, words_of
from gnomon.story.intents import moving, passages, removing, renaming, roles, telling
from gnomon.story.intents.asked import Asked, Change, Draft, IntentError, asked_of
from gnomon.story.providers.protocol import Provider, edited_text
from gnomon.story.providers.spending import Budget, NotApproved, estimate, price, tokens
from gnomon.story.records import Extraction

BUILT_IN: dict[str, Callable[[Asked], Draft]] = {
    "rename": renaming.rename,
    "swap_roles": roles.swap_roles,
    "remove_event": removing.remove_event,
    "remove_character": removing.remove_character,
    "move_event": moving.move_event,
    "move_scene": moving.move_scene,
    "move_character": moving.move_character,
    "change_event": telling.change_event,
    "add_event": telling.add_event,
    "set_property": telling.need_provider,
    "write_scene": telling.need_provider,
}
"""What each op does without a model."""


@dataclass(frozen=True)
class Hunk:
    """`before`, which is `story.text[start:end]`, becomes `after`.

    `unintended`: the intent did not ask for it, and it is not accepted with the others; `optional`: it may be meant.
    """

    id: str
    start: int
    end: int
    before: str
    after: str
    reason: str
    unintended: bool = False
    optional: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Suggestion:
    """Hunks that carry out an intent, in text order and apart from each other.

    `alternatives` are other sets of hunks for the same intent (`alternative(n)` is the suggestion of one of them).
    `usage` is what a provider took: `requests`, `prompt_tokens`, `completion_tokens`, `cost`, and the `prompts` it was
    sent; with `turn`, what post-training needs, where a checkpoint of the run store wrote it. `id` is a function of the
    text, the intent, the provider and the hunks.
    """

    id: str
    intent: Mapping[str, Any]
    hunks: tuple[Hunk, ...]
    provider: str = "builtin"
    notes: tuple[str, ...] = ()
    alternatives: tuple[tuple[Hunk, ...], ...] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "id": self.id,
            "intent": dict(self.intent),
            "hunks": [hunk.to_dict() for hunk in self.hunks],
            "provider": self.provider,
            "notes": list(self.notes),
            "alternatives": [[hunk.to_dict() for hunk in hunks] for hunks in self.alternatives],
            "usage": dict(self.usage),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Suggestion":
        """The inverse of `to_dict`."""
        return cls(
            stored["id"],
            stored["intent"],
            tuple(Hunk(**each) for each in stored["hunks"]),
            stored["provider"],
            tuple(stored["notes"]),
            tuple(tuple(Hunk(**each) for each in hunks) for hunks in stored["alternatives"]),
            stored["usage"],
        )

    def alternative(self, number: int) -> "Suggestion":
        """The suggestion with the hunks of alternative `number`, from 0, and its own among the alternatives."""
        others = (*self.alternatives[:number], self.hunks, *self.alternatives[number + 1 :])
        return replace(self, hunks=self.alternatives[number], alternatives=others)

    def chosen(self, accept: Collection[str] | str) -> tuple[Hunk, ...]:
        """The hunks that `accept` names: ids, or "all", which leaves out the unintended and the optional ones.

        Raises UserError for an id that is none of this suggestion's.
        """
        if accept == "all":
            return tuple(hunk for hunk in self.hunks if not (hunk.unintended or hunk.optional))
        names = {accept} if isinstance(accept, str) else set(accept)
        if unknown := names - {hunk.id for hunk in self.hunks}:
            known = ", ".join(hunk.id for hunk in self.hunks) or "none"
            raise IntentError("accept", f"suggestion {self.id} has no hunk {sorted(unknown)[0]!r}; it has {known}.")
        return tuple(hunk for hunk in self.hunks if hunk.id in names)

    def edits(self, accept: Collection[str] | str) -> tuple[Edit, ...]:
        """The accepted hunks as edits to be applied one after the other: from the last to the first."""
        return tuple(Edit(hunk.start, hunk.end, hunk.after) for hunk in reversed(self.chosen(accept)))

    def without(self, accept: Collection[str] | str, reject: Collection[str] = ()) -> "Suggestion":
        """What is still open after some hunks were accepted and others rejected, in the positions of the new text."""
        taken = {hunk.id for hunk in self.chosen(accept)}
        left, shift = [], 0
        for hunk in self.hunks:
            if hunk.id in taken:
                shift += len(hunk.after) - (hunk.end - hunk.start)
            elif hunk.id not in reject:
                left.append(replace(hunk, start=hunk.start + shift, end=hunk.end + shift))
        return replace(self, hunks=tuple(left), alternatives=())

    def moved(self, edit: Edit) -> "Suggestion":
        """The suggestion after another edit of the text. A hunk that the edit touches stays in place, and is stale."""
        shift = len(edit.text) - (edit.end - edit.start)

        def carried(hunks: Iterable[Hunk]) -> tuple[Hunk, ...]:
            return tuple(
                replace(hunk, start=hunk.start + shift, end=hunk.end + shift) if edit.end <= hunk.start else hunk
                for hunk in hunks
            )

        return replace(self, hunks=carried(self.hunks), alternatives=tuple(map(carried, self.alternatives)))


def propose(
    story: Story,
    extraction: Extraction,
    intent: Mapping[str, Any],
    *,
    provider: Provider | None = None,
    scope: Any = None,
    approved: bool = False,
    budget: Budget | None = None,
    on_text: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> Suggestion:
    """What `intent` would change in `story`, of which `extraction` was made; nothing is changed.

    `intent` is an object with `op` (see `BUILT_IN`) and the keys of that op; `"highlight": true` in it shows where an
    edit would fall and rewrites nothing. `scope` is a span, or the id of a scene, paragraph, sentence or event: changes
    outside it are not asked for. Without a `provider` the built-in editor works, by rule.

    A provider is sent the smallest passage that carries the intent. Where that is more than one scene, `approved` must
    say that the estimate was seen (`NotApproved` carries it); `budget` is a cap on what may be spent. `on_text` gets
    the answer as it comes, and `stop` ends the waiting.

    Raises IntentError (a ValueError with `field`) for an op, event, character, place or scene that does not exist, and
    ProviderError, with `code`, where a provider gives no usable answer.
    """
    asked = asked_of(story, extraction, intent, scope, BUILT_IN)
    if intent.get("highlight"):
        return _suggestion(asked, _highlighted(asked, provider), "builtin" if provider is None else provider.name)
    if provider is None:
        draft = BUILT_IN[asked.op](asked)
        return _suggestion(asked, draft, "builtin")
    _check_keys(asked)
    draft = _written(asked, provider, approved, budget, on_text, stop)
    return _suggestion(asked, draft, provider.name, guard=True)


def apply(story: Story, suggestion: Suggestion, accept: Collection[str] | str = ()) -> Story:
    """The story with the accepted hunks: ids, or "all" for those that are neither unintended nor optional.

    Raises UserError for an unknown id, and where the text of a hunk is no longer what it was proposed for.
    """
    hunks = suggestion.chosen(accept)
    for hunk in hunks:
        if story.text[hunk.start : hunk.end] != hunk.before:
            raise UserError(
                f"hunk {hunk.id} of suggestion {suggestion.id} was proposed for {hunk.before!r} at {hunk.start}, where"
                f" the text is {story.text[hunk.start : hunk.end]!r} now; propose it again."
            )
    # One edit for each scene that changes, from the last: the borders of the caller's own scenes stay exact.
    starts = [scene.start for scene in story.scenes]
    groups: dict[int, list[Hunk]] = {}
    for hunk in hunks:
        first, last = bisect_right(starts, hunk.start), bisect_right(starts, max(hunk.start, hunk.end - 1))
        groups.setdefault(first if first == last else -1 - len(groups), []).append(hunk)
    for group in sorted(groups.values(), key=lambda each: each[0].start, reverse=True):
        start, end = group[0].start, group[-1].end
        pieces, position = [], start
        for hunk in group:
            pieces += [story.text[position : hunk.start], hunk.after]
            position = hunk.end
        story = story.edit(start, end, "".join(pieces))
    return story


def requests(
    story: Story, extraction: Extraction, intent: Mapping[str, Any], *, scope: Any = None
) -> list[dict[str, Any]]:
    """What a provider would be sent for an intent, one JSON object for each passage."""
    asked = asked_of(story, extraction, intent, scope, BUILT_IN)
    return [passages.request(asked, span) for span in passages.passages(asked)]


# -- a provider's answer ----------------------------------------------------------------------------------------------


def _check_keys(asked: Asked) -> None:
    """For a provider, the same mistakes as for the built-in editor: names that do not exist."""
    if asked.op in ("rename",):
        asked.target()
        asked.text("to")
    elif asked.op == "change_event":
        asked.text("verb")
    elif asked.op == "add_event":
        asked.character("agent")
        asked.text("verb")
    elif asked.op == "set_property":
        asked.target()


def _written(
    asked: Asked,
    provider: Provider,
    approved: bool,
    budget: Budget | None,
    on_text: Callable[[str], None] | None,
    stop: threading.Event | None,
) -> Draft:
    spans = passages.passages(asked)
    messages = [passages.request(asked, span) for span in spans]
    expected = estimate(provider, messages)
    scenes = {asked.scene_at(start).id for start, _ in spans} if asked.story.scenes else set()
    if (len(scenes) > 1 or _crosses(asked, spans)) and not approved:
        raise NotApproved(provider.name, expected)
    if budget is not None:
        budget.check(expected)
    changes = []
    read = written = 0
    extra: dict[str, Any] = {}
    for span, message in zip(spans, messages, strict=True):
        reply = provider.complete(message, on_text=on_text, stop=stop)
        given = dict(reply.usage)
        this_read = given.pop("prompt_tokens", tokens(str(message)))
        this_written = given.pop("completion_tokens", tokens(reply.content))
        if budget is not None:
            budget.add(this_read, this_written, price(provider, this_read, this_written))
        read, written, extra = read + this_read, written + this_written, {**extra, **given}
        text = edited_text(reply, provider.name, may_be_empty=asked.op in ("remove_event", "remove_character"))
        changes.append(
            Change(*span, _with_borders(asked.story.text[slice(*span)], text), f"{provider.name}: {asked.op}")
        )
    usage = {
        "requests": len(spans),
        "prompt_tokens": read,
        "completion_tokens": written,
        "cost": price(provider, read, written),
        "prompts": messages,
        **extra,
    }
    return Draft(tuple(changes), usage=usage)


def _crosses(asked: Asked, spans: Iterable[tuple[int, int]]) -> bool:
    return any(
        end > start and asked.scene_at(start) != asked.scene_at(end - 1) for start, end in spans if asked.story.scenes
    )


def _with_borders(old: str, new: str) -> str:
    """The new span with the white space of the old one at its ends: models add or lose line ends there."""
    if not old.strip() or not new.strip():
        return new
    before = old[: len(old) - len(old.lstrip())]
    after = old[len(old.rstrip()) :]
    return before + new.strip() + after


def _highlighted(asked: Asked, provider: Provider | None) -> Draft:
    """Where an edit would fall: the same spans, with what stands there."""
    if provider is None:
        draft = BUILT_IN[asked.op](asked)
        found = [(change.start, change.end, change.reason, change.optional) for change in draft.changes]
    else:
        found = [(*span, f"{provider.name} would write this anew", False) for span in passages.passages(asked)]
        draft = Draft()
    text = asked.story.text
    changes = [Change(start, end, text[start:end], reason, optional, True) for start, end, reason, optional in found]
    return Draft(tuple(changes), draft.notes)


# -- hunks ------------------------------------------------------------------------------------------------------------


def _suggestion(asked: Asked, draft: Draft, provider: str, *, guard: bool = False) -> Suggestion:
    hunks = _hunks(asked, draft.changes)
    if guard:
        hunks = _guarded(asked, hunks)
    elif asked.scope is not None:
        hunks = [replace(each, unintended=True) if _outside(each, asked.scope) else each for each in hunks]
    parts = [asked.story.text, to_json(dict(asked.intent)), provider, to_json([hunk.to_dict() for hunk in hunks])]
    id = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    alternatives = tuple(tuple(_hunks(asked, changes)) for changes in draft.alternatives)
    return Suggestion(id, dict(asked.intent), tuple(hunks), provider, draft.notes, alternatives, draft.usage)


def _outside(hunk: Hunk, scope: tuple[int, int]) -> bool:
    return hunk.start < scope[0] or hunk.end > scope[1]


def _hunks(asked: Asked, changes: Sequence[Change]) -> list[Hunk]:
    found: list[Hunk] = []
    position = 0
    for change in sorted(changes, key=lambda each: (each.start, each.end)):
        if change.start < position:
            raise AssertionError(f"changes overlap at {change.start}")
        position = change.end
        old = asked.story.text[change.start : change.end]
        if asked.intent.get("highlight"):
            pieces = [Piece(0, len(old), old)]
        else:
            pieces = [_trimmed(old, change.text)] if change.whole else word_diff(old, change.text)
        for piece in pieces:
            start, end = change.start + piece.start, change.start + piece.end
            before = asked.story.text[start:end]
            if before != piece.text or asked.intent.get("highlight"):
                id = f"h{len(found) + 1}"
                found.append(Hunk(id, start, end, before, piece.text, change.reason, False, change.optional))
    return found


class Piece(NamedTuple):
    """The characters `start` to `end` of the old text become `text`."""

    start: int
    end: int
    text: str


_TOKEN = re.compile(r"\w+(?:-\w+|['’](?!s\b)\w+)*|['’]s\b|\s|[^\w\s]")
_LARGEST = 2_000_000
"""Above this many pairs of words a stretch without common landmarks is one piece: nobody reads such a comparison."""


def _trimmed(old: str, new: str) -> Piece:
    """One piece, without the words that both texts begin or end with."""
    a, b = _TOKEN.findall(old), _TOKEN.findall(new)
    first = 0
    while first < min(len(a), len(b)) and a[first] == b[first]:
        first += 1
    last = 0
    while last < min(len(a), len(b)) - first and a[-1 - last] == b[-1 - last]:
        last += 1
    start = len("".join(a[:first]))
    return Piece(start, len(old) - len("".join(a[len(a) - last :])), "".join(b[first : len(b) - last]))


def word_diff(old: str, new: str) -> list[Piece]:
    """The least that turns `old` into `new`, in words. Neighbours without names, a space apart, are one piece."""
    a, b = _TOKEN.findall(old), _TOKEN.findall(new)
    starts = [0]
    for token in a:
        starts.append(starts[-1] + len(token))
    pieces: list[tuple[int, int, str]] = []
    ranges = _different(a, b)
    for number, (i1, i2, j1, j2) in enumerate(ranges):
        floor = ranges[number - 1][1] if number else 0
        ceiling = ranges[number + 1][0] if number + 1 < len(ranges) else len(a)
        if i1 == i2:
            i1, words = _slid(a, i1, b[j1:j2], floor, ceiling)
            i2 = i1
            after = "".join(words)
        elif j1 == j2:
            # What goes can slide as what comes can: seen from a text without it, it is an insertion.
            rest = [*a[:i1], *a[i2:]]
            i1, words = _slid(rest, i1, a[i1:i2], floor, ceiling - (i2 - i1))
            i2 = i1 + len(words)
            after = ""
        else:
            after = "".join(b[j1:j2])
        if pieces:
            p1, p2, text = pieces[-1]
            between = a[p2:i1]
            joined = "".join(a[p1:i2])
            if all(each.isspace() for each in between) and not (_capital(joined) or _capital(text + after)):
                pieces[-1] = (p1, i2, text + "".join(between) + after)
                continue
        pieces.append((i1, i2, after))
    return [Piece(starts[i1], starts[i2], text) for i1, i2, text in pieces]


def _slid(words: Sequence[str], at: int, put: Sequence[str], floor: int, ceiling: int) -> tuple[int, list[str]]:
    """The same insertion where it reads best: with a space before it, or after it, rather than with half a sentence."""

    def fit(put: Sequence[str]) -> int:
        begins_with_mark = not (put[0][0].isalnum() or put[0].isspace())
        return put[0].isspace() + 2 * (not put[-1][0].isalnum()) - 4 * begins_with_mark

    places = [(fit(put), at, list(put))]
    moved, position = list(put), at
    while position < ceiling and words[position] == moved[0]:
        moved, position = [*moved[1:], moved[0]], position + 1
        places.append((fit(moved), position, moved))
    moved, position = list(put), at
    while position > floor and words[position - 1] == moved[-1]:
        moved, position = [moved[-1], *moved[:-1]], position - 1
        places.append((fit(moved), position, moved))
    best = max(places, key=lambda each: each[0])
    return best[1], best[2]


def _capital(text: str) -> bool:
    return any(each.isupper() for each in text)


def _different(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Ranges of `a` and `b` that differ, split at words that stand once in both (patience), then by longest matches."""
    found: list[tuple[int, int, int, int]] = []
    todo = [(0, len(a), 0, len(b))]
    while todo:
        i1, i2, j1, j2 = todo.pop()
        while i1 < i2 and j1 < j2 and a[i1] == b[j1]:
            i1, j1 = i1 + 1, j1 + 1
        while i1 < i2 and j1 < j2 and a[i2 - 1] == b[j2 - 1]:
            i2, j2 = i2 - 1, j2 - 1
        if i1 == i2 or j1 == j2:
            if i1 < i2 or j1 < j2:
                found.append((i1, i2, j1, j2))
            continue
        marks = _landmarks(a, b, i1, i2, j1, j2)
        if marks:
            ends = [*marks, (i2, j2)]
            begins = [(i1, j1), *((i + 1, j + 1) for i, j in marks)]
            todo += [(x1, x2, y1, y2) for (x1, y1), (x2, y2) in zip(begins, ends, strict=True)][::-1]
        elif (i2 - i1) * (j2 - j1) > _LARGEST:
            found.append((i1, i2, j1, j2))
        else:
            matcher = difflib.SequenceMatcher(None, a[i1:i2], b[j1:j2], autojunk=False)
            for tag, x1, x2, y1, y2 in matcher.get_opcodes():
                if tag != "equal":
                    found.append((i1 + x1, i1 + x2, j1 + y1, j1 + y2))
    return sorted(found)


def _landmarks(a: Sequence[str], b: Sequence[str], i1: int, i2: int, j1: int, j2: int) -> list[tuple[int, int]]:
    """Words that stand once in each range, as the longest run of them in the same order."""
    if i2 - i1 < 8 or j2 - j1 < 8:
        return []
    once_a, once_b = (
        {word for word, times in Counter(words).items() if times == 1 and word[0].isalnum()}
        for words in (a[i1:i2], b[j1:j2])
    )
    both = once_a & once_b
    where = {b[j]: j for j in range(j1, j2) if b[j] in both}
    pairs = [(i, where[a[i]]) for i in range(i1, i2) if a[i] in both]
    tails: list[int] = []  # patience sorting: the longest increasing run
    piles: list[int] = []
    back: list[int | None] = []
    for number, (_, j) in enumerate(pairs):
        pile = bisect_right(tails, j)
        back.append(piles[pile - 1] if pile else None)
        tails[pile : pile + 1] = [j]
        piles[pile : pile + 1] = [number]
    run: list[tuple[int, int]] = []
    at = piles[-1] if piles else None
    while at is not None:
        run.append(pairs[at])
        at = back[at]
    return run[::-1]


# -- what nobody asked for --------------------------------------------------------------------------------------------


def _guarded(asked: Asked, hunks: Sequence[Hunk]) -> list[Hunk]:
    """Marks the hunks outside the scope, and those that add, drop or rename whom the intent does not name."""
    known = _known_names(asked)
    allowed = _allowed_words(asked)
    small = set(re.findall(r"\b[^\W\d_A-Z]\w*", asked.story.text[:400_000]))
    guarded = []
    for hunk in hunks:
        old, new = _names_in(hunk.before, known), _names_in(hunk.after, known)
        new += _new_names(asked, hunk, known, small)
        changed = {word for word in (old.keys() | new.keys()) if old[word] != new[word]} - allowed
        outside = asked.scope is not None and _outside(hunk, asked.scope)
        guarded.append(replace(hunk, unintended=outside or bool(changed)))
    return guarded


def _capitalised(name: str) -> Iterable[str]:
    return (word for word in re.findall(r"[^\W\d_]+", name) if word[:1].isupper())


def _known_names(asked: Asked) -> dict[str, str]:
    """Every word of a name, and its Romanian cases, with the plain word it stands for."""
    found: dict[str, str] = {}
    for group in (asked.characters, asked.places):
        for each in group.values():
            for name in (each.name, *each.aliases):
                for word in _capitalised(name):
                    for form in name_forms(word) if asked.romanian else ():
                        found.setdefault(form.text, word.casefold())
                    found[word] = word.casefold()
    return found


def _names_in(text: str, known: Mapping[str, str]) -> Counter[str]:
    words = re.findall(r"[^\W\d_]+", text)
    return Counter(
        known.get(word) or known[word.capitalize()] for word in words if word in known or _shouted(word, known)
    )


def _shouted(word: str, known: Mapping[str, str]) -> bool:
    return len(word) > 1 and word.isupper() and word.capitalize() in known


def _new_names(asked: Asked, hunk: Hunk, known: Mapping[str, str], small: Collection[str]) -> Counter[str]:
    """Words with a capital that are no known name and were not there: inside a sentence, or never small elsewhere."""
    found: Counter[str] = Counter()
    was = set(re.findall(r"[^\W\d_]+", hunk.before))
    for match in re.finditer(r"[^\W\d_]+", hunk.after):
        word = match.group()
        if not word[0].isupper() or word in known or word in was or word in ("I", "Eu") or _shouted(word, known):
            continue
        before = asked.story.text[max(0, hunk.start - 8) : hunk.start] + hunk.after[: match.start()]
        opens = not before.strip(" \n\t“”\"'‘’«»„—–-…") or re.search(
            r"[.!?…:\n][\s“”\"'‘’«»„—–-]*$|[“\"«„‘—]\s*$", before
        )
        if not opens or (word.casefold() not in small and not _ordinary(word)):
            found[word.casefold()] += 1
    return found


_FUNCTION = words_of("""
    a an the and but or nor so yet for in on at to of by with from as if when while then there here this that
    these those he she it they we you his her its their our my your him them us not no now after before once one
    two every each all some any who what where why how which suddenly slowly quickly finally perhaps still only
    just un o unul una și dar sau în la pe de cu din el ea ei ele lui nu da apoi când acum aici acolo atunci
    după
""")


def _ordinary(word: str) -> bool:
    low = word.casefold()
    return low in _FUNCTION or low.endswith(("ly", "ing", "ed"))


_PARTS_OF_EVENT = ("swap_roles", "remove_event", "move_event")


def _allowed_words(asked: Asked) -> set[str]:
    """The words of the names that the intent names, by id or in words; for some ops, those of the event's parts too."""
    texts = list(passages.texts_in({key: value for key, value in asked.intent.items() if key not in ("op", "scope")}))
    ids = [each for each in texts if each in asked.characters or each in asked.places]
    if asked.op in _PARTS_OF_EVENT:
        ids += passages.named_ids(asked)
    named = [asked.characters.get(each) or asked.places[each] for each in ids]
    names = [name for each in named for name in (each.name, *each.aliases)] + texts
    return {word.casefold() for name in names for word in re.findall(r"[^\W\d_]+", name)}
