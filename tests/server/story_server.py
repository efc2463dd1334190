"""The whole application on a port of its own, in this process, and what a window of the page does with it."""

import json
import queue
import socket
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from gnomon.server.access import Access
from gnomon.server.app import create_app
from gnomon.server.stories import Stories

TEXT = (
    "# One\n\nAnna walked to the mill. Marcus gave Anna a ring 😀.\n\n***\n\n"
    "“Ștefan is late,” said Marcus. Anna left the mill.\n\nMarcus stayed"
)


class Window:
    """A client with the token. A call answers its JSON, once the status is what was expected."""

    def __init__(self, server):
        self.http = httpx.Client(
            base_url=f"{server.url}/api", headers={"Authorization": f"Bearer {server.token}"}, timeout=60
        )

    def call(self, method, path, body=None, *, status=None, **more):
        answer = self.http.request(method, path, json=body, **more)
        wanted = status or (200, 201)
        assert answer.status_code in (wanted if isinstance(wanted, tuple) else (wanted,)), answer.text
        return answer.json()

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body, **more):
        return self.call("POST", path, body, **more)

    def error(self, method, path, body=None, **more):
        """Status, code and field of an answer that is an error in the shape that all errors have."""
        answer = self.http.request(method, path, json=body, **more)
        assert answer.status_code >= 400, answer.text
        error = answer.json()["error"]
        assert set(answer.json()) == {"error"}
        assert error["message"].endswith((".", "?")), error["message"]
        assert "\n" not in error["message"]
        assert "Traceback" not in answer.text
        return answer.status_code, error["code"], error.get("field")

    def story(self, text=TEXT, title="Draft", **more):
        """A new story; its id."""
        return self.post("/stories", {"title": title, "text": text, **more})["id"]

    def text(self, id):
        return self.get(f"/stories/{id}/text")["text"]

    def revision(self, id):
        return self.get(f"/stories/{id}/text")["revision"]

    def edit(self, id, *edits, revision=None):
        """Edits (start, end, text); the new revision."""
        asked = [dict(zip(("start", "end", "text"), edit, strict=True)) for edit in edits]
        return self.post(
            f"/stories/{id}/edits", {"revision": revision or self.revision(id), "edits": asked}, status=200
        )["revision"]

    def extraction(self, id):
        return self.get(f"/stories/{id}/extraction?wait=true")

    def propose(self, id, intent, **more):
        return self.post(f"/stories/{id}/suggestions", {"intent": intent, **more}, status=201)

    @contextmanager
    def listening(self, path):
        """The events at `path`, as a queue of (name, data) that is filled while this lasts."""
        events, stop = queue.Queue(), threading.Event()
        with self.http.stream("GET", path) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")

            def read():
                try:
                    for event in events_of(answer):
                        events.put(event)
                except httpx.HTTPError:
                    assert stop.is_set()

            reading = threading.Thread(target=read, daemon=True)
            reading.start()
            yield Events(events)
            stop.set()


class Events:
    """Events as they come."""

    def __init__(self, events):
        self._events = events

    def next(self, *names):
        """The next event, of one of some names."""
        while True:
            name, data = self._events.get(timeout=30)
            if not names or name in names:
                return name, data

    def until(self, name, check):
        """The data of the first event of a name for which `check` holds."""
        while True:
            _, data = self.next(name)
            if check(data):
                return data


def events_of(answer):
    """(name, data) of each event of a streamed answer."""
    name = None
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
            name = None


class Server:
    """Where it answers, and its parts."""

    def __init__(self, folder, settings):
        self.folder = folder
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.socket.bind(("127.0.0.1", 0))
        port = self.socket.getsockname()[1]
        access = Access(port)
        self.url, self.token = f"http://127.0.0.1:{port}", access.token
        self.stories = Stories(folder, settings)
        self.app = create_app(stories=self.stories, runs=folder / "runs", access=access)


@contextmanager
def serving_stories(folder, settings=None):
    """A server over the projects of `folder`, with providers in `settings`."""
    server = Server(folder, settings or folder / "settings")
    config = uvicorn.Config(server.app, log_level="warning", access_log=False)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [server.socket]}, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        thread.join(0.005)
    try:
        yield server
    finally:
        server.app.state.closing.set()
        running.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def serving_in_memory():
    """A server over a new folder, in memory where there is such: the disk's fsync is not what is tested."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder, serving_stories(Path(folder)) as running:
        yield running
