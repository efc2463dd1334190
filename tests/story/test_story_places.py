"""Places of hand-parsed stories: which there are, where events are, where everybody is at each change."""

from hand_parsed import story_of

from gnomon.story.extracting import Extractor
from gnomon.story.records import Extraction, Fact

WALKED = "Anna/PROPN/nsubj/2 walked=walk/VERB/root/0:past! to/ADP/case/5 the/DET/det/5 mill/NOUN/obl/2 ./PUNCT/punct/2"
SANG = "Anna/PROPN/nsubj/2 sang=sing/VERB/root/0:past! ./PUNCT/punct/2"
TOM_SANG = SANG.replace("Anna", "Tom")
TOM_SAT = "Tom/PROPN/nsubj/5 was=be/AUX/cop/5:past in/ADP/case/5 the/DET/det/5 garden/NOUN/root/0 ./PUNCT/punct/5"
LEFT = "Anna/PROPN/nsubj/2 left=leave/VERB/root/0:past! the/DET/det/4 mill/NOUN/obj/2 ./PUNCT/punct/2"
LED = (
    "Anna/PROPN/nsubj/2 led=lead/VERB/root/0:past! Tom/PROPN/obj/2 into/ADP/case/6 the/DET/det/6 cellar/NOUN/obl/2 "
    "./PUNCT/punct/2"
)
HAD_BEEN = (
    "Ten/NUM/nummod/2 years/NOUN/obl/6 earlier/ADV/advmod/2 Anna/PROPN/nsubj/6 had=have/AUX/aux/6:past "
    "sung=sing/VERB/root/0:part! in/ADP/case/8 Paris/PROPN/obl/6@PLACE ./PUNCT/punct/6"
)


def read(*paragraphs, facts=()) -> Extraction:
    story, pack = story_of(*paragraphs)
    return Extractor(pack).extract(story, facts=facts)


def where(*paragraphs) -> list[str | None]:
    return [event.place for event in read(*paragraphs).events]


def test_a_movement_takes_the_character_and_the_scene_along() -> None:
    assert where([SANG, WALKED, SANG, TOM_SANG]) == [None, "mill", "mill", "mill"]


def test_somebody_elsewhere_stays_there_and_a_new_scene_is_unknown() -> None:
    found = read([WALKED, TOM_SAT, TOM_SANG, SANG], "***", [SANG])
    assert [event.place for event in found.events] == ["mill", "garden", "mill", None]
    assert found.positions == {"anna": ((0, "mill"), (3, None)), "tom": ((1, "garden"),)}


def test_who_leaves_is_nowhere_known() -> None:
    found = read([WALKED, LEFT, SANG, TOM_SANG])
    assert [event.place for event in found.events] == ["mill", "mill", None, "mill"]
    assert found.positions["anna"] == ((0, "mill"), (1, None))


def test_who_is_led_goes_along() -> None:
    assert where([LED, TOM_SANG]) == ["cellar", "cellar"]
    assert read([LED, TOM_SANG]).positions == {"anna": ((0, "cellar"),), "tom": ((0, "cellar"),)}


def test_they_go_together() -> None:
    they = WALKED.replace("Anna/PROPN", "They=they/PRON").replace("mill", "church")
    found = read([LED, they, TOM_SANG])
    assert [event.place for event in found.events] == ["cellar", "church", "church"]
    assert found.events[1].agent is None


def test_a_flashback_has_places_of_its_own() -> None:
    assert where([WALKED, HAD_BEEN, SANG.replace("Anna", "Now/ADV/advmod/3 Anna").replace("/2", "/3")]) == [
        "mill", "paris", "mill",
    ]  # fmt: skip


def test_places_have_mentions_and_what_holds_them() -> None:
    found = read(
        [
            "Tom/PROPN/nsubj/2 entered=enter/VERB/root/0:past! the/DET/det/4 kitchen/NOUN/obj/2 of/ADP/case/7 the/DET/det/7 inn/NOUN/nmod/4 ./PUNCT/punct/2",
            "He/PRON/nsubj/2:m left=leave/VERB/root/0:past! the/DET/det/4 inn/NOUN/obj/2 ./PUNCT/punct/2",
        ]
    )
    places = {place.id: place for place in found.places}
    assert list(places) == ["kitchen", "inn"]
    assert places["kitchen"].within == "inn"
    assert places["inn"].within is None
    assert [mention.text for mention in places["inn"].mentions] == ["the inn", "the inn"]
    assert places["inn"].aliases == ("the inn",)


def test_houses_of_two_people_are_two_places() -> None:
    def house(owner: str) -> str:
        return (
            f"Karl/PROPN/nsubj/2 went=go/VERB/root/0:past! to/ADP/case/6 {owner}/PROPN/nmod:poss/6 's/PART/case/4 "
            "house/NOUN/obl/2 ./PUNCT/punct/2"
        )

    found = read([house("Anna"), house("Tom"), SANG, TOM_SANG])
    assert [event.place for event in found.events[:2]] == ["anna-s-house", "tom-s-house"]


def test_a_place_has_no_id_of_a_character() -> None:
    found = read(
        ["Mill/PROPN/nsubj/2 walked=walk/VERB/root/0:past! to/ADP/case/5 the/DET/det/5 mill/NOUN/obl/2 ./PUNCT/punct/2"]
    )
    assert [person.id for person in found.characters] == ["mill"]
    assert [place.id for place in found.places] == ["mill-2"]
    assert found.events[0].place == "mill-2"


def test_facts_about_places() -> None:
    story, pack = story_of([WALKED, SANG, LED])

    def extract(*facts: Fact) -> Extraction:
        return Extractor(pack).extract(story, facts=facts)

    merged = extract(Fact("alias", "mill", "cellar"))
    assert [place.id for place in merged.places] == ["mill"]
    assert merged.places[0].source == "user"
    assert [event.place for event in merged.events] == ["mill", "mill", "mill"]

    gone = extract(Fact("ignore", "mill"))
    assert [place.id for place in gone.places] == ["cellar"]
    assert [event.place for event in gone.events] == [None, None, "cellar"]

    start = story.text.index("sang")
    said = extract(Fact("place", story.anchor(start, start + 4), "The Black Bull"))
    assert said.events[1].place == "the-black-bull"
    assert said.events[1].source == "user"
    assert said.positions["anna"] == ((0, "mill"), (1, "the-black-bull"), (2, "cellar"))
    assert not said.lost
    nowhere = extract(Fact("place", story.anchor(start, start + 4), None))
    assert nowhere.events[1].place is None

    unknown = Fact("ignore", "no such place")
    assert extract(unknown).lost == (unknown,)
