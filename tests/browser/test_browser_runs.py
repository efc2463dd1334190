"""The page for runs: what is in the folder is in the table, curves move while a run is written, groups are compared."""

import json
import math
import re

import pytest
from serving import Served

from gnomon.runs.store import Run


def made(root, name, *, seed=0, kind="posttrain", steps=60, accuracy=None, better=0.0, state=None):
    """A run with two metrics, samples and, if `accuracy` is given, an end."""
    settings = {
        "name": name.partition("-")[0],
        "seed": seed,
        "train": {"lr": 0.002 if better else 0.001, "steps": steps},
    }
    run = Run.create(root / name, kind=kind, name=name, settings=settings, seed=seed)
    for step in range(steps):
        noise = 0.03 * math.sin(7 * seed + step / 3)
        run.log(step, loss=math.exp(-step / 30) - better + noise / 3, reward=(0.6 + better) * step / steps + noise)
    turns = [
        {"prompt": "12 * 3", "action": f"{seed}", "reward": 0.0, "policy_version": 0, "finish_reason": "eos"},
        {
            "prompt": f"12 * 3 = {seed}?",
            "action": "thirty-six",
            "reward": 1.0,
            "policy_version": 0,
            "finish_reason": "eos",
        },
    ]
    run.log_trajectories([{"step": 1, "task_id": "12*3", "group_id": "0.0", "seed": 1, "turns": turns}])
    (run.path / "report.html").write_text("<!doctype html><title>r</title><h1>A report</h1>")
    if accuracy is not None:
        estimate = {"value": accuracy, "low": accuracy - 0.05, "high": accuracy + 0.04, "n": 500, "level": 0.95}
        run.finish({"accuracy_after": estimate})
    elif state is not None:
        run.mark(state, "it was stopped")
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory, browser):
    """A server over a folder with runs of every state."""
    folder = tmp_path_factory.mktemp("runs")
    root = folder / "runs"
    for seed in range(5):
        made(root, f"new-{seed}", seed=seed, accuracy=0.9 + seed / 100, better=0.2)
        made(root, f"old-{seed}", seed=seed, accuracy=0.6 + seed / 100)
    made(root, "stopped", state="interrupted")
    made(root, "failed", state="failed")
    broken = root / "broken"
    broken.mkdir()
    (broken / "state.json").write_text("{")
    (broken / "recipe.toml").write_text("seed = 0\n")
    live = made(root, "live")
    server = Served.start("serve", "--port", "0", "--runs", str(root), "--stories", str(folder / "stories"))
    yield server, live
    assert server.stop() == 0


def test_the_table_has_every_run_and_says_what_is_wrong(watch, runs):
    page = watch(runs[0]).goto("/runs")
    page.get_by_test_id("run-row").first.wait_for()
    rows = {each.get_attribute("data-id"): each.inner_text() for each in page.get_by_test_id("run-row").all()}
    assert rows.keys() == {*(f"{name}-{seed}" for name in ("new", "old") for seed in range(5)),
                           "stopped", "failed", "broken", "live"}  # fmt: skip
    assert "0.940" in rows["new-4"]
    assert "0.890" in rows["new-4"]
    assert "0.980" in rows["new-4"]
    for id, word in (("live", "running"), ("stopped", "interrupted"), ("failed", "failed"), ("broken", "broken")):
        assert word in rows[id].lower(), id
    page.get_by_role("searchbox").or_(page.get_by_placeholder(re.compile("filter", re.I))).first.fill("state:failed")
    page.locator('[data-testid="run-row"][data-id="live"]').wait_for(state="detached")
    assert page.get_by_test_id("run-row").count() == 1


