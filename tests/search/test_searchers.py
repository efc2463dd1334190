"""What each searcher does, read off its history: who is drawn, who is a parent, who dies, what is measured."""

from collections import deque

import numpy as np
import pytest
from planted import Grid, Scores

from gnomon.search.finding import find
from gnomon.stats import order

RULES = {"method": "mannwhitney", "alpha": 0.05}


def searched(method, **arguments):
    arguments = {"spread": 2.0} | arguments
    source = Scores(arguments.pop("spread"))
    return find(Grid(), source, ranker="s", method=method, **arguments)


def stat_max(found, texts):
    return texts[order.stat_max([found.samples[text] for text in texts], **RULES)]


def started(found, population):
    start = [event["arch"] for event in found.history[:population]]
    assert all(event["event"] == "start" for event in found.history[:population])
    assert len(set(start)) == population
    return start


@pytest.mark.parametrize(("population", "tournament"), [(25, 5), (8, 8), (10, 1)])
def test_aging_evolution(population, tournament):
    found = searched("rea", budget=700, population=population, tournament=tournament)
    living = deque(started(found, population))
    steps = found.history[population:]
    assert len(steps) >= 70 - population
    for event in steps:
        assert set(event) == {"event", "arch", "parent", "tournament", "died"}
        assert event["event"] == "step"
        assert len(event["tournament"]) == tournament
        left = list(living)
        for text in event["tournament"]:
            left.remove(text)  # drawn without replacement among the living
        assert event["parent"] == stat_max(found, event["tournament"])
        changed = [a != b for a, b in zip(Grid().decode(event["arch"]), Grid().decode(event["parent"]), strict=True)]
        assert sum(changed) == 1
        living.append(event["arch"])
        assert event["died"] == living.popleft()  # the oldest, however good
    assert len(living) == population


def test_tournaments_draw_everyone_alike():
    found = searched("rea", budget=4000, population=10, tournament=3)
    living = deque(started(found, 10))
    places = []
    for event in found.history[10:]:
        if len(set(living)) == len(living):
            places += [living.index(text) for text in event["tournament"]]
        living.append(event["arch"])
        living.popleft()
    counts = np.bincount(places, minlength=10)
    assert len(places) > 500
    assert abs(counts / len(places) - 0.1).max() < 0.03


def test_greedy_changes_the_best_of_everything_seen():
    found = searched("greedy", budget=900, spread=2.0)
    seen = started(found, 25)
    for event in found.history[25:]:
        assert event["parent"] == stat_max(found, seen)
        assert event["tournament"] == []
        assert event["arch"] not in seen
        seen.append(event["arch"])
    assert len(seen) > 40


def test_greedy_stops_at_a_peak():
    class Counted(Grid):
        mutated = 0

        def mutate(self, arch, rng):
            self.mutated += 1
            return super().mutate(arch, rng)

    space = Counted()
    found = find(space, Scores(0.01), ranker="s", method="greedy", budget=3_000)
    assert space.mutated < 2_000  # of 60,000 proposals that there might be
    assert found.winner == stat_max(found, list(found.samples))
    neighbours = {Grid().encode(arch) for arch in Grid().neighbours(Grid().decode(found.winner))}
    assert neighbours <= set(found.samples)
    assert found.evaluations < 2_000


def test_freerea_has_three_children_of_the_two_best():
    population = 20
    found = searched("freerea", budget=900, population=population)
    living = deque(started(found, population))
    steps = found.history[population:]
    crossed = 0
    for first in range(0, len(steps) - 2, 3):
        family = steps[first : first + 3]
        drawn = family[0]["tournament"]
        assert all(event["tournament"] == drawn for event in family)
        left = list(living)
        for text in drawn:
            left.remove(text)
        one = stat_max(found, drawn)
        others = [text for text in drawn if text != one] or [one]
        other = stat_max(found, others)
        assert [event["parent"] for event in family] == [one, other, one]
        assert family[2]["other_parent"] == other
        a, b, child = (Grid().decode(text) for text in (one, other, family[2]["arch"]))
        assert all(gene in pair for gene, pair in zip(child, zip(a, b, strict=True), strict=True))
        crossed += child not in (a, b)
        for event, parent in zip(family[:2], (one, other), strict=True):
            assert sum(x != y for x, y in zip(Grid().decode(event["arch"]), Grid().decode(parent), strict=True)) == 1
        for event in family:
            living.append(event["arch"])
            assert event["died"] == living.popleft()
    assert crossed > 5


def test_random_visits_what_it_has_not_seen():
    found = searched("random", budget=600)
    assert [event["event"] for event in found.history] == ["visit"] * 60
    visited = [event["arch"] for event in found.history]
    assert len(set(visited)) == 60
    assert visited == list(found.samples)
    assert found.winner == stat_max(found, visited)


def test_racing_measures_more_only_where_it_is_undecided():
    source = Scores(0.8)
    found = find(Grid(), source, ranker="s", method="racing", budget=400)
    assert {len(scores) for scores in found.samples.values()} == {4, 7, 10}
    measured, incumbent = {}, None
    for event in found.history:
        text = event["arch"]
        measured[text] = 4
        if incumbent is None:
            incumbent = text
            continue
        mine, best = (lambda n, t=t: source.samples(t, "s", n) for t in (text, incumbent))
        comparison = order.sequential(mine, best)
        measured[text] = comparison.n_x
        measured[incumbent] = max(measured[incumbent], comparison.n_y)
        if comparison.decision == "greater":
            incumbent = text
    last = found.history[-1]["arch"]  # the budget may end within its comparison
    assert all(len(found.samples[text]) == n for text, n in measured.items() if text not in (last, incumbent))


def test_racing_and_random_see_the_same_walk():
    racing = searched("racing", budget=300)
    walk = searched("random", budget=300)
    assert [event["arch"] for event in racing.history[:30]] == [event["arch"] for event in walk.history]
    sequential = searched("random", budget=300, sequential=True)
    assert sequential.history == racing.history


@pytest.mark.parametrize("method", ["rea", "greedy", "freerea"])
def test_evolution_with_looks(method):
    source = Scores(0.8)
    found = find(Grid(), source, ranker="s", method=method, budget=400, sequential=True, population=15)
    lengths = {text: len(scores) for text, scores in found.samples.items()}
    assert set(lengths.values()) <= {4, 7, 10}
    assert 4 in lengths.values()
    assert len(set(lengths.values())) > 1
    assert found.evaluations == sum(lengths.values()) <= 400
    assert found.distinct > 40
