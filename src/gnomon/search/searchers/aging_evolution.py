"""Regularized (aging) evolution with the comparator in the tournament.

Real, Aggarwal, Huang and Le 2019 (AAAI 33:4780, algorithm 1): the best of a random sample is mutated, the child joins
the population and the oldest member leaves, however good. "Best" is Stat-MAX (Variation Matters, arXiv 2502.19657).
"""

from collections import deque
from itertools import islice

from gnomon.search.searchers.search import Finished, Search


def begin(search: Search, population: int) -> list[str]:
    """Evaluate `population` different architectures drawn at random, or as many as the budget pays."""
    started = list(islice(search.unseen(), min(population, search.room())))
    search.enter(started)
    for text in started:
        search.record("start", text)
    if not started:
        raise Finished
    return started


def aging_evolution(search: Search, population: int, tournament: int) -> None:
    """Evolve until the budget is used up."""
    assert search.space is not None
    living = deque(begin(search, population))
    while True:
        drawn = search.draw(living, tournament)
        parent = search.best(drawn)
        child = search.propose(search.space.mutate(search.arch(parent), search.rng))
        if child is not None:
            search.enter([child])
            living.append(child)
            search.record("step", child, parent=parent, tournament=drawn, died=living.popleft())
