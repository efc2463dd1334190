"""`remove_event` and `remove_character`: clauses and sentences that go, and what they would leave without a name."""

import re

from gnomon.story.intents.asked import Asked, Change, Draft, IntentError, Seen
from gnomon.story.intents.reading import Sentence, capital, cuts, sentence_at, without
from gnomon.story.intents.referents import lost_after
from gnomon.story.intents.roles import possessive
from gnomon.story.records import Character, Event

_CLAUSES = ("advcl", "acl", "parataxis")
_SURE = 0.5
"""A pronoun of a lower confidence does not by itself take a sentence out."""


def remove_event(asked: Asked) -> Draft:
    """The clause of the event, where its sentence tells of something else; otherwise the sentence."""
    event = asked.event()
    number = asked.sentence_number(event.start)
    sentence = sentence_at(asked, event.start)
    reason = f"“{event.verb}” goes"
    said = _without_tag(asked, event, sentence)
    if said is not None:
        return Draft((Change(sentence.start, sentence.end, said, "the words stay, who says them goes"),))
    whole = cuts(asked, [number], reason)
    others = [each for each in asked.events_within(sentence.start, sentence.end) if each.id != event.id]
    new = _without_clause(sentence, event.start) if others or _quoted(asked, sentence) else None
    if new is None:
        notes = [f"“{each.verb}” stands in the same sentence and goes with it." for each in others]
        return Draft(tuple(whole), (*notes, *lost_after(asked, [(sentence.start, sentence.end)])))
    change = Change(sentence.start, sentence.end, new, reason)
    return Draft((change,), alternatives=(tuple(whole),))


def _quoted(asked: Asked, sentence: Sentence) -> bool:
    return bool(asked.speeches_within(sentence.start, sentence.end))


def _without_tag(asked: Asked, event: Event, sentence: Sentence) -> str | None:
    """“Go,” said Anna. → “Go.” None where the sentence is no quotation with a tag, or tells of more than speaking."""
    parts = asked.speeches_within(sentence.start, sentence.end)
    if event.kind != "speech" or len(parts) != 1 or len(asked.events_within(sentence.start, sentence.end)) > 1:
        return None
    start, end = max(parts[0][0], sentence.start), min(parts[0][1], sentence.end)
    text = asked.story.text
    if text[start : start + 1] in "—–-" or (
        text[sentence.start : start].strip() and text[end : sentence.end].strip(" .!?")
    ):
        return None
    quote = text[start:end]
    closed = re.sub(r",(\s*[”\"’'»“]?)$", r".\1", quote)
    return closed if closed[:1] in "“\"‘'«„”" else None


def _without_clause(sentence: Sentence, position: int) -> str | None:
    """The sentence without the clause of the verb at `position`; None where only the whole can go."""
    trigger = sentence.at(position)
    if trigger is None:
        return None
    verb = sentence.words[trigger]
    relation = verb.dep.split(":")[0]
    if verb.head == trigger or relation == "root":
        return _without_first(sentence, trigger)
    if relation == "conj":
        return _without_conjunct(sentence, trigger)
    if relation in _CLAUSES:
        gone = set(sentence.subtree(trigger))
        return without(sentence, gone | _commas(sentence, gone))
    return None


def _without_first(sentence: Sentence, trigger: int) -> str | None:
    """*Anna rose and kissed Marcus.* → *Anna kissed Marcus.*"""
    conjuncts = [each for each in sentence.dependents(trigger, "conj") if each > trigger]
    if not conjuncts:
        return None
    first = conjuncts[0]
    if sentence.words[first].pos not in ("VERB", "AUX"):
        return None
    later = {index for each in conjuncts for index in sentence.subtree(each)}
    begin = min(sentence.subtree(first))
    subjects = sentence.dependents(trigger, "nsubj")
    gone = {index for index in sentence.subtree(trigger) if index not in later and index < begin}
    if not sentence.dependents(first, "nsubj"):
        gone -= {index for each in subjects for index in sentence.subtree(each)}
    joints = {each for each in sentence.dependents(first, "cc", "punct") if each < first}
    end_marks = {each for each in sentence.dependents(trigger, "punct") if each > begin}
    quotes = {index for index in gone if sentence.words[index].text in '“"„«'}
    rest = without(sentence, (gone | joints) - end_marks - quotes)
    if len(conjuncts) > 1:
        return _last_joined(sentence, rest)
    return rest


