"""`swap_roles`: agent and patient of an event change places in its sentence, pronouns and possessives with them."""

import re
from collections.abc import Mapping

from gnomon.story import inflection
from gnomon.story.intents.asked import Asked, Change, Draft, IntentError, Seen
from gnomon.story.intents.reading import Sentence, Word, capital, replaced, sentence_at, small

# subject, object, possessive before a noun, possessive alone, reflexive
_PRONOUNS = {
    "en": {
        "m": ("he", "him", "his", "his", "himself"),
        "f": ("she", "her", "her", "hers", "herself"),
        "n": ("it", "it", "its", "its", "itself"),
        "unknown": ("they", "them", "their", "theirs", "themselves"),
        "narrator": ("I", "me", "my", "mine", "myself"),
    },
    "ro": {
        "m": ("el", "el", "lui", "lui", "însuși"),
        "f": ("ea", "ea", "ei", "ei", "însăși"),
        "narrator": ("eu", "mine", "meu", "meu", "însumi"),
    },
}
_CASES = {
    "en": {
        "he": 0, "she": 0, "i": 0, "they": 0, "we": 0, "him": 1, "me": 1, "them": 1, "us": 1, "its": 2, "their": 2,
        "my": 2, "our": 2, "hers": 3, "theirs": 3, "mine": 3, "ours": 3, "himself": 4, "herself": 4, "itself": 4,
        "themselves": 4, "myself": 4,
    },
    "ro": {"el": 0, "ea": 0, "eu": 0, "lui": 2, "ei": 2, "însuși": 4, "însăși": 4},
}  # fmt: skip


def swap_roles(asked: Asked) -> Draft:
    """The sentence of the event with its agent and its patient exchanged."""
    event = asked.event()
    if event.agent is None or event.patient is None:
        missing = "agent" if event.agent is None else "patient"
        raise IntentError("intent.event", f"the event {event.id!r} ({event.verb}) has no known {missing} to swap.")
    if event.agent == event.patient:
        raise IntentError("intent.event", f"agent and patient of {event.id!r} ({event.verb}) are the same.")
    sentence = sentence_at(asked, event.start)
    quoted = asked.speeches_within(sentence.start, sentence.end)
    mentions = [
        seen
        for seen in asked.mentions_within(sentence.start, sentence.end)
        if seen.id in (event.agent, event.patient) and not any(a <= seen.start < b for a, b in quoted)
    ]
    trigger = sentence.at(event.start)
    agent = _argument(asked, sentence, trigger, [seen for seen in mentions if seen.id == event.agent], True)
    patient = _argument(asked, sentence, trigger, [seen for seen in mentions if seen.id == event.patient], False)
    if agent is None or patient is None:
        missing = event.agent if agent is None else event.patient
        return Draft(
            notes=(
                f"{asked.name(missing)} is not named in the sentence of “{event.verb}”, so nothing can be exchanged.",
            )
        )
    notes = []
    spans = {}
    for seen in (agent, patient):
        owns = possessive(sentence, seen) and seen.kind != "pronoun"
        mark = re.match(r"['’]s?", sentence.text[seen.end - sentence.start :]) if owns else None
        if mark is not None:
            spans[seen] = (seen.start, seen.end + mark.end())
            continue
        index = sentence.at(_head_position(sentence, seen))
        first, last = sentence.phrase(index) if index is not None and seen.kind == "nominal" else (None, None)
        start = min(seen.start, sentence.words[first].start) if first is not None else seen.start
        end = max(seen.end, sentence.words[last].end) if last is not None else seen.end
        spans[seen] = (start, end)
    (a1, a2), (b1, b2) = spans[agent], spans[patient]
    owned = {seen: possessive(sentence, seen) for seen in spans}
    if a1 < b2 and b1 < a2:
        return Draft(notes=(f"“{asked.story.text[a1:a2]}” and “{asked.story.text[b1:b2]}” are one phrase.",))
    text = asked.story.text
    pieces = [
        (a1, a2, _in_place(asked, sentence, patient, text[b1:b2], agent, a1, owned)),
        (b1, b2, _in_place(asked, sentence, agent, text[a1:a2], patient, b1, owned)),
    ]
    for seen in mentions:
        if any(a <= seen.start < b for a, b in spans.values()):
            continue
        other = event.patient if seen.id == event.agent else event.agent
        new = _other(asked, sentence, seen, agent if other == event.agent else patient)
        if new is None:
            notes.append(f"“{seen.text}” in “{asked.words_at(seen.start)}” stays; it may have to follow.")
        elif new != seen.text:
            pieces.append((seen.start, seen.end, new))
    if asked.romanian:
        pieces += _clitics(asked, sentence, trigger, event.agent, event.patient)
    pieces += _agreement(asked, sentence, trigger, agent, patient)
    new = replaced(sentence, pieces)
    shared = [
        each.verb
        for each in asked.events_within(sentence.start, sentence.end)
        if each.id != event.id and {each.agent, each.patient} & {event.agent, event.patient}
    ]
    if shared:
        notes.append(f"The sentence also tells of “{'”, “'.join(shared)}”, whose roles change with it.")
    reason = f"{asked.name(event.agent)} and {asked.name(event.patient)} change roles"
    return Draft((Change(sentence.start, sentence.end, new, reason),), tuple(notes))


