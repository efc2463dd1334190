"""How long do edits of a novel take over HTTP, and how soon are its text and what was found in it there?

The book is 100,000 words of Moby-Dick (see `story_speed.py`), read once before. `gnomon serve` is a process of its own
on this machine, asked over one connection that stays open. Before each edit one page of a file beside the project is
written and synced, and the two are set against each other. Edits come in bursts between two readings of the story, and
then while it is read all the time (another process asks for every reading). Times are those of the clock.

Data: `text/` of GNOMON_DATA_DIR.
"""

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from gnomon.story import Project, Story, extract
from gnomon.story.packs import load
from machine import machine, save
from story_speed import BOOK, text_of

EDITS, TIMES = 500, 9
BURST = 1.5  # seconds of edits after which the story is read before more are made
LIMITS = {
    "edit, p95 beyond a sync, ms": 20,
    "edit while the story is read, p95 beyond a sync, ms": 20,
    "process to first text, s": None,
    "first text of a project not opened yet, s": 0.5,
    "open to what was found, s": None,
    "edit to what is found then, s": None,
    "edit to a suggestion for it, s": None,
    "what was found, asked for again, s": None,
    "what was found, MB": None,
}


class Client:
    """One connection to the server, with its token."""

    def __init__(self, url: str, token: str) -> None:
        self._http = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=600)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """The answer to a call."""
        self._http.request(
            method, f"/api/stories/book{path}", None if body is None else json.dumps(body), self._headers
        )
        answer = self._http.getresponse()
        content = answer.read()
        if answer.status not in (200, 201):
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content

    def hang_up(self) -> None:
        """Let the connection go, which the server would do after a while; the next call makes another."""
        self._http.close()

    def read(self, method: str, path: str, body: Any = None) -> Any:
        """The same, read."""
        return json.loads(self.ask(method, path, body))


@contextmanager
def served(folder: Path) -> Iterator[tuple[Client, dict[str, Any], float]]:
    """`gnomon serve` over the projects of `folder`: a client, what it printed, and when it was started."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "gnomon", "serve", "--port", "0", "--stories", str(folder), "--runs", str(folder)]
    process = subprocess.Popen([*command, "--no-browser", "--json"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = json.loads(process.stdout.readline())
        yield Client(said["url"], said["token"]), said, begun
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def seconds(function: Callable[[], Any]) -> float:
    """How long one call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


class Editor:
    """Edits all over the book, each after a sync of one page of a file beside it."""

    def __init__(self, client: Client, folder: Path) -> None:
        now = client.read("GET", "/text")
        self._client, self._revision, self._size = client, now["revision"], len(now["text"])
        self._page = os.open(folder / "page", os.O_CREAT | os.O_WRONLY)
        self.sync: list[float] = []
        self.edit: list[float] = []

    def once(self) -> None:
        """One sync and one edit."""
        number = self._revision
        at = number * 7919 * 101 % self._size
        begun = time.perf_counter()
        os.pwrite(self._page, bytes(4096), 4096 * number)
        os.fsync(self._page)
        between = time.perf_counter()
        body = {"revision": self._revision, "edits": [{"start": at, "end": at, "text": "x"}]}
        self._revision = json.loads(self._client.ask("POST", "/edits", body))["revision"]
        self.sync.append(between - begun)
        self.edit.append(time.perf_counter() - between)

    def figures(self, name: str) -> dict[str, float]:
        """What it took, without the first ten."""
        p95 = [1000 * quantiles(each[10:], n=20)[-1] for each in (self.edit, self.sync)]
        middle = [1000 * median(each[10:]) for each in (self.edit, self.sync)]
        self.sync, self.edit = [], []
        return {
            f"{name}_p95_ms": p95[0], f"{name}_sync_p95_ms": p95[1], f"{name}_median_ms": middle[0],
            f"{name}_sync_median_ms": middle[1],
        }  # fmt: skip


def edits(client: Client, said: dict[str, Any], folder: Path) -> dict[str, float]:
    """500 edits between readings of the story, and 500 while it is read."""
    editor = Editor(client, folder)
    while len(editor.edit) < EDITS + 10:
        client.ask("GET", "/extraction?wait=true")
        end = time.perf_counter() + BURST
        while time.perf_counter() < end and len(editor.edit) < EDITS + 10:
            editor.once()
    found = editor.figures("edit")
    readings = len(set(read_all_the_time(said, editor)))
    client.hang_up()
    return {**found, **editor.figures("edit_reading"), "readings": readings}


