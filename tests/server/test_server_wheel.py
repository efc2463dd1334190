"""What users install holds the page, and serves it where there is no Node."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
STATIC = "gnomon/server/static/"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that this checkout builds, with no network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(ROOT)]  # fmt: skip
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("gnomon-*.whl")
    return found


def test_the_wheel_holds_the_page_and_the_samples(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
    here = ROOT / "src"
    wanted = {
        path.relative_to(here).as_posix()
        for folder in ("static", "samples")
        for path in (here / "gnomon/server" / folder).rglob("*")
        if path.is_file()
    }
    assert {f"{STATIC}index.html", "gnomon/server/samples/samples.json"} <= wanted
    assert any(name.startswith(f"{STATIC}assets/") and name.endswith(".js") for name in wanted)
    assert wanted <= names


def test_the_page_is_served_from_the_wheel_without_node(wheel: Path, start, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as files:
        files.extractall(installed)
    environment = {"PYTHONPATH": str(installed), "PATH": str(tmp_path)}
    asked = [sys.executable, "-c", "import gnomon; print(gnomon.__file__)"]
    where = subprocess.run(asked, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    assert Path(where.stdout.strip()).is_relative_to(installed)
    server = start("serve", "--port", "0", environment=environment)
    page = httpx.get(server.url)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.content == (installed / STATIC / "index.html").read_bytes()
    assets = [path for path in (installed / STATIC / "assets").iterdir() if path.name in page.text]
    assert {path.suffix for path in assets} >= {".js", ".css"}
    for path in assets:
        answer = httpx.get(f"{server.url}/assets/{path.name}")
        assert answer.content == path.read_bytes()
        assert "immutable" in answer.headers["cache-control"]
        assert (
            answer.headers["content-type"].split(";")[0] == {".js": "text/javascript", ".css": "text/css"}[path.suffix]
        )
    samples = server.ask("GET", "/api/samples").json()["samples"]
    assert len(samples) == 3
    assert server.end() == 0
