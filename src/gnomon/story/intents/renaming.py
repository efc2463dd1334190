"""`rename`: every form of a name becomes that form of another one.

A name is taken apart into title, given names and surname. What changes of them is changed wherever it stands alone or
together, in capitals, as a possessive, in a Romanian case. What may be another's name is offered as `optional`.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gnomon.story import inflection
from gnomon.story.inflection import words_of
from gnomon.story.intents.asked import Asked, Change, Draft, IntentError, Seen, apart
from gnomon.story.records import Character, Place

_TITLES = words_of("""
    mr mrs ms miss dr doctor sir lady lord dame captain capt colonel col general gen major maj sergeant sgt
    lieutenant lt corporal private admiral commander count countess duke duchess baron baroness prince princess
    king queen emperor empress madame madam mademoiselle monsieur mme mlle señor señora don doña signor signora
    herr frau father mother brother sister aunt uncle reverend rev saint st professor prof judge squire master
    mistress inspector constable president deacon parson bishop pope old young little poor dear domnul domnului
    doamna doamnei domnişoara domnișoara d dl dna boier boierul vodă jupân jupânul jupâneasa căpitanul popa moş
    moș baba nea nenea coana conu cuconul cocoana regele regina împăratul craiul sfântul banul
""")
_WORD = re.compile(r"[^\W\d_]+(?:['’.-](?=[^\W\d_])[^\W\d_]+)*")


@dataclass(frozen=True)
class _Name:
    titles: tuple[str, ...]
    given: tuple[str, ...]
    surname: str


def _parts(name: str) -> _Name:
    words = name.split()
    titles = []
    while len(words) > 1 and words[0].rstrip(".").casefold() in _TITLES:
        titles.append(words.pop(0))
    if (
        len(words) == 1
        and titles
        and titles[-1].rstrip(".").casefold() not in ("aunt", "uncle", "old", "young", "little")
    ):
        return _Name(tuple(titles), (), words[0])
    return _Name(
        tuple(titles), tuple(words[:-1]) if len(words) > 1 else tuple(words), words[-1] if len(words) > 1 else ""
    )


def rename(asked: Asked) -> Draft:
    """Every form of the target's name as that form of `to`, one change for each place."""
    target = asked.target()
    to = re.sub(r"\s+", " ", asked.text("to"))
    if not any(each.isalpha() for each in to):
        raise IntentError("intent.to", f"{to!r} holds no letter, so it is no name.")
    old = _full_name(target)
    notes: list[str] = []
    words, pieces = _replacements(old, _without_article(to), target, notes)
    rest = _rest(asked, target, words)
    gender = target.gender if isinstance(target, Character) else "place"
    forms = _forms(asked, pieces, gender) if asked.romanian else {k: (v, "name", False) for k, v in pieces.items()}
    for nickname, new in rest.items():
        forms.setdefault(nickname, (new, "nickname", True))
    changes = _found(asked, target.id, forms)
    if not changes:
        notes.append(f"The name {target.name} stands nowhere in the text{' of the scope' if asked.scope else ''}.")
    named: list[Character | Place] = [*asked.characters.values(), *asked.places.values()]
    others = [each for each in named if each.id != target.id]
    taken = [each.name for each in others if to.casefold() in {name.casefold() for name in (each.name, *each.aliases)}]
    if taken:
        notes.append(f"{taken[0]} is already called {to}.")
    return Draft(tuple(changes), tuple(notes))


def _full_name(target: Character | Place) -> str:
    """The longest of the names that hold the one by which the target goes: *Anna Moss*, of *Anna*."""
    name = _without_article(target.name)
    if isinstance(target, Place):
        return name
    words = set(name.split())
    longer = [alias for alias in target.aliases if words < set(alias.split()) and len(_bare(alias)) > len(_bare(name))]
    return max(longer, key=lambda each: len(_bare(each)), default=name)


def _bare(name: str) -> tuple[str, ...]:
    """The given names and the surname."""
    parts = _parts(name)
    return (*parts.given, *((parts.surname,) if parts.surname else ()))