def test_a_running_run_draws_on_while_it_is_written(watch, runs):
    server, live = runs
    page = watch(server).goto("/runs/live")
    chart = page.locator('[data-testid="metric-chart"][data-metric="loss"]')
    chart.wait_for()
    page.wait_for_timeout(500)
    before = chart.inner_html()
    for step in range(60, 90):
        live.log(step, loss=3.0, reward=0.5)
    page.wait_for_function(
        '(old) => document.querySelector(\'[data-testid="metric-chart"][data-metric="loss"]\').innerHTML !== old',
        arg=before,
    )
    with (live.path / "metrics.jsonl").open("a") as log:
        log.write('{"step": 91, "time": 1.0, "los')  # half a line is left for the next look
        log.flush()
        page.wait_for_timeout(1200)
        log.write('s": 4.0, "reward": 0.5}\n')
    live.finish({"accuracy_after": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}})
    page.get_by_text("finished", exact=False).first.wait_for()


def test_a_run_shows_settings_samples_and_its_report_in_a_sandbox(watch, runs):
    watched, report = watch(runs[0]), runs[1].path.parent / "new-3" / "report.html"
    report.write_text(report.read_text() + "<script>parent.x = 1</script>")
    watched.allowed.append("Blocked a frame with origin")  # the report of this test tries to reach the page
    page = watched.goto("/runs/new-3")
    page.get_by_text("train.lr").or_(page.get_by_text("lr", exact=True)).first.wait_for()
    page.get_by_text("thirty-six").first.wait_for()
    frame = page.get_by_test_id("run-report")
    frame.scroll_into_view_if_needed()
    sandbox = frame.evaluate("(e) => (e.matches('iframe') ? e : e.querySelector('iframe')).getAttribute('sandbox')")
    assert "allow-same-origin" not in sandbox
    page.frame_locator("iframe").get_by_role("heading", name="A report").wait_for()
    assert page.evaluate("() => window.x") is None


def test_two_groups_of_seeds_are_compared_with_bands_and_a_verdict(watch, runs):
    names = [f"{name}-{seed}" for name in ("new", "old") for seed in range(5)]
    page = watch(runs[0]).goto("/runs")
    for name in names:
        page.locator(f'[data-testid="run-row"][data-id="{name}"]').get_by_role("checkbox").check()
    page.get_by_role("button", name=re.compile("compare", re.I)).or_(
        page.get_by_role("link", name=re.compile("compare", re.I))
    ).first.click()
    page.get_by_text(re.compile("A is better: its accuracy_after is larger")).wait_for()
    page.get_by_text("p =", exact=False).first.wait_for()
    page.get_by_text("Hodges-Lehmann", exact=False).wait_for()


def test_a_folder_without_runs_offers_one_to_watch(watch, tmp_path, browser):
    server = Served.start("serve", "--port", "0", "--runs", str(tmp_path / "none"), "--stories", str(tmp_path / "no"))
    try:
        watched = watch(server)
        watched.allowed.append("ERR_CONNECTION_REFUSED")  # the server ends before the page does
        page = watched.goto("/")
        page.get_by_text("Watch a small model learn").first.wait_for()
        samples = server.call("GET", "/api/samples")["samples"]
        assert len(samples) == 3
        assert sum(each["language"] == "ro" for each in samples) == 1
        for each in samples:
            page.get_by_text(each["title"]).first.wait_for()
        page.get_by_text(samples[0]["title"]).first.click()
        page.get_by_test_id("manuscript").wait_for()
        page.get_by_test_id("character-node").first.wait_for(timeout=60_000)
        assert not (tmp_path / "none").exists() or json.dumps([]) == json.dumps(list((tmp_path / "none").iterdir()))
    finally:
        assert server.stop() == 0


def test_a_quickstart_run_begins_from_the_page_and_ends_with_the_server(watch, tmp_path, browser):
    server = Served.start("serve", "--port", "0", "--runs", str(tmp_path / "runs"), "--stories", str(tmp_path / "no"))
    try:
        watched = watch(server)
        watched.allowed.append("ERR_CONNECTION_REFUSED")
        page = watched.goto("/")
        page.get_by_text("Watch a small model learn").first.click()
        page.get_by_test_id("metric-chart").first.wait_for(timeout=90_000)
        (row,) = server.call("GET", "/api/runs")["runs"]
        assert row["state"] == "running"
    finally:
        assert server.stop() == 0
    (state,) = (tmp_path / "runs").glob("*/state.json")
    assert json.loads(state.read_text())["state"] == "interrupted"
