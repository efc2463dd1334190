"""Clauses of hand-parsed paragraphs: who does what to whom and where, whether it happened, and when."""

import pytest
from hand_parsed import parse

from gnomon.story.clauses import LocalClause, clause_at, clauses_in

LETTER = (
    "The/DET/det/2 letter/NOUN/nsubj:pass/4 was=be/AUX/aux:pass/4:past written=write/VERB/root/0:part! "
    "by/ADP/case/6 Anna/PROPN/obl:agent/4 ./PUNCT/punct/4"
)
BEATEN = (
    "Tom/PROPN/nsubj:pass/3 was=be/AUX/aux:pass/3:past beaten=beat/VERB/root/0:part! by/ADP/case/5 Karl/PROPN/obl/3 "
    "and/CCONJ/cc/7 thrown=throw/VERB/conj/3:part! into/ADP/case/10 the/DET/det/10 river/NOUN/obl/7@PLACE ./PUNCT/punct/3"
)
JOINED = (
    "Anna/PROPN/nsubj/2 took=take/VERB/root/0:past! the/DET/det/4 lamp/NOUN/obj/2 and/CCONJ/cc/6 "
    "walked=walk/VERB/conj/2:past! into/ADP/case/9 the/DET/det/9 cellar/NOUN/obl/6 ./PUNCT/punct/2"
)
RELATIVE = (
    "Tom/PROPN/nsubj/7 ,/PUNCT/punct/1 who/PRON/nsubj/4:rel robbed=rob/VERB/acl:relcl/1:past! Karl/PROPN/obj/4 "
    ",/PUNCT/punct/1 greeted=greet/VERB/root/0:past! Anna/PROPN/obj/7 ./PUNCT/punct/7"
)
CONTROL = (
    "Anna/PROPN/nsubj/2 made=make/VERB/root/0:past! Tom/PROPN/obj/2 leave/VERB/xcomp/2:inf! the/DET/det/6 "
    "house/NOUN/obj/4 ./PUNCT/punct/2"
)


def told(*sentences: str, language: str = "en") -> dict[str, LocalClause]:
    text, analysis = parse(*sentences)
    return {clause.verb: clause for clause in clauses_in(text, analysis, language).clauses}


def arguments(sentence: str, verb: str, language: str = "en") -> tuple[str | None, str | None]:
    text, analysis = parse(sentence)
    clause = told(sentence, language=language)[verb]

    def word(token: int | None) -> str | None:
        return None if token is None else text[analysis.tokens[token].start : analysis.tokens[token].end]

    return word(clause.agent), word(clause.patient)


@pytest.mark.parametrize(
    ("sentence", "verb", "agent", "patient"),
    [
        (LETTER, "write", "Anna", "letter"),
        (BEATEN, "beat", "Karl", "Tom"),
        (BEATEN, "throw", None, "Tom"),
        (JOINED, "take", "Anna", "lamp"),
        (JOINED, "walk", "Anna", None),
        (RELATIVE, "rob", "Tom", "Karl"),
        (RELATIVE, "greet", "Tom", "Anna"),
        (CONTROL, "leave", "Tom", "house"),
        (
            "The/DET/det/2 lamp/NOUN/nsubj/6 that/PRON/obj/5:rel Anna/PROPN/nsubj/5 took=take/VERB/acl:relcl/2:past! "
            "fell=fall/VERB/root/0:past! ./PUNCT/punct/6",
            "take",
            "Anna",
            "lamp",
        ),
        (
            "Anna/PROPN/nsubj/2 took=take/VERB/root/0:past! and/CCONJ/cc/4 ate=eat/VERB/conj/2:past! the/DET/det/6 "
            "apple/NOUN/obj/4 ./PUNCT/punct/2",
            "take",
            "Anna",
            "apple",
        ),
        (
            "She/PRON/nsubj/2:f gave=give/VERB/root/0:past! Tom/PROPN/iobj/2 the/DET/det/5 lamp/NOUN/obj/2 ./PUNCT/punct/2",
            "give",
            "She",
            "Tom",
        ),
        (
            "She/PRON/nsubj/2:f looked=look/VERB/root/0:past! at/ADP/case/4 Tom/PROPN/obl/2 ./PUNCT/punct/2",
            "look",
            "She",
            "Tom",
        ),
        (
            "“/PUNCT/punct/2 Come/VERB/root/0:inf ,/PUNCT/punct/2 ”/PUNCT/punct/2 said=say/VERB/parataxis/2:past! "
            "Tom/PROPN/obj/5 to/ADP/case/8 Anna/PROPN/obl/5 ./PUNCT/punct/2",
            "say",
            "Tom",
            "Anna",
        ),
        (
            "Tom/PROPN/nsubj/2 gave=give/VERB/root/0:past a/DET/det/4 cry/NOUN/obj/2! ./PUNCT/punct/2",
            "cry",
            "Tom",
            None,
        ),
        (
            "Taking=take/VERB/advcl/6:ing! the/DET/det/3 lamp/NOUN/obj/1 ,/PUNCT/punct/1 Anna/PROPN/nsubj/6 "
            "left=leave/VERB/root/0:past! ./PUNCT/punct/6",
            "take",
            "Anna",
            "lamp",
        ),
    ],
    ids=[
        "passive", "passive by a name", "shared passive", "object", "shared subject", "relative clause", "after a relative",
        "causative", "relative object", "shared object", "indirect object", "looked at", "inverted speech", "light verb",
        "participle",
    ],
)  # fmt: skip
def test_arguments(sentence: str, verb: str, agent: str | None, patient: str | None) -> None:
    assert arguments(sentence, verb) == (agent, patient)


