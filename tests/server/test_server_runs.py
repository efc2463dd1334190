"""The runs of a folder: a row for each, whatever is in it; one run and its files; and nothing of it is ever written."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from made_runs import STARTED, estimate, everything, made, sample, write_rows

from gnomon.runs import Run
from gnomon.server import run_shapes as shapes
from gnomon.server.runs_folder import RunsFolder, figure


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def listed(client: TestClient) -> dict[str, Any]:
    """The rows by id."""
    answer = client.get("/api/runs").json()
    shapes.Runs.model_validate(answer)
    return {row["id"]: row for row in answer["runs"]}


def test_no_folder_has_no_runs_and_is_not_made(client, runs):
    assert client.get("/api/runs").json() == {"runs": []}
    assert not runs.exists()


def test_a_finished_run_is_a_row_with_its_main_figure(client, runs):
    made(runs / "one", seed=4, summary={"steps": 3, "accuracy_after": estimate(0.5, 0.4, 0.6)})
    assert client.get("/api/runs").json() == {
        "runs": [
            {
                "id": "one",
                "name": "multiply",
                "kind": "posttrain",
                "state": "finished",
                "started": STARTED,
                "seconds": 60.0,
                "seed": 4,
                "figure": {"name": "accuracy_after", "value": 0.5, "low": 0.4, "high": 0.6, "n": 100},
            }
        ]
    }


def test_the_figure_is_accuracy_after_or_the_first_estimate_however_deep():
    deep = {"a": 1, "b": {"c": {"d": estimate(1, 0, 2)}}, "e": estimate(3, 2, 4)}
    assert figure(deep) == {"name": "b.c.d", "value": 1, "low": 0, "high": 2, "n": 100}
    assert figure(deep | {"accuracy_after": estimate(0.9, 0.8, 1)})["name"] == "accuracy_after"
    assert figure({"steps": 4}) is None


def test_states_are_told_from_each_other(client, runs):
    runs.mkdir()
    writing = Run.create(runs / "running", kind="posttrain", name="n", settings={"seed": 1}, seed=1)
    made(runs / "killed", state="running")
    os.utime(made(runs / "killed-later", state="running") / "state.json", (STARTED, STARTED))
    write_rows(runs / "killed-later" / "metrics.jsonl", [{"step": 1, "time": 5.0}])
    os.utime(runs / "killed-later" / "metrics.jsonl", (STARTED + 7, STARTED + 7))
    made(runs / "failed", state="failed", reason="no luck")
    made(runs / "interrupted", state="interrupted")
    rows = listed(client)
    assert {id: row["state"] for id, row in rows.items()} == {
        "running": "running",
        "killed": "interrupted",
        "killed-later": "interrupted",
        "failed": "failed",
        "interrupted": "interrupted",
    }
    assert rows["killed-later"]["seconds"] == 7.0
    assert next(iter(rows)) == "running"  # the newest
    assert client.get("/api/runs/failed").json()["reason"] == "no luck"
    writing.mark("finished")
    assert listed(client)["running"]["state"] == "finished"


def test_a_run_whose_process_goes_is_seen_to_be_interrupted_though_none_of_its_files_changed(client, runs):
    runs.mkdir()
    writing = Run.create(runs / "one", kind="posttrain", name="n", settings={}, seed=1)
    assert listed(client)["one"]["state"] == "running"
    writing._lock.close()
    assert listed(client)["one"]["state"] == "interrupted"


def test_whatever_is_broken_is_a_row_that_says_so(client, runs):
    made(runs / "whole")
    (made(runs / "state") / "state.json").write_text('{"state": "fin')
    (made(runs / "list") / "state.json").write_text("[]")
    (made(runs / "kindless") / "state.json").write_text('{"state": "finished", "started": 1}')
    (made(runs / "dreaming") / "state.json").write_text('{"state": "dreaming", "kind": "k", "started": 1}')
    (made(runs / "recipe") / "recipe.toml").write_text('name = "x"\n[task\nname = 1\n')
    (made(runs / "twice") / "recipe.toml").write_text("[task]\na = 1\n[train]\n[task]\nb = 2\n")
    (made(runs / "summary") / "summary.json").write_text('{"a": NaN, ')
    (made(runs / "bytes") / "summary.json").write_bytes(b"\xff\xfe")
    (made(runs / "no-recipe") / "recipe.toml").unlink()
    (made(runs / "no-state") / "state.json").unlink()
    (runs / "empty").mkdir()
    (runs / "pictures").mkdir()
    (runs / "pictures" / "a.png").write_bytes(b"")
    (runs / ".hidden").mkdir()
    (runs / "notes.txt").write_text("no folder")
    rows = listed(client)
    said = {id: row.pop("error", None) for id, row in rows.items()}
    assert said.pop("whole") is None
    for id, part in {
        "state": "state.json of 'state' is broken JSON",
        "list": "state.json of 'list' is not a JSON object",
        "kindless": "state.json of 'kindless' has no kind",
        "dreaming": "says 'dreaming', not one of running",
        "recipe": "recipe.toml of 'recipe' is broken TOML",
        "twice": "recipe.toml of 'twice' is broken TOML",
        "summary": "summary.json of 'summary' is broken JSON",
        "bytes": "summary.json of 'bytes' is not UTF-8 text",
        "no-recipe": "'no-recipe' is not a run: it has no recipe.toml.",
        "no-state": "'no-state' is not a run: it has no state.json.",
        "empty": "'empty' is not a run: it has no state.json and no recipe.toml.",
        "pictures": "'pictures' is not a run: it has no state.json and no recipe.toml.",
    }.items():
        assert part in said.pop(id)
        assert (rows[id]["state"], rows[id]["kind"], rows[id]["figure"]) == ("broken", None, None)
    assert said == {}


def test_a_broken_run_can_be_looked_at_and_mended(client, runs):
    folder = made(runs / "one")
    whole = (folder / "state.json").read_text()
    (folder / "state.json").write_text("{")
    answer = client.get("/api/runs/one").json()
    shapes.RunDetail.model_validate(answer)
    assert (answer["state"], answer["settings"], answer["summary"]) == ("broken", {}, None)
    assert client.get("/api/runs/one/metrics").json() == {"next": 0, "rows": []}
    assert client.get("/api/runs/one/staleness").json() == {"bins": [], "from": None}
    (folder / "state.json").write_text(whole)
    assert listed(client)["one"]["state"] == "finished"


def test_runs_of_a_comparison_have_rows_and_their_folders_none(client, runs):
    for seed in range(2):
        made(runs / "score" / "score" / str(seed), seed=seed)
        made(runs / "flat" / str(seed))
    (runs / "score" / "figures").mkdir()
    (runs / "score" / "comparison.json").write_text("{}")
    (made(runs / "flat" / "2") / "state.json").write_text("{")
    made(runs / "too" / "deep" / "to" / "see")
    rows = listed(client)
    assert set(rows) == {"score~score~0", "score~score~1", "flat~0", "flat~1", "flat~2", "too"}
    assert rows["flat~2"]["state"] == rows["too"]["state"] == "broken"
    assert client.get("/api/runs/score~score~1").json()["seed"] == 1
    assert client.get("/api/runs/too~deep~to~see").status_code == 404


def test_folders_inside_a_run_are_no_rows(client, runs):
    made(made(runs / "outer") / "checkpoints" / "inner")
    assert set(listed(client)) == {"outer"}


@pytest.mark.parametrize(
    "name", ["a~b", "50%", "!7E", "lr=0.1", "ünï çödé", "compare", "figures", "curves", "a b?c#d", "~"]
)
def test_every_name_has_an_id_that_leads_back_to_it(client, runs, name):
    made(runs / name, seed=1)
    made(runs / "group" / name, seed=2)
    first, second = sorted(listed(client).values(), key=lambda row: row["seed"])
    for row in (first, second):
        assert "/" not in row["id"]
        found = client.get(f"/api/runs/{quote(row['id'], safe='')}").json()
        assert (found["id"], found["seed"]) == (row["id"], row["seed"])


def test_names_and_texts_that_are_no_unicode_do_not_hide_the_others(client, runs):
    made(runs / os.fsdecode(b"caf\xe9"), seed=1)
    made(runs / "odd", kind="\ud800", seed=2)
    write_rows(runs / "odd" / "metrics.jsonl", [{"step": 1, "time": 1, "note": "\ud800"}])
    rows = listed(client)
    assert {id: row["seed"] for id, row in rows.items()} == {"caf!E9": 1, "odd": 2}
    assert client.get("/api/runs/caf!E9").json()["seed"] == 1
    assert client.get("/api/runs/odd/metrics").json()["rows"] == [{"step": 1, "time": 1, "note": "?"}]


def test_plain_ids_stay_plain_and_a_tilde_in_a_name_is_no_path(client, runs):
    made(runs / "a~b", seed=1)
    made(runs / "a" / "b", seed=2)
    made(runs / "g2p-20260101-120000_x.1", seed=3)
    assert {id: row["seed"] for id, row in listed(client).items()} == {
        "a!7Eb": 1,
        "a~b": 2,
        "g2p-20260101-120000_x.1": 3,
    }


@pytest.mark.parametrize(
    "id",
    ["nothing", "..~secret", "%2e%2e~secret", "!2E!2E~secret", "!2E!2E!2Fsecret", "!2Fetc", "~secret", "one~", "~one",
     "one~checkpoints", ".hidden", "!2Ehidden", "one%00", "one!00", "one~..~..~secret", "a" * 5000, "%ED%A0%80"],
)  # fmt: skip
def test_what_is_no_run_of_this_folder_is_not_found(client, runs, id):
    made(runs / "one")
    made(runs / ".hidden")
    made(runs.parent / "secret")
    for call in ("", "/metrics", "/stream", "/samples", "/staleness", "/report"):
        answer = client.get(f"/api/runs/{id}{call}")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"


def test_links_are_followed_inside_the_folder_and_not_out_of_it(client, runs):
    outside = made(runs.parent / "outside", summary={"secret": estimate(0.123, 0, 1)})
    write_rows(outside / "metrics.jsonl", [{"step": 1, "time": 1, "secret": 1}])
    write_rows(outside / "trajectories.jsonl", [sample(11, 0, ("q", "secret", 1.0))])
    (outside / "report.html").write_text("secret")
    inside = made(runs / "inside")
    (runs / "link").symlink_to(outside)
    (runs / "again").symlink_to(inside)
    (runs / "loop").symlink_to(runs)
    (runs / "group").mkdir()
    (runs / "group" / "link").symlink_to(outside)
    for name in ("metrics.jsonl", "trajectories.jsonl", "report.html", "environment.json"):
        (inside / name).unlink(missing_ok=True)
        (inside / name).symlink_to(outside / name)
    for name in ("summary.json", "recipe.toml", "state.json"):
        (made(runs / name) / name).unlink(missing_ok=True)
        (runs / name / name).symlink_to(outside / name)
    rows = listed(client)
    assert rows["link"]["error"] == "'link' is a link out of the folder of runs, and is not followed."
    assert rows["group"]["state"] == "broken"
    assert rows["again"]["state"] == rows["inside"]["state"] == "finished"
    for name in ("summary.json", "recipe.toml", "state.json"):
        assert rows[name]["error"].startswith(f"{name} of '{name}' is a link out of the folder")
        assert "secret" not in client.get(f"/api/runs/{name}").text
    for call in ("", "/metrics", "/samples", "/staleness", "/report", "/stream?since=0"):
        assert client.get(f"/api/runs/link{call}").status_code == 404
        assert client.get(f"/api/runs/group~link{call}").status_code == 404
        assert "secret" not in client.get(f"/api/runs/inside{call}").text
    assert client.get("/api/runs/inside/report").status_code == 404


def test_only_what_changed_is_read_again(runs, monkeypatch):
    for number in range(5):
        made(runs / str(number), summary={"x": estimate(number, 0, 9)})
    folder, read = RunsFolder(runs), []
    monkeypatch.setattr(folder, "_read", lambda at, stamp, own=folder._read: read.append(at.name) or own(at, stamp))
    assert len(folder.rows()) == 5
    assert sorted(read) == ["0", "1", "2", "3", "4"]
    (runs / "3" / "summary.json").write_text(json.dumps({"x": estimate(0.5, 0, 9)}))
    read.clear()
    assert {row["id"]: row["figure"]["value"] for row in folder.rows()}["3"] == 0.5
    assert read == ["3"]


def test_a_thousand_runs_are_all_listed(client, runs):
    for number in range(1000):
        made(runs / f"r{number}", seed=number, started=STARTED + number)
    rows = listed(client)
    assert list(rows) == [f"r{number}" for number in reversed(range(1000))]
    assert all(row["seed"] == int(id[1:]) and row["name"] == "multiply" for id, row in rows.items())


def test_recipes_are_read_as_toml_reads_them(runs):
    odd = (
        'about = """a\n[task]\nname = 3\n"""\nseed = 5\n[task]\nname = "right"\n[[stages]]\na = 1\n[[stages]]\na = 2\n'
    )
    (made(runs / "odd") / "recipe.toml").write_text(odd)
    (made(runs / "bare") / "recipe.toml").write_text('name = "only"\n')
    rows = {row["id"]: row for row in RunsFolder(runs).rows()}
    assert (rows["odd"]["name"], rows["odd"]["seed"]) == ("right", 5)
    assert (rows["bare"]["name"], rows["bare"]["seed"]) == ("only", 0)  # the seed from the environment


def test_one_run_says_all_there_is_of_it(client, runs):
    folder = made(runs / "one", state="interrupted", reason="stopped by Ctrl-C")
    write_rows(folder / "metrics.jsonl", [{"step": 1, "time": 0.5, "loss": 2.0, "stage": "rl"}])
    write_rows(folder / "trajectories.jsonl", [sample(11, 0, ("1*2=", "2", 1.0))])
    (folder / "report.html").write_text("<p>")
    for step in ("20", "3", ".4.tmp", "x"):
        (folder / "checkpoints" / step).mkdir(parents=True)
    answer = client.get("/api/runs/one").json()
    shapes.RunDetail.model_validate(answer)
    assert answer["settings"]["task"] == {"name": "multiply"}
    assert answer["summary"] is None
    assert answer["metrics"] == ["loss"]
    assert answer["checkpoints"] == [3, 20]
    assert answer["reason"] == "stopped by Ctrl-C"
    assert answer["resume"] == f"gnomon quickstart --out {folder} --resume"
    assert (answer["has_report"], answer["samples"], answer["environment"]["seed"]) == (True, 1, 0)


def test_a_run_that_cannot_be_resumed_names_no_command(client, runs):
    made(runs / "done")
    made(runs / "watched", state="interrupted", kind="dynamics-train")
    assert client.get("/api/runs/done").json()["resume"] is None
    assert client.get("/api/runs/watched").json()["resume"] is None


def test_a_report_comes_as_it_is_and_can_do_nothing(client, runs):
    page = "<!doctype html><style>p{}</style><p>ș\n".encode()
    (made(runs / "one") / "report.html").write_bytes(page)
    answer = client.get("/api/runs/one/report")
    assert answer.content == page
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-scripts;" in policy
    assert "frame-ancestors 'self'" in policy
    assert "default-src 'none'" in policy
    assert "allow-same-origin" not in policy
    made(runs / "two")
    missing = client.get("/api/runs/two/report")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


# -- samples ----------------------------------------------------------------------------------------------------------


def test_samples_have_a_text_and_a_reward_for_each_turn(client, runs):
    folder = made(runs / "one")
    first = sample(11, 0, ("1+2=", "4", 0.0), ("1+2=4<eos>?", "3", 1.0))
    second = sample(14, 1, ("5+5=", "11", 0.0), ("5+5=11<eos>?", "12", 0.5))
    write_rows(folder / "trajectories.1.jsonl", [first])
    write_rows(folder / "trajectories.jsonl", [second])
    answer = client.get("/api/runs/one/samples").json()
    shapes.Samples.model_validate(answer)
    assert (answer["total"], answer["offset"], answer["from"]) == (2, 0, "trajectories")
    one, two = answer["rows"]
    assert one["turns"] == [
        {"prompt": "1+2=", "text": "4", "reward": 0.0, "finish_reason": "eos"},
        {"prompt": "<eos>?", "text": "3", "reward": 1.0, "finish_reason": "eos"},
    ]
    assert (one["index"], one["step"], one["prompt"], one["reward"], one["correct"]) == (0, 11, "1+2=", 1.0, True)
    # Ten updates of warm start: step 11 learns with the policy of no update, step 14 with that of three.
    assert (one["version"], one["staleness"]) == (0, 0)
    assert (two["index"], two["correct"], two["reward"], two["staleness"]) == (1, False, 0.5, 2)


def test_samples_are_paged_across_both_files_and_chosen_by_correctness(client, runs):
    folder = made(runs / "one")
    rows = [sample(11 + number, number, (f"{number}=", "x", float(number % 3 == 0))) for number in range(25)]
    write_rows(folder / "trajectories.1.jsonl", rows[:10])
    write_rows(folder / "trajectories.jsonl", rows[10:])

    def page(**asked):
        answer = client.get("/api/runs/one/samples", params=asked).json()
        return answer["total"], [row["index"] for row in answer["rows"]]

    assert page(offset=8, limit=4) == (25, [8, 9, 10, 11])
    assert page(offset=24) == (25, [24])
    assert page(offset=99) == (25, [])
    assert page(correct=True, offset=3, limit=3) == (9, [9, 12, 15])
    assert page(correct=False)[0] == 16
    assert client.get("/api/runs/one/samples?limit=0").json()["error"]["field"] == "limit"


def test_new_samples_and_turned_over_files_are_seen(client, runs):
    folder = made(runs / "one")
    path = folder / "trajectories.jsonl"
    write_rows(path, [sample(11, 0, ("a", "1", 0.0))])
    assert client.get("/api/runs/one/samples").json()["total"] == 1
    with path.open("a") as file:
        file.write(json.dumps(sample(12, 0, ("b", "2", 0.0))) + '\n{"half')
    assert client.get("/api/runs/one/samples").json()["total"] == 2
    path.replace(folder / "trajectories.1.jsonl")
    write_rows(path, [sample(13, 0, ("c", "3", 0.0))])
    rows = client.get("/api/runs/one/samples").json()["rows"]
    assert [row["turns"][0]["text"] for row in rows] == ["1", "2", "3"]


def test_graded_answers_stand_in_where_there_are_no_samples(client, runs):
    folder = made(runs / "one")
    one = {"step": 10, "stage": "before", "task_id": "t", "prompt": "1+2=", "answer": "3", "correct": True, "reward": 1.0, "mode": "greedy"}  # fmt: skip
    tried = [{"action": "4", "correct": False, "reward": 0.0, "latent": False}, {"action": "3", "correct": True, "reward": 1.0, "latent": False}]  # fmt: skip
    write_rows(folder / "eval.jsonl", [one, {**one, "turns": tried}])
    answer = client.get("/api/runs/one/samples").json()
    shapes.Samples.model_validate(answer)
    assert (answer["total"], answer["from"]) == (2, "evaluations")
    assert [[turn["text"] for turn in row["turns"]] for row in answer["rows"]] == [["3"], ["4", "3"]]
    assert answer["rows"][1]["correct"] is True
    assert client.get("/api/runs/one/staleness").json() == {"bins": [], "from": None}


def test_other_kinds_have_no_samples(client, runs):
    folder = made(runs / "one", kind="segment-train")
    write_rows(folder / "eval.jsonl", [{"step": 4, "dice": 0.5}])
    assert client.get("/api/runs/one/samples").json() == {"total": 0, "offset": 0, "from": None, "rows": []}


def test_a_damaged_sample_is_an_empty_one(client, runs):
    folder = made(runs / "one")
    (folder / "trajectories.jsonl").write_text('{"step": 1\n{"step": 12, "turns": []}\n')
    answer = client.get("/api/runs/one/samples").json()
    shapes.Samples.model_validate(answer)
    assert [(row["step"], row["turns"]) for row in answer["rows"]] == [(None, []), (12, [])]


def test_staleness_comes_from_the_best_source_there_is(client, runs):
    folder = made(runs / "one")

    def found():
        answer = client.get("/api/runs/one/staleness").json()
        shapes.Staleness.model_validate(answer)
        return answer["from"], {each["staleness"]: each["count"] for each in answer["bins"]}

    assert found() == (None, {})
    write_rows(folder / "metrics.jsonl", [{"step": step, "staleness": step / 2} for step in range(4)] + [{"step": 9}])
    assert found() == ("metrics", {0: 2, 1: 1, 2: 1})
    write_rows(folder / "trajectories.jsonl", [sample(14, version, ("a", "b", 0.0)) for version in (1, 1, 3)])
    assert found() == ("trajectories", {0: 1, 2: 2})
    (folder / "summary.json").write_text('{"staleness_counts": {"10": 3, "2": 5}}')
    assert found() == ("summary", {2: 5, 10: 3})


# -- only looking -----------------------------------------------------------------------------------------------------


def test_no_call_changes_or_makes_anything_below_the_folder(client, runs):
    summary = {"accuracy_after": estimate(0.5, 0.4, 0.6)}
    for seed in range(4):
        for arm in ("a", "b"):
            folder = made(runs / arm / str(seed), seed=seed, summary=summary)
            write_rows(
                folder / "metrics.jsonl", [{"step": step, "time": step, "loss": 1 / step} for step in range(1, 9)]
            )
            write_rows(folder / "trajectories.jsonl", [sample(11, 0, ("a", "b", 1.0))])
            (folder / "report.html").write_text("<p>")
    made(runs / "killed", state="running")
    (made(runs / "broken") / "state.json").write_text("{")
    (runs / "empty").mkdir()
    before = everything(runs)
    several = "&".join(f"{field}=a~{seed}&{field}=b~{seed}" for field in ("run",) for seed in range(4))
    groups = "&".join(f"a=a~{seed}&b=b~{seed}" for seed in range(4))
    calls = ["", f"/curves?{several}&name=loss", f"/figures?{several}", f"/compare?{groups}", f"/compare?{groups}&figure=accuracy_after"]  # fmt: skip
    for run in ("a~0", "killed", "broken", "empty"):
        calls += [f"/{run}{call}" for call in ("", "/metrics", "/metrics?names=loss&points=2", "/stream?since=0", "/samples", "/staleness", "/report")]  # fmt: skip
    answers = [client.get(f"/api/runs{call}") for call in calls]
    assert {answer.status_code for answer in answers} <= {200, 404, 422}
    assert sum(answer.status_code == 200 for answer in answers) > 20
    assert everything(runs) == before


def test_who_looks_at_a_run_never_keeps_its_writer_out(tmp_path):
    made(tmp_path / "one", state="running")
    (tmp_path / "one" / ".lock").write_text("1")
    looking = subprocess.Popen(
        [sys.executable, "-c", "import sys; from pathlib import Path; from gnomon.runs.store import is_written\n"
         "print('begun', flush=True)\nwhile True: is_written(Path(sys.argv[1]))", str(tmp_path / "one")],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert looking.stdout is not None
        assert looking.stdout.readline()
        settings = Run(tmp_path / "one").settings
        for _ in range(100):
            run = Run.resume(tmp_path / "one", settings=settings)
            run.mark("interrupted")
    finally:
        looking.kill()
        looking.wait()
        assert looking.stdout is not None
        looking.stdout.close()
