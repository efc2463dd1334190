"""For everybody: axe-core finds nothing serious, all of it works without a mouse and at 1280 by 720, light and dark."""

from pathlib import Path

import pytest
from test_browser_pictures import STORY

AXE = Path(__file__).resolve().parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"

axe = pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci in ui/")


def serious(page):
    """What axe-core finds that is serious or critical."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(watch, served, scheme):
    story = served.new_story(STORY)
    watched = watch(served, color_scheme=scheme)
    page = watched.story(story)
    found = {}
    for view in ("characters", "places", "timeline"):
        page.get_by_test_id(f"view-{view}").click()
        page.wait_for_timeout(300)
        found[view] = serious(page)
    for panel in ("warnings", "reports", "history"):
        page.get_by_test_id(panel).click()
        page.wait_for_timeout(200)
        found[panel] = serious(page)
    for dialog in ("export", "provider-settings"):
        page.get_by_test_id(dialog).click()
        page.get_by_role("dialog").wait_for()
        found[dialog] = serious(page)
        page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.get_by_test_id("palette-input").fill("rename Anna to Bianca")
    found["palette"] = serious(page)
    page.keyboard.press("Enter")
    page.get_by_test_id("hunk").first.wait_for()
    found["suggestions"] = serious(page)
    for path in ("/", "/runs"):
        watched.goto(path)
        page.get_by_role("main").wait_for()
        page.wait_for_timeout(300)
        found[path] = serious(page)
    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)])
def test_the_page_fits_the_window(watch, served, size):
    story = served.new_story(STORY)
    page = watch(served, viewport={"width": size[0], "height": size[1]}).story(story)
    for panel in (None, "history"):
        if panel is not None:
            page.get_by_test_id(panel).click()
        for view in ("characters", "places", "timeline"):
            page.get_by_test_id(f"view-{view}").click()
            spill = page.evaluate(
                "() => [document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]"
            )
            assert max(spill) <= 0, (panel, view)
            for name in ("manuscript", f"view-{view}", "undo", "redo", "export", "save-status", "extraction-status"):
                box = page.get_by_test_id(name).bounding_box()
                assert box is not None, name
                assert box["x"] >= 0, name
                assert box["x"] + box["width"] <= size[0] + 1, name
                assert box["y"] >= 0, name


def tab_to(page, test_id, most=80):
    """Press Tab until the focus is on (or in) something."""
    for _ in range(most):
        if page.evaluate("(id) => document.activeElement?.closest(`[data-testid='${id}']`) !== null", test_id):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{test_id} is not reached with the Tab key")


def test_a_revision_without_a_mouse(here, served):
    story = served.new_story(STORY)
    page = here.story(story)
    tab_to(page, "manuscript")
    page.keyboard.press("Control+End")
    page.keyboard.type(" Maria slept.")
    page.keyboard.press("Control+k")
    page.keyboard.type("rename Maria to Ioana")
    page.keyboard.press("Enter")
    page.get_by_test_id("hunk").first.wait_for()
    tab_to(page, "accept-all")
    page.keyboard.press("Enter")
    page.get_by_test_id("manuscript").get_by_text("Ioana slept.").wait_for()
    assert "Maria" not in served.text(story)
    page.get_by_test_id("extraction-status").get_by_text("Up to date").wait_for()
    page.keyboard.press("Control+k")
    page.keyboard.type("timeline")
    page.keyboard.press("Enter")
    page.get_by_test_id("timeline-event").first.wait_for(state="attached")
    tab_to(page, "outline")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator('[role="treeitem"][aria-selected="true"]').first.wait_for()
    page.locator('[data-testid="manuscript"] .chosen').first.wait_for()
    tab_to(page, "undo")
    page.keyboard.press("Enter")
    page.get_by_test_id("manuscript").get_by_text("Maria slept.").wait_for()


def test_without_the_code_nobody_comes_in(browser, served):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{served.url}/")
    page.get_by_text("needs the code").wait_for()
    page.goto("about:blank")
    page.goto(f"{served.url}/#code=wrong")
    page.get_by_text("needs the code").wait_for()
    assert "wrong" not in page.url, "a code does not stay in the address"
    context.close()
