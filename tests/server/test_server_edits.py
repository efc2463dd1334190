"""Edits over HTTP: applied in order, all or none, refused with the field at fault, durable, and read again rightly."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from story_server import TEXT

from gnomon.story.document import Story
from gnomon.story.extracting import extract
from gnomon.story.project import Project


def test_edits_are_made_one_after_the_other_in_code_points(window):
    id = window.story("ab😀cd")
    assert window.edit(id, (3, 3, "ș"), (0, 1, ""), (5, 5, "!")) == 2
    assert window.get(f"/stories/{id}/text") == {"text": "b😀șcd!", "revision": 2}
    assert window.edit(id, (0, 0, "")) == 2  # nothing has changed


@pytest.mark.parametrize(
    ("edits", "field"),
    [
        ([(0, 1, "x"), (3, 2, "")], "edits[1].end"),
        ([(0, 1, "x"), (99, 99, "")], "edits[1].start"),
        ([(0, 1, "x"), (0, 99, "")], "edits[1].end"),
        ([(-1, 0, "x")], "edits[0].start"),
        ([(0, 1, "x"), (0, 0, "a\ud83d")], "edits[1].text"),
        ([(0, 0, "a\0b")], "edits[0].text"),
        ([(0, 0, 7)], "edits[0].text"),
        ([(True, 1, "x")], "edits[0].start"),
        ([(0, "1", "x")], "edits[0].end"),
        ([(0.5, 1, "x")], "edits[0].start"),
        ([(0, 10**30, "x")], "edits[0].end"),
    ],
)
def test_a_wrong_edit_names_its_field_and_nothing_of_the_call_is_applied(window, edits, field):
    id = window.story("0123456789")
    asked = [dict(zip(("start", "end", "text"), each, strict=True)) for each in edits]
    body = json.dumps({"revision": 1, "edits": asked})  # httpx would refuse half a surrogate pair
    answer = window.http.post(f"/stories/{id}/edits", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
    assert answer.json()["error"]["field"] == field
    assert answer.json()["error"]["message"].startswith(f"{field}: ")
    assert window.get(f"/stories/{id}/text") == {"text": "0123456789", "revision": 1}


def test_what_is_no_call_at_all_is_refused(window):
    id = window.story("abc")
    path = f"/stories/{id}/edits"
    assert window.error("POST", path, {"edits": []}) == (422, "invalid", "revision")
    assert window.error("POST", path, {"revision": 1}) == (422, "invalid", "edits")
    assert window.error("POST", path, {"revision": 1, "edits": [{"start": 0, "end": 0}]}) == (
        422, "invalid", "edits[0].text",
    )  # fmt: skip
    assert window.error("POST", path, {"revision": 1, "edits": [], "more": 1}) == (422, "invalid", "more")
    for body in (b"", b"{", b"[]", b"\xff", b'{"revision": 1, "edits": ' + b"[" * 5000):
        answer = window.http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.json()["error"]["message"]
    assert window.error("POST", "/stories/none/edits", {"revision": 1, "edits": []}) == (404, "not_found", None)
    assert window.text(id) == "abc"


def test_an_edit_of_another_revision_is_refused_with_the_present_one(window):
    id = window.story("abc")
    window.edit(id, (0, 0, "x"))
    for revision in (1, 3, 0, -1):
        body = {"revision": revision, "edits": [{"start": 0, "end": 0, "text": "y"}]}
        error = window.post(f"/stories/{id}/edits", body, status=409)["error"]
        assert (error["code"], error["revision"]) == ("conflict", 2)
    assert window.text(id) == "xabc"


def test_of_two_windows_that_write_at_once_one_is_told_and_nothing_is_lost(window):
    id = window.story("")
    done, refused = [], []

    def write(letter):
        for _ in range(15):
            while True:
                now = window.get(f"/stories/{id}/text")
                size = len(now["text"])
                body = {"revision": now["revision"], "edits": [{"start": size, "end": size, "text": letter}]}
                answer = window.http.post(f"/stories/{id}/edits", json=body)
                if answer.status_code == 200:
                    done.append(letter)
                    break
                assert answer.status_code == 409
                refused.append(letter)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
    [each.start() for each in threads]
    [each.join() for each in threads]
    assert sorted(window.text(id)) == sorted(done) == ["a"] * 15 + ["b"] * 15
    assert window.revision(id) == 31


@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_found_after_any_edits_is_what_python_finds(window, data):
    id, text = window.story(TEXT), TEXT
    for _ in range(data.draw(st.integers(1, 4))):
        edits = []
        for _ in range(data.draw(st.integers(1, 3))):
            start = data.draw(st.integers(0, len(text)))
            end = min(len(text), start + data.draw(st.integers(0, 12)))
            new = data.draw(st.sampled_from(["", "x", " Anna", "\n\n", "He left. ", "***", "😀", "“No,” said Tom."]))
            edits.append((start, end, new))
            text = text[:start] + new + text[end:]
        window.edit(id, *edits)
        if data.draw(st.booleans()):
            window.extraction(id)
    assert window.text(id) == text
    found = window.extraction(id)
    assert (found["state"], found["revision"]) == ("ready", window.revision(id))
    expected = extract(Story.from_text(text)).to_dict()
    assert {name: found[name] for name in expected} == expected
    assert len(found["warning_keys"]) == len(found["warnings"])


def test_waiting_for_a_reading_holds_nobody_up(window):
    id = window.story("Anna walked to the mill. " * 200)
    with ThreadPoolExecutor(50) as pool:  # more than the server has threads
        waiting = [pool.submit(window.extraction, id) for _ in range(50)]
        for number in range(5):
            assert window.edit(id, (0, 0, "x")) == number + 2
        assert {each.result()["state"] for each in waiting} <= {"ready", "running"}
    assert window.extraction(id)["state"] == "ready"


SERVER = """
import sys
from pathlib import Path
from story_server import TEXT, Window, serving_in_memory, serving_stories

with serving_stories(Path(sys.argv[1])) as server:
    print(server.url, server.token, flush=True)
    sys.stdin.read()
"""


def test_what_was_acknowledged_is_there_after_kill_9_while_typing(tmp_path):
    with Project.create(tmp_path / "draft.gnomon", Story.from_text("")):
        pass
    child = subprocess.Popen(
        [sys.executable, "-c", SERVER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip
    url, token = child.stdout.readline().split()
    typed, sent = 0, threading.Event()

    def kill():
        sent.wait()
        child.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with httpx.Client(base_url=f"{url}/api", headers={"Authorization": f"Bearer {token}"}) as http:
        try:
            for number in range(2000):
                edit = {"start": number, "end": number, "text": "ab"[number % 2]}
                answer = http.post("/stories/draft/edits", json={"revision": number + 1, "edits": [edit]})
                assert answer.status_code == 200
                typed = number + 1
                if typed == 40:
                    sent.set()
        except httpx.HTTPError:
            pass
    killer.join()
    child.wait()
    assert 40 <= typed < 2000
    with Project.open(tmp_path / "draft.gnomon") as project:
        assert len(project.text) in (typed, typed + 1)
        assert project.text == ("ab" * 1000)[: len(project.text)]