def _without_article(name: str) -> str:
    return re.sub(r"['’]s?$", "", re.sub(r"(?i)^(the|a|an)\s+(?=[A-Z])", "", name))


def _replacements(old: str, to: str, target: object, notes: list[str]) -> tuple[_Name, dict[str, str]]:
    """The words of the old name and, for each of its parts that may stand alone or together, the new text."""
    if not isinstance(target, Character):
        return _Name((), tuple(old.split()), ""), {old: to}
    a, b = _parts(old), _parts(to)
    given = " ".join(b.given) or " ".join(a.given)
    surname = b.surname or a.surname
    if a.surname and not a.given and not b.surname:  # Mr. Moss, renamed to Reed
        given, surname = "", to if not b.titles else b.given[-1]
    found: dict[str, str] = {}
    full = " ".join((*a.given, a.surname)).strip()
    if a.given and a.surname:
        found[full] = f"{given} {surname}".strip()
        if not b.surname:
            notes.append(f"The surname {a.surname} stays; give a given name and a surname to change both.")
    if a.given:
        whole = " ".join(a.given)
        found[whole] = given if a.surname or not b.surname else f"{given} {surname}"
        if len(a.given) > 1:
            found[a.given[0]] = b.given[0] if b.given else a.given[0]
            if a.surname:
                found[f"{a.given[0]} {a.surname}"] = f"{b.given[0] if b.given else a.given[0]} {surname}"
    if a.surname:
        found[a.surname] = surname
    if b.titles and a.titles and b.titles != a.titles:
        for key, new in list(found.items()):
            found[f"{' '.join(a.titles)} {key}"] = f"{' '.join(b.titles)} {new}"
    return a, {key: new for key, new in found.items() if key and key != new}


def _rest(asked: Asked, target: object, words: _Name) -> dict[str, str]:
    """Nicknames: names of the target that share no word with its full name, and what they would become."""
    if not isinstance(target, Character):
        return {}
    known = {each.casefold() for each in (*words.given, words.surname)}
    b = _parts(_without_article(re.sub(r"\s+", " ", asked.text("to"))))
    new = (b.given or (b.surname,))[0]
    found = {}
    for alias in target.aliases:
        own = _parts(re.sub(r"['’]s?$", "", alias))
        if len(own.given) == 1 and own.given[0][:1].isupper() and own.given[0].casefold() not in known:
            alone = own.given[0]
            inflected = any(
                alone.casefold() == form.text.casefold()
                for each in (*words.given, words.surname)
                if each
                for form in inflection.name_forms(each)
            )
            if not inflected and alone != new and not own.surname:
                found[alone] = new
    return found


Forms = Mapping[str, tuple[str, str, bool]]
"""What stands there: what it becomes, what it is called in the reason, and whether it is optional."""


def _forms(asked: Asked, pieces: Mapping[str, str], gender: str) -> dict[str, tuple[str, str, bool]]:
    """The Romanian forms of each piece: cases, and calling out."""
    found: dict[str, tuple[str, str, bool]] = {}
    for old, new in pieces.items():
        found[old] = (new, "name", False)
        first, *others = old.split()
        new_first, *new_others = new.split()
        tail, new_tail = (" ".join(["", *rest]) for rest in (others, new_others))
        for form in inflection.name_forms(first):
            if form.kind == "genitive" and gender != "m":
                if inflection.takes_genitive_ending(new_first, gender):
                    text = _same_pattern(form.text, first, new_first)
                else:
                    text = f"lui {new_first}"
                found.setdefault(form.text + tail, (text + new_tail, "genitive", False))
            elif form.kind == "genitive":
                ends = new_first.casefold().endswith(("a", "ă"))
                text = inflection.genitive(new_first) if ends else f"lui {new_first}"
                found.setdefault(form.text + tail, (text + new_tail, "genitive", False))
            elif form.kind == "vocative" and gender != "place":
                found.setdefault(form.text + tail, (inflection.vocative(new_first) + new_tail, "vocative", False))
        if gender == "f" and inflection.takes_genitive_ending(new_first, gender):
            found[f"lui {old}"] = (inflection.genitive(new_first) + new_tail, "genitive", False)
        if gender == "place" and first[-1:].casefold() not in "aăei":
            for suffix in ("ul", "ului") if not first.endswith("u") else ("l", "lui"):
                found.setdefault(
                    first + suffix + tail, (_with_article(new_first, suffix) + new_tail, "genitive", False)
                )
    return {key: value for key, value in found.items() if key != value[0]}


