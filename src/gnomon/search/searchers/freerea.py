"""FreeREA: aging evolution whose two best of a tournament have three children.

Cavagnero, Robbiano, Caputo and Averta 2023 (WACV, arXiv 2207.05135): the parents are the two best of a random sample;
each is mutated, and the two are crossed. "Best" is Stat-MAX, the second the Stat-MAX of the others (Stat-TOP2).
"""

from collections import deque

from gnomon.search.searchers.aging_evolution import begin
from gnomon.search.searchers.search import Search


def freerea(search: Search, population: int, tournament: int) -> None:
    """Evolve until the budget is used up. With each child the oldest member leaves."""
    space = search.space
    assert space is not None
    living = deque(begin(search, population))
    while True:
        drawn = search.draw(living, tournament)
        first = search.best(drawn)
        others = [text for text in drawn if text != first] or [first]
        second = search.best(others)
        a, b = search.arch(first), search.arch(second)
        born = [
            ({"parent": first}, space.mutate(a, search.rng)),
            ({"parent": second}, space.mutate(b, search.rng)),
            ({"parent": first, "other_parent": second}, space.crossover(a, b, search.rng)),
        ]
        for parents, arch in born:
            child = search.propose(arch)
            if child is not None:
                search.enter([child])
                living.append(child)
                search.record("step", child, **parents, tournament=drawn, died=living.popleft())
