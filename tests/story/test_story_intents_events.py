"""Swapping roles, changing, adding and removing events, on sentences whose grammar is given."""

import pytest
from handmade import Told

from gnomon.story.edits import apply, propose

RING = (
    "Anna/PROPN/2/nsubj gave/VERB/0/root/give;Tense=Past|VerbForm=Fin Marcus/PROPN/2/iobj her/PRON/5/nmod:poss"
    " ring/NOUN/2/obj ./PUNCT/2/punct"
)
LEFT = "He/PRON/2/nsubj left/VERB/0/root/leave ./PUNCT/2/punct"


def ring():
    told = Told("Anna gave Marcus her ring. He left.", [[RING, LEFT]])
    told.person("Anna", "Anna", "her", gender="f").person("Marcus", "Marcus", "He", gender="m")
    return told.event("gave", "give", "anna", "marcus").event("left", "leave", "marcus")


def done(told, accept="all", **intent):
    suggestion = propose(told.story, told.extraction, intent)
    return apply(told.story, suggestion, accept).text, suggestion


def test_roles_are_swapped_with_their_possessives():
    new, suggestion = done(ring(), op="swap_roles", event="give")
    assert new == "Marcus gave Anna his ring. He left."
    assert [(hunk.before, hunk.after) for hunk in suggestion.hunks] == [
        ("Anna", "Marcus"), ("Marcus", "Anna"), ("her", "his"),
    ]  # fmt: skip


def test_pronouns_take_the_case_of_their_place():
    told = Told(
        "She hit him with the old lamp.",
        [
            [
                "She/PRON/2/nsubj hit/VERB/0/root him/PRON/2/obj with/ADP/7/case the/DET/7/det old/ADJ/7/amod lamp/NOUN/2/obl ./PUNCT/2/punct"
            ]
        ],
    )
    told.person("Anna", "She", gender="f").person("Marcus", "him", gender="m").event("hit", "hit", "anna", "marcus")
    assert done(told, op="swap_roles", event="hit")[0] == "He hit her with the old lamp."


def test_phrases_move_whole_and_lose_or_get_their_capital():
    told = Told(
        "The old man struck a boy.",
        [
            [
                "The/DET/3/det old/ADJ/3/amod man/NOUN/4/nsubj struck/VERB/0/root/strike a/DET/6/det boy/NOUN/4/obj ./PUNCT/4/punct"
            ]
        ],
    )
    told.person("the old man", "man", gender="m", id="man").person("a boy", "boy", gender="m", id="boy")
    assert done(told.event("struck", "strike", "man", "boy"), op="swap_roles", event="strike")[0] == (
        "A boy struck the old man."
    )


def test_the_narrator_and_the_verb_that_agrees():
    told = Told(
        "I was hit by Marcus.",
        [
            [
                "I/PRON/3/nsubj:pass was/AUX/3/aux:pass hit/VERB/0/root by/ADP/5/case Marcus/PROPN/3/obl:agent ./PUNCT/3/punct"
            ]
        ],
    )
    told.person("narrator", "I", kind="narrator").person("Marcus", gender="m").event("hit", "hit", "marcus", "narrator")
    assert done(told, op="swap_roles", event="hit")[0] == "Marcus was hit by me."
    told = Told("They love Marcus.", [["They/PRON/2/nsubj love/VERB/0/root Marcus/PROPN/2/obj ./PUNCT/2/punct"]])
    told.person("the men", "They", kind="group", id="men").person("Marcus", gender="m")
    told.event("love", "love", "men", "marcus")
    assert done(told, op="swap_roles", event="love")[0] == "Marcus loves them."


def test_an_owner_stands_for_whom_he_is():
    told = Told(
        "He kissed Anna's hand.",
        [
            [
                "He/PRON/2/nsubj kissed/VERB/0/root/kiss Anna/PROPN/5/nmod:poss 's/PART/3/case hand/NOUN/2/obj ./PUNCT/2/punct"
            ]
        ],
    )
    told.person("Marcus", "He", gender="m").person("Anna", gender="f").event("kissed", "kiss", "marcus", "anna")
    assert done(told, op="swap_roles", event="kiss")[0] == "Anna kissed his hand."