def _head_position(sentence: Sentence, seen: Seen) -> int:
    """Where the head of a mention stands: the word in it whose head lies outside."""
    inside = [i for i, word in enumerate(sentence.words) if seen.start <= word.start < seen.end]
    for index in inside:
        if sentence.words[index].head not in inside or sentence.words[index].head == index:
            return sentence.words[index].start
    return seen.start


def _argument(
    asked: Asked, sentence: Sentence, trigger: int | None, mentions: list[Seen], is_agent: bool
) -> Seen | None:
    """The mention that is this argument of the verb: by grammar, else the nearest on its side."""
    whole = [seen for seen in mentions if not possessive(sentence, seen)]
    if not whole:  # “his hand”: whose it is stands for him
        return min(mentions, key=lambda seen: abs(seen.start - event_at(sentence, trigger)), default=None)
    if trigger is not None:
        for seen in whole:
            index = sentence.at(_head_position(sentence, seen))
            if index is not None and sentence.words[index].head == trigger and index != trigger:
                return seen
        position = sentence.words[trigger].start
        side = [seen for seen in whole if (seen.start < position) == is_agent]
        return min(side or whole, key=lambda seen: abs(seen.start - position))
    return whole[0]


def event_at(sentence: Sentence, trigger: int | None) -> int:
    """Where the verb stands."""
    return sentence.start if trigger is None else sentence.words[trigger].start


def possessive(sentence: Sentence, seen: Seen) -> bool:
    """Whether a mention says whose something is: *her ring*, *Anna's ring*."""
    low = seen.text.casefold()
    if low in ("its", "their", "my", "our", "hers", "theirs", "mine"):
        return True
    index = sentence.at(seen.start)
    word = sentence.words[index] if index is not None else None
    if low in ("his", "her"):
        return low == "his" or _before_noun(sentence, index, word)
    after = sentence.text[seen.end - sentence.start :]
    return bool(re.match(r"['’](s\b|\s)", after)) or (word is not None and word.dep == "nmod:poss")


def _before_noun(sentence: Sentence, index: int | None, word: Word | None) -> bool:
    if word is None or index is None:
        return False
    if word.dep.startswith(("nmod", "det", "poss")):
        return True
    if word.dep in ("obj", "iobj", "obl", "nsubj"):
        return False
    following = sentence.words[index + 1] if index + 1 < len(sentence.words) else None
    return following is not None and following.pos in ("NOUN", "ADJ", "NUM", "PROPN")


def _case(asked: Asked, sentence: Sentence, seen: Seen) -> int | None:
    """Which form of a pronoun this is; None for what is no pronoun that is known here."""
    low = seen.text.casefold()
    if not asked.romanian and low in ("her", "his"):
        return (2 if possessive(sentence, seen) else 1) if low == "her" else 2 if _followed(sentence, seen) else 3
    if not asked.romanian and low == "it":
        index = sentence.at(seen.start)
        return 0 if index is not None and sentence.words[index].dep.startswith("nsubj") else 1
    return _CASES["ro" if asked.romanian else "en"].get(low)


def _followed(sentence: Sentence, seen: Seen) -> bool:
    return bool(re.match(r"\s+\w", sentence.text[seen.end - sentence.start :]))


def _pronoun(asked: Asked, id: str, case: int) -> str | None:
    character = asked.characters.get(id)
    kind = "unknown" if character is None else "narrator" if character.kind == "narrator" else character.gender
    forms = _PRONOUNS["ro" if asked.romanian else "en"].get(kind)
    return None if forms is None else forms[case]


def _in_place(
    asked: Asked, sentence: Sentence, moved: Seen, text: str, place: Seen, start: int, owned: Mapping[Seen, bool]
) -> str:
    """The phrase `text` of mention `moved` as it stands in the place of the mention `place`."""
    index = sentence.at(moved.start)
    pos = "PROPN" if moved.kind == "name" else sentence.words[index].pos if index is not None else ""
    first = sentence.text[: start - sentence.start].strip(" \n\t“”\"‘'«„—–-") == ""
    if owned[moved] and moved.kind != "pronoun":
        text = moved.text
    if owned[place] and moved.kind != "pronoun" and not asked.romanian:
        text += "'s"
    if moved.kind == "pronoun" and owned[moved] and not owned[place]:
        text, pos = asked.name(moved.id), "PROPN"
    elif moved.kind == "pronoun":
        case = 2 if owned[place] else _case(asked, sentence, place)
        if case is None:
            case = 0 if place == min((moved, place)) and not _is_object(sentence, place) else 1
        text = _pronoun(asked, moved.id, case) or text
        pos = "PRON"
    return capital(text) if first else small(text, pos)


