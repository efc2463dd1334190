"""What does a representation ratio cost, beside a group-by, beside resampling rows, with many cells, with clusters?

The peers are Polars alone on the same frame, 1,321,675 rows (the specimens of the six studies) of three text columns:
one `group_by().len()`, which is as little as counting can cost; and the row bootstrap as it is usually written, 5,000
times resample rows and group them, of which three are timed. Wall time; peer and own interleaved in rounds, the ratio
of each round, the median over rounds. Memory is the peak of a fresh process during the call, less what it held before.
Clusters come in two kinds: donors who give 1 to 5 samples and stay in one cell, of whom many are alike, and texts whose
ten rows lie anywhere, hardly two alike.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

import gnomon.measure as gm
from machine import machine, save

ROWS, B, CLUSTERS, MANY = 1_321_675, 5_000, 100_000, 40_000
BY = ["age", "sex", "deprivation"]
LEVELS = ([f"{age}-{age + 9}" for age in range(0, 80, 10)], ["female", "male"], ["low", "middle", "high"])
LIMITS = {
    "group-by, times": 4,
    "rows resampled, times faster": 2000,
    "40,000 cells, times": 10,
    "40,000 cells, MiB": 300,
    "100,000 donors, MiB": 500,
    "100,000 texts, MiB": 500,
}


def census() -> pl.DataFrame:
    """48 cells of a population."""
    rng = np.random.default_rng(0)
    cells = pl.DataFrame(list(product(*LEVELS)), schema=BY, orient="row")
    return cells.with_columns(n=pl.Series(rng.integers(50_000, 1_000_000, cells.height)))


def many_cells() -> pl.DataFrame:
    """40,000 cells of a population, in three text columns."""
    rng = np.random.default_rng(1)
    cells = pl.DataFrame(list(product(range(50), range(20), range(40))), schema=BY, orient="row").cast(pl.String)
    return cells.with_columns(n=pl.Series(rng.integers(500, 50_000, MANY)))


def drawn(target: pl.DataFrame, rows: int = ROWS) -> pl.DataFrame:
    """A sample of rows from the cells of `target`."""
    rng = np.random.default_rng(2)
    return target.select(BY)[rng.choice(target.height, rows)]


def clustered(target: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Rows of 100,000 clusters: donors in one cell each, or texts of ten rows anywhere."""
    rng = np.random.default_rng(3)
    times = rng.integers(1, 6, CLUSTERS) if kind == "donors" else np.full(CLUSTERS, 10)
    cells = np.repeat(rng.choice(target.height, CLUSTERS), times)
    if kind == "texts":
        cells = rng.choice(target.height, len(cells))
    return target.select(BY)[cells].with_columns(cluster=pl.Series(np.repeat(np.arange(CLUSTERS), times)))


def seconds(function: Callable[[], Any]) -> float:
    """Wall time of one call."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def peak_mib(job: str) -> float:
    """Peak memory of one job in a process of its own, less what it held when the job began."""
    done = subprocess.run([sys.executable, __file__, "--peak", job], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def print_peak(job: str) -> None:
    """In the process of its own: prepare, warm up on a few rows, call once, print MiB."""
    target = many_cells() if job == "many" else census()
    sample = drawn(target) if job == "many" else clustered(target, job)
    cluster = None if job == "many" else "cluster"
    gm.representation_ratio(sample.head(2000), target, BY, cluster=cluster, B=2)
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts again from what is held now
    held = memory_mib("VmRSS")
    gm.representation_ratio(sample, target, BY, cluster=cluster, B=B if cluster is None else 2000)
    print(memory_mib("VmHWM") - held)


def memory_mib(name: str) -> float:
    """This process's resident memory (`VmRSS`) or its peak (`VmHWM`), as Linux tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", choices=("many", "donors", "texts"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.peak:
        print_peak(chosen.peak)
        return
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, load {about['load']}; {ROWS:,} rows, B = {B:,}")
    target, wide = census(), many_cells()
    sample, spread = drawn(target), drawn(wide)
    groups = {kind: clustered(target, kind) for kind in ("donors", "texts")}

    def resample() -> None:
        for _ in range(3):
            sample.sample(ROWS, with_replacement=True).group_by(BY).len()

    jobs: dict[str, Callable[[], Any]] = {
        "plain group-by": lambda: sample.group_by(BY).len(),
        "48 cells": lambda: gm.representation_ratio(sample, target, BY, B=B),
        "three resamples of rows": resample,
        "40,000 cells": lambda: gm.representation_ratio(spread, wide, BY, B=B),
        "100,000 donors": lambda: gm.representation_ratio(groups["donors"], target, BY, cluster="cluster", B=2000),
        "100,000 texts": lambda: gm.representation_ratio(groups["texts"], target, BY, cluster="cluster", B=2000),
        "donors as rows": lambda: gm.representation_ratio(groups["donors"], target, BY, B=2000),
        "texts as rows": lambda: gm.representation_ratio(groups["texts"], target, BY, B=2000),
    }
    gm.representation_ratio(sample.head(1000), target, BY, B=2)
    gm.representation_ratio(spread.head(1000), wide, BY)
    rounds = [{name: seconds(job) for name, job in jobs.items()} for _ in range(chosen.rounds)]
    found: dict[str, float] = {
        "group-by, times": median(each["48 cells"] / each["plain group-by"] for each in rounds),
        "rows resampled, times faster": median(
            each["three resamples of rows"] / 3 * B / each["48 cells"] for each in rounds
        ),
        "40,000 cells, times": median(each["40,000 cells"] / each["48 cells"] for each in rounds),
        "40,000 cells, MiB": peak_mib("many"),
        "100,000 donors, times as rows": median(each["100,000 donors"] / each["donors as rows"] for each in rounds),
        "100,000 donors, MiB": peak_mib("donors"),
        "100,000 texts, times as rows": median(each["100,000 texts"] / each["texts as rows"] for each in rounds),
        "100,000 texts, MiB": peak_mib("texts"),
    }
    spent = {name: median(each[name] for each in rounds) for name in jobs}
    print(f"\n{'job':<28}{'seconds':>9}")
    for name, value in spent.items():
        print(f"{name:<28}{value:>9.3f}")
    print(f"\n{'ratio or memory':<34}{'found':>9}{'limit':>8}")
    for name, value in found.items():
        limit = LIMITS.get(name)
        met = limit is None or (value > limit if "faster" in name else value < limit)
        print(f"{name:<34}{value:>9.1f}" + ("" if limit is None else f"{limit:>8}  {'met' if met else 'MISSED'}"))
    save(
        "representation",
        {"machine": about, "rounds": chosen.rounds, "seconds": spent, "found": found, "limits": LIMITS},
    )


if __name__ == "__main__":
    main()
