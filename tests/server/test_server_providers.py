"""Setting providers up over HTTP: what is kept, what is refused, trying one; a key goes in and never comes out."""

import json
import stat
import threading
import time

import pytest
from story_server import Window, serving_stories

from chat_server import serving

SECRET = "sk-never-to-be-seen-17"
GOOD = {"kind": "openai", "base_url": "http://127.0.0.1:11434/v1", "model": "tiny"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("providers")
    with serving_stories(folder, folder / "settings") as running:
        yield running


@pytest.fixture
def window(server, monkeypatch):
    monkeypatch.setattr("gnomon.story.providers.keys._to_keyring", lambda name, key: False)
    monkeypatch.setattr("gnomon.story.providers.keys._from_keyring", lambda name: "")
    return Window(server)


def said(content):
    body = {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def test_a_provider_is_set_up_changed_listed_and_forgotten(window, server):
    assert [each["name"] for each in window.get("/providers")["providers"]] == ["builtin"]
    made = window.call("PUT", "/providers/local", {**GOOD, "key": SECRET, "timeout_s": 9.5}, status=200)
    assert made == {"name": "local", **GOOD, "has_key": True, "timeout_s": 9.5}
    assert window.get("/providers")["providers"][1] == made
    key = server.folder / "settings" / "local.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert SECRET not in (server.folder / "settings" / "providers.json").read_text()
    window.call("PUT", "/providers/local", {**GOOD, "prices": [1, 2]})
    window.call("PUT", "/providers/local", {**GOOD, "timeout_s": 5})  # as the page does, which knows no prices
    assert '"prices": [1.0, 2.0]' in (server.folder / "settings" / "providers.json").read_text()
    window.call("PUT", "/providers/local", {**GOOD, "prices": None})
    assert "prices" not in (server.folder / "settings" / "providers.json").read_text()
    same = window.call("PUT", "/providers/local", {**GOOD, "model": "other"})
    assert (same["model"], same["has_key"]) == ("other", True)
    moved = window.call("PUT", "/providers/local", {**GOOD, "base_url": "http://localhost:9/v1"})
    assert moved["has_key"] is False  # a key goes to no other address
    assert window.call("DELETE", "/providers/local", status=200) == {}
    assert not key.exists()
    assert window.error("DELETE", "/providers/local") == (404, "not_found", None)


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("local", {**GOOD, "kind": "magic"}, "kind"),
        ("local", {"base_url": "http://x/v1", "model": "m"}, "kind"),
        ("local", {**GOOD, "base_url": "nonsense"}, "base_url"),
        ("local", {**GOOD, "base_url": "ftp://x/v1"}, "base_url"),
        ("local", {**GOOD, "base_url": f"http://me:{SECRET}@x/v1"}, "base_url"),
        ("local", {**GOOD, "base_url": f"http://x/v1?key={SECRET}"}, "base_url"),
        ("local", {**GOOD, "model": ""}, "model"),
        ("local", {**GOOD, "timeout_s": 0}, "timeout_s"),
        ("local", {**GOOD, "timeout_s": "soon"}, "timeout_s"),
        ("local", {**GOOD, "key": "two words"}, "key"),
        ("local", {**GOOD, "key": "cheie-ș"}, "key"),
        ("local", {**GOOD, "key": 7}, "key"),
        ("local", {**GOOD, "prices": [1]}, "prices"),
        ("local", {**GOOD, "colour": "red"}, "colour"),
        ("local", {"kind": "runs", "base_url": "/nowhere/at/all"}, "base_url"),
        ("local", {"kind": "replay", "base_url": "/nowhere/at/all"}, "base_url"),
        ("builtin", GOOD, "name"),
        ("two%20words", GOOD, "name"),
    ],
)
def test_what_cannot_be_a_provider_names_its_field_and_is_not_kept(window, name, body, field):
    answer = window.http.put(f"/providers/{name}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid"), answer.text
    assert answer.json()["error"]["field"] == field, answer.text
    assert SECRET not in answer.text
    assert [each["name"] for each in window.get("/providers")["providers"]] == ["builtin"]


def test_trying_a_provider_asks_for_an_edit_of_one_sentence(window):
    with serving(lambda number, body: said('{"text": "Anna ran to the mill."}')) as (url, seen):
        window.call("PUT", "/providers/model", {**GOOD, "base_url": url, "key": SECRET})
        found = window.post("/providers/model/test", {}, status=200)
    assert found["ok"] is True
    assert 0 < found["seconds"] < 20
    (request,) = seen
    asked = json.loads(request["body"]["messages"][-1]["content"])
    assert set(asked) == {"task", "intent", "span", "before", "after", "cast"}
    assert (asked["task"], asked["before"], asked["after"]) == ("edit", "", "")
    assert window.post("/providers/builtin/test", {}, status=200)["ok"] is True
    assert window.error("POST", "/providers/none/test") == (404, "not_found", None)
    window.call("DELETE", "/providers/model")


@pytest.mark.parametrize(
    ("behave", "code"),
    [
        (lambda number, body: (401, {}, f"no: {SECRET}".encode()), "provider_error"),
        (lambda number, body: said("hello"), "provider_bad_answer"),
        (lambda number, body: time.sleep(1) or said("{}"), "provider_timeout"),
    ],
)
def test_a_provider_that_gives_no_edit_fails_the_trial(window, behave, code):
    with serving(behave) as (url, _):
        window.call("PUT", "/providers/model", {**GOOD, "base_url": url, "key": SECRET, "timeout_s": 0.5})
        answer = window.http.post("/providers/model/test")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, code)
    assert SECRET not in answer.text
    window.call("DELETE", "/providers/model")


def test_many_hung_providers_keep_nobody_from_writing(window, server):
    hung = threading.Event()
    with serving(lambda number, body: hung.wait(30) and said("{}")) as (url, _):
        window.call("PUT", "/providers/model", {**GOOD, "base_url": url, "timeout_s": 30})
        trying = [
            threading.Thread(target=lambda: Window(server).error("POST", "/providers/model/test")) for _ in range(50)
        ]
        [each.start() for each in trying]
        id = window.story("One.")
        begun = time.monotonic()
        assert window.edit(id, (0, 0, "x")) == 2
        assert time.monotonic() - begun < 10
        hung.set()
        [each.join(30) for each in trying]
    window.call("DELETE", "/providers/model")
