"""Choosing among many noisy candidates: corrections, all pairs at once, Stat-MAX and the set that ties with the winner."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from gnomon.stats import order

NAN = math.nan
EFRON = ([4, 4, 4, 4, 0, 0], [3, 3, 3, 3, 3, 3], [6, 6, 2, 2, 2, 2], [5, 5, 5, 1, 1, 1])  # each beats the next, 2 : 1
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def dice(rolls=10):
    return [np.repeat(faces, rolls).astype(float) for faces in EFRON]


# ---- corrections


def test_a_known_correction():
    p = [0.01, 0.04, 0.03, 0.005]
    assert order.adjust(p).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert order.adjust(p, "bh").tolist() == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert order.adjust(p, "bonferroni").tolist() == pytest.approx([0.04, 0.16, 0.12, 0.02])
    assert order.adjust(p, "none").tolist() == p
    assert order.adjust([]).shape == (0,)


@given(probabilities)
def test_benjamini_hochberg_equals_scipys(p):
    assert order.adjust(p, "bh") == pytest.approx(oracle.false_discovery_control(p, method="bh"), abs=1e-15)


@given(probabilities, st.sampled_from([0.01, 0.05, 0.3]))
def test_holm_rejects_what_the_steps_reject(p, alpha):
    left, rejected = sorted(range(len(p)), key=lambda i: p[i]), set()
    while left and p[left[0]] * len(left) < alpha:
        rejected.add(left.pop(0))
    found = order.adjust(p)
    assert {i for i, value in enumerate(found) if value < alpha} == rejected
    assert (found <= order.adjust(p, "bonferroni") + 1e-15).all()
    assert (found <= 1).all()


@given(probabilities, st.sampled_from(["holm", "bh", "bonferroni"]), st.randoms(use_true_random=False))
def test_corrections_follow_their_p(p, method, random):
    moved = random.sample(range(len(p)), len(p))
    shuffled = order.adjust([p[i] for i in moved], method)
    assert shuffled.tolist() == order.adjust(p, method)[moved].tolist()
    ranked = order.adjust(sorted(p), method)
    assert (np.diff(ranked) >= 0).all()


# ---- all pairs


@pytest.mark.parametrize("kind", ["continuous", "coarse", "shared", "unequal", "above fifty", "missing", "mixed"])
@pytest.mark.parametrize("correction", ["holm", "none"])
def test_all_pairs_are_the_single_comparisons(kind, correction):
    rng = np.random.default_rng(3)
    sizes = {"unequal": (4, 10, 7, 10, 12), "above fifty": (60, 52, 70, 8), "mixed": (9, 55, 30)}.get(kind, (9,) * 6)
    samples = [rng.normal(i / 2, 1, n) for i, n in enumerate(sizes)]
    if kind == "shared":  # numbers that two candidates have, none of them twice
        samples = [rng.permutation(14)[:9] + 2.0 * i for i in range(6)]
    if kind in ("coarse", "mixed", "above fifty"):
        samples = [s.round(0 if kind == "coarse" else 1) for s in samples]
    if kind == "missing":
        samples[0][:3] = samples[2][:2] = NAN
        samples[1][0] = -math.inf
        samples[3][:] = NAN
    found = order.pairwise(samples, correction=correction, missing="lowest")
    k = len(samples)
    assert found.p_greater.shape == found.p_adjusted.shape == found.superiority.shape == found.decision.shape == (k, k)
    for i, j in itertools.permutations(range(k), 2):
        one = order.compare(samples[i], samples[j], missing="lowest")
        assert found.p_greater[i, j] == pytest.approx(one.p_greater, rel=1e-12)
        assert found.superiority[i, j] == pytest.approx(one.superiority.value)
    apart = ~np.eye(k, dtype=bool)
    assert found.p_adjusted[apart] == pytest.approx(order.adjust(found.p_greater[apart], correction))
    assert (found.decision == (found.p_adjusted < 0.05).astype(int) - (found.p_adjusted.T < 0.05)).all()
    assert (found.decision == -found.decision.T).all()
    assert found.decision.any()
    for diagonal, value in ((found.p_greater, 1), (found.p_adjusted, 1), (found.superiority, 0.5), (found.decision, 0)):
        assert (np.diag(diagonal) == value).all()


def test_all_pairs_in_blocks(monkeypatch):
    samples = np.random.default_rng(0).normal(size=(7, 8)).round(1)
    whole = order.pairwise(samples, correction="none")
    monkeypatch.setattr("gnomon.stats.order.many.BLOCK", 3 * 56)
    blocks = order.pairwise(samples, correction="none")
    assert (whole.p_greater == blocks.p_greater).all()
    assert (whole.superiority == blocks.superiority).all()


def test_dropped_numbers_of_one_candidate_leave_the_others():
    samples = [[1, 2, 3, 4, NAN], [5, 6, 7, 8, 9], [0, 1, 2, 3, 4.5]]
    found = order.pairwise(samples, correction="none", missing="drop")
    assert found.p_greater[1, 0] == 1 / math.comb(9, 4)
    assert found.p_greater[1, 2] == 1 / math.comb(10, 5)


def test_one_candidate_alone():
    found = order.pairwise([[1, 2, 3]])
    assert found.p_greater.tolist() == [[1]]
    assert found.decision.tolist() == [[0]]


def test_too_many_comparisons_for_the_repeats():
    samples = np.random.default_rng(0).normal(size=(8, 5))
    with pytest.raises(order.UndecidableDesign, match="5 repeats against 5, one of 56 .*'holm'.*at least 7") as e:
        order.pairwise(samples)
    assert (e.value.smallest_p, e.value.repeats_needed) == (1 / 252, 7)
    assert e.value.threshold == pytest.approx(0.05 / 56)
    with pytest.raises(order.UndecidableDesign):
        order.pairwise(samples, correction="bonferroni")
    assert order.pairwise(samples, correction="bh").decision.shape == (8, 8)
    assert order.pairwise(samples, correction="none").decision.shape == (8, 8)
    with pytest.raises(order.UndecidableDesign, match="3 repeats against 3 can"):
        order.pairwise(samples[:, :3], correction="none")


def test_under_benjamini_hochberg_all_pairs_can_decide_at_twice_the_smallest_p():
    """k candidates apart in every pair: half of the ordered pairs have the smallest p, so p_adjusted is twice it."""
    apart = np.arange(8)[:, None] * 10.0 + np.arange(4)
    found = order.pairwise(apart, correction="bh")
    assert found.p_adjusted[1, 0] == pytest.approx(2 / 70)
    assert found.decision[3, 2] == 1
    with pytest.raises(order.UndecidableDesign) as e:
        order.pairwise(apart, correction="bh", alpha=2 / 70)
    assert e.value.threshold == pytest.approx(1 / 70)


# ---- the walk


def test_the_walk_keeps_the_incumbent_where_nothing_is_decided():
    rng = np.random.default_rng(1)
    equal = rng.normal(size=(5, 10)) * 1e-9 + np.arange(10)
    assert order.stat_max(equal) == 0
    assert order.stat_max(equal, order=[3, 1, 0, 2, 4]) == 3
    clear = [np.arange(10) + shift for shift in (0, 30, 10, 50, 20)]
    for walk in itertools.permutations(range(5)):
        assert order.stat_max(clear, order=walk) == 3
    assert order.stat_topk(clear, 3) == [3, 1, 4]
    assert order.stat_topk(clear, 5) == [3, 1, 4, 2, 0]
    assert order.stat_max([[NAN, 1]], missing="lowest") == 0


def test_the_walk_is_better_by_better():
    rng = np.random.default_rng(2)
    samples = rng.normal(np.linspace(0, 1.5, 30)[:, None], 1, (30, 10))
    for args in ({}, {"alpha": 0.2}, {"method": "mean"}, {"paired": True}):
        incumbent = 0
        for i in range(1, 30):
            if order.compare(samples[i], samples[incumbent], **args).decision == "greater":
                incumbent = i
        assert order.stat_max(samples, **args) == incumbent
    assert order.stat_max(samples, method="mean") == samples.mean(1).argmax()


def test_top_k_removes_each_winner():
    rng = np.random.default_rng(4)
    samples = rng.normal(np.linspace(0, 2, 9)[:, None], 1, (9, 10))
    left, expected = list(range(9)), []
    for _ in range(4):
        expected.append(left[order.stat_max([samples[i] for i in left])])
        left.remove(expected[-1])
    assert order.stat_topk(samples, 4) == expected


# ---- the set


def test_efrons_dice_are_a_cycle_and_reported_as_such():
    samples = dice()
    for i in range(4):
        assert order.better(samples[i], samples[(i + 1) % 4])
        assert order.superiority(samples[i], samples[(i + 1) % 4]).value == pytest.approx(2 / 3)
    found = order.best_set(samples)
    assert found.winner == 3  # 0 stays until 3, which beats it
    assert found.contradictions == [2]
    assert set(found.members) >= {2, 3}
    assert 0 not in found.members
    assert set(found.stability) == {0, 1, 2, 3}
    assert sum(found.stability.values()) == pytest.approx(1)
    for walk in itertools.permutations(range(4)):
        other = order.best_set(samples, order=walk)
        assert other.winner == order.stat_max(samples, order=walk)
        assert other.contradictions == [(other.winner - 1) % 4]


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("correction", ["holm", "bh", "bonferroni", "none"])
def test_the_set_is_all_that_the_winner_is_not_better_than(coarse, correction):
    rng = np.random.default_rng(5)
    samples = rng.normal(np.linspace(0, 2.5, 12)[:, None], 1, (12, 10))
    samples = samples.round(0) if coarse else samples
    found = order.best_set(samples, correction=correction, order=range(11, -1, -1))
    assert found.winner == order.stat_max(samples, order=range(11, -1, -1))
    others = [i for i in range(12) if i != found.winner]
    p = order.adjust([order.compare(samples[found.winner], samples[i]).p_greater for i in others], correction)
    assert found.p_adjusted[others] == pytest.approx(p)
    assert found.p_adjusted[found.winner] == 1
    assert found.members == sorted([found.winner, *(i for i, value in zip(others, p, strict=True) if value >= 0.05)])
    assert 1 < len(found.members) < 12
    assert found.contradictions == [i for i in others if order.better(samples[i], samples[found.winner])]
    assert found.repeats_needed is None


def test_stability_is_the_share_of_shuffled_walks():
    rng = np.random.default_rng(6)
    samples = [rng.normal(size=10) * 1e-6 + np.arange(10) for _ in range(4)] + [np.arange(10) - 20.0]
    found = order.best_set(samples, shuffles=2_000)
    # Four that tie: whoever comes first of them wins. The fifth wins never.
    assert set(found.stability) == {0, 1, 2, 3}
    assert list(found.stability.values()) == pytest.approx([0.25] * 4, abs=0.04)
    assert sum(found.stability.values()) == pytest.approx(1, abs=1e-12)
    assert found.members == [0, 1, 2, 3]
    assert order.best_set(samples).stability == order.best_set(samples).stability
    assert order.best_set(samples, seed=1).stability != order.best_set(samples, seed=2).stability
    clear = order.best_set([np.arange(10) + shift for shift in (0, 30, 10)], shuffles=7)
    assert (clear.winner, clear.members, clear.stability) == (1, [1], {1: 1.0})


def test_where_the_correction_rules_exclusion_out_the_set_is_everyone():
    samples = [np.arange(4) + 10.0 * i for i in range(5)]  # 1/70 by four comparisons is above 0.05
    found = order.best_set(samples)
    assert found.winner == 4
    assert found.members == [0, 1, 2, 3, 4]
    assert found.repeats_needed == 5
    assert order.best_set(samples, correction="bh").members == [4]
    assert order.best_set([np.arange(5) + 10.0 * i for i in range(5)]).members == [4]
    with pytest.raises(order.UndecidableDesign, match="3 repeats against 4"):
        order.best_set([*samples, [1, 2, 3]], alpha=0.02)


def test_a_set_of_one():
    found = order.best_set([[1, 2]])
    assert (found.winner, found.members, found.contradictions, found.stability) == (0, [0], [], {0: 1.0})
    assert found.p_adjusted.tolist() == [1]


def test_candidates_that_failed_are_ranked_last():
    rng = np.random.default_rng(7)
    samples = rng.normal(size=(4, 10))
    samples[1] = NAN
    samples[2, ::2] = NAN
    samples[3] += 3
    found = order.best_set(samples, missing="lowest")
    assert found.winner == 3
    assert 1 not in found.members
    assert order.stat_max(samples, missing="lowest") == 3
    plain = order.best_set(np.nan_to_num(samples, nan=-1e9))
    assert (found.p_adjusted == plain.p_adjusted).all()


REFUSED = {
    "no samples": (lambda: order.stat_max([]), "samples is empty"),
    "no samples for a set": (lambda: order.best_set([]), "samples is empty"),
    "no samples for pairs": (lambda: order.pairwise([]), "samples is empty"),
    "one of them empty": (lambda: order.stat_max([[1, 2], []]), r"samples\[1\] is empty"),
    "missing in one": (
        lambda: order.best_set([[1, 2, 3, 4], [1, 2, NAN, 4]]),
        r"samples\[1\].*position 2.*lowest.*drop",
    ),
    "missing in a walk": (lambda: order.stat_max([[1, 2], [1, NAN]]), r"samples\[1\].*position 1"),
    "all dropped": (lambda: order.pairwise([[NAN], [1, 2]], missing="drop"), r"samples\[0\] is empty once"),
    "numbers instead of samples": (lambda: order.stat_max([1.0, 2.0]), r"samples\[0\] has shape \(\)"),
    "k above": (lambda: order.stat_topk([[1, 2]], 2), "k = 2 must lie between 1 and 1"),
    "k of zero": (lambda: order.stat_topk([[1, 2]], 0), "k = 0"),
    "order": (lambda: order.stat_max([[1, 2], [2, 3]], order=[0, 0]), r"order = \[0, 0\].*0 to 1 once"),
    "correction": (lambda: order.adjust([0.1], "sidak"), "'sidak'.*holm, bh, bonferroni, none"),
    "correction of a set": (lambda: order.best_set([[1, 2]], correction="x"), "'x'.*holm"),
    "correction of pairs": (lambda: order.pairwise([[1, 2]], correction="x"), "'x'.*holm"),
    "p above one": (lambda: order.adjust([0.1, 1.5]), "1.5 at position 1"),
    "p below zero": (lambda: order.adjust([-0.1]), "-0.1 at position 0"),
    "p that is none": (lambda: order.adjust([0.1, NAN]), "nan at position 1"),
    "p in a table": (lambda: order.adjust([[0.1]]), r"shape \(1, 1\)"),
    "alpha": (lambda: order.pairwise([[1, 2]], alpha=0.7), "alpha = 0.7"),
    "alpha of a set": (lambda: order.best_set([[1, 2]], alpha=-1), "alpha = -1"),
    "missing": (lambda: order.best_set([[1, 2]], missing="no"), "'no'"),
    "shuffles": (lambda: order.best_set([[1, 2]], shuffles=0), "shuffles = 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_of_many_is_refused_in_one_sentence(name):
    call, sentence = REFUSED[name]
    with pytest.raises(ValueError, match=sentence) as refused:
        call()
    assert not isinstance(refused.value, order.UndecidableDesign)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("n", [3, 4])
def test_every_way_in_refuses_the_undecidable(n):
    x, y = np.arange(n) + 10.0, np.arange(n)
    alpha = order.smallest_p(n)
    for call in (order.compare, order.better, lambda a, b, **k: order.sequential(a, b, looks=(n,), **k)):
        with pytest.raises(order.UndecidableDesign):
            call(x, y, alpha=alpha)
    for many in (order.stat_max, order.best_set, order.pairwise):
        with pytest.raises(order.UndecidableDesign):
            many([x, y], alpha=alpha)
    with pytest.raises(order.UndecidableDesign):
        order.equivalent(x, x, 5, alpha=alpha)


def test_speed_over_scipy():
    """The limits with room for a busy machine; benchmarks/order_speed.py has the figures."""
    from time import process_time

    rng = np.random.default_rng(0)
    samples = rng.normal(size=(40, 10))
    order.pairwise(samples)
    order.better(samples[0], samples[1])
    oracle.mannwhitneyu(samples[0], samples[1], alternative="greater", method="exact")

    def seconds(call):
        begun = process_time()
        call()
        return process_time() - begun

    pairs = list(itertools.permutations(range(40), 2))[:150]
    ratios = []
    for _ in range(3):
        peer = seconds(
            lambda: [
                oracle.mannwhitneyu(samples[i], samples[j], alternative="greater", method="exact") for i, j in pairs
            ]
        )
        own = seconds(lambda: [order.better(samples[i], samples[j]) for i, j in pairs * 10])
        every = seconds(lambda: [order.pairwise(samples) for _ in range(10)])
        ratios.append((10 * peer / own, peer / len(pairs) * 10 * 1560 / every))
    assert max(r[0] for r in ratios) > 20
    assert max(r[1] for r in ratios) > 300