def test_romanian_clitics_follow():
    told = Told(
        "Ana îl lovi pe Marcu.",
        [["Ana/PROPN/3/nsubj îl/PRON/3/expl lovi/VERB/0/root pe/ADP/5/case Marcu/PROPN/3/obj ./PUNCT/3/punct"]],
        language="ro",
    )
    told.person("Ana", gender="f").person("Marcu", gender="m").event("lovi", "lovi", "ana", "marcu")
    assert done(told, op="swap_roles", event="lovi")[0] == "Marcu o lovi pe Ana."
    told = Told(
        "Ana l-a lovit pe Marcu.",
        [
            [
                "Ana/PROPN/4/nsubj l-/PRON/4/expl a/AUX/4/aux lovit/VERB/0/root/lovi pe/ADP/6/case Marcu/PROPN/4/obj ./PUNCT/4/punct"
            ]
        ],
        language="ro",
    )
    told.person("Ana", gender="f").person("Marcu", gender="m").event("lovit", "lovi", "ana", "marcu")
    assert done(told, op="swap_roles", event="lovi")[0] == "Marcu a lovit-o pe Ana."


def test_an_event_of_one_has_no_roles_to_swap():
    with pytest.raises(ValueError, match="no known patient") as caught:
        done(ring(), op="swap_roles", event="leave")
    assert caught.value.field == "intent.event"


# -- removing --------------------------------------------------------------------------------------------------------

LIST = (
    "Anna/PROPN/2/nsubj rose/VERB/0/root/rise ,/PUNCT/4/punct crossed/VERB/2/conj/cross the/DET/6/det room/NOUN/4/obj"
    " and/CCONJ/8/cc kissed/VERB/2/conj/kiss Marcus/PROPN/8/obj ./PUNCT/2/punct"
)


def listed():
    told = Told("Anna rose, crossed the room and kissed Marcus.", [[LIST]])
    told.person("Anna", gender="f").person("Marcus", gender="m")
    return (
        told.event("rose", "rise", "anna").event("crossed", "cross", "anna").event("kissed", "kiss", "anna", "marcus")
    )


@pytest.mark.parametrize(
    ("event", "left"),
    [
        ("rise", "Anna crossed the room and kissed Marcus."),
        ("cross", "Anna rose and kissed Marcus."),
        ("kiss", "Anna rose and crossed the room."),
    ],
)
def test_one_clause_of_a_list_goes(event, left):
    new, suggestion = done(listed(), op="remove_event", event=event)
    assert new == left
    assert apply(listed().story, suggestion.alternative(0), "all").text == ""


def test_a_clause_with_a_subject_of_its_own():
    parse = "Anna/PROPN/2/nsubj rose/VERB/0/root/rise and/CCONJ/5/cc Marcus/PROPN/5/nsubj left/VERB/2/conj/leave ./PUNCT/2/punct"
    told = Told("Anna rose and Marcus left.", [[parse]]).person("Anna").person("Marcus")
    told.event("rose", "rise", "anna").event("left", "leave", "marcus")
    assert done(told, op="remove_event", event="rise")[0] == "Marcus left."
    assert done(told, op="remove_event", event="leave")[0] == "Anna rose."


def test_a_clause_that_depends():
    first = (
        "When/ADV/3/advmod Anna/PROPN/3/nsubj rose/VERB/6/advcl/rise ,/PUNCT/3/punct Marcus/PROPN/6/nsubj"
        " left/VERB/0/root/leave ./PUNCT/6/punct"
    )
    told = Told("When Anna rose, Marcus left.", [[first]]).person("Anna").person("Marcus")
    told.event("rose", "rise", "anna").event("left", "leave", "marcus")
    assert done(told, op="remove_event", event="rise")[0] == "Marcus left."
    second = (
        "Marcus/PROPN/7/nsubj ,/PUNCT/4/punct who/PRON/4/nsubj struck/VERB/1/acl:relcl/strike Anna/PROPN/4/obj"
        " ,/PUNCT/4/punct left/VERB/0/root/leave ./PUNCT/7/punct"
    )
    told = Told("Marcus, who struck Anna, left.", [[second]]).person("Anna").person("Marcus")
    told.event("struck", "strike", "marcus", "anna").event("left", "leave", "marcus")
    assert done(told, op="remove_event", event="strike")[0] == "Marcus left."


