"""What happens to a story, as every window hears of it."""

import threading

import pytest
from story_server import Window, serving_in_memory, serving_stories

from gnomon.server import stories


@pytest.fixture(scope="module")
def server():
    with serving_in_memory() as running:
        yield running


def test_two_windows_hear_of_each_others_changes(server):
    one, other = Window(server), Window(server)
    id = one.story("Anna walked to the mill.")
    with one.listening(f"/stories/{id}/events") as ours, other.listening(f"/stories/{id}/events") as theirs:
        for events in (ours, theirs):
            assert events.next() == ("saved", {"revision": 1, "node": 1})
            assert events.next("extraction")[1]["state"] in ("running", "ready")
        one.edit(id, (0, 0, "Then "))
        assert ours.next("saved")[1] == theirs.next("saved")[1] == {"revision": 2, "node": 2}
        for events in (ours, theirs):  # nobody asks for it: the story is read as the writer pauses
            events.until("extraction", lambda data: data == {"revision": 2, "state": "ready"})
        made = other.propose(id, {"op": "rename", "target": "anna", "to": "Eva"})
        assert ours.next("suggestion")[1] == theirs.next("suggestion")[1] == {"id": made["id"]}
        assert ours.next("saved")[1] == theirs.next("saved")[1] == {"revision": 2, "node": 2}
        other.post(f"/stories/{id}/suggestions/{made['id']}/decisions", {"accept": "all"})
        assert ours.next("saved")[1] == theirs.next("saved")[1] == {"revision": 3, "node": 3}
        one.post(f"/stories/{id}/facts", {"kind": "ignore", "subject": "mill"})
        assert theirs.next("saved")[1] == {"revision": 3, "node": 4}
        theirs.until("extraction", lambda data: data == {"revision": 3, "state": "ready"})
        one.post(f"/stories/{id}/undo", {})
        assert theirs.next("saved")[1]["node"] == 3
        one.call("PUT", f"/stories/{id}/settings", {"dismissed": ["x"]})
        assert theirs.next("saved")[1]["node"] == 3


def test_a_refused_edit_is_told_to_nobody(server):
    window = Window(server)
    id = window.story("One.")
    with window.listening(f"/stories/{id}/events") as events:
        assert events.next("saved")[1]["revision"] == 1
        window.error("POST", f"/stories/{id}/edits", {"revision": 7, "edits": []})
        window.edit(id, (0, 0, "x"))
        assert events.next("saved")[1]["revision"] == 2


def test_a_long_first_reading_says_how_far_it_is_and_the_story_can_be_used_meanwhile(server):
    window = Window(server)
    text = "\n\n".join(f"Anna number {number} walked to the mill and gave Tom a ring." for number in range(600))
    id = window.story(text)
    with window.listening(f"/stories/{id}/events") as events:
        done = events.until("progress", lambda data: data["what"] == "reading")
        assert 0 < done["done"] < done["total"] == 600
        before = window.get(f"/stories/{id}/extraction")
        assert (before["state"], before["characters"], before["stats"]) == ("running", [], {})
        assert window.edit(id, (0, 0, "So ")) == 2
        events.until("extraction", lambda data: data == {"revision": 1, "state": "running"})
        events.until("extraction", lambda data: data == {"revision": 2, "state": "ready"})
    assert window.extraction(id)["stats"]["parsed"] == 1


def test_a_reading_that_fails_says_so_and_the_next_one_works(server, monkeypatch, capsys):
    window = Window(server)
    id = window.story("Anna walked to the mill.")
    window.extraction(id)

    class Broken(stories.Extractor):
        def extract(self, *arguments, **more):
            raise RuntimeError("as if something were wrong")

    with window.listening(f"/stories/{id}/events") as events:
        with monkeypatch.context() as patch:
            patch.setattr(stories, "Extractor", Broken)
            window.edit(id, (0, 0, "x"))
            failed = events.until("extraction", lambda data: data["state"] == "failed")
            assert "as if" not in failed["message"]
            found = window.extraction(id)
            assert (found["state"], found["revision"], found["message"]) == ("failed", 1, failed["message"])
            intent = {"op": "rename", "target": "anna", "to": "Eva"}
            assert window.error("POST", f"/stories/{id}/suggestions", {"intent": intent}) == (
                500, "reading_failed", None,
            )  # fmt: skip
        assert "as if something were wrong" in capsys.readouterr().err
        window.edit(id, (0, 1, ""))
        assert window.extraction(id)["state"] == "ready"
        assert "message" not in window.extraction(id)


def test_while_the_writer_types_on_the_story_is_read_now_and_again(server, monkeypatch):
    monkeypatch.setattr(stories, "PAUSE", 0.5)
    monkeypatch.setattr(stories, "LONGEST_WAIT", 0.8)
    window = Window(server)
    id = window.story("Anna walked. ")
    window.extraction(id)
    stop = threading.Event()

    def typing():
        while not stop.wait(0.05):
            window.edit(id, (0, 0, "x"))

    with Window(server).listening(f"/stories/{id}/events") as events:
        thread = threading.Thread(target=typing)
        thread.start()
        first = events.until("extraction", lambda data: data["state"] == "running" and data["revision"] > 1)
        later = events.until("extraction", lambda data: (data["revision"] or 0) > first["revision"] + 5)
        stop.set()
        thread.join()
        last = window.revision(id)
        events.until("extraction", lambda data: data == {"revision": last, "state": "ready"})
    assert later["revision"] <= last


def test_the_streams_end_with_the_server(tmp_path):
    with serving_stories(tmp_path) as server:
        window = Window(server)
        id = window.story("One.")
        answer = window.http.send(window.http.build_request("GET", f"/stories/{id}/events"), stream=True)
        lines = answer.iter_lines()
        assert next(lines) == "event: saved"
    assert "event: saved" not in list(lines)  # it ended, and in order
