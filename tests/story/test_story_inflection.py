"""Forms of English and Romanian verbs, and Romanian names."""

import pytest

from gnomon.story import inflection
from gnomon.story.inflection import IRREGULAR, article, form_of, form_of_ro, genitive, inflect, inflect_ro, vocative


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("walk", "walks walked walked walking"),
        ("stop", "stops stopped stopped stopping"),
        ("open", "opens opened opened opening"),
        ("admit", "admits admitted admitted admitting"),
        ("visit", "visits visited visited visiting"),
        ("travel", "travels travelled travelled travelling"),
        ("kneel", "kneels knelt knelt kneeling"),
        ("carry", "carries carried carried carrying"),
        ("play", "plays played played playing"),
        ("kiss", "kisses kissed kissed kissing"),
        ("watch", "watches watched watched watching"),
        ("love", "loves loved loved loving"),
        ("die", "dies died died dying"),
        ("flee", "flees fled fled fleeing"),
        ("agree", "agrees agreed agreed agreeing"),
        ("panic", "panics panicked panicked panicking"),
        ("go", "goes went gone going"),
        ("be", "is was been being"),
        ("have", "has had had having"),
        ("take", "takes took taken taking"),
        ("begin", "begins began begun beginning"),
        ("show", "shows showed shown showing"),
        ("fix", "fixes fixed fixed fixing"),
        ("tie", "ties tied tied tying"),
        ("singe", "singes singed singed singeing"),
        ("pick up", "picks up picked up picked up picking up"),
    ],
)
def test_english_forms(verb, forms):
    found = " ".join(inflect(verb, form) for form in ("3sg", "past", "participle", "ing"))
    assert found == forms
    assert inflect(verb, "base") == verb


def test_a_capital_stays():
    assert inflect("Go", "past") == "Went"


def test_the_list_of_irregular_verbs_is_whole():
    assert len(IRREGULAR) >= 170
    assert IRREGULAR["run"] == ("ran", "run")
    assert IRREGULAR["write"] == ("wrote", "written")
    assert all(each.isalpha() and each.islower() for forms in IRREGULAR.items() for each in (forms[0], *forms[1]))


@pytest.mark.parametrize("verb", sorted(IRREGULAR))
def test_forms_are_recognised(verb):
    past, participle = IRREGULAR[verb]
    assert form_of(inflect(verb, "ing"), verb) == "ing"
    if past not in (verb, participle):
        assert form_of(past, verb) == "past"
    if participle not in (verb, past):
        assert form_of(participle, verb) == "participle"
    if participle == past != verb:
        assert form_of(past, verb) == "past"
        assert form_of(past, verb, after_auxiliary="have") == "participle"


@pytest.mark.parametrize(
    ("word", "lemma", "morph", "auxiliary", "form"),
    [
        ("walked", "walk", "Tense=Past|VerbForm=Fin", "", "past"),
        ("walked", "walk", "Tense=Past|VerbForm=Part", "", "participle"),
        ("walks", "walk", "", "", "3sg"),
        ("walk", "walk", "", "", "base"),
        ("put", "put", "Tense=Past|VerbForm=Fin", "", "past"),
        ("put", "put", "VerbForm=Inf", "to", "base"),
        ("put", "put", "", "have", "participle"),
        ("put", "put", "Mood=Ind|Tense=Pres|Person=3|Number=Sing|VerbForm=Fin", "", "3sg"),
        ("sing", "sing", "", "", "base"),
    ],
)
def test_the_form_of_a_verb_in_a_sentence(word, lemma, morph, auxiliary, form):
    assert form_of(word, lemma, morph, after_auxiliary=auxiliary) == form


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("apple", "an"),
        ("pear", "a"),
        ("hour", "an"),
        ("house", "a"),
        ("one", "a"),
        ("union", "a"),
        ("uncle", "an"),
        ("user", "a"),
        ("unimportant", "an"),
    ],
)
def test_the_article(word, expected):
    assert article(word) == expected


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("pleca", "plecă plecară pleca plecau plecase plecaseră plecat"),
        ("merge", "merse merseră mergea mergeau mersese merseseră mers"),
        ("fugi", "fugi fugiră fugea fugeau fugise fugiseră fugit"),
        ("vedea", "văzu văzură vedea vedeau văzuse văzuseră văzut"),
        ("coborî", "coborî coborâră cobora coborau coborâse coborâseră coborât"),
        ("face", "făcu făcură făcea făceau făcuse făcuseră făcut"),
        ("rupe", "rupse rupseră rupea rupeau rupsese rupseseră rupt"),
        ("spune", "spuse spuseră spunea spuneau spusese spuseseră spus"),
    ],
)
def test_romanian_forms(verb, forms):
    found = [
        inflect_ro(verb, form, plural=plural)
        for form in ("perfect", "imperfect", "pluperfect")
        for plural in (False, True)
    ]
    assert " ".join([*found, inflect_ro(verb, "participle")]) == forms


@pytest.mark.parametrize(
    ("word", "morph", "auxiliary", "form"),
    [
        ("plecase", "", False, "pluperfect"),
        ("plecaseră", "", False, "pluperfect"),
        ("plecă", "Tense=Past|VerbForm=Fin", False, "perfect"),
        ("pleca", "Tense=Imp|VerbForm=Fin", False, "imperfect"),
        ("plecat", "", True, "participle"),
        ("pleca", "", True, "infinitive"),
        ("plecând", "", False, "gerund"),
        ("mergea", "", False, "imperfect"),
        ("vine", "Tense=Pres|VerbForm=Fin", False, "present"),
    ],
)
def test_the_form_of_a_romanian_verb(word, morph, auxiliary, form):
    assert form_of_ro(word, morph, after_auxiliary=auxiliary) == form


@pytest.mark.parametrize(
    ("name", "case", "called"),
    [
        ("Stanca", "Stancăi", "Stanco"),
        ("Voica", "Voicăi", "Voico"),
        ("Olga", "Olgăi", "Olgo"),
        ("Ana", "Anei", "Ano"),
        ("Maria", "Mariei", "Maria"),
        ("Andreea", "Andreei", "Andreea"),
        ("Ilinca", "Ilincăi", "Ilinco"),
    ],
)
def test_romanian_names(name, case, called):
    assert genitive(name) == case
    assert genitive(name.upper()) == case.upper()
    assert vocative(name) == called


def test_men_are_called():
    assert [vocative(name) for name in ("Ion", "Radu", "Mircea")] == ["Ione", "Radule", "Mircea"]


def test_who_takes_an_ending():
    assert inflection.takes_genitive_ending("Stanca", "f")
    assert not inflection.takes_genitive_ending("Mircea", "unknown")
    assert not inflection.takes_genitive_ending("Carmen", "f")
    assert not inflection.takes_genitive_ending("Luca", "m")
