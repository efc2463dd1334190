"""Contradictions in hand-parsed stories: each kind is found where words say so, and not where a story explains it."""

import pytest
from hand_parsed import parse, story_of

from gnomon.story.extracting import Extractor, records_of

TOM_DIED = "Tom/PROPN/nsubj/2 died=die/VERB/root/0:past! ./PUNCT/punct/2"
TOM_LAUGHED = "Tom/PROPN/nsubj/2 laughed=laugh/VERB/root/0:past! ./PUNCT/punct/2"
HE_LAUGHED = "He=he/PRON/nsubj/2:m laughed=laugh/VERB/root/0:past! ./PUNCT/punct/2"
TOM_HAD_LAUGHED = "Tom/PROPN/nsubj/3 had=have/AUX/aux/3:past laughed=laugh/VERB/root/0:part! ./PUNCT/punct/3"
KARL_KILLED_TOM = "Karl/PROPN/nsubj/2 killed=kill/VERB/root/0:past! Tom/PROPN/obj/2 ./PUNCT/punct/2"
ANNA_SAT = (
    "Anna/PROPN/nsubj/2 sat=sit/VERB/root/0:past! in/ADP/case/5 the/DET/det/5 {place}/NOUN/obl/2@PLACE ./PUNCT/punct/2"
)
MEANWHILE = (
    "Meanwhile/ADV/advmod/3 Anna/PROPN/nsubj/3 slept=sleep/VERB/root/0:past! in/ADP/case/6 the/DET/det/6"
    " {place}/NOUN/obl/3@PLACE ./PUNCT/punct/3"
)
AT_NOON = (
    "At/ADP/case/2 noon/NOUN/obl/4 Anna/PROPN/nsubj/4 {verb}/VERB/root/0:past! in/ADP/case/7 the/DET/det/7"
    " {place}/NOUN/obl/4@PLACE ./PUNCT/punct/4"
)
ANNA_WALKED = "Anna/PROPN/nsubj/2 walked=walk/VERB/root/0:past! to/ADP/case/5 the/DET/det/5 garden/NOUN/obl/2@PLACE ./PUNCT/punct/2"
LEFT_KNIFE = (
    "Tom/PROPN/nsubj/2 left=leave/VERB/root/0:past! the/DET/det/4 knife/NOUN/obj/2 in/ADP/case/7 the/DET/det/7"
    " kitchen/NOUN/obl/2@PLACE ./PUNCT/punct/2"
)
TOOK_KNIFE = (
    "Anna/PROPN/nsubj/2 took=take/VERB/root/0:past! {the}/DET/det/4 knife/NOUN/obj/2 in/ADP/case/7 the/DET/det/7"
    " {place}/NOUN/obl/2@PLACE ./PUNCT/punct/2"
)
BROUGHT_KNIFE = "Karl/PROPN/nsubj/2 brought=take/VERB/root/0:past! the/DET/det/4 knife/NOUN/obj/2 ./PUNCT/punct/2"
A_BOY_NAMED_TOM = (
    "Anna/PROPN/nsubj/2 met=meet/VERB/root/0:past! a/DET/det/4 boy/NOUN/obj/2 named=name/VERB/acl/4 Tom/PROPN/xcomp/5"
    " ./PUNCT/punct/2"
)


def warnings(*paragraphs):
    """(kind, cited passages) of each warning."""
    story, pack = story_of(*paragraphs)
    found = Extractor(pack).extract(story).warnings
    return [(each.kind, [story.text[slice(*span)] for span in each.spans]) for each in found]


def test_the_dead_do_not_laugh():
    assert warnings([TOM_DIED], [TOM_LAUGHED]) == [("acts_after_death", ["Tom died.", "Tom laughed."])]
    assert warnings([KARL_KILLED_TOM], "***", [TOM_LAUGHED]) == [
        ("acts_after_death", ["Karl killed Tom.", "Tom laughed."])
    ]


def test_a_death_is_warned_of_once():
    assert len(warnings([TOM_DIED], [TOM_LAUGHED], [TOM_LAUGHED])) == 1


