"""The built page: it was made from the sources that are here, is small, and its own tests pass."""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gnomon.server.app import STATIC

ROOT = Path(__file__).resolve().parents[2]
UI = ROOT / "ui"
BUILT_FROM = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "sources.ts")
LARGEST_START = 350_000  # bytes of gzipped JavaScript before the page can be used

node = pytest.mark.skipif(
    shutil.which("npm") is None or not (UI / "node_modules").is_dir(),
    reason="the page's own tests need Node and its packages: npm ci in ui/",
)


def sources_hash(root: Path) -> str:
    """As `ui/sources.ts` computes it."""
    below = [path.relative_to(root).as_posix() for part in ("public", "src") for path in (root / part).rglob("*")]
    digest = hashlib.sha256()
    for name in sorted([*BUILT_FROM, *below], key=str.encode):
        path = root / name
        if path.is_file():
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def test_the_page_was_built_from_the_sources_that_are_here():
    built = json.loads((STATIC / "built-from.json").read_text())
    assert built["sha256"] == sources_hash(UI), "ui/ has changed since the page was built: make page"


def test_a_changed_a_new_and_a_renamed_source_change_the_hash(tmp_path):
    shutil.copytree(UI, tmp_path / "ui", ignore=shutil.ignore_patterns("node_modules"))
    copied = tmp_path / "ui"
    seen = {sources_hash(copied)}
    assert seen == {sources_hash(UI)}
    source = copied / "src" / "main.tsx"
    source.write_text(source.read_text() + "\n")
    seen.add(sources_hash(copied))
    source.rename(source.with_name("other.tsx"))
    seen.add(sources_hash(copied))
    (copied / "public" / "new.txt").write_text("")
    seen.add(sources_hash(copied))
    assert len(seen) == 4


def test_what_the_page_of_a_story_loads_at_the_start_is_small():
    page = (STATIC / "index.html").read_text()
    loaded = re.findall(r'(?:src|href)="(/assets/[^"]+\.js)"', page)
    (story,) = (STATIC / "assets").glob("StoryPage-*.js")
    assert loaded
    waiting, scripts = [story, *(STATIC / each.removeprefix("/") for each in loaded)], set()
    while waiting:  # and whatever those import at once
        script = waiting.pop()
        if script not in scripts:
            scripts.add(script)
            for name in re.findall(r'(?:from|import)\s*"\./([^"]+\.js)"', script.read_text()):
                waiting.append(script.with_name(name))
    assert sum(len(gzip.compress(each.read_bytes())) for each in scripts) <= LARGEST_START


def test_the_page_names_no_other_origin():
    texts = ("http://www.w3.org/", "https://react.dev/", "https://reactflow.dev", "https://prosemirror.net/")
    allowed = (*texts, "http://127.0.0.1:")  # names and texts of errors; the example of an address for a provider
    for path in STATIC.rglob("*"):
        if path.suffix in (".js", ".css", ".html"):
            for address in re.findall(r"https?://[\w.-]+[^\s\"'`)<>\\]*", path.read_text()):
                assert address.startswith(allowed), f"{path.name}: {address}"


@node
def test_the_pages_sources_are_formatted_and_typed():
    done = subprocess.run(["npm", "run", "--silent", "check"], cwd=UI, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@node
def test_the_pages_unit_tests_pass():
    done = subprocess.run(["npm", "run", "--silent", "test"], cwd=UI, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
