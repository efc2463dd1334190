"""Greedy evolution: every child is a mutation of the best architecture seen so far.

One of the searchers of Variation Matters (arXiv 2502.19657). The population ages as in `aging_evolution`, though no
tournament is drawn from it.
"""

from collections import deque

from gnomon.search.searchers.aging_evolution import begin
from gnomon.search.searchers.search import Search


def greedy(search: Search, population: int) -> None:
    """Climb until the budget is used up, or every neighbour of the best is known.

    The best goes only when a child beats it; children met before have been compared.
    """
    assert search.space is not None
    started = begin(search, population)
    living, best = deque(started), search.best(started)
    while True:
        child = search.propose(search.space.mutate(search.arch(best), search.rng))
        if (child is None or child in search.samples) and search.exhausted(best):
            return
        if child is not None and child not in search.samples:
            search.enter([child])
            living.append(child)
            search.record("step", child, parent=best, tournament=[], died=living.popleft())
            if search.better(child, best):
                best = child
