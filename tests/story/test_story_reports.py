"""The planning reports on stories small enough to count by hand."""

from dataclasses import replace

import pytest
from handmade import Told

from gnomon.errors import UserError
from gnomon.story.records import Event, Extraction, TimeCue
from gnomon.story.reports import REPORTS, make_report, read_groups


def report(name, told, **options):
    found = make_report(name, told.story, told.extraction, **options)
    for row in found.rows:
        assert len(row.values) == len(found.columns)
        for span in row.spans:
            assert " ".join(told.story.text[span.start : span.end].split()).startswith(span.quote.rstrip("…"))
    return found


def test_a_passive_character_is_one_to_whom_things_are_done():
    told = Told("Anna saw Tom. Anna hit Tom. Anna hit Tom. Karl hit Tom. Karl ran. Karl ran. " * 4)
    told.person("Anna").person("Tom").person("Karl")
    for number in range(4):
        told.event("saw", "see", "anna", "tom", kind="perception", number=number)
        told.event("ran", "run", "karl", number=number)
    for number in range(12):
        told.event("hit", "hit", "anna", "tom", number=number)
    found = report("passive_characters", told)
    assert [row.values for row in found.rows] == [("Tom", 16, 0, 16, 0, 0.0)]
    assert [span.quote for span in found.rows[0].spans] == ["Anna saw Tom.", "Anna hit Tom.", "Anna hit Tom."]


def test_two_who_never_meet_and_know_the_same_people_could_be_one():
    told = Told(
        ("Anna greeted Mary. " * 8) + "\n\n***\n\n" + ("Beth greeted Mary. " * 8) + "\n\n***\n\n" + "Karl slept. " * 8
    )
    told.person("Anna", gender="f").person("Beth", gender="f").person("Mary").person("Karl")
    rows = report("mergeable_characters", told).rows
    assert [row.values[:5] for row in rows] == [("Anna", "Beth", 8, 8, "Mary")]
    assert rows[0].values[5] == pytest.approx(1.0)
    told.characters[1] = told.characters[1]._replace(gender="m")
    assert report("mergeable_characters", told).rows == ()


def test_a_place_is_needed_where_something_happens():
    told = Told("Anna slept in the hut. Anna ate in the hut. The barn was red. The barn was old.")
    told.person("Anna").place("hut").place("barn")
    told.event("slept", "sleep", "anna", place="hut").event("ate", "eat", "anna", place="hut")
    assert [row.values for row in report("removable_places", told).rows] == [("barn", 2, 1, 0)]
    told.places[0] = told.places[0]._replace(within="barn")
    assert report("removable_places", told).rows == ()


def test_a_lull_is_a_stretch_without_events():
    busy, quiet = "Anna ran. " * 210, "The hill was green. " * 105
    told = Told("\n\n".join([busy, busy, quiet, quiet, busy]))
    told.person("Anna")
    for number in range(630):
        told.event("ran", "run", "anna", number=number)
    found = report("lulls", told)
    assert [row.values for row in found.rows] == [(1, 840, 0, 0.0)]
    assert [told.story.paragraph_at(span.start) for span in found.rows[0].spans] == [2, 3]
    assert report("lulls", Told("Short.")).rows == ()


def ordered(told, story, cue=None):
    extraction = told.extraction
    events = tuple(
        Event(*each[:2], place, *each[3:11], cue if number in (1, 2) else None, *each[12:])
        for number, (each, place) in enumerate(zip(extraction.events, story, strict=True))
    )
    return make_report("order_of_telling", told.story, Extraction("en", told.story.scenes, events=events))


def test_what_is_told_out_of_its_time():
    told = Told("Anna ran. Two years before Tom slept. Tom ate. Anna sat.").person("Anna").person("Tom")
    told.event("ran", "run", "anna").event("slept", "sleep", "tom").event("ate", "eat", "tom").event(
        "sat", "sit", "anna"
    )
    rows = ordered(told, [2, 0, 1, 3], TimeCue(10, 26, "earlier")).rows
    assert [row.values for row in rows] == [(1, 2, "tom sleep", "earlier", "anna run", "Two years before")]
    assert [row.values for row in ordered(told, [2, 0, 1, 3]).rows] == [(1, 1, "anna run", "later", "tom sleep", "")]
    assert [row.values for row in ordered(told, [0, 2, 1, 3]).rows] == [(1, 1, "tom sleep", "later", "tom eat", "")]
    assert ordered(told, [0, 1, 2, 3]).rows == ()


def test_one_event_that_is_misplaced_does_not_move_the_others():
    told = Told("Anna ran. " * 6).person("Anna")
    for number in range(6):
        told.event("ran", "run", "anna", number=number)
    rows = ordered(told, [5, 0, 1, 2, 3, 4]).rows
    assert [row.values[1:4] for row in rows] == [(1, "anna run", "later")]


def test_a_journey_that_is_not_told():
    told = Told("Anna sat in the hut. Anna slept in the barn. Anna went to the hut. Anna ate in the hut.")
    told.person("Anna").place("hut").place("barn")
    told.event("sat", "sit", "anna", place="hut").event("slept", "sleep", "anna", place="barn")
    told.event("went", "go", "anna", place="hut", kind="movement").event("ate", "eat", "anna", place="hut")
    assert [row.values for row in report("broken_travel", told).rows] == [("Anna", "hut", "barn", 1)]
    for relation in ("earlier", "later"):
        found = told.extraction
        events = [
            each._replace(time=TimeCue(0, 4, relation)) if each.verb == "sleep" else each for each in found.events
        ]
        assert make_report("broken_travel", told.story, replace(found, events=tuple(events))).rows == ()
    told.places[0] = told.places[0]._replace(within="barn")
    assert report("broken_travel", told).rows == ()