def test_who_says_it_goes_and_the_words_stay():
    told = Told('"Go away," said Anna. Marcus left.').person("Anna").person("Marcus")
    told.event("said", "say", "anna", kind="speech").event("left", "leave", "marcus").speech('"Go away,"', "anna")
    assert done(told, op="remove_event", event="say")[0] == '"Go away." Marcus left.'


def test_a_whole_sentence_goes_and_a_pronoun_is_noted():
    new, suggestion = done(ring(), op="remove_event", event="give")
    assert new == "He left."
    assert suggestion.notes == ("“He” in “He left.” would lose Marcus, who is named only in what goes.",)
    assert done(ring(), op="remove_event", event="leave")[0] == "Anna gave Marcus her ring."


def test_a_paragraph_goes_with_its_lines():
    told = Told("One.\n\nAnna left.\n\nThree.\n").person("Anna").event("left", "leave", "anna")
    assert done(told, op="remove_event", event="leave")[0] == "One.\n\nThree.\n"
    told = Told("One.\n\nAnna left.\n").person("Anna").event("left", "leave", "anna")
    assert done(told, op="remove_event", event="leave")[0] == "One.\n"
    told = Told("Anna left.").person("Anna").event("left", "leave", "anna")
    assert done(told, op="remove_event", event="leave")[0] == ""


def test_a_character_goes():
    walked = "Anna/PROPN/4/nsubj and/CCONJ/3/cc Marcus/PROPN/1/conj walked/VERB/0/root/walk home/ADV/4/advmod ./PUNCT/4/punct"
    slept = "Anna/PROPN/2/nsubj slept/VERB/0/root/sleep ./PUNCT/2/punct"
    spoke = (
        "Ruth/PROPN/2/nsubj spoke/VERB/0/root/speak with/ADP/4/case Anna/PROPN/2/obl ,/PUNCT/8/punct and/CCONJ/8/cc"
        " Marcus/PROPN/8/nsubj listened/VERB/2/conj/listen ./PUNCT/2/punct"
    )
    took = "Marcus/PROPN/2/nsubj took/VERB/0/root/take Anna/PROPN/5/nmod:poss 's/PART/3/case hat/NOUN/2/obj ./PUNCT/2/punct"
    told = Told(
        "Anna and Marcus walked home. Anna slept. Ruth spoke with Anna, and Marcus listened. Marcus took Anna's hat.",
        [[walked, slept, spoke, took]],
    )
    told.person("Anna", gender="f").person("Marcus", gender="m").person("Ruth", gender="f")
    told.event("walked", "walk", "anna").event("slept", "sleep", "anna").event("spoke", "speak", "ruth", "anna")
    told.event("listened", "listen", "marcus").event("took", "take", "marcus")
    new, suggestion = done(told, op="remove_character", target="anna")
    assert new == "Marcus walked home. Ruth spoke, and Marcus listened. Marcus took the hat."
    assert len(suggestion.hunks) == 4
    assert not any(hunk.optional for hunk in suggestion.hunks)


def test_a_character_that_acts_on_others_takes_its_sentence_and_says_so():
    new, suggestion = done(ring(), op="remove_character", target="anna")
    assert new == "He left."
    assert suggestion.notes[0] == "“Anna gave Marcus her ring.” goes with Anna, and tells of Marcus too."


def test_utterances_go_with_their_speaker():
    told = Told('"I am cold," said Anna. "So am I," said Marcus.').person("Anna").person("Marcus")
    told.event("said", "say", "anna", kind="speech").event("said", "say2", "marcus", kind="speech", number=1)
    told.speech('"I am cold,"', "anna").speech('"So am I,"', "marcus")
    assert done(told, op="remove_character", target="anna")[0] == '"So am I," said Marcus.'