def _without_conjunct(sentence: Sentence, trigger: int) -> str:
    inside = set(sentence.subtree(trigger))
    for each in sentence.dependents(trigger, "conj"):  # what is joined to it stays, joined to what is before it
        inside -= set(sentence.subtree(each))
    listed = _chain(sentence, trigger)
    before = min(inside)
    # “, and” or “and” before the first word of the conjunct may hang on the head in one scheme and on it in another.
    while before > 0 and (
        sentence.words[before - 1].dep == "cc" or sentence.words[before - 1].text in (",", ";", "and", "și", "şi")
    ):
        before -= 1
        inside.add(before)
    tail = max(inside)
    while sentence.words[tail].pos == "PUNCT" and tail in inside and tail + 1 >= len(sentence.words):
        inside.discard(tail)
        tail -= 1
    rest = without(sentence, inside)
    return _last_joined(sentence, rest) if trigger == listed[-1] and len(listed) > 2 else rest


def _chain(sentence: Sentence, trigger: int) -> list[int]:
    """All that is joined with a word, it and the first of them included, in order."""
    first = trigger
    while sentence.words[first].dep.split(":")[0] == "conj" and sentence.words[first].head < first:
        first = sentence.words[first].head
    found, todo = [first], [first]
    while todo:
        new = sentence.dependents(todo.pop(), "conj")
        found += new
        todo += new
    return sorted(set(found))


def _last_joined(sentence: Sentence, text: str) -> str:
    """A list that has lost its *and* gets it before its last part: *Anna rose, crossed the room.*"""
    if re.search(r"\b(and|or|și|şi|sau)\b", text):
        return text
    joint = "și" if re.search(r"\b[șş]i\b", sentence.text) else "and"
    head, comma, tail = text.rpartition(", ")
    return f"{head} {joint} {tail}" if comma else text


def _commas(sentence: Sentence, gone: set[int]) -> set[int]:
    """The commas on both sides of a clause, where it stands between two; the one after it where it opens."""
    first, last = min(gone), max(gone)
    before = first - 1 if first > 0 and sentence.words[first - 1].text == "," else None
    after = last + 1 if last + 1 < len(sentence.words) and sentence.words[last + 1].text == "," else None
    if before is not None and after is not None:
        return {before, after}
    if first == 0 and after is not None:
        return {after}
    return {before} if before is not None else set()


# -- a character ------------------------------------------------------------------------------------------------------


def remove_character(asked: Asked) -> Draft:
    """The target's sentences and utterances; where others remain in a sentence, its clauses and phrases."""
    target = asked.target()
    if not isinstance(target, Character):
        raise IntentError("intent.target", f"{target.id!r} is a place; remove_character takes a character.")
    start, end = asked.scope or (0, len(asked.story.text))
    by_sentence: dict[int, list[Seen]] = {}
    for seen in asked.mentions_within(start, end):
        if seen.id == target.id:
            by_sentence.setdefault(asked.sentence_number(seen.start), []).append(seen)
    spoken = _spoken(asked, target.id, start, end)
    gone: set[int] = set(spoken)
    unsure: set[int] = set()
    inside: list[Change] = []
    notes: list[str] = []
    for number, own in by_sentence.items():
        if number in gone:
            continue
        span = asked.story.sentences[number]
        others = {
            seen.id
            for seen in asked.mentions_within(span.start, span.end)
            if seen.id != target.id and seen.id in asked.characters
        }
        if not others and not _of_another(asked, target.id, span.start, span.end):
            gone.add(number)
            if all(seen.kind == "pronoun" and seen.confidence < _SURE for seen in own):
                unsure.add(number)
            continue
        change = _narrowed(asked, number, own)
        if change is not None:
            inside.append(change)
            continue
        if _of_another(asked, target.id, span.start, span.end):
            notes.append(f"“{asked.words_at(span.start)}” still tells of {target.name}.")
            continue
        gone.add(number)
        acts = {each.agent for each in asked.events_within(span.start, span.end)} - {target.id, None}
        if acts:
            unsure.add(number)
        names = ", ".join(asked.name(each) for each in sorted(others))
        notes.append(f"“{asked.words_at(span.start)}” goes with {target.name}, and tells of {names} too.")
    removed = cuts(asked, gone, f"{target.name} goes", unsure)
    notes += lost_after(asked, [(each.start, each.end) for each in removed])[:20]
    if not removed and not inside:
        notes.append(f"{target.name} is not in the text{' of the scope' if asked.scope else ''}.")
    return Draft(tuple(sorted([*removed, *inside])), tuple(notes))


def _spoken(asked: Asked, id: str, start: int, end: int) -> set[int]:
    """The sentences that are utterances of the target, their tags included, where nobody else acts in them."""
    found = set()
    for speech in asked.extraction.speeches:
        if speech.speaker == id and speech.start >= start and speech.end <= end:
            first = asked.sentence_number(speech.start)
            for number in range(first, asked.sentence_number(speech.end - 1) + 1):
                span = asked.story.sentences[number]
                acting = {each.agent for each in asked.events_within(span.start, span.end)} - {id, None}
                if not acting:
                    found.add(number)
    return found