def _same_pattern(form: str, old: str, new: str) -> str:
    """The genitive of the new name as the text writes that of the old one, where both end alike."""
    regular = inflection.genitive(new)
    if form == inflection.genitive(old) or old[-2:].casefold() != new[-2:].casefold():
        return regular
    return new[:-1] + form[len(old) - 1 :]


def _with_article(name: str, suffix: str) -> str:
    low = name.casefold()
    ending = suffix.removeprefix("u")
    if low.endswith(("a", "ă", "e", "i")):
        return name if ending == "l" else inflection.genitive(name)
    return name + ending if low.endswith("u") else f"{name}u{ending}"


_FOLD = str.maketrans({"ş": "ș", "ţ": "ț", "Ş": "Ș", "Ţ": "Ț", "ĭ": "i", "Ĭ": "I", "ŭ": "u", "Ŭ": "U", "’": "'"})


def _found(asked: Asked, target: str, forms: Forms) -> list[Change]:
    """Where the forms stand in the text, and whose they are there."""
    if not forms:
        return []
    folded = {key.translate(_FOLD): key for key in forms}
    capitals = {key.upper(): key for key in folded if len(key) > 1 and key.upper() != key}
    known = [*folded, *capitals]
    alternation = "|".join(re.escape(each).replace(r"\ ", r"\s+") for each in sorted(known, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)(?<!\w')(?P<name>{alternation})(?!\w)(?P<owner>'s?(?!\w))?")
    text = asked.story.text
    searched = text.translate(_FOLD)
    start, end = asked.scope or (0, len(text))
    mentions = asked.mentions
    starts = [seen.start for seen in mentions]
    longest = max((seen.end - seen.start for seen in mentions), default=0)
    used_small = set(re.findall(r"\b[a-zăâîșț]+\b", searched)) if any(" " not in f for f in folded) else set()
    shared = _shared_words(asked, target)
    changes = []
    for match in pattern.finditer(searched, start, end):
        bare, stop = match.group("name"), match.end("name")
        key = re.sub(r"\s+", " ", bare)
        upper = key not in folded
        form = folded[capitals[key]] if upper else folded[key]
        new, kind, optional = forms[form]
        reason = "the name" if kind == "name" else f"the name, {kind}"
        holders = _holders(mentions, starts, longest, match.start(), stop)
        owners = {seen.id for seen in holders if seen.kind == "name"}
        if target not in owners:
            low = form.casefold()
            if _part_of_another(searched, match.start(), stop):
                optional, reason = True, "part of a name with a hyphen"
                if owners:
                    continue
            if owners:
                if any(low in shared.get(owner, ()) for owner in owners):
                    optional, reason = True, f"the same name, of {asked.name(sorted(owners)[0])}"
                else:
                    continue
            elif low in used_small and _begins(searched, match.start()):
                optional, reason = True, "may be the ordinary word"
            elif any(low in words for words in shared.values()):
                optional, reason = True, "the name alone, which others bear as well"
        if upper:
            new = new.upper()
        possessive = match.group("owner")
        end_of_change = stop
        if possessive == "'" and re.search(r"(?i)[sxz]$", bare) and _is_possessive(searched, match.start(), stop):
            end_of_change = stop + 1
            new, reason = new + text[stop] + ("S" if upper else "s"), f"{reason}, possessive"
        elif possessive == "'s":
            reason = f"{reason}, possessive"
        new = _as_wrapped(text[match.start() : stop], new)
        if text[match.start() : end_of_change] != new:
            changes.append(Change(match.start(), end_of_change, new, reason, optional, True))
    changes += _families(asked, target, forms, searched)
    changes += _decomposed(asked, target, forms)
    return apart(changes)


def _decomposed(asked: Asked, target: str, forms: Forms) -> list[Change]:
    """Mentions whose accents are characters of their own, which the search above does not see."""
    start, end = asked.scope or (0, len(asked.story.text))
    found = []
    for seen in asked.mentions:
        if seen.id == target and seen.kind == "name" and start <= seen.start and seen.end <= end:
            composed = unicodedata.normalize("NFC", seen.text)
            if composed != seen.text and composed in forms:
                found.append(Change(seen.start, seen.end, forms[composed][0], "the name", False, True))
    return found


def _as_wrapped(old: str, new: str) -> str:
    """The new name with the old one's line end, where a line wrapped by hand ends inside it."""
    gap = re.search(r"\s+", old)
    return new.replace(" ", gap.group(), 1) if gap and gap.group() != " " else new


def _holders(mentions: Sequence[Seen], starts: list[int], longest: int, start: int, end: int) -> list[Seen]:
    """The mentions that share a character with the span."""
    found = []
    index = bisect_right(starts, end - 1) - 1
    while index >= 0 and mentions[index].start >= start - longest:
        if mentions[index].end > start:
            found.append(mentions[index])
        index -= 1
    return found


def _shared_words(asked: Asked, target: str) -> dict[str, set[str]]:
    """For every other character and place, the words of its names."""
    return {
        each.id: {word.casefold() for name in (each.name, *each.aliases) for word in name.split()}
        for group in (asked.characters, asked.places)
        for each in group.values()
        if each.id != target
    }


def _part_of_another(text: str, start: int, end: int) -> bool:
    """Whether a hyphen ties the name to another word with a capital."""
    behind = re.match(r"[-‑]\w", text[end : end + 2]) is not None and text[end + 1].isupper()
    first = re.search(r"(\w+)[-‑]$", text[max(0, start - 30) : start])
    return behind or (first is not None and first.group(1)[0].isupper())


def _begins(text: str, start: int) -> bool:
    """Whether a sentence begins there, where every word has a capital."""
    before = text[max(0, start - 8) : start]
    return not before.strip() or bool(re.search(r"(?:[.!?:…\n“\"«„(—–-]|[.!?]['\"”’»])\s*[“\"'«„]?$", before))


def _is_possessive(text: str, start: int, stop: int) -> bool:
    """Whether an apostrophe after a name in -s makes it a possessive, and does not close a quotation."""
    line = text[text.rfind("\n", 0, start) + 1 : start]
    opening = max((match.end() for match in re.finditer(r"(?:^|[\s(—])'(?=\w)", line)), default=-1)
    closing = max((match.end() for match in re.finditer(r"\w[.,!?]?'(?=\s|$)", line)), default=-1)
    return opening <= closing and bool(re.match(r"'\s+[a-z]", text[stop : stop + 4]))


def _families(asked: Asked, target: str, forms: Forms, searched: str) -> list[Change]:
    """*the Bennets*: a surname in the plural is others' as well."""
    if asked.romanian or target not in asked.characters:
        return []
    surname = _parts(_without_article(asked.characters[target].name)).surname
    if not surname or surname not in forms:
        return []
    new = forms[surname][0]
    plural = _plural(surname)
    found = []
    start, end = asked.scope or (0, len(searched))
    for match in re.finditer(rf"(?<!\w){re.escape(plural)}(?!\w)", searched[:end]):
        if match.start() >= start:
            found.append(Change(match.start(), match.end(), _plural(new), "the family", True, True))
    return found


def _plural(name: str) -> str:
    return name + ("es" if re.search(r"(?i)(s|x|z|ch|sh)$", name) else "s")