def read_all_the_time(said: dict[str, Any], editor: Editor) -> list[int]:
    """500 edits while another process asks for one reading after the other; the revisions that it got."""
    command = [sys.executable, __file__, "--wait", said["url"], said["token"]]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    other.stdout.readline()
    while len(editor.edit) < EDITS + 10:
        editor.once()
    rest, _ = other.communicate("")
    return [int(line) for line in rest.splitlines()]


def wait_for_readings(url: str, token: str) -> None:
    """In a process of its own: ask for the reading of the present text again and again until standard input ends."""
    import select

    client = Client(url, token)
    while not select.select([sys.stdin], [], [], 0)[0]:
        head = client.ask("GET", "/extraction?wait=true")[:80].decode(errors="replace")
        print(head.partition('"revision": ')[2].partition(",")[0], flush=True)


def readings(client: Client) -> dict[str, float]:
    """What was found: how large, how soon there, and how soon after an edit."""

    def edit() -> None:
        now = client.read("GET", "/text")
        at = now["text"].index(". ", len(now["text"]) // 3) + 2
        body = {"revision": now["revision"], "edits": [{"start": at, "end": at, "text": "He walked to the harbour. "}]}
        client.ask("POST", "/edits", body)

    answer = client.ask("GET", "/extraction?wait=true")
    people = sorted(json.loads(answer)["characters"], key=lambda each: -len(each["mentions"]))
    intents = [{"op": "rename", "target": each["id"], "to": "Zora Quill"} for each in people[:TIMES]]
    again, changed, proposed = [], [], []
    for intent in intents:
        client.ask("GET", "/extraction?wait=true")
        again.append(seconds(lambda: client.ask("GET", "/extraction?wait=true")))
        edit()
        changed.append(seconds(lambda: client.ask("GET", "/extraction?wait=true")))
        edit()
        proposed.append(seconds(lambda intent=intent: client.ask("POST", "/suggestions", {"intent": intent})))
    return {
        "extraction_mb": len(answer) / 1e6,
        "extraction_again_s": median(again),
        "extraction_changed_s": median(changed),
        "suggestion_s": median(proposed),
    }


def opened(folder: Path) -> dict[str, float]:
    """A server that was just started: until its first answer, the book's text, and what was found in it."""
    with served(folder) as (client, _, begun):
        answers = time.perf_counter() - begun
        asked = time.perf_counter()
        client.ask("GET", "/text")
        there = time.perf_counter()
        client.ask("GET", "/extraction?wait=true")
        return {
            "start_s": answers,
            "start_to_text_s": there - begun,
            "text_s": there - asked,
            "text_to_extraction_s": time.perf_counter() - there,
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wait", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.wait:
        print("asking", flush=True)
        wait_for_readings(*chosen.wait)
        return
    about, pack = machine(), load("en").hash
    print(f"{about['processor']}, {about['cores']} cores, load {about['load']}; pack {pack[:12]}")
    story = Story.from_text(text_of(BOOK), title="Moby-Dick", language="en")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        with Project.create(folder / "book.gnomon", story) as project:
            project.keep_analyses(extract(story))
        starts = [opened(folder) for _ in range(3)]
        found = {key: median(each[key] for each in starts) for key in starts[0]}
        with served(folder) as (client, said, _):
            client.ask("GET", "/extraction?wait=true")
            found |= edits(client, said, folder)
            found |= readings(client)
    for figure, value in found.items():
        print(f"{figure}: {value:.4g}")
    summed = {
        "edit, p95 beyond a sync, ms": found["edit_p95_ms"] - found["edit_sync_p95_ms"],
        "edit while the story is read, p95 beyond a sync, ms": (
            found["edit_reading_p95_ms"] - found["edit_reading_sync_p95_ms"]
        ),
        "process to first text, s": found["start_to_text_s"],
        "first text of a project not opened yet, s": found["text_s"],
        "open to what was found, s": found["text_to_extraction_s"],
        "edit to what is found then, s": found["extraction_changed_s"],
        "edit to a suggestion for it, s": found["suggestion_s"],
        "what was found, asked for again, s": found["extraction_again_s"],
        "what was found, MB": found["extraction_mb"],
    }
    load_after = [round(each, 2) for each in os.getloadavg()]
    print(f"\n{'':<54}{'found':>9}{'limit':>7}")
    for name, value in summed.items():
        limit = LIMITS[name]
        verdict = "" if limit is None else f"{limit:>7g}  {'met' if value <= limit else 'MISSED'}"
        print(f"{name:<54}{value:>9.4f}{verdict}")
    print(f"load after: {load_after}")
    result = {"machine": about, "load_after": load_after, "pack": pack, "found": summed, "limits": LIMITS}
    save("server_speed", {**result, "figures": found})


if __name__ == "__main__":
    main()
