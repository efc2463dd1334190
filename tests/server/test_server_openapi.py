"""`/openapi.json` describes every call, and every call answers what it says there."""

import json
import re
from contextlib import contextmanager

import httpx
import pytest
from json_schema import faults
from made_runs import estimate, made, sample, write_rows
from story_server import serving_stories

from chat_server import serving
from gnomon.server import app as application
from gnomon.server import provider_routes, runs_routes, story_routes
from gnomon.story.document import Story

TEXT = "Anna said that she was tired. Marcus opened the door, and Anna left the mill. Marcus pushed Anna. Anna slept."
GROUPS = {"anna": "women", "marcus": "men"}
NOT_JSON = {
    "/api/stories/{id}/export": None,
    "/api/stories/{id}/preferences": None,
    "/api/runs/{run}/report": "text/html",
}


class Checked:
    """A client that holds every answer against what the document says of the call, and remembers which were made."""

    def __init__(self, url: str, token: str) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        self.document = self.http.get("/openapi.json").json()
        self.succeeded: set[tuple[str, str]] = set()
        self.failed: set[tuple[str, str]] = set()

    def described(self, method: str, path: str) -> tuple[str, dict]:
        """The template of a call and what is said of it. A path without a parameter goes first."""
        fitting = [
            template
            for template in self.document["paths"]
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method in self.document["paths"][template]
        ]
        assert fitting, f"{method} {path} is not described"
        template = min(fitting, key=lambda each: each.count("{"))
        return template, self.document["paths"][template][method]

    def __call__(self, method: str, path: str, body=None, **more):
        answer = self.http.request(method, path, json=body, **more)
        return self.check(method, path, answer)

    def check(self, method: str, path: str, answer: httpx.Response):
        template, call = self.described(method.lower(), path.split("?")[0])
        status = str(answer.status_code)
        said = call["responses"].get(status, call["responses"].get(f"{status[0]}XX"))
        assert said is not None, f"{method} {path} answers {status}, which is not described: {answer.text}"
        (self.succeeded if status[0] == "2" else self.failed).add((method.lower(), template))
        if status[0] == "2" and template in NOT_JSON:
            assert "application/json" not in said.get("content", {}), template
            return answer.text
        kind = answer.headers["content-type"].split(";")[0]
        assert kind in said["content"], f"{method} {path} answers {kind}"
        found = answer.json()
        wrong = list(faults(found, said["content"][kind]["schema"], self.document))
        assert not wrong, f"{method} {path}: {wrong[:5]}"
        return found

    @contextmanager
    def stream(self, path: str):
        """The lines of an answer that is a stream of events."""
        template, call = self.described("get", path.split("?")[0])
        with self.http.stream("GET", path) as answer:
            assert answer.status_code == 200
            assert [answer.headers["content-type"].split(";")[0]] == list(call["responses"]["200"]["content"])
            self.succeeded.add(("get", template))
            yield answer.iter_lines()


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.setattr("gnomon.story.providers.keys._to_keyring", lambda name, key: False)
    monkeypatch.setattr("gnomon.story.providers.keys._from_keyring", lambda name: "")
    monkeypatch.setattr("gnomon.server.launching.COMMANDS", {"quickstart": ("runs", "--help")})
    (tmp_path / "draft.md").write_text(TEXT)
    with serving_stories(tmp_path) as server:
        story = Story.from_text(TEXT, title="Draft")
        server.stories.create_at(tmp_path / "draft.gnomon", story, source=tmp_path / "draft.md")
        yield Checked(server.url, server.token)


def use_the_page(call: Checked, folder) -> None:
    """What belongs to no story."""
    call("GET", "/api/health")
    call("POST", "/api/session")
    call("POST", "/api/session", {"code": "wrong"})
    call("GET", "/api/samples")
    call("GET", "/api/reports")
    name = call("GET", "/api/samples")["samples"][0]["name"]
    call("POST", "/api/stories", {"sample": name})
    call("POST", "/api/stories", {"title": "A", "text": 7})
    (folder / "broken.gnomon").write_bytes(b"nothing")
    assert any("error" in row for row in call("GET", "/api/stories")["stories"])


