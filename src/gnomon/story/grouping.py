"""Which names are one person: the forms of a story's names, what each names, and who bears several of them.

Rules, each the answer to a mistake that is easy to make: a title is no part of the name, yet Mr. and Mrs. X are two, as
are Mrs. and Miss X; a given name or surname alone joins a full name only where one person bears it; a surname alone is
a man's before it is his wife's; nicknames join; genders never mix; a word that the story also writes without a capital
is no name unless it stands capitalised inside sentences.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from gnomon.story.mentions import LocalMention
from gnomon.story.names import (
    ANIMAL_NOUNS,
    CLASHES,
    NAME_GENDER,
    NICKNAMES,
    NOT_NAMES,
    PLACE_WORDS,
    NameParts,
    base_forms,
    fold,
    parse_name,
    same_given,
    slug,
    words_of,
)
from gnomon.story.records import Gender

_PLACE_PREPOSITIONS = words_of(
    "in at to into from near through towards toward within beyond around across "
    "în la din spre prin lângă către dinspre până"
)


class Form:
    """One way of writing a name, over the whole story, and what speaks for its being a person's or a place's."""

    __slots__ = (
        "acts", "count", "drop", "first", "gender", "inside", "key", "kind", "located", "parts", "person", "place",
        "plural", "text", "trusted",
    )  # fmt: skip

    def __init__(self, text: str, key: str, first: tuple[int, int]) -> None:
        self.text, self.key, self.first = text, key, first
        self.count = self.inside = self.person = self.place = self.acts = self.located = self.plural = 0
        self.gender = {"m": 0, "f": 0}
        self.kind = ""  # person, place, or nothing
        self.trusted = False
        self.drop = 0  # words before the name: "Poor Alice"
        self.parts: NameParts = parse_name(text)


class Referent:
    """Somebody who can be spoken of: what is known of them, and where in the reading they were met last."""

    __slots__ = (
        "count", "fixed", "forms", "gender", "id", "key", "kind", "last_kind", "last_paragraph", "last_role",
        "last_sentence", "last_spoken", "last_verb", "name", "nominals", "nominals_met", "plural", "possessor",
        "pronouns_met", "scene", "source", "speeches", "subject_sentence", "trust",
    )  # fmt: skip

    def __init__(self, name: str, gender: Gender = "unknown", kind: str = "person") -> None:
        self.name, self.gender, self.kind = name, gender, kind
        self.id = ""
        self.forms: list[Form] = []
        self.nominals: set[str] = set()
        self.key = ""
        self.possessor: Referent | None = None
        self.source = "auto"
        self.fixed = False  # kept, however rarely met
        self.plural = kind == "group"
        self.trust = 0.9
        self.scene = -1
        self.forget()

    def forget(self) -> None:
        """As before the first page."""
        self.count = self.nominals_met = self.pronouns_met = self.speeches = 0
        self.last_sentence = self.subject_sentence = -1000
        self.last_paragraph = -1
        self.last_role = self.last_kind = 0
        self.last_verb = -1
        self.last_spoken = -1


def collect_forms(records: Sequence[Any], headings: Container[int] = ()) -> tuple[dict[str, Form], dict[str, Form]]:
    """All names: by their key as mentioned, and by their folded key without article.

    In `headings` every word may be capitalised: a name only met there is no evidence of anything.
    """
    by_text: dict[str, Form] = {}
    forms: dict[str, Form] = {}
    for number, record in enumerate(records):
        for mention in record.mentions:
            if mention.kind != "name":
                continue
            text = mention.text
            form = by_text.get(text)
            if form is None:
                form = by_text[text] = _form(text, forms, number, mention)
            if number in headings:
                continue
            form.count += 1
            if not mention.initial:
                form.inside += 1
            label = mention.label
            if label == "PERSON":
                form.person += 1
            elif label == "PLACE":
                form.place += 1
            if mention.gender in form.gender:
                form.gender[mention.gender] += 1
            role = mention.role
            if role == "subject" or role == "vocative" or role == "possessive":
                form.acts += 2 if mention.speaks else 1
            elif role == "oblique" and mention.first and _after_preposition(record, mention):
                form.located += 1
            if mention.number == "plur":
                form.plural += 1
    return by_text, forms


def _form(text: str, forms: dict[str, Form], paragraph: int, mention: LocalMention) -> Form:
    name = text
    if name.isupper() and len(name) > 3:
        name = name.title()
    if name[:4] in ("The ", "the "):
        name = name[4:]
    key = " ".join(word.rstrip(".") for word in fold(name).split())
    if key not in forms:
        forms[key] = Form(name, key, (paragraph, mention.start))
    return forms[key]


def _after_preposition(record: Any, mention: LocalMention) -> bool:
    tokens = record.analysis.tokens
    before = tokens[mention.first - 1]
    if before.pos == "DET" and mention.first > 1:
        before = tokens[mention.first - 2]
    return before.lemma.casefold() in _PLACE_PREPOSITIONS


def judge_forms(text: str, forms: dict[str, Form]) -> None:
    """Set `kind` of every form, by its own evidence and by how often its words stand without a capital."""
    wanted = {word for key in forms for word in key.split()}
    lower: dict[str, int] = {}
    for word in text.split():
        if word in wanted:
            lower[word] = lower.get(word, 0) + 1
    for form in forms.values():
        _judge(form, lower)
    people = {key: form for key, form in forms.items() if form.kind}
    for form in forms.values():
        words = form.key.split()
        if len(words) > 1 and not form.parts.titles:
            _strip(form, words, lower, people)


def _judge(form: Form, lower: dict[str, int]) -> None:
    words = form.key.split()
    parts = form.parts
    labelled = form.person + form.place
    if not form.count:
        return
    if not parts.words:
        # A title alone ("the Duchess") is a name where it is written as one.
        named = form.inside >= 2 and form.inside > lower.get(form.key, 0) and form.key not in NOT_NAMES
        form.kind = "person" if named else ""
        form.trusted = form.kind != ""
        return
    if parts.titles and form.place <= form.person:
        form.kind, form.trusted = "person", True
        return
    single = len(words) == 1
    if single:
        seen = lower.get(words[0], 0)
        if words[0] in NOT_NAMES and not (form.person >= 3 and form.person * 2 > form.count and seen == 0):
            return
        if seen and not (form.inside >= 2 and form.inside * 3 >= seen):
            return
        if not form.inside and seen:
            return
    elif all(word in NOT_NAMES for word in words):
        return
    where = form.located * 3 >= form.count and form.acts * 4 <= form.count
    if where and form.count >= 4 and words[0] not in NAME_GENDER:
        form.kind, form.trusted = "place", form.place > 0  # spoken of as a place is, whatever the pack makes of it
    elif words[-1] in PLACE_WORDS and not single and form.place >= form.person:
        form.kind, form.trusted = "place", form.place > 0
    elif labelled and (labelled >= 0.25 * form.count or labelled >= 4):
        form.kind = "person" if form.person >= form.place else "place"
        if form.person == form.place and form.located > form.acts:
            form.kind = "place"
        form.trusted = form.inside > 0 or labelled > 1
        if not form.inside and form.count == 1 and single and words[0] not in NAME_GENDER and not form.acts:
            form.trusted = False
    elif words[0] in NAME_GENDER and (form.inside or form.acts):
        form.kind, form.trusted = "person", True
    elif form.located * 2 >= form.count and form.located > form.acts:
        form.kind = "place"
    elif form.acts and (form.inside or form.count > 1) and form.acts * 3 >= form.count:
        form.kind = "person"


def _strip(form: Form, words: list[str], lower: dict[str, int], people: dict[str, Form]) -> None:
    """Words before a name that are none of it: "Poor Alice", "Then Alice"."""
    for drop in range(1, len(words)):
        if words[drop - 1] in NAME_GENDER and form.kind:
            return
        rest = people.get(" ".join(words[drop:]))
        if rest is None:
            continue
        ordinary = all(lower.get(word, 0) or word in NOT_NAMES for word in words[:drop])
        if not form.kind or (ordinary and (not form.inside or rest.count > 3 * form.count)):
            form.kind = rest.kind
            form.drop = drop
            form.key = rest.key
        return


def group_people(forms: Iterable[Form], romanian: bool) -> list[Referent]:
    """Everybody named, in the order of their first mention."""
    people = [form for form in forms if form.kind == "person" and not form.drop]
    groups: list[Referent] = []
    plain: list[Form] = []
    for form in sorted(people, key=lambda each: each.first):
        if form.plural * 2 > form.count:
            group = Referent(form.text, kind="group")
            group.forms.append(form)
            groups.append(group)
        else:
            plain.append(form)
    based = _inflected(plain) if romanian else {}
    board = _Board()
    rest = [form for form in plain if form not in based]
    for accept, place in (
        (lambda parts: bool(parts.given and parts.surname), board.full),
        (lambda parts: bool(parts.titles and parts.surname and not parts.given), board.titled_surname),
        (lambda parts: bool(parts.titles and parts.bare), board.titled_bare),
        (lambda parts: not parts.titles and not (parts.given and parts.surname), board.bare),
        (lambda parts: bool(parts.titles and not parts.words), board.title_alone),
    ):
        chosen = [form for form in rest if accept(form.parts)]
        for form in sorted(chosen, key=lambda each: (-len(each.parts.words), -each.count, each.first)):
            place(form)
    for form, base in based.items():
        board.of_form[base].inflected.append(form)
    groups.extend(cluster.referent() for cluster in board.clusters)
    return sorted(groups, key=lambda group: min(form.first for form in group.forms))


def _inflected(forms: list[Form]) -> dict[Form, Form]:
    """Romanian case forms to the form they are of; chains end at a form that is none itself."""
    by_key = {form.key: form for form in forms}
    found: dict[Form, Form] = {}
    for form in forms:
        words = form.key.split()
        options = [
            other
            for place, word in enumerate(words)
            for base in base_forms(word)
            if (other := by_key.get(" ".join([*words[:place], base, *words[place + 1 :]]))) and other is not form
        ]
        better = [other for other in options if (other.count, len(form.key)) > (0, len(other.key) - 3)]
        if better:
            found[form] = max(better, key=lambda each: (each.count, -each.first[0], -each.first[1]))
    ends: dict[Form, Form] = {}
    for form in found:
        seen = {form}
        end = found[form]
        while end in found and found[end] not in seen:
            seen.add(end)
            end = found[end]
        if end not in found:
            ends[form] = end
    return ends


class _Cluster:
    """Forms that are one person's."""

    def __init__(self, form: Form) -> None:
        self.forms: list[Form] = []
        self.inflected: list[Form] = []  # case forms, which are names of the person but not the person's name
        self.givens: set[str] = set()
        self.surnames: set[str] = set()
        self.titles: set[str] = set()
        self.bare = ""
        self.gender: Gender = "unknown"
        self.take(form)

    def take(self, form: Form) -> None:
        parts = form.parts
        self.forms.append(form)
        if parts.given:
            self.givens.add(parts.given)
        if parts.surname:
            self.surnames.add(parts.surname)
        if parts.title:
            self.titles.add(parts.title)
        if self.gender == "unknown":
            self.gender = _gender(form)

    @property
    def count(self) -> int:
        return sum(form.count for form in self.forms)

    def suits(self, form: Form) -> bool:
        """No clash of gender or title."""
        gender = _gender(form)
        if "unknown" not in (gender, self.gender) and gender != self.gender:
            return False
        title = form.parts.title
        return not any(frozenset((title, mine)) in CLASHES for mine in self.titles)

    def referent(self) -> Referent:
        order = sorted(self.forms, key=lambda each: (-each.count, each.first))
        best = next((form for form in order if form.count * 10 >= order[0].count * 9 and form.parts.given), order[0])
        made = Referent(best.text, self.gender)
        made.forms = order + self.inflected
        words = {form.parts.words[-1] for form in self.forms if form.parts.words}
        if words and words <= ANIMAL_NOUNS:
            made.kind = "animal"
        labelled = sum(form.person for form in self.forms)
        made.trust = 0.95 if self.titles or labelled > 2 else 0.8 if any(form.trusted for form in self.forms) else 0.5
        return made


