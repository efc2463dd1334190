"""What do an instrument's score and an agreement's interval cost? BBQ beside parsing its lines, alpha beside calls.

Scoring: BBQ's three published categories from their files, 6,456 items, and their recorded answers from a file, to
every figure with B = 2,000 resamples, against a Python loop over the lines of the same files that only parses them.
Agreement: the bootstrap interval of Krippendorff's alpha of 300 units x 5 raters, B = 2,000, against as many calls of
the function without an interval. CPU time of one process; peer and own in turn, the ratio of each round, and the median
over rounds. The data come from the registry (`gnomon data fetch`).
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from gnomon import data
from gnomon.measure import load_instrument, score
from gnomon.stats import krippendorff_alpha
from machine import machine, save

CATEGORIES = ("Age", "Religion", "Physical_appearance")
COLUMN = "unifiedqa-t5-11b_pred_arc"
UNITS, RATERS, LABELS = 300, 5, 4
LIMITS = {"scoring, own / parsing": 5, "alpha, calls / own": 20}


def cpu_seconds(function: Callable[[], Any]) -> float:
    """CPU time of one call."""
    begun = time.process_time()
    function()
    return time.process_time() - begun


def scoring(rounds: int, B: int) -> dict[str, Any]:
    """Seconds of parsing alone and of scoring from files, in each round."""
    paths = [data.fetch(f"bbq/preds_{category}") for category in CATEGORIES]
    with tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder) / "answers.jsonl"
        keys = ("category", "example_id")
        texts = [data.read_text(f"bbq/preds_{category}") for category in CATEGORIES]
        rows = [json.loads(line) for text in texts for line in text.splitlines()]
        pl.DataFrame([{**{key: row[key] for key in keys}, "answer": row[COLUMN]} for row in rows]).write_ndjson(
            recorded
        )

        def parse() -> None:
            for path in paths:
                with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open() as file:
                    for line in file:
                        json.loads(line)

        def own() -> None:
            found = score(load_instrument("bbq", items=paths), recorded, B=B)
            assert found.counts["n_answered"] == len(rows) - 1  # one answer is for a person to read

        own()
        times = [(cpu_seconds(parse), cpu_seconds(own)) for _ in range(rounds)]
    return {"items": len(rows), "peer_s": times_of(times, 0), "own_s": times_of(times, 1), "ratio": ratio(times, 1, 0)}


def agreement(rounds: int, B: int) -> dict[str, Any]:
    """Seconds of B calls without an interval and of one with it, in each round."""
    rng = np.random.default_rng(0)
    truth = rng.integers(LABELS, size=(UNITS, 1))
    ratings = np.where(rng.random((UNITS, RATERS)) < 0.8, truth, rng.integers(LABELS, size=(UNITS, RATERS))).astype(
        float
    )
    ratings[rng.random(ratings.shape) < 0.1] = np.nan

    def calls() -> None:
        for _ in range(B):
            krippendorff_alpha(ratings)

    def own() -> None:
        krippendorff_alpha(ratings, ci="bootstrap", B=B)

    own()
    times = [(cpu_seconds(calls), cpu_seconds(own)) for _ in range(rounds)]
    return {"peer_s": times_of(times, 0), "own_s": times_of(times, 1), "ratio": ratio(times, 0, 1)}


def times_of(times: list[tuple[float, float]], side: int) -> float:
    """The median time of one side."""
    return median(pair[side] for pair in times)


def ratio(times: list[tuple[float, float]], over: int, under: int) -> float:
    """The median of the rounds' ratios."""
    return median(pair[over] / pair[under] for pair in times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--boot", type=int, default=2_000)
    chosen = parser.parse_args()
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, load {about['load']}; B = {chosen.boot:,}")
    result: dict[str, Any] = {"machine": about, **vars(chosen), "limits": LIMITS}
    result["scoring, own / parsing"] = scoring(chosen.rounds, chosen.boot)
    result["alpha, calls / own"] = agreement(chosen.rounds, chosen.boot)
    print(f"\n{'':<26}{'peer s':>9}{'own s':>9}{'ratio':>9}{'limit':>9}")
    for name, limit in LIMITS.items():
        row = result[name]
        met = row["ratio"] < limit if name.startswith("scoring") else row["ratio"] > limit
        bound = f"{'<' if name.startswith('scoring') else '>'} {limit}"
        verdict = "met" if met else "MISSED"
        print(f"{name:<26}{row['peer_s']:>9.3f}{row['own_s']:>9.3f}{row['ratio']:>9.2f}{bound:>9}  {verdict}")
    save("instruments", result)


if __name__ == "__main__":
    main()