def use_a_story(call: Checked, model: str) -> None:
    """Every call about stories and providers."""
    story = "/api/stories/draft"
    for part in ("", "/text", "/extraction", "/extraction?wait=true", "/facts", "/settings", "/history"):
        assert call("GET", story + part)
        call("GET", "/api/stories/none" + part)
    found = call("GET", f"{story}/extraction?wait=true")
    assert found["characters"]
    assert found["events"]
    with call.stream(f"{story}/events") as lines:
        assert next(lines) == "event: saved"

    settings = {
        "preferences": True,
        "dismissed": ["a"],
        "groups": GROUPS,
        "budget": {"max_tokens": 10**6},
        "layout": {"x": [1]},
    }
    call("PUT", f"{story}/settings", settings)
    call("PUT", f"{story}/settings", {"layout": "x" * 10**5})
    call("POST", f"{story}/edits", {"revision": 1, "edits": [{"start": 0, "end": 0, "text": "Once. "}]})
    call("POST", f"{story}/edits", {"revision": 1, "edits": []})
    call("POST", f"{story}/edits", {"revision": 2, "edits": [{"start": 9, "end": 1, "text": ""}]})

    call("POST", f"{story}/facts", {"kind": "gender", "subject": "marcus", "value": "m"})
    call("POST", f"{story}/facts", {"kind": "ignore", "subject": {"start": 6, "end": 10}, "revision": 2})
    call("POST", f"{story}/facts", {"kind": "nonsense", "subject": "marcus"})
    facts = call("GET", f"{story}/facts")["facts"]
    assert len(facts) == 2
    for fact in facts:
        call("DELETE", f"{story}/facts/{fact['id']}")
    call("DELETE", f"{story}/facts/999")

    rename = {"op": "rename", "target": "anna", "to": "Eva"}
    first = call("POST", f"{story}/suggestions", {"intent": rename})
    call("POST", f"{story}/suggestions", {"intent": {"op": "rename"}})
    call("GET", f"{story}/suggestions/{first['id']}")
    call("GET", f"{story}/suggestions/none")
    hunks = [hunk["id"] for hunk in first["hunks"]]
    decisions = f"{story}/suggestions/{first['id']}/decisions"
    call("POST", decisions, {"accept": hunks[:1], "reject": hunks[1:2], "edited": {hunks[2]: "Ina"}})
    call("POST", decisions, {"accept": ["none"]})
    events = call("GET", f"{story}/extraction?wait=true")["events"]
    asked = ({"intent": {"op": "remove_event", "event": event["id"]}} for event in events)
    several = next(made for each in asked if (made := call("POST", f"{story}/suggestions", each))["alternatives"])
    call("POST", f"{story}/suggestions/{several['id']}/alternatives", {"number": 0})
    call("POST", f"{story}/suggestions/{several['id']}/alternatives", {"number": 99})
    assert len(call("GET", f"{story}/suggestions")["suggestions"]) >= 3
    call("POST", f"{story}/cancel")

    for report in call("GET", "/api/reports")["reports"]:
        call("GET", f"{story}/reports/{report['name']}")
    call("GET", f"{story}/reports/nonsense")
    call("POST", f"{story}/undo")
    call("POST", f"{story}/redo")
    call("POST", f"{story}/snapshots", {"label": "before"})
    call("POST", f"{story}/restore", {"node": 1})
    call("POST", f"{story}/restore", {"node": 999})
    call("POST", f"{story}/redo")
    assert "Anna" in call("GET", f"{story}/export?format=md")
    call("GET", f"{story}/export?format=nonsense")
    call("GET", f"{story}/preferences")
    call("POST", f"{story}/save", {})
    call("POST", f"{story}/reread")

    call("GET", "/api/providers")
    call("PUT", "/api/providers/model", {"kind": "openai", "base_url": model, "model": "m"})
    call("PUT", "/api/providers/model", {"kind": "nonsense"})
    call("POST", "/api/providers/model/test")
    call("POST", f"{story}/extract", {"provider": "model", "approved": True})
    call("POST", f"{story}/extract", {"provider": "none"})
    call("GET", "/api/providers")
    call("DELETE", "/api/providers/model")
    call("DELETE", "/api/providers/model")


