"""The real application as a process, and a page of a browser that watches what it asks for and what goes wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PICTURES = os.environ.get("GNOMON_PICTURES")
"""Where the pictures of the documents go; without it they are taken and thrown away."""


@dataclass
class Served:
    """A running `gnomon serve` or `gnomon story open`."""

    process: subprocess.Popen[str]
    url: str
    open: str
    token: str
    story: str | None = None

    @classmethod
    def start(cls, *arguments: str, env: dict[str, str] | None = None) -> "Served":
        process = subprocess.Popen(
            [sys.executable, "-m", "gnomon", *arguments, "--no-browser", "--json"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"gnomon {' '.join(arguments)} ended with {process.wait()}"
        said = json.loads(line)
        return cls(process, said["url"], said["open"], said["token"], said.get("story"))

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.request(method, self.url + path, json=body, headers=headers, timeout=120)
        assert answer.is_success, answer.text
        return answer.json()

    def text(self, story: str) -> str:
        return self.call("GET", f"/api/stories/{story}/text")["text"]

    def new_story(self, text: str, title: str = "A story", *, read: bool = True) -> str:
        """The id of a new story; with `read`, when its pictures are ready."""
        id = self.call("POST", "/api/stories", {"title": title, "text": text})["id"]
        if read:
            self.call("GET", f"/api/stories/{id}/extraction?wait=true")
        return id

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            if self.process.stdout is not None:
                self.process.stdout.close()


@dataclass
class Watched:
    """A page of the browser, and what went wrong in it."""

    page: Any
    served: Served
    foreign: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)  # parts of console messages that a test expects

    def goto(self, path: str = "/") -> Any:
        """The page at a path, let in by the cookie that the first address brought."""
        self.page.goto(self.served.url + path)
        return self.page

    def story(self, id: str) -> Any:
        """The page of a story, its pictures ready."""
        self.goto(f"/story/{id}")
        self.page.get_by_test_id("extraction-status").get_by_text("Up to date").wait_for(timeout=60_000)
        self.page.get_by_test_id("manuscript").wait_for()
        return self.page

    def picture(self, name: str) -> None:
        """Take a picture of what is seen, for the documents."""
        content = self.page.screenshot()
        if PICTURES:
            folder = Path(PICTURES)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.png").write_bytes(content)

    def check(self) -> None:
        assert not self.foreign, f"requests beyond the server's own origin: {self.foreign}"
        unexpected = [each for each in self.faults if not any(part in each for part in self.allowed)]
        assert not unexpected, unexpected
