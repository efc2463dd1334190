"""A run that is begun from the page is the terminal's own command: it is seen at once, and ends resumable."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gnomon.server import launching
from gnomon.server import run_shapes as shapes

SMALL = (
    "quickstart", "--set", "warm_start.steps=4", "--set", "train.steps=4000", "--set", "evaluation.n=8",
    "--set", "evaluation.n_curve=4", "--engine", "sync",
)  # fmt: skip
PATIENCE_S = 180


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def begin(client: TestClient) -> str:
    answer = client.post("/api/runs", json={"recipe": "quickstart"})
    assert answer.status_code == 201, answer.text
    shapes.Begun.model_validate(answer.json())
    return answer.json()["id"]


def row_of(client: TestClient, id: str) -> dict[str, Any]:
    answer = client.get("/api/runs").json()
    shapes.Runs.model_validate(answer)
    return {row["id"]: row for row in answer["runs"]}[id]


def wait_for(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.05)
    return found


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have `quickstart` be another command line."""
    return lambda *words: monkeypatch.setitem(launching.COMMANDS, "quickstart", words)


@pytest.mark.slow
def test_the_quickstart_runs_beside_the_server_and_ends_with_it_so_that_it_can_go_on(client, runs, command):
    command(*SMALL)
    id = begin(client)
    starting = row_of(client, id)
    assert (starting["state"], starting["kind"]) == ("running", None)
    detail = client.get(f"/api/runs/{id}").json()
    shapes.RunDetail.model_validate(detail)
    assert (detail["state"], detail["settings"], detail["metrics"]) == ("running", {}, [])
    assert client.get(f"/api/runs/{id}/metrics").json() == {"next": 0, "rows": []}
    second = client.post("/api/runs", json={"recipe": "quickstart"})
    assert (second.status_code, second.json()["error"]["code"]) == (409, "busy")
    wait_for(lambda: client.get(f"/api/runs/{id}/metrics?names=reward").json()["rows"])
    row = row_of(client, id)
    assert (row["state"], row["kind"], row["name"]) == ("running", "posttrain", "multiply")
    client.app.state.runs.close()
    row = row_of(client, id)
    assert row["state"] == "interrupted"
    detail = client.get(f"/api/runs/{id}").json()
    assert detail["checkpoints"]
    assert detail["resume"].endswith("--resume")
    assert sorted(path.name for path in runs.iterdir()) == [f".{id}.log", id]
    assert "checkpoint" in (runs / f".{id}.log").read_text()


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_a_row_and_another_can_begin(client, runs, command):
    command(*SMALL)
    id = begin(client)
    wait_for(lambda: row_of(client, id)["kind"])
    os.kill(client.app.state.runs.launcher._process.pid, signal.SIGKILL)
    wait_for(lambda: row_of(client, id)["state"] == "interrupted")
    shutil.rmtree(runs / id)
    assert client.get("/api/runs").json() == {"runs": []}
    assert client.get(f"/api/runs/{id}").status_code == 404
    command("quickstart", "--set", "no.such=1")
    assert begin(client) != id


def test_a_run_that_dies_before_it_began_is_a_row_that_says_why(client, runs, command):
    command("quickstart", "--set", "train.stepz=4")
    id = begin(client)
    row = wait_for(lambda: (found := row_of(client, id))["state"] == "failed" and found)
    assert row["error"].startswith("It ended before it began: ")
    assert "stepz" in row["error"]
    assert client.get(f"/api/runs/{id}").json()["error"] == row["error"]
    assert client.get(f"/api/runs/{id}/samples").json()["total"] == 0
    refused = client.get(f"/api/runs/figures?run={id}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "broken")


def test_ids_are_new_ones(client, runs, command):
    command("quickstart", "--set", "train.stepz=4")
    ids = []
    for _ in range(2):
        ids.append(begin(client))
        wait_for(lambda: row_of(client, ids[-1])["state"] == "failed")
    assert len(set(ids)) == 2
    assert all(id.startswith("quickstart-2") for id in ids)


@pytest.mark.parametrize("body", [{}, {"recipe": "rm"}, {"recipe": "quickstart", "out": "/tmp/x"}, {"recipe": 1}])
def test_nothing_else_can_be_begun(client, runs, body):
    answer = client.post("/api/runs", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] in ("recipe", "out")
    assert not runs.exists()
