"""The page and its assets, the errors that every call shares, and streams of events."""

import asyncio
import threading

import pytest
from fastapi import Request
from pydantic import BaseModel

from gnomon.server import app as application
from gnomon.server import sse
from gnomon.server.failures import Failure
from gnomon.server.sse import Bus, Closing, Feed, encode


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A page as the build leaves it."""
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>Gnomon</title>")
    (static / "gnomon.svg").write_text("<svg/>")
    (static / ".hidden").write_text("x")
    (static / "assets" / "index-1a2b.js").write_text("go()")
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr(application, "STATIC", static)
    return static


def test_each_place_of_the_page_is_the_same_page(built, client) -> None:
    for path in ("/", "/story/draft", "/runs", "/runs/a~b%20c"):
        answer = client.get(path)
        assert answer.text == "<!doctype html><title>Gnomon</title>", path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        assert client.head(path).status_code == 200


def test_assets_stay_in_the_browser_and_other_files_are_asked_for_again(built, client) -> None:
    asset = client.get("/assets/index-1a2b.js")
    assert asset.text == "go()"
    assert asset.headers["content-type"].startswith("text/javascript")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    icon = client.get("/gnomon.svg")
    assert (icon.headers["content-type"], icon.headers["cache-control"]) == ("image/svg+xml", "no-cache")


@pytest.mark.parametrize(
    "path",
    ["/none", "/none.js", "/story", "/story/a/b", "/runs/a/b", "/assets/none.js", "/assets/", "/.hidden", "/docs", "/redoc",
     "/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%2e%2e", "/%2e%2e%2fsecret.txt"],
)  # fmt: skip
def test_what_is_not_of_the_page_is_404_and_never_another_file(built, client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
    assert "secret" not in answer.text.replace("secret.txt", "")
    assert "immutable" not in answer.headers["cache-control"]


def test_a_checkout_without_a_built_page_says_so(tmp_path, monkeypatch, client) -> None:
    monkeypatch.setattr(application, "STATIC", tmp_path / "none")
    answer = client.get("/")
    assert answer.status_code == 200
    assert "was not built" in answer.text
    assert client.get("/assets/index.js").status_code == 404
    assert client.get("/gnomon.svg").status_code == 404


def test_errors_name_the_field_in_one_sentence(client, app) -> None:
    class Edit(BaseModel):
        start: int

    class Edits(BaseModel):
        edits: list[Edit]

    @app.post("/api/try")
    def attempt(body: Edits, request: Request, number: int = 0) -> None:
        raise Failure(409, "conflict", "It has changed.", revision=3)

    def error(answer) -> tuple[int, str, str | None]:
        found = answer.json()["error"]
        assert found["message"].endswith(".")
        assert "\n" not in found["message"]
        return answer.status_code, found["code"], found.get("field")

    path = "/api/try"
    assert error(client.post(path, json={"edits": [{"start": "x"}]})) == (422, "invalid", "edits[0].start")
    assert error(client.post(path, json={"edits": [{"start": 1}, {}]})) == (422, "invalid", "edits[1].start")
    assert error(client.post(path, json={})) == (422, "invalid", "edits")
    assert error(client.post(f"{path}?number=x", json={"edits": []})) == (422, "invalid", "number")
    assert error(client.post(path, content="{", headers={"Content-Type": "application/json"})) == (422, "invalid", None)
    assert error(client.post(path, json=[])) == (422, "invalid", None)
    assert error(client.post(path)) == (422, "invalid", None)
    assert error(client.get(path)) == (405, "method_not_allowed", None)
    assert error(client.get("/api/none")) == (404, "not_found", None)
    for body, said in (({"edits": [{"start": "x"}]}, "a whole number"), ({"edits": 1}, "a list"), ([], "an object")):
        assert f"{said} is expected" in client.post(path, json=body).json()["error"]["message"]
    for name, value in (("api_key", "sk-1"), ("key", 17)):
        answer = client.put(
            "/api/providers/x", json={"kind": "openai", "base_url": "http://x/v1", "model": "m", name: value}
        )
        assert error(answer) == (422, "invalid", name)
        assert str(value) not in answer.text
    answer = client.post(path, json={"edits": []})
    assert answer.json() == {"error": {"code": "conflict", "message": "It has changed.", "revision": 3}}


# -- streams ----------------------------------------------------------------------------------------------------------


def test_an_event_is_one_block_whatever_is_in_it() -> None:
    assert encode("saved", {"text": "a\nb ș", "n": float("nan")}) == (
        'event: saved\ndata: {"text": "a\\nb ș", "n": null}\n\n'.encode()
    )
    assert encode(None, 1) == b"data: 1\n\n"


def test_everybody_who_listens_hears_what_a_thread_says_after_the_present_state() -> None:
    async def listen() -> list[list[bytes]]:
        bus, closing = Bus(), Closing()
        begun = asyncio.Semaphore(0)

        async def one() -> list[bytes]:
            heard = []
            async for event in bus.subscribe(closing, first=lambda: [("saved", 0)]):
                heard.append(event)
                begun.release()
            return heard

        listeners = [asyncio.create_task(one()) for _ in range(3)]
        for _ in listeners:
            await begun.acquire()

        def work() -> None:
            for number in range(1, 4):
                bus.publish("saved", number)
            bus.close()

        thread = threading.Thread(target=work)
        thread.start()
        found = list(await asyncio.wait_for(asyncio.gather(*listeners), 10))
        thread.join()
        bus.publish("saved", 9)  # nobody listens any more
        return found

    assert asyncio.run(listen()) == [[encode("saved", number) for number in range(4)]] * 3


def test_the_end_of_the_server_ends_streams_that_wait_and_those_that_begin_then() -> None:
    async def listen() -> None:
        bus, closing = Bus(), Closing()
        waiting = asyncio.create_task(anext(bus.subscribe(closing), None))
        sleeping = asyncio.create_task(closing.wait(30))
        assert await closing.wait(0.01) is False
        threading.Thread(target=closing.set).start()
        assert await asyncio.wait_for(waiting, 10) is None
        assert await asyncio.wait_for(sleeping, 10) is True
        assert await anext(bus.subscribe(closing), None) is None
        assert await closing.wait(30) is True

    asyncio.run(listen())


def test_silence_is_broken_by_a_comment(monkeypatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.01)

    async def listen() -> tuple[bytes, bytes]:
        feed = Feed(Closing())
        events = feed.read()
        first = await asyncio.wait_for(anext(events), 10)
        feed.put("saved", 1)
        following = await asyncio.wait_for(anext(events), 10)
        while following == first:
            following = await asyncio.wait_for(anext(events), 10)
        return first, following

    assert asyncio.run(listen()) == (b": \n\n", encode("saved", 1))


def test_a_reader_that_is_too_slow_is_let_go() -> None:
    async def listen() -> int:
        feed = Feed(Closing(), waiting=5)
        events = feed.read()
        feed.put("saved", 0)
        await asyncio.wait_for(anext(events), 10)
        for number in range(1000):
            feed.put("saved", number)
        await asyncio.sleep(0)
        return len([event async for event in events])

    assert asyncio.run(listen()) < 5


def test_a_feed_outlives_its_reader() -> None:
    async def make() -> Feed:
        return Feed(Closing())

    feed = asyncio.run(make())
    feed.put("saved", 1)
    feed.end()