@pytest.mark.parametrize(
    ("sentence", "verb", "realis"),
    [
        ("Tom/PROPN/nsubj/4 did=do/AUX/aux/4:past not/PART/advmod/4 go/VERB/root/0:inf! ./PUNCT/punct/4", "go", False),
        ("Tom/PROPN/nsubj/3 never/ADV/advmod/3 came=come/VERB/root/0:past! ./PUNCT/punct/3", "come", False),
        ("Nobody/PRON/nsubj/2 came=come/VERB/root/0:past! ./PUNCT/punct/2", "come", False),
        ("Tom/PROPN/nsubj/3 could/AUX/aux/3:past see/VERB/root/0:inf! Anna/PROPN/obj/3 ./PUNCT/punct/3", "see", False),
        ("Tom/PROPN/nsubj/3 would/AUX/aux/3 walk/VERB/root/0:inf! there/ADV/advmod/3 ./PUNCT/punct/3", "walk", False),
        (
            "If/SCONJ/mark/3 Anna/PROPN/nsubj/3 came=come/VERB/advcl/6:past! ,/PUNCT/punct/3 Tom/PROPN/nsubj/6 "
            "smiled=smile/VERB/root/0:past! ./PUNCT/punct/6",
            "come",
            False,
        ),
        (
            "Tom/PROPN/nsubj/2 wanted=want/VERB/root/0:past to/PART/mark/4 kill/VERB/xcomp/2:inf! Karl/PROPN/obj/4 ./PUNCT/punct/2",
            "kill",
            False,
        ),
        (
            "Tom/PROPN/nsubj/2 used=use/VERB/root/0:past to/PART/mark/4 sing/VERB/xcomp/2:inf! ./PUNCT/punct/2",
            "sing",
            False,
        ),
        (
            "Anna/PROPN/nsubj/2 began=begin/VERB/root/0:past! to/PART/mark/4 weep/VERB/xcomp/2:inf! ./PUNCT/punct/2",
            "weep",
            True,
        ),
        (
            "Anna/PROPN/nsubj/2 went=go/VERB/root/0:past! to/PART/mark/4 fetch/VERB/advcl/2:inf! water/NOUN/obj/4 ./PUNCT/punct/2",
            "fetch",
            False,
        ),
        (
            "Every/DET/det/2 morning/NOUN/obl/4 Anna/PROPN/nsubj/4 walked=walk/VERB/root/0:past! ./PUNCT/punct/4",
            "walk",
            False,
        ),
        (
            "Tom/PROPN/nsubj/2 knew=know/VERB/root/0:past that/SCONJ/mark/6 Anna/PROPN/nsubj/6 had=have/AUX/aux/6:past "
            "left=leave/VERB/ccomp/2:part! ./PUNCT/punct/2",
            "leave",
            True,
        ),
        (
            "Tom/PROPN/nsubj/2 hoped=hope/VERB/root/0:past that/SCONJ/mark/6 Anna/PROPN/nsubj/6 had=have/AUX/aux/6:past "
            "left=leave/VERB/ccomp/2:part! ./PUNCT/punct/2",
            "leave",
            False,
        ),
        (
            "He/PRON/nsubj/4:m did=do/AUX/aux/4:past not/PART/advmod/4 stop/VERB/root/0:inf! but/CCONJ/cc/6 "
            "ran=run/VERB/conj/4:past! ./PUNCT/punct/4",
            "run",
            True,
        ),
        (
            "He/PRON/nsubj/4:m did=do/AUX/aux/4:past not/PART/advmod/4 stop/VERB/root/0:inf! or/CCONJ/cc/6 "
            "speak/VERB/conj/4:inf! ./PUNCT/punct/4",
            "speak",
            False,
        ),
        ("Had=have/AUX/aux/3:past Tom/PROPN/nsubj/3 come/VERB/root/0:part! ?/PUNCT/punct/3", "come", False),
        (
            "Had=have/AUX/aux/3:past Tom/PROPN/nsubj/3 come/VERB/advcl/6:part! ,/PUNCT/punct/3 Anna/PROPN/nsubj/6 "
            "smiled=smile/VERB/root/0:past! ./PUNCT/punct/6",
            "come",
            False,
        ),
        (
            "Scarcely/ADV/advmod/4 had=have/AUX/aux/4:past Tom/PROPN/nsubj/4 come/VERB/root/0:part! ./PUNCT/punct/4",
            "come",
            True,
        ),
    ],
    ids=[
        "not", "never", "nobody", "could", "would", "if", "wanted", "used to", "began", "purpose", "habit", "knew", "hoped",
        "joined to a denied verb", "shares its negation", "question", "inverted condition", "inversion after an adverb",
    ],
)  # fmt: skip
def test_only_what_happened_is_realis(sentence: str, verb: str, realis: bool) -> None:
    assert told(sentence)[verb].realis is realis