# -- changing and adding ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "parse", "word", "lemma", "verb", "new"),
    [
        (
            "Anna ran home.",
            "Anna/PROPN/2/nsubj ran/VERB/0/root/run home/ADV/2/advmod ./PUNCT/2/punct",
            "ran",
            "run",
            "creep",
            "Anna crept home.",
        ),
        (
            "Anna had run.",
            "Anna/PROPN/3/nsubj had/AUX/3/aux/have run/VERB/0/root ./PUNCT/3/punct",
            "run",
            "run",
            "sing",
            "Anna had sung.",
        ),
        (
            "Anna runs.",
            "Anna/PROPN/2/nsubj runs/VERB/0/root/run ./PUNCT/2/punct",
            "runs",
            "run",
            "carry",
            "Anna carries.",
        ),
        (
            "Anna was running.",
            "Anna/PROPN/3/nsubj was/AUX/3/aux/be running/VERB/0/root/run ./PUNCT/3/punct",
            "running",
            "run",
            "lie",
            "Anna was lying.",
        ),
        (
            "Up ran Anna.",
            "Up/ADV/2/advmod ran/VERB/0/root/run Anna/PROPN/2/nsubj ./PUNCT/2/punct",
            "ran",
            "run",
            "to leap",
            "Up leapt Anna.",
        ),
        (
            "Anna picked it up.",
            "Anna/PROPN/2/nsubj picked/VERB/0/root/pick it/PRON/2/obj up/ADP/2/compound:prt ./PUNCT/2/punct",
            "picked",
            "pick",
            "drop",
            "Anna dropped it.",
        ),
    ],
)
def test_a_verb_is_put_in_the_form_of_the_old_one(sentence, parse, word, lemma, verb, new):
    told = Told(sentence, [[parse]]).person("Anna").event(word, lemma, "anna")
    assert done(told, op="change_event", event=lemma, verb=verb)[0] == new


def test_a_romanian_verb_is_put_in_its_form():
    parse = "Ana/PROPN/2/nsubj plecase/VERB/0/root/pleca ./PUNCT/2/punct"
    told = Told("Ana plecase.", [[parse]], language="ro").person("Ana").event("plecase", "pleca", "ana")
    assert done(told, op="change_event", event="pleca", verb="a fugi")[0] == "Ana fugise."
    parse = "Ana/PROPN/3/nsubj a/AUX/3/aux plecat/VERB/0/root/pleca ./PUNCT/3/punct"
    told = Told("Ana a plecat.", [[parse]], language="ro").person("Ana").event("plecat", "pleca", "ana")
    assert done(told, op="change_event", event="pleca", verb="veni")[0] == "Ana a venit."


def test_a_clause_is_added_after_an_event():
    told = ring().place("garden", "garden").place("Bath")
    add = {"op": "add_event", "agent": "marcus", "verb": "kiss", "patient": "anna", "place": "garden", "after": "give"}
    assert done(told, **add)[0] == "Anna gave Marcus her ring. Marcus kissed Anna in the garden. He left."
    add |= {"patient": "the old dog", "place": "Bath"}
    assert done(told, **add)[0] == "Anna gave Marcus her ring. Marcus kissed the old dog in Bath. He left."
    end = {"op": "add_event", "agent": "anna", "verb": "cry"}
    assert done(told, **end)[0] == "Anna gave Marcus her ring. He left. Anna cried."
    assert done(told, **end, patient="anna")[0].endswith("Anna cried herself.")


def test_a_clause_is_added_in_the_tense_of_the_story():
    parse = "Anna/PROPN/2/nsubj runs/VERB/0/root/run;Tense=Pres|VerbForm=Fin ./PUNCT/2/punct"
    told = Told("Anna runs.", [[parse]]).person("Anna").person("Marcus").event("runs", "run", "anna")
    assert (
        done(told, op="add_event", agent="anna", verb="catch", patient="marcus")[0] == "Anna runs. Anna catches Marcus."
    )


def test_a_romanian_clause_doubles_its_object():
    told = (
        Told("Ana veni.", language="ro")
        .person("Ana", gender="f")
        .person("Marcu", gender="m")
        .event("veni", "veni", "ana")
    )
    add = {"op": "add_event", "agent": "ana", "verb": "a săruta", "patient": "marcu", "after": "veni"}
    assert done(told, **add)[0] == "Ana veni. Ana l-a sărutat pe Marcu."
    assert done(told, **{**add, "agent": "marcu", "patient": "ana"})[0] == "Ana veni. Marcu a sărutat-o pe Ana."
