"""`gnomon serve` and `gnomon story open` as a person starts them: what they print, when they refuse, how they end."""

import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from gnomon.story.project import Project
from gnomon.story.storage import MIGRATIONS

DRAFT = "# Draft\n\nAnna opened the door. Tom walked to the harbour.\n\nAnna followed him 😀.\n"


@pytest.fixture
def refused(gnomon, tmp_path, monkeypatch):
    """What a command that does not start says, in this process; it exits with 2 and prints nothing else."""
    monkeypatch.chdir(tmp_path)

    def ask(*arguments: str) -> str:
        found = gnomon(*arguments, "--no-browser", "--json")
        assert found.exit_code == 2
        assert found.stdout == ""
        assert found.stderr.startswith("error: ")
        assert "\n" not in found.stderr.strip()
        return found.stderr

    return ask


def test_serve_says_one_line_and_answers_until_sigterm(start, tmp_path) -> None:
    server = start("serve", "--port", "0", "--runs", "my-runs", "--stories", "my-stories")
    assert set(server.said) == {"url", "open", "token"}
    port = int(server.url.removeprefix("http://127.0.0.1:"))
    assert port > 0
    address, code = server.said["open"].split("#code=")
    assert address == f"{server.url}/"
    assert httpx.get(f"{server.url}/api/health").json().keys() == {"version"}
    assert httpx.get(f"http://localhost:{port}/api/health").status_code == 200
    assert httpx.get(f"{server.url}/api/stories").status_code == 401
    with httpx.Client(base_url=server.url) as browser:
        assert browser.post("/api/session", json={"code": code}).status_code == 200
        assert browser.get("/api/runs").json() == {"runs": []}
        assert browser.post("/api/session", json={"code": code}).status_code == 401
        assert not (tmp_path / "my-stories").exists()
        made = browser.post("/api/stories", json={"title": "A", "text": "Anna left."})
        assert made.status_code == 201
        assert [path.suffix for path in (tmp_path / "my-stories").glob("a.gnomon")] == [".gnomon"]
    assert server.end() == 0
    assert server.process.stdout.read() == ""
    said = server.process.stderr.read()
    assert said == ""
    with Project.open(tmp_path / "my-stories" / "a.gnomon") as project:
        assert project.text == "Anna left."


