"""How fast is the page of a 100,000-word story: how much script it loads, when its text is there, from key to paint?

The text is that of `story_speed.py`, in a project whose pictures have been read before. A server of its own is started
for every opening, and Chromium with an empty cache; the time is that from the start of the navigation to the frame with
the first words, as the page itself sees it. From key to paint is from the time stamp of the key's event to the
first task after the frame that shows the letter was handed on; the browser is told to draw frames as they come and not
60 a second, so that no waiting for the screen is counted. Typing goes on through saving and through the reading that
follows each rest. The control is one empty paragraph that can be typed into, alone on a page of the same browser: what
this machine and its browser take for any key. The official program's page loads 443 kB of gzipped JavaScript.

Data: `text/` of GNOMON_DATA_DIR. Needs Chromium, and playwright of the development packages.
"""

import argparse
import gzip
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from gnomon.server.app import STATIC
from machine import machine, save
from story_speed import BOOK, text_of

OPENINGS, KEYS = 5, 300
SETTLED = 6000  # ms for the pictures of a whole novel to be drawn before anything is typed
LIMITS = {
    "JavaScript at the start, gzipped kB": 350,
    "open to first text, wall s": 1.5,
    "key to paint, p95 ms": 16,
}
CONTROL = "<!doctype html><p contenteditable style='font: 17px serif; width: 30em'>Once</p>"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-frame-rate-limit", "--disable-gpu-vsync"]
FIRST_TEXT = """() => {
  const look = () => {
    if (document.querySelector("[data-testid=manuscript]")?.textContent) setTimeout(() => {
      window.firstText = performance.now();
    });
    else requestAnimationFrame(look);
  };
  look();
}"""
WATCH = """() => {
  window.delays = [];
  const after = new MessageChannel();
  let waiting = [];
  after.port1.onmessage = () => {
    const now = performance.now();
    for (const then of waiting) window.delays.push(now - then);
    waiting = [];
  };
  addEventListener("keydown", (event) => requestAnimationFrame(() => {
    waiting.push(event.timeStamp);
    after.port2.postMessage(0);
  }), true);
}"""


def start_bytes() -> int:
    """Gzipped size of all scripts that the page of a story loads before it can be used: its own and the first ones."""
    waiting = re.findall(r'(?:src|href)="/(assets/[^"]+\.js)"', (STATIC / "index.html").read_text())
    waiting += [f"assets/{each.name}" for each in (STATIC / "assets").glob("StoryPage-*.js")]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            found = re.findall(r'(?:from|import)\s*"\./([^"]+\.js)"', (STATIC / name).read_text())
            waiting += [f"assets/{each}" for each in found]
    return sum(len(gzip.compress((STATIC / each).read_bytes())) for each in seen)


class Server:
    """`gnomon story open` on a project, as a process."""

    def __init__(self, project: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gnomon", "story", "open", str(project), "--no-browser", "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self.url, self.open, self.token, self.story = (said[key] for key in ("url", "open", "token", "story"))

    def wait_for_extraction(self) -> None:
        """Until the pictures are those of the text."""
        path = f"{self.url}/api/stories/{self.story}/extraction?wait=true"
        httpx.get(path, headers={"Authorization": f"Bearer {self.token}"}, timeout=600).raise_for_status()

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


def opened(browser: Browser, server: Server) -> tuple[Page, float]:
    """A page of the story, and the seconds until its first words are there."""
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.add_init_script(f"({FIRST_TEXT})()")
    page.goto(server.open, wait_until="commit")
    page.wait_for_function("() => window.firstText")
    return page, page.evaluate("() => window.firstText") / 1000


def typed(page: Page) -> list[float]:
    """Milliseconds from key to paint, of `KEYS` keys."""
    page.evaluate(WATCH)
    words = "the whale rose and the sea fell back from its side "
    for number in range(KEYS):
        page.keyboard.type(words[number % len(words)])
        time.sleep(0.06 if number % 60 else 1.5)
    return page.evaluate(f"() => window.delays.slice(-{KEYS})")


def main() -> None:
    """Measure, print, save."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("This needs Chromium.")
    result: dict[str, Any] = {"machine": machine(), "limits": LIMITS}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        draft = Path(folder) / "draft.md"
        draft.write_text(text_of(BOOK), encoding="utf-8")
        first = Server(draft)
        first.wait_for_extraction()
        first.stop()
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        seconds = []
        for number in range(OPENINGS):
            server = Server(draft)
            page, took = opened(browser, server)
            seconds.append(took)
            if number == OPENINGS - 1:
                server.wait_for_extraction()
                page.wait_for_timeout(SETTLED)
                page.get_by_test_id("manuscript").click()
                for _ in range(40):  # into the middle of the book
                    page.keyboard.press("PageDown")
                delays = typed(page)
                page.set_content(CONTROL)
                page.locator("p").click()
                control = typed(page)
            page.context.close()
            server.stop()
        browser.close()
    result["figures"] = {
        "JavaScript at the start, gzipped kB": start_bytes() / 1000,
        "open to first text, wall s": median(seconds),
        "key to paint, p95 ms": quantiles(delays, n=20)[-1],
    }
    result["openings, s"] = seconds
    for name, limit in LIMITS.items():
        print(f"{name}: {result['figures'][name]:.3g} (limit {limit}, {result['figures'][name] / limit:.2f} of it)")
    for name, found in (("the story", delays), ("the control", control)):
        spread = {"median": median(found), "p95": quantiles(found, n=20)[-1], "largest": max(found)}
        result[f"key to paint, {name}, ms"] = spread
        print(f"key to paint, {name}: {', '.join(f'{key} {value:.1f} ms' for key, value in spread.items())}")
    result["key to paint, the story / the control, median"] = median(delays) / median(control)
    save("page_speed", result)


if __name__ == "__main__":
    main()
