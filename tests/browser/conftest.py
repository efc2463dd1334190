"""Chromium before the real application."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from serving import BROWSER, Served, Watched


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if BROWSER is None:
        pytest.skip("the page's tests drive Chromium, and there is none here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    config = {"GNOMON_CONFIG_DIR": str(folder / "config")}
    server = Served.start(
        "serve", "--port", "0", "--stories", str(folder / "stories"), "--runs", str(folder / "runs"), env=config
    )
    yield server
    assert server.stop() == 0


Watch = Callable[..., Watched]


@pytest.fixture
def watch(browser: Any) -> Iterator[Watch]:
    """Opens a page in a browser of its own for a server; what goes wrong in it fails the test at its end."""
    contexts: list[tuple[Any, Watched]] = []

    def opened(served: Served, **options: Any) -> Watched:
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 720}, "reduced_motion": "reduce"} | options
        )
        context.set_default_timeout(30_000)
        page = context.new_page()
        watched = Watched(page, served)
        contexts.append((context, watched))
        own = (served.url, "data:", "blob:")
        page.on("request", lambda each: each.url.startswith(own) or watched.foreign.append(each.url))
        page.on("pageerror", lambda each: watched.faults.append(str(each)))
        page.on("console", lambda each: each.type == "error" and watched.faults.append(each.text))
        code = httpx.post(f"{served.url}/api/session", headers={"Authorization": f"Bearer {served.token}"}, json={})
        assert code.is_success, code.text
        name, value = code.headers["set-cookie"].partition(";")[0].split("=", 1)
        context.add_cookies([{"name": name, "value": value, "url": served.url, "httpOnly": True, "sameSite": "Strict"}])
        return watched

    yield opened
    for context, watched in contexts:
        context.close()
        watched.check()


@pytest.fixture
def here(watch: Watch, served: Served) -> Watched:
    """A page for the shared server."""
    return watch(served)