def test_only_this_machine_reaches_the_port(start) -> None:
    server = start("serve", "--port", "0")
    port = int(server.url.rsplit(":", 1)[1])
    for address in ("127.0.0.2", "::1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as other:
            other.settimeout(5)
            assert other.connect_ex((address, port)) != 0
    server.end()


def test_ctrl_c_ends_it_at_once_though_a_browser_listens(start, tmp_path) -> None:
    (tmp_path / "draft.md").write_text(DRAFT)
    server = start("story", "open", "draft.md")
    story = f"/api/stories/{server.said['story']}"
    assert server.ask("GET", f"{story}/extraction?wait=true").json()["state"] == "ready"
    listening, lines = threading.Event(), []

    def listen() -> None:
        headers = {"Authorization": f"Bearer {server.said['token']}"}
        with httpx.stream("GET", f"{server.url}{story}/events", headers=headers, timeout=60) as answer:
            for line in answer.iter_lines():
                lines.append(line)
                listening.set()

    browser = threading.Thread(target=listen)
    browser.start()
    assert listening.wait(30)
    began = time.monotonic()
    assert server.end(signal.SIGINT) == 0
    assert time.monotonic() - began < 15  # 0.2 s where nothing else runs
    assert server.process.stderr.read() == ""  # no stream had to be cut off
    browser.join(10)
    assert not browser.is_alive()
    assert lines[0] == "event: saved"


def test_open_makes_a_project_beside_the_file_and_finds_it_again(start, tmp_path) -> None:
    file = tmp_path / "draft.md"
    file.write_text(DRAFT)
    server = start("story", "open", "draft.md")
    id = server.said["story"]
    assert server.said["open"].startswith(f"{server.url}/story/{id}#code=")
    told = server.ask("GET", f"/api/stories/{id}/text").json()
    assert told["text"] == DRAFT
    edits = [{"start": 9, "end": 13, "text": "Maria"}]
    assert (
        server.ask("POST", f"/api/stories/{id}/edits", json={"revision": told["revision"], "edits": edits}).status_code
        == 200
    )
    assert server.end() == 0
    assert file.read_text() == DRAFT
    assert {path.name for path in tmp_path.glob("draft*")} == {"draft.md", "draft.gnomon"}

    file.write_text(DRAFT + "\nMore.\n")
    server = start("story", "open", "draft.gnomon")
    about = server.ask("GET", f"/api/stories/{server.said['story']}").json()
    assert (about["source"], about["source_changed"]) == ("draft.md", True)
    assert "Maria opened" in server.ask("GET", f"/api/stories/{server.said['story']}/text").json()["text"]


def test_a_port_that_is_taken_is_named(tmp_path, refused) -> None:
    (tmp_path / "draft.md").write_text(DRAFT)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        command = [sys.executable, "-m", "gnomon", "story", "open", "draft.md", "--json", "--port", port]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert (found.returncode, found.stdout, found.stderr.count("\n")) == (2, "", 1)
        assert found.stderr.startswith(f"error: Port {port} ")
        assert port in refused("serve", "--port", port)
    assert not (tmp_path / "draft.gnomon").exists()


def test_what_cannot_be_opened_is_one_sentence_and_leaves_nothing(tmp_path, refused) -> None:
    (tmp_path / "nul.txt").write_bytes(b"a\0b")
    (tmp_path / "latin.txt").write_bytes("Déjà vu".encode("latin-1"))
    (tmp_path / "locked.docx").write_bytes(
        bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le")
    )
    (tmp_path / "story.pdf").write_bytes(b"%PDF")
    (tmp_path / "broken.gnomon").write_bytes(b"no project at all")
    before = {path.name for path in tmp_path.iterdir()}
    for file, words in (
        ("none.md", "none.md"), ("none.gnomon", "none.gnomon"), ("nul.txt", "nul.txt"), ("latin.txt", "--encoding"),
        (".", "folder"), ("locked.docx", "locked.docx"), ("story.pdf", ".fountain"),
    ):  # fmt: skip
        assert words in refused("story", "open", file), file
    assert {path.name for path in tmp_path.iterdir()} == before
    assert "damaged" in refused("story", "open", "broken.gnomon")
    assert "folder" in refused("serve", "--port", "0", "--runs", "nul.txt")
    long = "a" * 300
    assert "too long" in refused("serve", "--port", "0", "--stories", long)
    assert "too long" in refused("story", "open", f"{long}.md")
    assert "too long" in refused("story", "open", "latin.txt", "--project", f"{long}.gnomon")
    assert "--project" in refused("story", "open", "broken.gnomon", "--project", "a.gnomon")
    assert ".gnomon" in refused("story", "open", "latin.txt", "--project", "a.txt")


def test_a_project_of_a_newer_gnomon_is_refused(tmp_path, refused) -> None:
    import sqlite3

    from gnomon.story.document import Story

    Project.create(tmp_path / "new.gnomon", Story.from_text("Anna left.")).close()
    with sqlite3.connect(tmp_path / "new.gnomon") as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    assert "new.gnomon" in refused("story", "open", "new.gnomon")


def test_a_text_in_another_encoding_is_read_where_it_is_named(start, tmp_path, refused) -> None:
    (tmp_path / "latin.txt").write_bytes("Déjà vu".encode("latin-1"))
    server = start("story", "open", "latin.txt", "--encoding", "latin-1", "--project", "own.gnomon")
    assert server.ask("GET", f"/api/stories/{server.said['story']}/text").json()["text"] == "Déjà vu"
    assert (tmp_path / "own.gnomon").exists()
    assert "own.gnomon" in refused("story", "open", "none.txt", "--project", "own.gnomon")
    server.end()


def test_a_project_belongs_to_one_process_and_one_file(start, tmp_path, refused) -> None:
    (tmp_path / "draft.md").write_text(DRAFT)
    (tmp_path / "draft.txt").write_text(DRAFT)
    server = start("story", "open", "draft.md")
    assert str(server.process.pid) in refused("story", "open", "draft.md")
    assert httpx.get(f"{server.url}/api/health").status_code == 200
    server.end()
    assert "draft.md" in refused("story", "open", "draft.txt")
    assert not (tmp_path / "draft.gnomon-lock").exists()


def test_kill_9_while_somebody_types_loses_no_acknowledged_edit(start, tmp_path) -> None:
    (tmp_path / "draft.md").write_text(DRAFT)
    draw = random.Random(5)
    for _ in range(2):
        server = start("story", "open", "draft.md")
        story = f"{server.url}/api/stories/{server.said['story']}"
        acknowledged: list[str] = []
        with httpx.Client(headers={"Authorization": f"Bearer {server.said['token']}"}, timeout=30) as page:
            told = page.get(f"{story}/text").json()
            text, revision = told["text"], told["revision"]
            killer = threading.Timer(draw.uniform(0.3, 1.0), server.process.kill)
            attempted = text
            try:
                while True:
                    at = draw.randrange(len(text))
                    attempted = text[:at] + "word " + text[at:]
                    body = {"revision": revision, "edits": [{"start": at, "end": at, "text": "word "}]}
                    answer = page.post(f"{story}/edits", json=body)
                    assert answer.status_code == 200, answer.text
                    text, revision = attempted, answer.json()["revision"]
                    acknowledged.append(text)
                    if len(acknowledged) == 1:
                        killer.start()
            except httpx.TransportError:
                pass
            killer.join()
        assert server.process.wait(30) == -signal.SIGKILL
        assert acknowledged
        with Project.open(tmp_path / "draft.gnomon") as project:
            assert project.text in (text, attempted)


def test_without_json_the_address_is_printed_where_there_is_no_browser(tmp_path) -> None:
    command = [sys.executable, "-u", "-m", "gnomon", "serve", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env={"PATH": "/nowhere", "HOME": str(tmp_path)}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Open http://127.0.0.1:")
        assert "#code=" in line
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("arguments", [("serve", "--help"), ("story", "open", "--help")])
def test_the_help_gives_an_example(gnomon, arguments: tuple[str, ...]) -> None:
    found = gnomon(*arguments)
    assert found.exit_code == 0
    assert "Example: gnomon" in found.stdout


def test_the_command_line_starts_without_the_server(tmp_path) -> None:
    asked = "import gnomon.cli, sys, json; gnomon.cli.build(); print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(
        subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    )
    assert "gnomon.server.commands" in loaded
    assert not {"fastapi", "starlette", "uvicorn", "gnomon.story.project", "sqlite3"} & set(loaded)
