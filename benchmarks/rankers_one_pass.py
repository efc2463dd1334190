"""What does one pass for all rankers save? Several rankers in one `score` call against one copy and pass for each.

NAS-Bench-201 networks (16 channels, 5 cells a stage) on 64 images. Apart means what other packages do: a deep copy of
the network and passes of its own for every ranker, here with our own code, so that the passes alone are compared. CPU
time of one thread; both ways interleaved in rounds, the ratio of each round, the median over rounds. The scores of both
ways must be equal to the last bit. `--peer` takes a checkout of zero-cost-nas (Abdelfattah and others 2021) that its
user has, and sets its own measures against ours on the same network and batch, to five digits.
"""

import argparse
import copy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from gnomon.search import rankers, spaces
from machine import machine, save

CELLS = ("(2, 3, 0, 2, 3, 2)", "(4, 0, 3, 1, 4, 3)", "(0, 1, 3, 2, 0, 4)")
SETS = {
    "six": ("nwot", "grad_norm", "snip", "plain", "fisher", "jacov"),
    "gradient and activation": ("grad_norm", "snip", "plain", "fisher", "nwot"),
}
LIMITS = {"six": 2.5, "gradient and activation": 2.0}
PEER = {"grad_norm": "grad_norm", "snip": "snip", "plain": "plain", "fisher": "fisher"}
"""Measures of the peer that are the same function of the same pass as ours."""


def cpu(function: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of one call, and what it gave."""
    begun = time.process_time()
    given = function()
    return time.process_time() - begun, given


class Bench:
    """A cell's network and a batch, and the ways to score it."""

    def __init__(self, cell: str) -> None:
        space = spaces.get("nb201")
        self.network = space.build(space.decode(cell), seed=0)
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(64, 3, 32, 32, generator=generator)
        self.labels = torch.randint(10, (64,), generator=generator)

    def together(self, names: tuple[str, ...]) -> dict[str, float]:
        """One call for all."""
        return rankers.score(names, self.network, self.inputs, self.labels)

    def apart(self, name: str) -> float:
        """One ranker on a copy of its own."""
        return rankers.score([name], copy.deepcopy(self.network), self.inputs, self.labels)[name]

    def peer(self, find_measures: Callable[..., dict[str, float]]) -> dict[str, float]:
        """The peer's measures, all asked for at once."""
        return find_measures(
            self.network,
            [(self.inputs, self.labels)],
            ("random", 1, 10),
            torch.device("cpu"),
            measure_names=list(PEER.values()),
        )


def rounds(bench: Bench, repeats: int, peer: Callable[..., dict[str, float]] | None) -> dict[str, Any]:
    """Median seconds and ratios for one cell."""
    bench.together(SETS["six"])  # the first call is cold
    seconds: dict[str, list[float]] = {}
    ratios: dict[str, list[float]] = {name: [] for name in SETS}
    for _ in range(repeats):
        apart = {name: cpu(lambda name=name: bench.apart(name)) for name in SETS["six"]}
        for name, (spent, _) in apart.items():
            seconds.setdefault(name, []).append(spent)
        for which, names in SETS.items():
            spent, scores = cpu(lambda names=names: bench.together(names))
            assert scores == {name: apart[name][1] for name in names}, f"{which}: together is not what it is apart"
            seconds.setdefault(which, []).append(spent)
            ratios[which].append(sum(apart[name][0] for name in names) / spent)
        if peer is not None:
            spent, theirs = cpu(lambda: bench.peer(peer))
            ours_spent, ours = cpu(lambda: bench.together(tuple(PEER)))
            for name, other in PEER.items():
                assert abs(ours[name] - float(theirs[other])) <= 1e-5 * abs(ours[name]), (
                    name,
                    ours[name],
                    theirs[other],
                )
            ratios.setdefault("zero-cost-nas", []).append(spent / ours_spent)
    return {
        "seconds": {name: round(median(values), 4) for name, values in seconds.items()},
        "ratios": {name: round(median(values), 3) for name, values in ratios.items()},
    }


def main() -> None:
    """Measure every cell and print it beside the limits."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--peer", type=Path, metavar="PATH", help="a checkout of zero-cost-nas")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    peer = None
    if given.peer is not None:
        if not (given.peer / "foresight" / "pruners" / "predictive.py").is_file():
            arguments.error(
                f"--peer {given.peer} is no checkout of zero-cost-nas: it has no foresight/pruners/predictive.py"
            )
        sys.path.insert(0, str(given.peer))
        from foresight.pruners.predictive import find_measures as peer
    about = machine()
    found = {cell: rounds(Bench(cell), given.rounds, peer) for cell in CELLS}
    for cell, figures in found.items():
        print(f"{cell}   seconds: " + ", ".join(f"{name} {value:.3f}" for name, value in figures["seconds"].items()))
        for name, ratio in figures["ratios"].items():
            limit = f"   (limit {LIMITS[name]})" if name in LIMITS else ""
            print(f"  apart / together, {name:24} {ratio:6.2f}{limit}")
    if peer is None:
        print("zero-cost-nas itself was not measured: --peer PATH names a checkout of it.")
    save("rankers_one_pass", {"machine": about, "cells": found, "limits": LIMITS, "peer": peer is not None})


if __name__ == "__main__":
    main()
