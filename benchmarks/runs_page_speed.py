"""How long does the page wait for a folder of 1,000 runs, and for the metrics of a run that has logged 1,000,000 lines?

The calls go over HTTP to `gnomon serve`, a process of its own that is started anew for every repeat, so that its first
answers come from an empty index. The second ones come after one run finished, or after 100 more lines were logged. The
limits are those of the page: a list in one second, a chart of two metrics in two. The peer of the chart is reading the
same file in plain Python, one `json.loads` a line, the two numbers kept: what a page without an index would do first.

Two files of 1,000,000 lines: one with five fields a line (as a loop of one's own logs), one with 25 (as post-training
does). Every repeat but the peer's reads the file with an empty page cache where the system lets us drop it
(posix_fadvise). Medians of `--repeats`: wall seconds, which a busy machine stretches (its load is in the result), and
beside them the CPU seconds of the server's process, which it stretches less. With `--busy`, two processes that only
count keep two cores busy meanwhile.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import tomli_w

from gnomon.config import load
from gnomon.posttrain.recipe import Recipe
from machine import machine, save

RUNS, LINES, POINTS = 1000, 1_000_000, 2000
WIDTHS = {"narrow": 5, "wide": 25}
LIMITS = {"list, first": 1.0, "list, again": 1.0, "chart, first": 2.0, "chart, again": 2.0}
RECIPE = Path(__file__).parent.parent / "recipes" / "quickstart.toml"


def make_run(folder: Path, seed: int) -> None:
    """A finished post-training run without logs, as the store leaves it."""
    recipe = load(Recipe, RECIPE, [f"seed={seed}", f"train.learning_rate={1e-4 * (1 + seed % 10)}"])
    settings = recipe.model_dump(mode="json", exclude_none=True)
    started = 1_700_000_000.0 + seed
    state = {"state": "finished", "kind": "posttrain", "started": started, "pid": 1, "reason": None}
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 500, "method": "wilson", "level": 0.95, "se": 0.02}
    names = ("accuracy_before", "accuracy_after", "improvement", "reward_before", "reward_after")
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(tomli_w.dumps(settings))
    (folder / "environment.json").write_text(json.dumps({"seed": seed, "command": ["gnomon", "quickstart"]}))
    (folder / "state.json").write_text(json.dumps(state | {"ended": started + 60}))
    (folder / "summary.json").write_text(json.dumps({"task": "multiply", **dict.fromkeys(names, estimate)}))


def write_metrics(path: Path, width: int) -> None:
    """`LINES` lines of `width` fields."""
    rng = random.Random(0)
    names = ["loss", "reward", *(f"figure_{chr(97 + n)}" for n in range(width - 5))]
    with path.open("w") as file:
        for step in range(1, LINES + 1):
            numbers = "".join(f', "{name}": {rng.random()!r}' for name in names)
            file.write(f'{{"step": {step}, "time": {step / 50}, "stage": "rl"{numbers}}}\n')


def plain_python(path: Path) -> tuple[float, float]:
    """Wall and CPU seconds that reading two numbers of every line takes without an index."""
    begun, spent, kept = time.perf_counter(), time.process_time(), []
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            kept.append((row["step"], row["loss"], row["reward"]))
    assert len(kept) >= LINES
    return time.perf_counter() - begun, time.process_time() - spent


@contextmanager
def serving(runs: Path, stories: Path) -> Iterator["Page"]:
    """A server over a folder of runs, and somebody whom it knows and has answered once."""
    command = [sys.executable, "-m", "gnomon", "serve", "--port", "0", "--runs", str(runs), "--stories", str(stories)]
    process = subprocess.Popen([*command, "--no-browser", "--json"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        token = {"Authorization": f"Bearer {said['token']}"}
        with httpx.Client(base_url=said["url"], headers=token, timeout=600) as client:
            client.get("/api/health").raise_for_status()
            yield Page(client, process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


class Page:
    """Who asks a server, and how long each answer took, in wall seconds and in CPU seconds of the server."""

    def __init__(self, client: httpx.Client, server: int) -> None:
        self._client, self._server = client, server
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    def ask(self, figure: str, path: str) -> dict[str, Any]:
        """One call, until all of its answer is there."""
        spent, begun = self._spent(), time.perf_counter()
        answer = self._client.get(path)
        self.wall[figure], self.cpu[figure] = time.perf_counter() - begun, self._spent() - spent
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def _spent(self) -> float:
        fields = Path(f"/proc/{self._server}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def forget(path: Path) -> None:
    """Have the system drop what it holds of a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def one_repeat(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Every call once, each file's with a server of its own: wall seconds and CPU seconds."""
    wall, cpu = {}, {}
    with serving(folder / "many", folder / "stories") as page:
        assert len(page.ask("list, first", "/api/runs")["runs"]) == RUNS
        summary = folder / "many" / "r0" / "summary.json"
        summary.write_text(summary.read_text() + "\n")
        page.ask("list, again", "/api/runs")
    wall |= page.wall
    cpu |= page.cpu
    for width in WIDTHS:
        path = folder / "huge" / width / "metrics.jsonl"
        chart = f"/api/runs/{width}/metrics?names=loss,reward&points={POINTS}"
        forget(path)
        with serving(folder / "huge", folder / "stories") as page:
            answer = page.ask(f"chart, first, {width}", chart)
            assert POINTS < len(answer["rows"]) <= 2 * POINTS
            with path.open("a") as file:
                file.writelines(f'{{"step": {LINES + n}, "time": 1, "loss": 1, "reward": 1}}\n' for n in range(100))
            page.ask(f"chart, again, {width}", chart)
            assert len(page.ask(f"news, {width}", f"{chart}&since={answer['next']}")["rows"]) == 100
            page.ask(f"run, {width}", f"/api/runs/{width}")
        wall |= page.wall
        cpu |= page.cpu
        wall[f"plain Python, {width}"], cpu[f"plain Python, {width}"] = plain_python(path)
    return wall, cpu


def count_forever() -> None:
    """Keep a core busy."""
    number = 0
    while True:
        number += 1


def main() -> None:
    """Make the runs, measure, print a table, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--busy", action="store_true", help="keep two cores busy meanwhile")
    options = parser.parse_args()
    about = machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(RUNS):
            make_run(folder / "many" / f"r{seed}", seed)
        for name, width in WIDTHS.items():
            make_run(folder / "huge" / name, 0)
            write_metrics(folder / "huge" / name / "metrics.jsonl", width)
        sizes = {name: (folder / "huge" / name / "metrics.jsonl").stat().st_size / 1e6 for name in WIDTHS}
        busy = [multiprocessing.Process(target=count_forever, daemon=True) for _ in range(2 * options.busy)]
        for process in busy:
            process.start()
        repeats = [one_repeat(folder) for _ in range(options.repeats)]
        for process in busy:
            process.terminate()
    wall, cpu = ({name: median(each[part][name] for each in repeats) for name in repeats[0][part]} for part in (0, 1))
    ratios = {
        f"plain Python / chart, {which}, {width}": cpu[f"plain Python, {width}"] / cpu[f"chart, {which}, {width}"]
        for width in WIDTHS
        for which in ("first", "again")
    }
    for figure, value in wall.items():
        limit = next((most for start, most in LIMITS.items() if figure.startswith(start)), None)
        most = max(each[0][figure] for each in repeats)
        met = "" if limit is None else f"  limit {limit}: {'met' if value <= limit else 'NOT MET'}"
        print(f"{figure:22} {value:7.3f} s, at most {most:7.3f}; CPU {cpu[figure]:6.2f} s{met}")
    for name, ratio in ratios.items():
        print(f"{name:38} {ratio:6.1f} (CPU seconds)")
    result = {"machine": about, "busy": options.busy, "runs": RUNS, "lines": LINES, "points": POINTS}
    result |= {"megabytes": sizes, "limits": LIMITS, "wall_s": wall, "cpu_s": cpu, "ratios": ratios, "repeats": repeats}
    save("runs_page_speed_busy" if options.busy else "runs_page_speed", result)


if __name__ == "__main__":
    main()
