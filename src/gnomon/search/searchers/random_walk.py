"""Random search: a walk over architectures never seen before, in random order.

Variation Matters (arXiv 2502.19657), algorithm 1 (Stat-MAX): the incumbent goes only when a later architecture beats
it. Nothing about the walk depends on the scores, so the comparisons are left to the end.
"""

from itertools import islice

from gnomon.search.searchers.search import SIDE_BY_SIDE, Search


def random_walk(search: Search) -> None:
    """Visit architectures until the budget is used up."""
    walk = search.unseen()
    while visited := list(islice(walk, min(max(search.room(), 1), SIDE_BY_SIDE))):
        search.enter(visited)
        for text in visited:
            search.record("visit", text)
