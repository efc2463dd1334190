"""`change_event` and `add_event`: another verb in the form of the old one, and a clause for a new event."""

import re
from collections import Counter

from gnomon.story import inflection
from gnomon.story.intents.asked import Asked, Change, Draft, IntentError
from gnomon.story.intents.moving import gap_at, place_named, place_phrase
from gnomon.story.intents.reading import Sentence, capital, sentence_at
from gnomon.story.records import Character

_PERFECT_AUXILIARIES = ("a", "au", "am", "ai", "ați", "aţi", "o", "l-a", "s-a", "le-a", "i-a")


def change_event(asked: Asked) -> Draft:
    """The trigger of the event as `verb` in the same form; a particle of the old verb goes with it."""
    event = asked.event()
    verb = re.sub(r"\s+", " ", asked.text("verb"))
    verb = re.sub(r"^(to|a) (?=\w)", "", verb)
    sentence = sentence_at(asked, event.start)
    index = sentence.at(event.start)
    old = asked.story.text[event.start : event.end]
    notes: list[str] = []
    if index is None:
        new = verb
    elif sentence.words[index].pos not in ("VERB", "AUX", ""):
        new = verb
        notes.append(f"“{old}” is no verb here, so “{verb}” is put as it is.")
    elif asked.romanian:
        new = _romanian(sentence, index, verb)
    else:
        word = sentence.words[index]
        form = inflection.form_of(old, word.lemma or event.verb, word.morph, after_auxiliary=sentence.auxiliary(index))
        new = inflection.inflect(verb, form)
    new = new.upper() if old.isupper() and len(old) > 1 else capital(new) if old[:1].isupper() else new
    reason = f"“{event.verb}” becomes “{verb}”"
    changes = [Change(event.start, event.end, new, reason)] if new != old else []
    if index is not None:
        for particle in sentence.dependents(index, "compound"):
            word = sentence.words[particle]
            if word.dep == "compound:prt" and particle > index:
                before = sentence.words[particle - 1].end
                changes.append(Change(before, word.end, "", f"“{word.text}” belongs to “{event.verb}”"))
        cases = [each for each in sentence.dependents(index, "obl") if sentence.dependents(each, "case")]
        for each in cases[:1]:
            case = sentence.words[sentence.dependents(each, "case")[0]].text
            notes.append(f"“{case}” goes with “{event.verb}”, and may not go with “{verb}”.")
    return Draft(tuple(changes), tuple(notes))


def _romanian(sentence: Sentence, index: int, verb: str) -> str:
    word = sentence.words[index]
    before = sentence.words[index - 1].text.casefold() if index else ""
    auxiliary = before in _PERFECT_AUXILIARIES or bool(sentence.dependents(index, "aux"))
    form = inflection.form_of_ro(word.text, word.morph, after_auxiliary=auxiliary)
    plural = "Number=Plur" in word.morph or bool(re.search(r"(ră|au)$", word.text.casefold()))
    return inflection.inflect_ro(verb, form, plural=plural)


def add_event(asked: Asked) -> Draft:
    """A sentence of its own: *Anna kissed Marcus in the garden.*, after that of the event `after` or at the end."""
    agent = asked.character("agent")
    verb = re.sub(r"^(to|a) (?=\w)", "", re.sub(r"\s+", " ", asked.text("verb")))
    patient = _whom(asked)
    where = ""
    if asked.intent.get("place") is not None:
        place, name = place_named(asked)
        where = " ".join(place_phrase(asked, place, name))
    clause = _clause(asked, agent, verb, patient, where)
    reason = f"{agent.name}: “{verb}”"
    notes = ["A person's form of a Romanian verb is put by rule; read it again."] if asked.romanian else []
    if asked.intent.get("after") is not None:
        span = asked.sentence_at(asked.event("after").start)
        return Draft(
            (Change(span.end, span.end, gap_at(asked, span.end, "after") + clause, reason, False, True),), tuple(notes)
        )
    sentences = asked.story.sentences
    last = asked.sentence_at(asked.scope[1] - 1) if asked.scope and sentences else sentences[-1] if sentences else None
    if last is None:
        return Draft((Change(0, 0, clause, reason, False, True),), tuple(notes))
    return Draft((Change(last.end, last.end, f" {clause}", reason, False, True),), tuple(notes))