def use_runs(call: Checked, root) -> None:
    """Every call about runs, with whole runs, a broken one, and one that is no run."""
    for seed in range(8):
        kind = {"lr": 0.1 if seed < 4 else 0.2}
        settings = {"name": "a" if seed < 4 else "b", "seed": seed, "task": {"name": "multiply"}, "train": kind}
        run = made(root / f"run-{seed}", seed=seed, settings=settings,
                   summary={"accuracy_after": estimate(0.1 * seed, 0.0, 1.0)})  # fmt: skip
        write_rows(run / "metrics.jsonl", [{"step": step, "time": step, "loss": 1 / (step + 1)} for step in range(5)])
    write_rows(root / "run-0" / "trajectories.jsonl", [sample(1, 0, ("2*3=", "6", 1.0), ("2*3=6. Sure?", "7", 0.0))])
    (root / "run-0" / "report.html").write_text("<p>Report</p>")
    (made(root / "broken") / "state.json").write_text("{")
    (root / "empty").mkdir()
    assert {row["state"] for row in call("GET", "/api/runs")["runs"]} == {"finished", "broken"}
    run = "/api/runs/run-0"
    for part in ("", "/metrics", "/metrics?names=loss&since=0&points=2", "/samples", "/staleness", "/report"):
        assert call("GET", run + part), part
        call("GET", f"/api/runs/none{part}")
    with call.stream(f"{run}/stream?since=0") as lines:
        assert next(line for line in lines if '"loss"' in line).startswith("data: {")
    call("GET", "/api/runs/figures?run=run-0&run=run-1")
    call("GET", "/api/runs/curves?run=run-0&run=run-1&name=loss")
    groups = "&".join(f"{'a' if seed < 4 else 'b'}=run-{seed}" for seed in range(8))
    call("GET", f"/api/runs/compare?{groups}&figure=accuracy_after")
    call("GET", "/api/runs/compare?a=run-0&b=run-4&figure=accuracy_after")
    call("POST", "/api/runs", {"recipe": "nonsense"})
    call("POST", "/api/runs", {"recipe": "quickstart"})


def test_every_call_is_described_and_answers_what_is_described(call, tmp_path) -> None:
    answers = {"edit": {"text": "The door was red."}, "extract": {"characters": ["Anna"], "places": [], "events": []}}

    def behave(number, body):
        task = json.loads(body["messages"][-1]["content"])["task"]
        message = {"message": {"role": "assistant", "content": json.dumps(answers[task])}, "finish_reason": "stop"}
        return 200, {"Content-Type": "application/json"}, json.dumps({"choices": [message]}).encode()

    use_the_page(call, tmp_path)
    with serving(behave) as (model, _):
        use_a_story(call, model)
    use_runs(call, tmp_path / "runs")
    described = {(method, path) for path, methods in call.document["paths"].items() for method in methods}
    assert call.succeeded == described
    without_a_mistake = described - call.failed
    assert len(without_a_mistake) < len(described) / 2


def test_every_route_of_the_application_is_described(app) -> None:
    described = {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}
    routers = (application.front, story_routes.router, provider_routes.router, runs_routes.router)
    served = {
        (method, f"/api{route.path}") for router in routers for route in router.routes for method in route.methods
    }
    assert served == described
    assert not [route.path for route in application.page.routes if route.path.startswith("/api")]


def test_the_document_says_how_one_is_let_in(client, access) -> None:
    document = client.get("/openapi.json").json()
    assert document["security"] == [{"token": []}, {"cookie": []}]
    assert document["components"]["securitySchemes"]["cookie"]["name"] == access.cookie
    free = [
        (method, path)
        for path, calls in document["paths"].items()
        for method, call in calls.items()
        if call.get("security") == []
    ]
    assert sorted(free) == [("get", "/api/health"), ("post", "/api/session")]


def test_what_describes_answers_is_found_out_where_it_lies() -> None:
    document = {"components": {"schemas": {"Row": {
        "type": "object", "required": ["id"], "additionalProperties": False,
        "properties": {"id": {"type": "string"}, "n": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                       "kind": {"enum": ["a", "b"], "type": "string"}},
    }}}}  # fmt: skip
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
    assert list(faults([{"id": "x", "n": None, "kind": "a"}, {"id": "y", "n": 3}], rows, document)) == []
    for row in (
        {},
        {"id": 1},
        {"id": "x", "n": "3"},
        {"id": "x", "n": True},
        {"id": "x", "kind": "c"},
        {"id": "x", "more": 1},
        [],
    ):
        assert list(faults([row], rows, document)), row
    assert list(faults({}, rows, document))
