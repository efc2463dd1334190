"""The two-minute tour of docs/story.md and the pictures of docs/page.md, as they are told there.

With GNOMON_PICTURES=docs/figures the pictures of the documents are taken anew.
"""

import json

import pytest
from serving import Served
from test_browser_runs import made


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, browser):
    """A server with nothing in it."""
    folder = tmp_path_factory.mktemp("fresh")
    stories, runs = str(folder / "stories"), str(folder / "runs")
    config = {"GNOMON_CONFIG_DIR": str(folder / "config")}
    server = Served.start("serve", "--port", "0", "--runs", runs, "--stories", stories, env=config)
    yield server
    assert server.stop() == 0


def command(page, words):
    page.keyboard.press("Control+k")
    page.get_by_test_id("palette-input").fill(words)


def ready(page):
    page.get_by_test_id("extraction-status").get_by_text("Up to date").wait_for(timeout=60_000)
    page.get_by_test_id("save-status").get_by_text("Saved", exact=True).wait_for()
    page.wait_for_timeout(400)  # what is drawn after the answer


def test_the_tour_of_a_story(watch, fresh):
    here = watch(fresh)
    page = here.goto("/")
    page.get_by_text("The Bell at Alderwick").first.wait_for()
    here.picture("page-first-run")

    page.get_by_text("The Bell at Alderwick").first.click()
    page.get_by_test_id("character-node").first.wait_for(timeout=60_000)
    ready(page)
    page.locator('[data-testid="character-node"][data-id="nora"]').click()
    page.wait_for_timeout(300)
    here.picture("page-characters")
    page.keyboard.press("Escape")

    page.get_by_test_id("view-places").click()
    page.get_by_test_id("place-node").first.wait_for()
    page.wait_for_timeout(300)
    here.picture("page-places")

    page.get_by_test_id("view-timeline").click()
    page.get_by_test_id("timeline-event").first.wait_for(state="attached")
    page.wait_for_timeout(300)
    here.picture("page-timeline-story")
    page.get_by_test_id("order-toggle").click()
    page.wait_for_timeout(300)
    here.picture("page-timeline-narrated")

    command(page, "rename Edmund to Jonas")
    page.wait_for_timeout(200)
    here.picture("page-palette")
    page.keyboard.press("Enter")
    page.get_by_test_id("hunk").first.wait_for()
    page.get_by_test_id("view-characters").click()
    page.wait_for_timeout(400)
    here.picture("page-hunks")
    page.get_by_test_id("accept-all").click()
    page.get_by_test_id("character-node").get_by_text("Jonas").wait_for()
    ready(page)
    text = fresh.text("the-bell-at-alderwick")
    assert "Jonas Hale" in text
    assert "Edmund" not in text

    page.get_by_test_id("history").click()
    page.wait_for_timeout(300)
    here.picture("page-history")
    page.get_by_test_id("undo").click()
    page.get_by_test_id("character-node").get_by_text("Edmund").wait_for()
    assert "Jonas" not in fresh.text("the-bell-at-alderwick")


def test_warnings_and_reports_in_the_dark(watch, fresh):
    story = fresh.call("POST", "/api/stories", {"sample": "the-green-ledger"})["id"]
    here = watch(fresh, color_scheme="dark")
    page = here.goto(f"/story/{story}")
    page.get_by_test_id("character-node").first.wait_for(timeout=60_000)
    ready(page)
    page.get_by_test_id("warnings").click()
    page.get_by_text("ledger was left in one place").first.wait_for()
    here.picture("page-warnings-dark")
    page.get_by_test_id("reports").click()
    page.get_by_role("region", name="Reports").get_by_role("button").first.click()
    page.wait_for_timeout(500)
    here.picture("page-report-dark")


def test_a_romanian_story(watch, fresh):
    story = fresh.call("POST", "/api/stories", {"sample": "cheia-de-la-moara"})["id"]
    here = watch(fresh, viewport={"width": 1920, "height": 1080})
    page = here.goto(f"/story/{story}")
    page.get_by_test_id("character-node").first.wait_for(timeout=60_000)
    ready(page)
    command(page, "rename Ilinca to Voica")
    page.keyboard.press("Enter")
    page.get_by_test_id("hunk").first.wait_for()
    page.get_by_test_id("accept-all").click()
    page.get_by_test_id("character-node").get_by_text("Voica").wait_for()
    ready(page)
    text = fresh.text(story)
    assert "Voicăi" in text
    assert "Ilinc" not in text
    page.get_by_test_id("view-timeline").click()
    page.get_by_test_id("timeline-event").first.wait_for(state="attached")
    here.picture("page-romanian")


def test_the_pages_of_runs(watch, tmp_path, browser):
    root = tmp_path / "runs"
    for seed in range(5):
        made(root, f"new-{seed}", seed=seed, accuracy=0.9 + seed / 100, better=0.2)
        made(root, f"old-{seed}", seed=seed, accuracy=0.6 + seed / 100)
    server = Served.start("serve", "--port", "0", "--runs", str(root), "--stories", str(tmp_path / "stories"))
    try:
        here = watch(server)
        here.allowed.append("ERR_CONNECTION_REFUSED")
        page = here.goto("/runs")
        page.get_by_test_id("run-row").first.wait_for()
        here.picture("page-runs")
        names = [f"{name}-{seed}" for name in ("new", "old") for seed in range(5)]
        here.goto(f"/runs?compare={','.join(names)}")
        page.get_by_text("is better: its").wait_for()
        page.wait_for_timeout(300)
        here.picture("page-comparison")
        here.goto("/")
        page.get_by_text("Watch a small model learn").first.click()
        page.get_by_test_id("metric-chart").nth(2).wait_for(timeout=90_000)
        page.wait_for_timeout(4000)
        here.picture("page-live-run")
    finally:
        assert server.stop() == 0
    states = [json.loads(path.read_text())["state"] for path in root.glob("quickstart*/state.json")]
    assert states == ["interrupted"], "a run that was begun from the page ends with the server, and can be resumed"