def _of_another(asked: Asked, id: str, start: int, end: int) -> bool:
    """Whether the span lies in somebody else's speech."""
    return bool(asked.speakers_within(start, end) - {id, None})


def _narrowed(asked: Asked, number: int, own: list[Seen]) -> Change | None:
    """The sentence without what it tells of the target; None where that leaves no sentence or no way is known."""
    span = asked.story.sentences[number]
    sentence = sentence_at(asked, span.start)
    name = asked.name(own[0].id)
    gone: set[int] = set()
    instead: dict[int, str] = {}
    for seen in own:
        index = _head(sentence, seen)
        if index is None:
            return None
        if index in gone:
            continue
        taken = _taken(sentence, index, seen)
        if taken is None:
            return None
        part, text = taken
        gone |= part
        if text:
            instead[min(part)] = text
    kept = [word for index, word in enumerate(sentence.words) if index not in gone]
    if not any(word.pos in ("VERB", "AUX") for word in kept):
        return None
    if instead and gone - _replaced(gone, instead):
        return None  # a phrase goes and another is replaced: no rule is sure of the seams
    text = _with_instead(sentence, gone, instead) if instead else without(sentence, gone)
    return Change(sentence.start, sentence.end, text, f"{name} goes")


def _head(sentence: Sentence, seen: Seen) -> int | None:
    inside = [i for i, word in enumerate(sentence.words) if seen.start <= word.start < seen.end]
    for index in inside:
        if sentence.words[index].head not in inside or sentence.words[index].head == index:
            return index
    return inside[0] if inside else None


def _taken(sentence: Sentence, index: int, seen: Seen) -> tuple[set[int], str] | None:
    """The words that go with one mention, and what stands there instead."""
    word = sentence.words[index]
    relation = word.dep.split(":")[0]
    if possessive(sentence, seen) or word.dep == "nmod:poss":
        own = set(sentence.subtree(index))
        return own, capital("the") if min(own) == 0 else "the"
    if relation in ("obl", "nmod"):
        own = set(sentence.subtree(index))
        return own | _commas(sentence, own), ""
    if relation == "conj":
        own = set(sentence.subtree(index))
        before = min(own)
        while before > 0 and (sentence.words[before - 1].dep == "cc" or sentence.words[before - 1].text == ","):
            before -= 1
            own.add(before)
        return own, ""
    heads = sentence.dependents(index, "conj")
    if heads and relation in ("nsubj", "obj", "iobj", "obl"):
        first = min(sentence.subtree(heads[0]))
        own = {each for each in sentence.subtree(index) if each < first}
        joints = set(sentence.dependents(heads[0], "cc"))
        return own | joints, ""
    if relation == "nsubj":
        verb = word.head
        clause = sentence.words[verb]
        if clause.dep.split(":")[0] in ("conj", *_CLAUSES):
            own = set(sentence.subtree(verb))
            before = min(own)
            while before > 0 and (sentence.words[before - 1].dep == "cc" or sentence.words[before - 1].text in ",;"):
                before -= 1
                own.add(before)
            own |= _commas(sentence, own)
            return _without_end(sentence, own), ""
        later = [each for each in sentence.dependents(verb, "conj") if sentence.dependents(each, "nsubj")]
        if later:
            first = min(sentence.subtree(later[0]))
            own = {each for each in range(first) if each in set(sentence.subtree(verb))}
            return own | set(sentence.dependents(later[0], "cc")), ""
    if relation == "vocative":
        own = set(sentence.subtree(index))
        return own | _commas(sentence, own), ""
    return None


def _without_end(sentence: Sentence, own: set[int]) -> set[int]:
    last = len(sentence.words) - 1
    while last in own and sentence.words[last].pos == "PUNCT":
        own.discard(last)
        last -= 1
    return own


def _replaced(gone: set[int], instead: dict[int, str]) -> set[int]:
    """The words of `gone` for which something stands instead."""
    found = set()
    for first in instead:
        index = first
        while index in gone:
            found.add(index)
            index += 1
    return found


def _with_instead(sentence: Sentence, gone: set[int], instead: dict[int, str]) -> str:
    """The sentence without some words, one of each run of them replaced by a text."""
    text = sentence.text
    for first, new in sorted(instead.items(), reverse=True):
        last = first
        while last + 1 in gone and last + 1 not in instead:
            last += 1
        end = sentence.words[last].end
        text = text[: sentence.words[first].start - sentence.start] + new + text[end - sentence.start :]
    return text