def _gender(form: Form) -> Gender:
    if form.parts.gender != "unknown":
        return form.parts.gender
    men, women = form.gender["m"], form.gender["f"]
    return "m" if men > women else "f" if women > men else "unknown"


class _Board:
    """The clusters so far, and the steps that place one more form."""

    def __init__(self) -> None:
        self.clusters: list[_Cluster] = []
        self.of_form: dict[Form, _Cluster] = {}
        self.by_surname: dict[str, list[_Cluster]] = {}
        self.by_given: dict[str, list[_Cluster]] = {}

    def put(self, form: Form, cluster: _Cluster | None) -> _Cluster:
        if cluster is None:
            cluster = _Cluster(form)
            self.clusters.append(cluster)
        else:
            cluster.take(form)
        self.of_form[form] = cluster
        for index, word in ((self.by_surname, form.parts.surname), (self.by_given, form.parts.given)):
            if word and cluster not in index.setdefault(word, []):
                index[word].append(cluster)
        return cluster

    def full(self, form: Form) -> None:
        """`Elizabeth Bennet`, `Mr. Fitzwilliam Darcy`."""
        suiting = [
            cluster
            for cluster in self.by_surname.get(form.parts.surname, ())
            if any(same_given(form.parts.given, given) for given in cluster.givens) and cluster.suits(form)
        ]
        self.put(form, suiting[0] if len(suiting) == 1 else None)

    def titled_surname(self, form: Form) -> None:
        """`Mr. Darcy`, `Mrs. Bennet`, `Captain Ahab`."""
        same = self.by_surname.get(form.parts.surname, [])
        exact = [each for each in same if each.bare == "" and not each.givens and form.parts.title in each.titles]
        if exact:
            self.put(form, exact[0])
            return
        suiting = [cluster for cluster in same if cluster.suits(form)]
        title = form.parts.title
        if title == "mrs":
            # Only who is called Mrs. with her own given name: daughters bear the surname too.
            suiting = [cluster for cluster in suiting if "mrs" in cluster.titles]
        elif title == "rank":
            suiting = [cluster for cluster in suiting if cluster.titles.isdisjoint(("mrs", "miss"))]
        elif title in ("mr", "sir"):
            suiting = [cluster for cluster in suiting if cluster.gender != "f"]
        self.put(form, suiting[0] if len(suiting) == 1 else None)

    def titled_bare(self, form: Form) -> None:
        """`Lady Catherine`, `Miss Bingley`, `Aunt Polly`: the word is a given name or a surname."""
        word, title = form.parts.bare, form.parts.title
        given = [
            cluster
            for cluster in self._given(word)
            if cluster.suits(form) and (not cluster.titles or title in cluster.titles or title in ("miss", "kin"))
        ]
        if len(given) == 1:
            self.put(form, given[0])
            return
        named = [cluster for cluster in self.by_surname.get(word, ()) if cluster.suits(form)]
        if title in ("miss", "kin"):
            named = [cluster for cluster in named if cluster.gender == form.parts.gender]
        else:
            named = [cluster for cluster in named if title in cluster.titles]
        if len(named) == 1 and not given:
            self.put(form, named[0])
            return
        cluster = self.put(form, None)
        index = self.by_surname if word in self.by_surname and word not in self.by_given else self.by_given
        if word in NAME_GENDER:
            index = self.by_given
        index.setdefault(word, []).append(cluster)
        (cluster.surnames if index is self.by_surname else cluster.givens).add(word)

    def bare(self, form: Form) -> None:
        """`Elizabeth`, `Darcy`, `Lizzy`, or a name of one word."""
        word = form.parts.bare or form.parts.surname
        # Nobody calls a Lady Catherine Catherine, let alone Kitty.
        given = [cluster for cluster in self._given(word) if cluster.suits(form) and "lady" not in cluster.titles]
        named = [cluster for cluster in self.by_surname.get(word, ()) if cluster.suits(form)]
        chosen: _Cluster | None = None
        if given and named:
            # Colonel Fitzwilliam, thirty times, before Fitzwilliam Darcy, once.
            first = sum(
                each.count for cluster in given for each in cluster.forms if word in (each.parts.given, each.parts.bare)
            )
            last = sum(each.count for cluster in named for each in cluster.forms if each.parts.surname == word)
            if first > 2 * last:
                named = []
            elif last > 2 * first:
                given = []
        if given and named:
            chosen = given[0] if len(given) == 1 and word in NAME_GENDER else None
        elif given:
            chosen = given[0] if len(given) == 1 else None
        elif named:
            men = [each for each in named if each.gender == "m" or each.titles & {"mr", "rank", "sir"}]
            free = [each for each in named if each.titles.isdisjoint(("mrs", "miss", "lady"))]
            top = max(men, key=lambda each: each.count, default=None)
            if top is not None and all(each is top or each.count * 4 < top.count for each in men):
                chosen = top
            elif not men and len(free) == 1 and len(named) == 1:
                chosen = free[0]
        cluster = self.put(form, chosen)
        if chosen is None:
            cluster.bare = word
            cluster.givens.add(word)
            self.by_given.setdefault(word, []).append(cluster)

    def title_alone(self, form: Form) -> None:
        """`the Duchess`: of the only Duchess with a name, else somebody of that title."""
        word = form.parts.titles[-1]
        bearers = [cluster for cluster in self.clusters if any(word in each.parts.titles for each in cluster.forms)]
        self.put(form, bearers[0] if len(bearers) == 1 else None)

    def _given(self, word: str) -> list[_Cluster]:
        exact = self.by_given.get(word)
        if exact:
            return exact
        found: list[_Cluster] = []
        if word not in NICKNAMES:
            return found
        for given, clusters in self.by_given.items():
            if len(given) > 1 and len(word) > 1 and same_given(word, given):
                found.extend(cluster for cluster in clusters if cluster not in found)
        return found


def number_ids(referents: Iterable[Referent], used: set[str]) -> None:
    """Give each without an id the slug of its name, `-2` and so on where that is `used`."""
    for referent in referents:
        if referent.id:
            continue
        base = slug(referent.name)
        name, number = base, 1
        while name in used:
            number += 1
            name = f"{base}-{number}"
        referent.id = name
        used.add(name)


def places_in(by_text: dict[str, Form], records: Sequence[Any], romanian: bool) -> dict[str, list[tuple[int, Any]]]:
    """Proper names of places: canonical name to its (paragraph, mention)s."""
    forms = {form.key: form for form in by_text.values() if form.kind == "place" and not form.drop}
    based = _inflected(sorted(forms.values(), key=lambda each: each.first)) if romanian else {}
    found: dict[str, list[tuple[int, Any]]] = {}
    for number, mention in _names(records):
        form = by_text[mention.text]
        if form.kind != "place":
            continue
        form = forms.get(form.key, form)
        found.setdefault(based.get(form, form).text, []).append((number, mention))
    return found


def _names(records: Sequence[Any]) -> Iterator[tuple[int, LocalMention]]:
    for number, record in enumerate(records):
        for mention in record.mentions:
            if mention.kind == "name":
                yield number, mention
