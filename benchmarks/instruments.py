"""What do scoring an instrument and an interval for alpha cost?

BBQ: 6,456 recorded answers are read, matched, scored and resampled (B = 2,000). The peer is a Python loop that only
parses the same JSON lines. `from files` reads them twice, once as items and once as answers, as `gnomon measure run`
may; `from a table` reads them once. Alpha: 300 units x 5 ratings with an interval of 2,000 resamples; the peer calls
the plain function on 2,000 resampled tables, of which a part is timed and extrapolated. Peer and own in turn, median of
the rounds. Needs BBQ's recorded answers and its rater file (`gnomon data fetch bbq/preds_Age`, and so on).
"""

import argparse
import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

import gnomon.measure as gm
from gnomon import data
from gnomon.measure.frames import read_frame
from gnomon.measure.scoring import Scores
from gnomon.stats import krippendorff_alpha
from machine import machine, save

B = 2_000
LIMITS = {"BBQ from files": 5.0, "BBQ from a table": 5.0, "alpha": 20.0}
ANSWER = "unifiedqa-t5-11b_pred_arc"


def seconds(function: Callable[[], Any]) -> float:
    """Wall-clock time of one call."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def parse(files: list[Path]) -> int:
    """The peer: a loop over rows that only parses them."""
    rows = 0
    for file in files:
        with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
            for line in lines:
                json.loads(line)
                rows += 1
    return rows


def from_files(files: list[Path]) -> Scores:
    """Items and answers each read from the files."""
    return gm.score(gm.load_instrument("bbq", files), files, answer=ANSWER, B=B)


def from_table(files: list[Path]) -> Scores:
    """The files read once, items and answers taken from the table."""
    table = [read_frame(file, "answers") for file in files]
    return gm.score(gm.load_instrument("bbq", table), table, answer=ANSWER, B=B)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=100, help="calls of the plain alpha that are timed in each round")
    chosen = parser.parse_args()
    about = machine()
    files = [data.fetch(f"bbq/preds_{category}") for category in ("Age", "Religion", "Physical_appearance")]
    ratings = gm.bbq_ratings(data.fetch("bbq/ratings")).filter(~pl.col("is_filler")).sort("unit", "rater")
    grid = np.array(ratings["value"].to_list(), dtype=object).reshape(-1, 5)
    assert parse(files) == 6_456
    assert from_files(files).frame.equals(from_table(files).frame)
    rng = np.random.default_rng(0)

    def plain() -> None:
        for _ in range(chosen.calls):
            krippendorff_alpha(grid[rng.integers(0, len(grid), len(grid))])

    times: dict[str, list[tuple[float, float]]] = {name: [] for name in LIMITS}
    for _ in range(chosen.rounds):
        parsing = seconds(lambda: parse(files))
        times["BBQ from files"].append((parsing, seconds(lambda: from_files(files))))
        times["BBQ from a table"].append((parsing, seconds(lambda: from_table(files))))
        own = seconds(lambda: krippendorff_alpha(grid, ci="bootstrap", B=B))
        times["alpha"].append((seconds(plain) * B / chosen.calls, own))
    result: dict[str, Any] = {"machine": about, **vars(chosen), "B": B, "limits": LIMITS}
    print(f"{about['processor']}, {about['cores']} cores, load {about['load']}; medians of {chosen.rounds} rounds")
    print(f"\n{'job':<20}{'peer s':>10}{'own s':>10}{'ratio':>8}{'limit':>10}")
    for name, found in times.items():
        slower = name.startswith("BBQ")  # the peer does less here, and far more for alpha
        ratio = median(own / peer if slower else peer / own for peer, own in found)
        peer, own = median(peer for peer, _ in found), median(own for _, own in found)
        result[name] = {"peer_s": peer, "own_s": own, "ratio": ratio}
        met = ratio < LIMITS[name] if slower else ratio > LIMITS[name]
        limit = f"{'<' if slower else '>'} {LIMITS[name]:g}"
        print(f"{name:<20}{peer:>10.4f}{own:>10.4f}{ratio:>8.2f}{limit:>10}  {'met' if met else 'MISSED'}")
    save("instruments", result)


if __name__ == "__main__":
    main()
