"""Searches as a whole: budget, seeds, planted optima, hostile scores, what is refused, and the set that is found."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import BEST, Grid, Scores

from gnomon.errors import UserError
from gnomon.runs import Run
from gnomon.search import Table
from gnomon.search.finding import METHODS, check, choose, find
from gnomon.search.searchers.search import Comparator
from gnomon.stats import order
from gnomon.stats.order import UndecidableDesign

NAS = Path(os.environ.get("GNOMON_DATA_DIR", "/nowhere"), "nas")
given_tables = pytest.mark.skipif(not NAS.is_dir(), reason="the tables (nas/) are not in GNOMON_DATA_DIR")


def table(folder, samples, target=None):
    path = folder / "scores.csv"
    lines = [
        f'"{arch}",{v},{score},{"" if target is None else target[arch]}'
        for arch, scores in samples.items()
        for v, score in enumerate(scores)
    ]
    path.write_text("net,v,s,goal\n" + "\n".join(lines) + "\n")
    return Table(path, arch="net", scores=["s"], repeat="v", target=None if target is None else "goal")


def test_the_room_offers_the_function():
    import gnomon.search
    import gnomon.search.finding

    assert gnomon.search.find is find  # no module of that name may hide it
    assert gnomon.search.Found is gnomon.search.finding.Found


@settings(max_examples=40, deadline=None)
@given(
    method=st.sampled_from(METHODS),
    budget=st.integers(10, 260),
    population=st.integers(2, 12),
    sequential=st.booleans(),
    options=st.integers(2, 4),
    seed=st.integers(0, 5),
)
def test_the_budget_is_used_and_never_exceeded(method, budget, population, sequential, options, seed):
    source = Scores(1.0)
    found = find(
        Grid(options),
        source,
        ranker="s",
        method=method,
        budget=budget,
        population=population,
        tournament=2,
        sequential=sequential,
        seed=seed,
    )
    assert found.evaluations == sum(source.asked.values()) <= budget
    assert found.evaluations == sum(map(len, found.samples.values()))
    assert found.distinct == len(source.asked) == len({event["arch"] for event in found.history} | {*found.samples})
    first = 4 if sequential or method == "racing" else 10
    everything = found.distinct == options**5
    if method != "greedy" and not everything and first == 10:
        assert budget - found.evaluations < first


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_history(method):
    one, again, other = (
        find(Grid(), Scores(0.5), ranker="s", method=method, budget=350, seed=seed) for seed in (3, 3, 4)
    )
    assert one.history == again.history
    assert one.to_dict() == again.to_dict()
    assert one.history != other.history


@pytest.mark.parametrize("comparator", ["mannwhitney", "wilcoxon", "mean"])
@pytest.mark.parametrize("method", ["rea", "greedy", "freerea"])
def test_evolution_finds_a_planted_optimum(method, comparator):
    found = find(Grid(), Scores(0.1), ranker="s", method=method, comparator=comparator, budget=2500)
    assert found.winner == BEST
    assert found.distinct < 260  # of 1,024


def test_a_heavy_tailed_ranker_misleads_means_and_not_ranks():
    def reached(comparator):
        distances = []
        for seed in range(12):
            source = Scores(0.4, noise="cauchy", seed=seed)
            found = find(Grid(), source, ranker="s", method="rea", comparator=comparator, budget=1500, seed=seed)
            distances.append(source.value(found.winner))
        return np.mean(distances)

    assert reached("mannwhitney") > reached("mean") + 0.5


def test_constant_scores_are_never_better():
    class Constant(Scores):
        def samples(self, text, ranker, n):
            super().samples(text, ranker, n)
            return np.full(n, 3.5)

    for comparator in ("mannwhitney", "wilcoxon", "mean"):
        found = find(Grid(), Constant(), ranker="s", method="random", comparator=comparator, budget=300)
        assert found.winner == found.history[0]["arch"]
        assert len(found.indistinguishable) == found.distinct == 30
        assert all(p == 1 for p in found.p_adjusted.values())
        assert sum(found.stability.values()) == pytest.approx(1)
        assert found.repeats_to_tell is None


@pytest.mark.parametrize("comparator", ["mannwhitney", "wilcoxon", "mean"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_missing_and_infinite_scores_rank_last(tmp_path, comparator, bad):
    rng = np.random.default_rng(0)
    samples = {f"n{i}": rng.normal(size=10) for i in range(6)} | {"broken": np.full(10, bad)}
    for direction in (1, -1):
        found = choose(samples, direction=direction, comparator=comparator)
        assert found.winner != "broken"
        assert "broken" not in found.indistinguishable
        assert np.isnan(found.samples["broken"]).all()
        first = dict(reversed(samples.items()))
        assert choose(first, direction=direction, comparator=comparator).winner != "broken"


@pytest.mark.parametrize("comparator", ["mannwhitney", "wilcoxon", "mean"])
def test_infinite_scores_do_not_win_a_search(comparator):
    class Overflowing(Scores):
        def samples(self, text, ranker, n):
            scores = super().samples(text, ranker, n)
            return np.full(n, np.inf) if text.startswith("a=1") else scores

    found = find(Grid(), Overflowing(), ranker="s", method="random", comparator=comparator, budget=300)
    assert any(text.startswith("a=1") for text in found.samples)
    assert not found.winner.startswith("a=1")


def test_a_mean_with_a_missing_score_is_last_and_never_averaged():
    samples = {"partly": np.array([9.0, np.nan]), "low": np.array([1.0, 1.0]), "gone": np.array([np.nan, np.nan])}
    found = choose(samples, comparator="mean")
    assert found.winner == "low"
    compared = Comparator("mean", 0.05, (), 2, False)
    for x, y in itertools.permutations(samples.values(), 2):
        assert compared.better(x, y) == (y is not samples["low"] and x is samples["low"])


def test_smaller_is_better_where_the_direction_says_so(tmp_path):
    rng = np.random.default_rng(1)
    samples = {f"n{i}": i + rng.normal(size=10) for i in range(20)}
    source = table(tmp_path, samples, target={f"n{i}": 100 + i for i in range(20)})
    up = find(None, source, ranker="s", method="random", budget=200)
    down = find(
        None, Table(source.path, arch="net", scores={"s": -1}, repeat="v"), ranker="s", method="random", budget=200
    )
    assert (up.winner in ("n18", "n19"), down.winner in ("n0", "n1")) == (True, True)
    assert up.target == 100 + int(up.winner[1:])
    assert down.target is None
    assert down.samples["n3"].tolist() == samples["n3"].tolist()  # as they were measured
    assert down.direction == -1


def test_a_walk_steps_over_what_a_table_lacks():
    space = Grid(2)
    everything = [space.encode(arch) for arch in itertools.product((0, 1), repeat=5)]
    source = Scores(0.1, lacking=everything[::2])
    for method in METHODS:
        found = find(space, source, ranker="s", method=method, budget=300, population=6)
        assert set(found.samples) <= set(everything[1::2])
        assert found.distinct > 5
    with pytest.raises(UserError, match="None of the proposed"):
        find(space, Scores(lacking=everything), ranker="s", method="rea", budget=20)


def test_proposals_end_a_walk_that_meets_only_known_architectures():
    found = find(Grid(2), Scores(0.1), ranker="s", method="random", budget=2_000)
    assert found.distinct == 32
    found = find(Grid(2), Scores(0.1), ranker="s", method="rea", budget=330, population=4, tournament=2)
    assert found.distinct <= 32
    assert len(found.history) + 1 >= 20 * 330 - 100  # the first four are drawn until they differ
    assert len(found.history) <= 20 * 330


def test_a_table_may_write_architectures_its_own_way(tmp_path):
    space = Grid(2)
    archs = [space.encode(arch) for arch in itertools.product((0, 1), repeat=5)]
    spaced = {text.replace(";", " ; "): np.full(4, i) for i, text in enumerate(archs)}
    spaced["another space's"] = np.full(4, 99)
    found = find(space, table(tmp_path, spaced), ranker="s", method="rea", budget=120, repeats=4, population=5)
    assert found.winner in spaced
    assert found.winner != "another space's"
    assert all(" ; " in text for text in found.samples)
    with pytest.raises(UserError, match="no architecture of space 'grid'"):
        find(space, table(tmp_path, {"x": np.ones(4)}), ranker="s", method="rea", budget=40, repeats=4)


def test_one_evaluation_each_is_enough_for_means(tmp_path):
    source = table(tmp_path, {f"n{i}": [i] for i in range(10)})
    found = find(None, source, ranker="s", method="random", comparator="mean", budget=7, repeats=1)
    assert (found.evaluations, found.distinct) == (7, 7)
    assert found.winner == max(found.samples, key=lambda text: found.samples[text][0])
    assert found.indistinguishable == [found.winner]


def test_what_does_not_vary_is_evaluated_once():
    class Counting(Scores):
        def varies(self, ranker):
            return False

        def samples(self, text, ranker, n):
            return np.full(n, float(self.value(text)))

    found = find(Grid(), Counting(), ranker="s", method="random", budget=50)
    assert (found.evaluations, found.distinct) == (50, 50)
    values = [Counting().value(text) for text in found.samples]
    assert Counting().value(found.winner) == max(values)


def test_sources_with_workers_are_asked_side_by_side():
    class Parallel(Scores):
        calls = []  # noqa: RUF012

        def prefetch(self, archs, ranker, n):
            self.calls.append((len(archs), n))

    find(Grid(), Parallel(), ranker="s", method="rea", budget=400)
    assert Parallel.calls == [(25, 10)]
    Parallel.calls.clear()
    find(Grid(), Parallel(), ranker="s", method="random", budget=700)
    assert Parallel.calls == [(32, 10), (32, 10), (6, 10)]


def test_a_run_gets_every_event_once_also_when_it_is_resumed(tmp_path):
    run = Run.create(tmp_path / "run", kind="search", name="t", settings={"seed": 0}, seed=0)
    for _ in range(2):
        found = find(Grid(), Scores(), ranker="s", method="rea", budget=300, run=run)
    logged = run.metrics()
    assert [row["step"] for row in logged] == list(range(1, len(found.history) + 1))
    assert [row["arch"] for row in logged] == [event["arch"] for event in found.history]
    assert logged[-1]["evaluations"] == found.evaluations == 300
    assert logged[-1]["tournament"] == found.history[-1]["tournament"]


def test_the_choice_is_that_of_stat_max_and_its_set():
    rng = np.random.default_rng(3)
    samples = {f"n{i}": rng.normal(i / 6, 1, size=10) for i in range(15)}
    found = choose(samples, seed=5)
    best = order.best_set(list(samples.values()), seed=5)
    assert found.winner == f"n{best.winner}"
    assert found.indistinguishable == [f"n{i}" for i in best.members]
    assert found.stability == {f"n{i}": share for i, share in best.stability.items()}
    nearest = min(
        order.superiority(samples[found.winner], samples[text]).value
        for text in found.indistinguishable
        if text != found.winner
    )
    assert found.repeats_to_tell == (order.repeats_to_tell(nearest, comparisons=14) if nearest > 0.5 else None)
    finalists = found.finalists(10)
    assert finalists[0] == found.winner
    assert set(finalists[: len(found.indistinguishable)]) == set(found.indistinguishable)
    assert len(set(finalists)) == 10
    farther = [order.superiority(samples[found.winner], samples[text]).value for text in found.finalists(100)[1:]]
    inside = len(found.indistinguishable) - 1
    assert farther[:inside] == sorted(farther[:inside])
    assert farther[inside:] == sorted(farther[inside:])
    assert len(farther) == 14


@pytest.mark.parametrize("gaps", [False, True])
def test_pairs_at_once_are_pairs_one_by_one(gaps):
    rng = np.random.default_rng(4)
    arrays = [rng.normal(i / 5, 1, size=10).round(1) for i in range(12)]  # ties and equal pairs among them
    if gaps:
        arrays[3][2] = arrays[4][2] = arrays[5][0] = np.nan
    samples = {f"n{i}": array for i, array in enumerate(arrays)}
    found = choose(samples, comparator="wilcoxon")
    rules = {"paired": True, "missing": "lowest"}
    assert found.winner == f"n{order.stat_max(arrays, **rules)}"
    best = samples[found.winner]
    others = [text for text in samples if text != found.winner]
    adjusted = order.adjust([order.compare(best, samples[text], **rules).p_greater for text in others])
    assert [found.p_adjusted[text] for text in others] == pytest.approx(adjusted.tolist())
    assert found.contradictions == [text for text in others if order.better(samples[text], best, **rules)]
    assert sum(found.stability.values()) == pytest.approx(1)


def test_finalists_begin_with_the_set():
    few = {f"few {i}": np.arange(4.0) + i for i in range(60)}  # below all of "best", on too few repeats to say so
    many = {"best": np.arange(10.0) + 100, "second": np.arange(10.0) + 91.5}
    found = choose(many | few)
    assert found.winner == "best"
    assert "second" not in found.indistinguishable
    assert len(found.indistinguishable) == 61
    assert found.finalists(62)[-1] == "second"
    assert found.finalists(2) == ["best", "few 59"]


def test_contradictions_are_said():
    # Efron's dice: each beats the next, the last beats the first.
    dice = [[4, 4, 4, 4, 0, 0], [3] * 6, [6, 6, 2, 2, 2, 2], [5, 5, 5, 1, 1, 1]]
    samples = {f"die {i}": np.repeat(np.array(die, dtype=float), 8) for i, die in enumerate(dice)}
    found = choose(samples, alpha=0.05)
    assert found.contradictions
    assert all(order.better(samples[text], samples[found.winner]) for text in found.contradictions)
    assert len(found.stability) > 1


def test_scores_of_different_number_are_compared_on_what_there_is():
    rng = np.random.default_rng(5)
    samples = {"long": rng.normal(2, 1, 10), "short": rng.normal(0, 1, 6), "middle": rng.normal(0, 1, 8)}
    for comparator in ("mannwhitney", "wilcoxon"):
        assert choose(samples, comparator=comparator).winner == "long"


def test_where_the_correction_excludes_no_one_the_repeats_are_said():
    samples = {f"n{i}": np.arange(10.0) + 100 * i for i in range(60)}
    paired = choose(samples, comparator="wilcoxon")
    assert len(paired.indistinguishable) == 60
    assert paired.repeats_needed == order.repeats_needed(0.05, comparisons=59, paired=True) == 11
    assert choose(samples).repeats_needed is None
    enough = {text: np.append(scores, scores[-1] + 1) for text, scores in samples.items()}
    assert choose(enough, comparator="wilcoxon").repeats_needed is None
    assert choose({text: scores[:4] for text, scores in samples.items()}).repeats_needed == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "annealing"}, "method = 'annealing' is not known; there are 'random', 'rea'"),
        ({"method": "ranodm"}, "did you mean 'random'"),
        ({"ranker": "t"}, "no scores by ranker 't'"),
        ({"comparator": "median"}, "there are mannwhitney, wilcoxon, mean"),
        ({"budget": 9}, "budget = 9 does not pay one architecture's repeats; at least repeats = 10"),
        ({"tournament": 26}, "tournament = 26 is more than population = 25"),
        ({"repeats": 0}, "repeats = 0 must be at least 1"),
        ({"population": 0}, "population = 0"),
        ({"tournament": 0}, "tournament = 0"),
        ({"alpha": 0.5}, "alpha = 0.5"),
        ({"sequential": True, "looks": (4, 4, 10)}, "looks"),
        ({"sequential": True, "repeats": 20}, "looks = (8, 14, 20) would"),
        ({"sequential": True, "comparator": "mean"}, "'mean' decides at the first look"),
        ({"method": "racing", "comparator": "mean"}, "'mean' decides at the first look"),
    ],
)
def test_what_is_impossible_is_refused_before_anything_is_evaluated(arguments, words):
    source = Scores()
    with pytest.raises(UserError) as refusal:
        find(Grid(), source, **{"ranker": "s", **arguments})
    assert words in str(refusal.value)
    assert not source.asked
    with pytest.raises(UserError):
        check(Grid(), source, **{"ranker": "s", **arguments})


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ({"repeats": 3}, 4),
        ({"repeats": 4, "comparator": "wilcoxon"}, 5),
        ({"repeats": 4, "alpha": 0.01}, 5),
        ({"sequential": True, "looks": (3, 6, 10)}, 4),
        ({"sequential": True, "comparator": "wilcoxon"}, 6),
    ],
)
def test_repeats_that_can_never_decide_are_refused(arguments, needed):
    source = Scores()
    with pytest.raises(UndecidableDesign) as refusal:
        find(Grid(), source, ranker="s", **arguments)
    assert refusal.value.repeats_needed == needed
    assert not source.asked


def test_a_table_without_a_space_can_only_be_walked(tmp_path):
    source = table(tmp_path, {f"n{i}": np.arange(10.0) + i for i in range(5)})
    for method in ("rea", "greedy", "freerea"):
        with pytest.raises(UserError, match="needs a space; without one there are random and racing"):
            find(None, source, ranker="s", method=method)
    with pytest.raises(UserError, match="must be a table"):
        find(None, Scores(), ranker="s", method="random")
    with pytest.raises(UserError, match="holds 10 repeats"):
        find(None, source, ranker="s", method="random", repeats=11)
    found = find(None, source, ranker="s", method="random", budget=1000)
    assert found.distinct == 5
    with pytest.raises(UserError, match="no architectures"):
        choose({})


@given_tables
def test_racing_saves_evaluations_on_published_scores():
    source = Table(NAS / "nb201_repeats.csv.gz", arch="net", scores=["nwot"], repeat="v", target="val_acc")
    racing = [
        find(None, source, ranker="nwot", method="racing", budget=750, seed=seed).evaluations for seed in range(10)
    ]
    assert 0.4 < np.mean(racing) / 750 < 0.55
    random = find(None, source, ranker="nwot", method="random", budget=750)
    assert (random.evaluations, random.target) == (750, source.target(random.winner))