@pytest.mark.parametrize(
    "paragraphs",
    [
        ([TOM_LAUGHED], [TOM_DIED]),
        ([TOM_DIED], [TOM_HAD_LAUGHED]),
        ([TOM_DIED], [TOM_LAUGHED.replace("Tom", "Karl")]),
        ([TOM_DIED], [HE_LAUGHED]),
        (["Had=have/AUX/aux/3:past Tom/PROPN/nsubj/3 died=die/VERB/root/0:part! ./PUNCT/punct/3"], [TOM_LAUGHED]),
        ([TOM_DIED.replace("died=die/VERB/root/0:past!", "died=die/VERB/root/0:past")], [TOM_LAUGHED]),
    ],
    ids=["before", "told later, happened before", "somebody else", "only a pronoun", "only supposed", "no event"],
)
def test_no_false_death(paragraphs):
    assert warnings(*paragraphs) == []


def test_one_cannot_be_in_two_places_meanwhile():
    found = warnings([ANNA_SAT.format(place="kitchen"), MEANWHILE.format(place="garden")])
    kitchen, garden = "Anna sat in the kitchen.", "Meanwhile Anna slept in the garden."
    assert found == [("two_places", [kitchen, garden])]
    assert warnings([ANNA_SAT.format(place="kitchen"), MEANWHILE.format(place="kitchen")]) == []
    assert warnings([ANNA_SAT.format(place="kitchen"), ANNA_WALKED, MEANWHILE.format(place="garden")]) == []


def test_one_cannot_be_in_two_places_at_noon():
    first = AT_NOON.format(verb="sat=sit", place="kitchen")
    second = AT_NOON.format(verb="slept=sleep", place="garden")
    assert warnings([first], [second]) == [
        ("two_places", ["At noon Anna sat in the kitchen.", "At noon Anna slept in the garden."])
    ]
    assert warnings([first], "***", [second]) == []


def test_a_thing_is_where_it_was_left():
    assert warnings([LEFT_KNIFE], [TOOK_KNIFE.format(the="the", place="garden")]) == [
        ("object_elsewhere", ["Tom left the knife in the kitchen.", "Anna took the knife in the garden."])
    ]
    assert warnings([LEFT_KNIFE], [TOOK_KNIFE.format(the="the", place="kitchen")]) == []
    assert warnings([LEFT_KNIFE], [TOOK_KNIFE.format(the="a", place="garden")]) == []
    assert warnings([LEFT_KNIFE], [BROUGHT_KNIFE], [TOOK_KNIFE.format(the="the", place="garden")]) == []


def test_nobody_acts_by_a_name_before_it_is_given():
    assert warnings([TOM_LAUGHED], [A_BOY_NAMED_TOM]) == [
        ("acts_before_introduction", ["Tom laughed.", "a boy named Tom"])
    ]
    assert warnings([A_BOY_NAMED_TOM], [TOM_LAUGHED]) == []


DAY = "At/ADP/case/2 noon/NOUN/obl/3 Anna/PROPN/nsubj/4 sat=sit/VERB/root/0:past! ./PUNCT/punct/4"
NIGHT = "At/ADP/case/2 midnight/NOUN/obl/3 Tom/PROPN/nsubj/4 laughed=laugh/VERB/root/0:past! ./PUNCT/punct/4"
HOURS = "Hours/NOUN/nsubj/2 passed=pass/VERB/root/0:past! ./PUNCT/punct/2"


def test_it_is_not_noon_and_midnight():
    assert warnings([DAY], [NIGHT]) == [("day_night", ["At noon", "At midnight"])]
    assert warnings([NIGHT], [DAY]) == [("day_night", ["At midnight", "At noon"])]
    assert warnings([DAY], [HOURS], [NIGHT]) == []
    assert warnings([DAY], "***", [NIGHT]) == []
    assert warnings([DAY], [DAY]) == []


def test_warnings_are_the_same_after_an_edit_and_read_from_the_beginning():
    story, pack = story_of([TOM_DIED], [TOM_LAUGHED], [DAY], [NIGHT])
    before = Extractor(pack).extract(story)
    assert len(before.warnings) == 2
    start, end = story.paragraphs[0].start, story.paragraphs[1].start
    text, analysis = parse(TOM_LAUGHED)
    pack.known[text] = analysis
    edited = story.edit(start, end, "")
    after = Extractor(pack).extract(edited, previous=before)
    assert after == Extractor(pack).extract(edited)
    assert [each.kind for each in after.warnings] == ["day_night"]
    assert len(records_of(after, edited)) == len(edited.paragraphs)


def test_nothing_is_warned_of_in_speech_and_in_nothing():
    assert warnings("") == []
    assert warnings([DAY], "“At midnight,” he said.") == []
