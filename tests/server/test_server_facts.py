"""The writer's facts over HTTP: anchored where the writer points, winning over what is found, and never in the way."""

import json

import pytest
from story_server import TEXT

from gnomon.story.records import FACT_KINDS


def span(text, part):
    start = text.index(part)
    return {"start": start, "end": start + len(part)}


def test_a_fact_about_somebody_changes_what_is_found(window):
    id = window.story()
    assert {each["id"] for each in window.extraction(id)["characters"]} >= {"anna", "marcus"}
    made = window.post(f"/stories/{id}/facts", {"kind": "gender", "subject": "anna", "value": "m"}, status=201)
    assert made == {"id": 1, "revision": 1}
    assert window.get(f"/stories/{id}/facts") == {
        "facts": [{"id": 1, "kind": "gender", "subject": "anna", "value": "m", "lost": False}]
    }
    genders = {each["id"]: each["gender"] for each in window.extraction(id)["characters"]}
    assert genders["anna"] == "m"
    assert window.call("DELETE", f"/stories/{id}/facts/1", status=200) == {"revision": 1}
    assert window.get(f"/stories/{id}/facts") == {"facts": []}
    assert {each["id"]: each["gender"] for each in window.extraction(id)["characters"]}["anna"] == "f"
    assert window.error("DELETE", f"/stories/{id}/facts/1") == (404, "not_found", None)


def test_a_fact_about_a_passage_moves_with_it_and_is_lost_with_it(window):
    id = window.story()
    body = {"kind": "not_event", "subject": span(TEXT, "walked"), "revision": 1}
    assert window.post(f"/stories/{id}/facts", body, status=201)["id"] == 1
    assert "walk" not in {each["verb"] for each in window.extraction(id)["events"]}
    window.edit(id, (0, 0, "😀 "))
    (fact,) = window.get(f"/stories/{id}/facts")["facts"]
    assert (fact["subject"]["quote"], fact["subject"]["start"], fact["lost"]) == (
        "walked", TEXT.index("walked") + 2, False,
    )  # fmt: skip
    text = window.text(id)
    window.edit(id, (text.index("walked"), text.index("walked") + 6, "ran"))
    assert [each["lost"] for each in window.get(f"/stories/{id}/facts")["facts"]] == [True]
    window.post(f"/stories/{id}/undo", {})
    assert [each["lost"] for each in window.get(f"/stories/{id}/facts")["facts"]] == [False]


def test_what_nothing_in_the_text_answers_to_is_listed_as_lost(window):
    id = window.story()
    window.post(f"/stories/{id}/facts", {"kind": "gender", "subject": "nobody", "value": "f"}, status=201)
    assert [each["kind"] for each in window.extraction(id)["lost"]] == ["gender"]
    assert [each["lost"] for each in window.get(f"/stories/{id}/facts")["facts"]] == [True]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"kind": "nonsense", "subject": "anna"}, 422, "kind"),
        ({"kind": "alias", "subject": 7}, 422, "subject"),
        ({"kind": "alias"}, 422, "subject"),
        ({"kind": "alias", "subject": "anna", "value": ["x"]}, 422, "value"),
        ({"kind": "alias", "subject": "a\ud800", "value": "x"}, 422, "subject"),
        ({"kind": "alias", "subject": "anna", "value": "a\0"}, 422, "value"),
        ({"kind": "alias", "subject": " ", "value": "x"}, 422, "subject"),
        ({"kind": "alias", "subject": "anna"}, 422, "value"),
        ({"kind": "gender", "subject": "anna", "value": "female"}, 422, "value"),
        ({"kind": "event", "subject": {"start": 0, "end": 3}}, 422, "revision"),
        ({"kind": "event", "subject": {"start": 0, "end": 3}, "revision": 9}, 409, None),
        ({"kind": "event", "subject": {"start": -1, "end": 3}, "revision": 1}, 422, "subject.start"),
        ({"kind": "event", "subject": {"start": 3, "end": 3}, "revision": 1}, 422, "subject.end"),
        ({"kind": "event", "subject": {"start": 3, "end": 9999}, "revision": 1}, 422, "subject.end"),
        ({"kind": "event", "subject": {"start": "3", "end": 5}, "revision": 1}, 422, "subject.start"),
        ({"kind": "story_before", "subject": "x", "value": {"start": 5, "end": 4}, "revision": 1}, 422, "value.end"),
    ],
)
def test_a_fact_that_cannot_be_is_refused(window, body, status, field):
    id = window.story()
    answer = window.http.post(
        f"/stories/{id}/facts", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    error = answer.json()["error"]
    assert answer.status_code == status, answer.text
    if field is not None:
        assert error["field"] == field
    if status == 409:
        assert error["revision"] == 1
    assert window.get(f"/stories/{id}/facts") == {"facts": []}


def test_no_fact_that_is_taken_keeps_the_story_from_being_read(window):
    id = window.story()
    found = window.extraction(id)
    event, passage = found["events"][0]["id"], {"start": found["events"][0]["start"], "end": found["events"][0]["end"]}
    subjects = ("anna", "nobody", "", event, passage, {"start": 0, "end": len(TEXT)})
    values = (None, "mill", "Zoe", "f", passage)
    for kind in FACT_KINDS:
        for subject in subjects:
            for value in values:
                body = {"kind": kind, "subject": subject, "value": value, "revision": 1}
                made = window.http.post(f"/stories/{id}/facts", json=body)
                assert made.status_code in (201, 422), made.text
        assert window.extraction(id)["state"] == "ready", kind
        for fact in window.get(f"/stories/{id}/facts")["facts"]:
            window.call("DELETE", f"/stories/{id}/facts/{fact['id']}")


@pytest.mark.parametrize("fact", ["9", "none", str(10**30)])
def test_a_fact_that_is_not_there_is_404_whatever_it_is_called(window, fact):
    id = window.story()
    assert window.error("DELETE", f"/stories/{id}/facts/{fact}") == (404, "not_found", None)
