"""The application in this process with a client that is let in, and the real command as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from story_server import Window, serving_in_memory

from gnomon.server.access import Access
from gnomon.server.app import create_app
from gnomon.server.stories import Stories

PORT = 8712
STARTING = 120  # seconds that a busy machine may take to start the command


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A server over its socket, whose stories lie where a sync costs nothing."""
    with serving_in_memory() as running:
        yield running


@pytest.fixture
def window(server: Any) -> Window:
    """A client of it, as a window of the page is one."""
    return Window(server)


@pytest.fixture
def access() -> Access:
    """The secrets of the server in this process."""
    return Access(PORT)


@pytest.fixture
def app(tmp_path: Path, access: Access) -> FastAPI:
    """An application over empty folders below `tmp_path`: `stories` and `runs`."""
    stories = Stories(tmp_path / "stories", settings=tmp_path / "settings")
    return create_app(stories=stories, runs=tmp_path / "runs", access=access)


@pytest.fixture
def client(app: FastAPI, access: Access) -> Iterator[TestClient]:
    """Somebody who has the token."""
    with TestClient(app, f"http://127.0.0.1:{PORT}", headers={"Authorization": f"Bearer {access.token}"}) as found:
        yield found


@pytest.fixture
def stranger(app: FastAPI, client: TestClient) -> TestClient:
    """Somebody who reaches the port of the same application, and has nothing."""
    return TestClient(app, f"http://127.0.0.1:{PORT}", raise_server_exceptions=False)


@dataclass
class Served:
    """A running command and what it said of itself."""

    process: subprocess.Popen[str]
    said: dict[str, Any]

    @property
    def url(self) -> str:
        return self.said["url"]

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One call with the token."""
        headers = {"Authorization": f"Bearer {self.said['token']}"}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal it; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start `gnomon ARGUMENTS --json --no-browser` in `tmp_path`, and have it answer. All are ended after the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, environment: dict[str, str] | None = None) -> Served:
        command = [sys.executable, "-m", "gnomon", *arguments, "--json", "--no-browser"]
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "HOME": str(tmp_path), **(environment or {})},
        )  # fmt: skip
        running.append(process)
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line, f"it ended with {process.wait(STARTING)}: {process.stderr.read()}"
        return Served(process, json.loads(line))

    yield begin
    for process in running:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()
