"""How fast is the order test against SciPy's? Single comparisons, the walks of tournaments, and all pairs at once.

The peer is `scipy.stats.mannwhitneyu(alternative="greater", method="exact")`, one call for each comparison, on the same
samples of V = 10 scores. CPU time of one thread; peer and own interleaved in rounds, the ratio of each round, and the
median over rounds. Every decision and every p is checked to be the peer's. A tournament is five candidates drawn from a
population whose Stat-MAX becomes a parent: four comparisons. Where numbers tie the peer's exact p does not hold, so the
rows with ties show time only.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from gnomon.stats import order
from machine import machine, save

V, POPULATION, TOURNAMENT = 10, 50, 5
LIMITS = {"tournaments, per comparison": 50, "better, per call": 20, "pairwise, per pair": 300}


def cpu_seconds(function: Callable[[], Any]) -> float:
    """CPU time of one call."""
    begun = time.process_time()
    function()
    return time.process_time() - begun


def peer_p(x: np.ndarray, y: np.ndarray) -> float:
    """The peer's one-sided p."""
    return float(mannwhitneyu(x, y, alternative="greater", method="exact").pvalue)


def peer_max(samples: list[np.ndarray]) -> int:
    """Stat-MAX with the peer's test."""
    best = 0
    for i in range(1, len(samples)):
        if peer_p(samples[i], samples[best]) < 0.05:
            best = i
    return best


def measure(samples: np.ndarray, comparisons: int, rounds: int, check: bool) -> dict[str, dict[str, float]]:
    """Microseconds of peer and own for each comparison, and the median ratio, for the three uses."""
    rng = np.random.default_rng(1)
    draws = [
        [samples[i] for i in rng.choice(len(samples), TOURNAMENT, replace=False)]
        for _ in range(comparisons // (TOURNAMENT - 1))
    ]
    pairs = [(samples[i], samples[j]) for i, j in itertools.permutations(range(len(samples)), 2)][:comparisons]
    all_pairs = len(samples) * (len(samples) - 1)
    if check:
        assert [order.stat_max(draw) for draw in draws] == [peer_max(draw) for draw in draws]
        assert [order.better(x, y) for x, y in pairs] == [peer_p(x, y) < 0.05 for x, y in pairs]
        found = order.pairwise(samples, correction="none").p_greater
        sides = itertools.islice(itertools.permutations(range(len(samples)), 2), len(pairs))
        assert all(abs(found[side] / peer_p(*pair) - 1) < 1e-9 for side, pair in zip(sides, pairs, strict=True))
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in LIMITS}
    for _ in range(rounds):
        one_by_one = cpu_seconds(lambda: [peer_p(x, y) < 0.05 for x, y in pairs]) / len(pairs)
        tournaments = cpu_seconds(lambda: [peer_max(draw) for draw in draws]) / (len(draws) * (TOURNAMENT - 1))
        own = cpu_seconds(lambda: [order.stat_max(draw) for draw in draws]) / (len(draws) * (TOURNAMENT - 1))
        times["tournaments, per comparison"].append((tournaments, own))
        times["better, per call"].append(
            (one_by_one, cpu_seconds(lambda: [order.better(*p) for p in pairs]) / len(pairs))
        )
        times["pairwise, per pair"].append((one_by_one, cpu_seconds(lambda: order.pairwise(samples)) / all_pairs))
    return {
        name: {
            "scipy_us": median(peer for peer, _ in found) * 1e6,
            "own_us": median(own for _, own in found) * 1e6,
            "ratio": median(peer / own for peer, own in found),
        }
        for name, found in times.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    about = machine()
    rng = np.random.default_rng(0)
    samples = rng.normal(np.linspace(0, 2, POPULATION)[:, None], 1, (POPULATION, V))
    result: dict[str, Any] = {"machine": about, **vars(chosen), "V": V, "population": POPULATION, "limits": LIMITS}
    print(f"{about['processor']}, {about['cores']} cores, load {about['load']}; V = {V}, {POPULATION} candidates")
    for kind, scores in (("continuous", samples), ("with ties", samples.round(1))):
        result[kind] = measure(scores, chosen.comparisons, chosen.rounds, check=kind == "continuous")
        print(f"\n{kind:<32}{'SciPy us':>10}{'own us':>10}{'ratio':>9}{'limit':>7}")
        for name, row in result[kind].items():
            limit = LIMITS[name] if kind == "continuous" else None
            verdict = "" if limit is None else f"{limit:>7}  {'met' if row['ratio'] >= limit else 'MISSED'}"
            print(f"{name:<32}{row['scipy_us']:>10.1f}{row['own_us']:>10.2f}{row['ratio']:>9.0f}{verdict}")
    save("order_speed", result)


if __name__ == "__main__":
    main()