def test_who_sees_each_scene():
    told = Told("Anna saw Tom. Anna saw Tom. Tom heard it.\n\n***\n\nTom heard it.").person("Anna").person("Tom")
    for number in range(2):
        told.event("saw", "see", "anna", "tom", kind="perception", number=number)
        told.event("heard", "hear", "tom", kind="perception", number=number)
    rows = report("viewpoint", told).rows
    assert [row.values for row in rows] == [
        (1, "Anna", 2, 3, pytest.approx(2 / 3), "Tom 1"),
        (2, "Tom", 1, 1, 1.0, ""),
    ]


def test_what_only_the_protagonist_knows():
    told = Told("Anna hid it. Anna ran.\n\nIt was cold.\n\nAnna hit Tom.\n\nAnna ate.\n\n***\n\nAnna slept.")
    told.person("Anna").person("Tom")
    told.event("hid", "hide", "anna").event("ran", "run", "anna").event("hit", "hit", "anna", "tom")
    told.event("ate", "eat", "anna").event("slept", "sleep", "anna")
    rows = report("only_protagonist_knows", told).rows
    assert [row.values for row in rows] == [(1, 2, "hide, run", ""), (2, 1, "sleep", "")]
    assert report("only_protagonist_knows", told, protagonist="tom").rows == ()
    with pytest.raises(UserError, match=r"no character Karl in this story; there are Anna, Tom"):
        report("only_protagonist_knows", told, protagonist="Karl")


def test_shares_of_the_cast_by_group():
    told = Told("\n\n".join(['Anna hit Tom. "Go away now," said Anna.', "Tom hit Anna.", "Anna hit Tom."] * 4))
    told.person("Anna").person("Tom")
    for number in range(12):
        agent, patient = ("tom", "anna") if number % 3 == 1 else ("anna", "tom")
        told.event("hit", "hit", agent, patient, number=number)
    told.speech('"Go away now,"', "anna")
    found = report("cast_audit", told, groups={"Anna": "women", "Tom": "men"})
    by_group = {row.values[0]: row.values for row in found.rows}
    assert {name: values[1] for name, values in by_group.items()} == {"men": 1, "women": 1}
    men, women = by_group["men"], by_group["women"]
    assert (men[2]["value"], women[2]["value"]) == (pytest.approx(12 / 28), pytest.approx(16 / 28))
    assert (men[3]["value"], women[3]["value"]) == (0.0, 1.0)
    assert (men[4]["value"], women[4]["value"]) == (pytest.approx(4 / 12), pytest.approx(8 / 12))
    assert women[4]["low"] < 8 / 12 < women[4]["high"]
    assert women[4]["n"] == 12
    told.person("Mary", "Anna", id="mary")
    assert "1 further character" in report("cast_audit", told, groups={"Anna": "women", "Tom": "men"}).meaning


def test_every_report_says_that_there_is_nothing():
    told = Told("")
    for name in REPORTS.keys() - {"cast_audit"}:
        found = report(name, told)
        assert found.rows == ()
        assert found.to_dict()["rows"] == []
        assert found.nothing.endswith(".")


def test_mistakes_name_what_there_is():
    told = Told("Anna ran.").person("Anna")
    with pytest.raises(UserError, match="there is no report lull; there are passive_characters, "):
        report("lull", told)
    with pytest.raises(UserError, match="the report lulls has no option groups"):
        report("lulls", told, groups={"Anna": "women"})
    with pytest.raises(UserError, match="cast_audit needs the groups"):
        report("cast_audit", told)
    with pytest.raises(UserError, match="no character Tom"):
        report("cast_audit", told, groups={"Tom": "men"})


def test_groups_come_from_pairs_and_a_table(tmp_path):
    table = tmp_path / "cast.csv"
    table.write_text("character,group\nAnna,women\nTom,men\n,\n", encoding="utf-8-sig")
    assert read_groups(["Tom = boys"], table) == {"Anna": "women", "Tom": "boys"}
    for bad in ("Anna", "=women", "Anna="):
        with pytest.raises(UserError, match="NAME=GROUP"):
            read_groups([bad])
    table.write_text("name,group\nAnna,women\n")
    with pytest.raises(UserError, match="columns character,group"):
        read_groups([], table)
    with pytest.raises(UserError, match=r"missing\.csv"):
        read_groups([], tmp_path / "missing.csv")


def test_a_report_is_ready_for_json():
    told = Told("Anna sat in the hut. The barn was red. The barn was old.").person("Anna").place("hut").place("barn")
    told.event("sat", "sit", "anna", place="hut")
    found = report("removable_places", told).to_dict()
    assert found["columns"] == ["place", "mentions", "scenes", "events"]
    assert found["rows"][0]["values"] == {"place": "barn", "mentions": 2, "scenes": 1, "events": 0}
    assert found["rows"][0]["spans"][0] == {"start": 21, "end": 38, "quote": "The barn was red."}