def _whom(asked: Asked) -> Character | str | None:
    """The patient: a character, a place's name, or what the writer calls it (*the letter*)."""
    given = asked.intent.get("patient")
    if given is None:
        return None
    if isinstance(given, str) and " " in given.strip() and given not in asked.characters:
        return asked.text("patient")
    if given in asked.places:
        return asked.places[given].name
    return asked.character("patient")


def _clause(asked: Asked, agent: Character, verb: str, patient: Character | str | None, where: str) -> str:
    present = _present(asked)
    narrator = agent.kind == "narrator"
    object_ = patient.name if isinstance(patient, Character) else patient or ""
    if isinstance(patient, Character) and patient.kind == "narrator":
        object_ = "mine" if asked.romanian else "me"
    if agent is patient:
        object_ = {"m": "himself", "f": "herself", "n": "itself"}.get(agent.gender, "themselves")
    if asked.romanian:
        return capital(" ".join(filter(None, (_clause_ro(agent, verb, patient, object_, present), where)))) + "."
    if narrator or agent.kind == "group":
        told = inflection.inflect(verb, "base" if present else "past")
    else:
        told = inflection.inflect(verb, "3sg" if present else "past")
    subject = "I" if narrator else _with_the(agent.name)
    return capital(" ".join(filter(None, (subject, told, _with_the(object_), where)))) + "."


def _clause_ro(agent: Character, verb: str, patient: Character | str | None, object_: str, present: bool) -> str:
    subject = "" if agent.kind == "narrator" else agent.name
    if isinstance(patient, Character) and patient.kind != "narrator":
        object_ = f"pe {object_}"
    if present or agent.kind == "narrator":
        clitic = ("o" if patient.gender == "f" else "îl") if isinstance(patient, Character) else ""
        told = inflection.inflect_ro(verb, "present") if present else f"am {inflection.inflect_ro(verb, 'participle')}"
        return " ".join(filter(None, (subject, clitic if present else "", told, object_)))
    participle = inflection.inflect_ro(verb, "participle")
    if isinstance(patient, Character):
        told = f"a {participle}-o" if patient.gender == "f" else f"l-a {participle}"
    else:
        told = f"a {participle}"
    return " ".join(filter(None, (subject, told, object_)))


def _with_the(name: str) -> str:
    """A name as it stands in a sentence: *the old woman*, but *Anna*."""
    if name[:1].islower() and not re.match(
        r"(the|a|an|his|her|their|my|our|me|him|himself|herself|itself|themselves)\b", name
    ):
        return f"the {name}"
    return name


def _present(asked: Asked) -> bool:
    """Whether the story is told in the present, by the events around the place of the new one."""
    events = asked.extraction.events
    if asked.intent.get("after") is not None:
        at = asked.event("after").narrated
        events = tuple(each for each in events if abs(each.narrated - at) <= 4)
    seen: Counter[bool] = Counter()
    for event in events[:12]:
        sentence = sentence_at(asked, event.start)
        index = sentence.at(event.start)
        if index is not None:
            morph = sentence.words[index].morph
            if "Tense=Pres" in morph and "VerbForm=Fin" in morph:
                seen[True] += 1
            elif "Tense=" in morph:
                seen[False] += 1
    return seen[True] > seen[False]


def need_provider(asked: Asked) -> Draft:
    """What only a model can write."""
    raise IntentError(
        "provider", f"{asked.op} needs a provider, and none was given; the built-in editor writes no prose."
    )
