"""Names and events that grammar alone tells: in languages without a corpus of fiction, and for unheard-of names."""

from collections.abc import Sequence

from gnomon.story.analysis import Entity, Token, Trigger


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PERSON_TITLES = _words(
    "mr mrs ms miss messrs sir lady lord dame dr doctor madame madam monsieur mme mlle captain colonel major general"
    " lieutenant sergeant professor father mother uncle aunt cousin king queen prince princess duke duchess count"
    " countess baron baroness brother sister reverend"
    " domnul domnului domnule doamna doamnei domnișoara cuconul cucoana jupîn jupînul jupîneasa vodă regele craiul"
    " împăratul prințul banul boierul postelnicul căpitanul generalul părintele moș mătușa nenea lui dl dna"
)
_PLACE_HEADS = _words(
    "street road square lane hill hall park house manor castle river lake sea island mount mountain valley bridge"
    " county city town village abbey cathedral bay cape forest"
    " strada orașul orașului satul satului muntele muntelui muntele podul valea rîul cetatea cetății țara țării"
    " mahalaua tîrgul dealul pădurea moșia mănăstirea biserica curtea"
)
_AT_PLACES = {
    "en": _words("in at into from near through towards toward across around beyond past inside outside"),
    "ro": _words("în din spre prin lîngă dintr- într- printr- dentr- den întru către dinspre"),
}
_AT_PERSONS = {
    "en": _words("with by for about against beside behind"),
    "ro": _words("cu pe lui pentru despre de"),
}
_GIVEN = _words("say speak talk write give whisper listen belong bow nod murmur cry turn reply zice spune da")
_NO_NAMES = _words(
    "january february march april may june july august september october november december monday tuesday wednesday"
    " thursday friday saturday sunday christmas easter god lord heaven bible chapter i o oh ah english french german"
    " ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie luni marți"
    " miercuri joi vineri sîmbătă duminică dumnezeu doamne capitolul"
)
_SUBJECTS = frozenset({"nsubj", "nsubj:pass", "iobj", "obl:agent", "vocative"})


def names(
    tokens: Sequence[Token], forms: Sequence[str], taken: set[int], language: str, *, all_names: bool
) -> list[Entity]:
    """Names by their capital letters in one sentence, where the words around say of what.

    `taken` are words that are part of an entity already. With `all_names` a name of which nothing is said is taken for
    a person's, and the first words of a sentence may be names too; without it only what the grammar vouches for, in
    mid-sentence, is given.
    """
    if not any(form.islower() for form in forms):
        return []  # a heading in capitals
    opening = openings(forms)
    found = []
    at = 0
    while at < len(tokens):
        first, opened = at, at in opening
        if at in taken or not _is_name(tokens[at], forms[at], opened):
            at += 1
            continue
        while at + 1 < len(tokens) and at + 1 not in taken and _is_name(tokens[at + 1], forms[at + 1], False):
            at += 1
        last = at
        at += 1
        if opened and not all_names:
            continue
        label = _label(tokens, forms, first, last, language)
        if label is None and all_names and not (opened and first == last):
            label = "PERSON"
        if label is not None:
            found.append(Entity(first, last, label, "name"))
    return found


def openings(forms: Sequence[str]) -> set[int]:
    """The words that have a capital for their place alone: the first, and those after an opening quote or a dash."""
    found = set()
    opening = True
    for at, form in enumerate(forms):
        if form[0].isalpha():
            if opening:
                found.add(at)
            opening = False
        else:
            opening = opening or form in _OPENS
    return found


_OPENS = frozenset({'"', "'", ":", "--", "...", ".", "!", "?", "("})


def _is_name(token: Token, form: str, opening: bool) -> bool:
    if not form[0].isalpha() or not form[0].isupper() or form.lower().rstrip(".") in _NO_NAMES:
        return False
    if form.lower().rstrip(".") in _PERSON_TITLES:
        return not opening or form.endswith(".")
    return token.pos == "PROPN" or (not opening and token.pos in ("NOUN", "X"))


def _label(tokens: Sequence[Token], forms: Sequence[str], first: int, last: int, language: str) -> str | None:
    """PERSON or PLACE by a title, a noun like street, the relation to the verb or the preposition before it."""
    before = forms[first - 1].lower().rstrip(".") if first else ""
    if forms[first].lower().rstrip(".") in _PERSON_TITLES or before in _PERSON_TITLES:
        return "PERSON"
    if before in _PLACE_HEADS or (last > first and forms[last].lower() in _PLACE_HEADS):
        return "PLACE"
    head = next((at for at in range(first, last + 1) if not first <= tokens[at].head <= last), last)
    case = next(
        (
            forms[at].lower()
            for at in range(first - 1, max(first - 4, -1), -1)
            if tokens[at].dep == "case" and first <= tokens[at].head <= last
        ),
        before if tokens[first - 1].pos == "ADP" and first else "",
    )
    if case in _AT_PLACES[language]:
        return "PLACE"
    if case in ("to", "la"):
        return "PERSON" if tokens[tokens[head].head].lemma.lower() in _GIVEN else "PLACE"
    if case in _AT_PERSONS[language]:
        return "PERSON"
    if tokens[head].dep in _SUBJECTS and not case:
        return "PERSON"
    return None


BY_RULE = 0.8
"""The probability of an event that is found by rule."""

_UNREAL = _words(
    "not n't never nu n- niciodată nici would could should may might must can will shall aș ar ați-ar dacă să"
)
_COMPOUND = _words("am ai a au ați -am -ai -a -au -ați")


def triggers(tokens: Sequence[Token], forms: Sequence[str], quoted: Sequence[bool]) -> list[Trigger]:
    """Verbs in the past that say what happened: Romanian simple perfect, pluperfect, and am/a/au with a participle.

    Neither negated nor conditional nor subjunctive, and not in the imperfect, which tells how things were.
    """
    words: list[list[str]] = [[] for _ in tokens]
    for at, token in enumerate(tokens):
        if token.head != at and token.dep in ("aux", "aux:pass", "advmod", "mark", "cop"):
            words[token.head].append(forms[at].lower())
    found = []
    for at, token in enumerate(tokens):
        if token.pos != "VERB" or quoted[at] or any(word in _UNREAL for word in words[at]):
            continue
        compound = "VerbForm=Part" in token.morph and any(word in _COMPOUND for word in words[at])
        if compound or "Tense=Past" in token.morph or "Tense=Pqp" in token.morph:
            found.append(Trigger(at, BY_RULE))
    return found