def test_past_perfect_is_shared_by_joined_verbs_and_is_where_had_stands() -> None:
    clauses = told(
        "She/PRON/nsubj/3:f had=have/AUX/aux/3:past come/VERB/root/0:part! and/CCONJ/cc/5 gone=go/VERB/conj/3:part! ./PUNCT/punct/3"
    )
    assert clauses["come"].tense == clauses["go"].tense == "pluperfect"
    assert clauses["come"].had == 4
    assert told(JOINED)["walk"].tense == "past"


def test_synthetic_pluperfect_of_romanian() -> None:
    clauses = told(
        "Ana/PROPN/nsubj/2 plecase=pleca/VERB/root/0:pqp! din/ADP/case/4 sat/NOUN/obl/2 ./PUNCT/punct/2",
        "Ion/PROPN/nsubj/2 venise=veni/VERB/root/0:past! ./PUNCT/punct/2",
        "El/PRON/nsubj/2:m zise=zice/VERB/root/0:past! ./PUNCT/punct/2",
        language="ro",
    )
    assert [clauses[verb].tense for verb in ("pleca", "veni", "zice")] == ["pluperfect", "pluperfect", "past"]
    assert clauses["pleca"].kind == "movement"
    assert clauses["pleca"].places[0][0] == "din"


@pytest.mark.parametrize(
    ("word", "tense"),
    [
        ("plecase", "pluperfect"), ("văzuse", "pluperfect"), ("zisese", "pluperfect"), ("intraseră", "pluperfect"),
        ("dormise", "pluperfect"), ("începuse", "pluperfect"), ("zise", "past"), ("răspunse", "past"), ("merse", "past"),
        ("puseră", "past"), ("trimise", "past"), ("duse", "past"), ("râse", "past"),
    ],
)  # fmt: skip
def test_pluperfect_and_simple_perfect_that_end_alike(word: str, tense: str) -> None:
    assert told(f"Ion/PROPN/nsubj/2 {word}=x/VERB/root/0:past! ./PUNCT/punct/2", language="ro")["x"].tense == tense


def test_romanian_mood() -> None:
    clauses = told(
        "Ana/PROPN/nsubj/3 nu/ADV/advmod/3 plecă=pleca/VERB/root/0:past! ./PUNCT/punct/3",
        "Ea/PRON/nsubj/2:f vru=vrea/VERB/root/0:past să/PART/mark/4 fugă=fugi/VERB/ccomp/2:sub! ./PUNCT/punct/2",
        "Ea/PRON/nsubj/2:f începu=începe/VERB/root/0:past! să/PART/mark/4 plângă=plânge/VERB/ccomp/2:sub! ./PUNCT/punct/2",
        "Ion/PROPN/nsubj/3 ar=avea/AUX/aux/3 veni=veni/VERB/root/0:inf! ./PUNCT/punct/3",
        language="ro",
    )
    assert {verb: clause.realis for verb, clause in clauses.items()} == {
        "pleca": False, "fugi": False, "începe": True, "plânge": True, "veni": False,
    }  # fmt: skip