def _is_object(sentence: Sentence, seen: Seen) -> bool:
    index = sentence.at(_head_position(sentence, seen))
    return index is not None and sentence.words[index].dep.split(":")[0] in ("obj", "iobj", "obl")


def _other(asked: Asked, sentence: Sentence, seen: Seen, other: Seen) -> str | None:
    """A mention beside the two arguments, as it is said of the other one."""
    if seen.kind == "pronoun":
        case = _case(asked, sentence, seen)
        new = None if case is None else _pronoun(asked, other.id, case)
        if new is not None and seen.text[:1].isupper() and new != "I":
            new = capital(new)
        elif new == "I" or seen.text == "I":
            return new
        return new
    return other.text if other.kind == "name" and seen.kind == "name" else None


def _clitics(
    asked: Asked, sentence: Sentence, trigger: int | None, agent: str, patient: str
) -> list[tuple[int, int, str]]:
    """The Romanian pronoun that doubles the object: *îl* and *o* by the gender of who is the object now."""
    if trigger is None or agent not in asked.characters or patient not in asked.characters:
        return []
    old, new = asked.characters[patient].gender, asked.characters[agent].gender
    if old == new or not {old, new} <= {"m", "f"}:
        return []
    near = [
        index for index in range(max(0, trigger - 3), trigger) if sentence.words[index].text.casefold() in ("îl", "o")
    ]
    if near:
        word = sentence.words[near[-1]]
        text = "o" if word.text.casefold() == "îl" else "îl"
        return [(word.start, word.end, capital(text) if word.text[0].isupper() else text)]
    verb = sentence.words[trigger]
    before = sentence.text[: verb.start - sentence.start]
    after = sentence.text[verb.end - sentence.start :]
    if old == "m" and (match := re.search(r"\b([lL])-(a|au)\s+$", before)):
        start = sentence.start + match.start()
        aux = capital(match.group(2)) if match.group(1) == "L" else match.group(2)
        return [(start, sentence.start + match.end(2), aux), (verb.end, verb.end, "-o")]
    if old == "f" and after.startswith("-o") and (match := re.search(r"\b([aA]|[aA]u)\s+$", before)):
        start = sentence.start + match.start()
        aux = ("L-" if match.group(1)[0].isupper() else "l-") + match.group(1).casefold()
        return [(start, sentence.start + match.end(1), aux), (verb.end, verb.end + 2, "")]
    return []


_BE = {"was": ("was", "were"), "were": ("was", "were"), "is": ("is", "are"), "are": ("is", "are"), "am": ("is", "are")}
_OTHERS = {"has": ("has", "have"), "have": ("has", "have"), "does": ("does", "do"), "do": ("does", "do")}


def _agreement(
    asked: Asked, sentence: Sentence, trigger: int | None, agent: Seen, patient: Seen
) -> list[tuple[int, int, str]]:
    """The finite verb, where the new subject is of another person or number than the old one."""
    if asked.romanian or trigger is None:
        return []
    subject, other = (patient, agent) if _is_object(sentence, agent) else (agent, patient)
    old, new = _person(asked, subject), _person(asked, other)
    if old == new:
        return []
    verbs = [index for index in sentence.dependents(trigger, "aux") if index < trigger] or [trigger]
    word = sentence.words[verbs[0]]
    low = word.text.casefold()
    if low in _BE:
        past = low in ("was", "were")
        text = _BE[low][new == "plural"] if new != "I" else "was" if past else "am"
    elif low in _OTHERS:
        text = _OTHERS[low][new != "third"]
    elif verbs[0] == trigger and low == inflection.inflect(word.lemma, "3sg"):
        text = word.lemma
    elif verbs[0] == trigger and low == word.lemma and low != inflection.inflect(word.lemma, "past") and new == "third":
        text = inflection.inflect(word.lemma, "3sg")
    else:
        return []
    return [(word.start, word.end, text)] if text != low else []


def _person(asked: Asked, seen: Seen) -> str:
    character = asked.characters.get(seen.id)
    if character is not None and character.kind == "narrator":
        return "I"
    plural = seen.text.casefold() in ("they", "them") or (character is not None and character.kind == "group")
    return "plural" if plural else "third"