def test_places_are_oblique_phrases_of_the_event_and_objects_of_entering() -> None:
    text, analysis = parse(
        JOINED,
        "Tom/PROPN/nsubj/2 entered=enter/VERB/root/0:past! the/DET/det/4 kitchen/NOUN/obj/2 of/ADP/case/7 the/DET/det/7 inn/NOUN/nmod/4 ./PUNCT/punct/2",
        "He/PRON/nsubj/2:m left=leave/VERB/root/0:past! Paris/PROPN/obj/2@PLACE ./PUNCT/punct/2",
    )
    found = clauses_in(text, analysis, "en")
    word = [text[token.start : token.end] for token in analysis.tokens]
    assert [[(p, word[t]) for p, t in clause.places] for clause in found.clauses] == [
        [], [("into", "cellar")], [("into", "kitchen")], [("from", "Paris")],
    ]  # fmt: skip
    assert [(word[inner], word[outer]) for inner, outer in found.within] == [("kitchen", "inn")]
    assert {place.key: text[place.start : place.end] for place in found.places} == {
        "cellar": "the cellar", "kitchen": "the kitchen", "inn": "the inn",
    }  # fmt: skip


def test_a_named_village_is_not_within_itself() -> None:
    text, analysis = parse(
        "Tom/PROPN/nsubj/2 lived=live/VERB/root/0:past in/ADP/case/5 the/DET/det/5 village/NOUN/obl/2@PLACE of/ADP/case/7 Stoke/PROPN/nmod/5@PLACE ./PUNCT/punct/2"
    )
    assert clauses_in(text, analysis, "en").within == ()


def test_somebody_who_is_somewhere_without_an_event() -> None:
    text, analysis = parse(
        "Anna/PROPN/nsubj/5 was=be/AUX/cop/5:past in/ADP/case/5 the/DET/det/5 kitchen/NOUN/root/0 ./PUNCT/punct/5",
        "Tom/PROPN/nsubj/6 was=be/AUX/cop/6:past not/PART/advmod/6 in/ADP/case/6 the/DET/det/6 garden/NOUN/root/0 ./PUNCT/punct/6",
        "Karl/PROPN/nsubj/2 waited=wait/VERB/root/0:past in/ADP/case/5 the/DET/det/5 inn/NOUN/obl/2 ./PUNCT/punct/2",
    )
    stays = clauses_in(text, analysis, "en").stays
    assert [(stay.who, stay.place) for stay in stays] == [(0, 4), (13, 17)]


def test_another_room_is_no_known_place() -> None:
    text, analysis = parse(
        "Anna/PROPN/nsubj/2 went=go/VERB/root/0:past! to/ADP/case/5 another/DET/det/5 room/NOUN/obl/2 ./PUNCT/punct/2"
    )
    assert clauses_in(text, analysis, "en").places == ()


def test_numbers_in_a_sentence_count_what_is_no_event_and_what_is_quoted() -> None:
    text, analysis = parse(
        "“/PUNCT/punct/2 Go/VERB/root/0:inf! ,/PUNCT/punct/2 ”/PUNCT/punct/2 said=say/VERB/parataxis/2:past! Tom/PROPN/nsubj/5 ./PUNCT/punct/2",
        JOINED,
    )
    clauses = clauses_in(text, analysis, "en").clauses
    assert [(clause.verb, clause.sentence, clause.number) for clause in clauses] == [
        ("say", 0, 1), ("take", 1, 0), ("walk", 1, 1),
    ]  # fmt: skip


def test_before_and_after_point_at_the_clause_they_depend_on() -> None:
    clauses = told(
        "Before/SCONJ/mark/3 he/PRON/nsubj/3:m left=leave/VERB/advcl/6:past! ,/PUNCT/punct/3 Tom/PROPN/nsubj/6 "
        "kissed=kiss/VERB/root/0:past! Anna/PROPN/obj/6 ./PUNCT/punct/6"
    )
    assert clauses["leave"].relative == ("later", 5, 0, 6)
    assert clauses["kiss"].relative is None
    assert not clauses["leave"].main
    assert clauses["kiss"].main


def test_a_word_the_pack_did_not_see_has_its_arguments_all_the_same() -> None:
    text, analysis = parse("Tom/PROPN/nsubj/2 owned=own/VERB/root/0:past Anna/PROPN/obj/2 ./PUNCT/punct/2")
    assert clauses_in(text, analysis, "en").clauses == ()
    clause = clause_at(text, analysis, "en", 1, 0)
    assert (clause.verb, clause.agent, clause.patient, clause.realis) == ("own", 0, 2, True)


def test_headings_tell_nothing_and_a_deep_chain_does_not_stop_it() -> None:
    text, analysis = parse("Chapter/NOUN/root/0 I/NUM/nummod/1 hit/VERB/conj/1:past!")
    assert clauses_in("# " + text[2:], analysis, "en").clauses == ()
    chain = " ".join(f"ran=run/VERB/conj/{n}:past!" if n else "ran=run/VERB/root/0:past!" for n in range(800))
    text, analysis = parse(chain)
    assert len(clauses_in(text, analysis, "en").clauses) == 800
