"""The figures of self-correction: what must hold among them whatever was answered, and small cases by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.posttrain.attempts import attempt_figures, attempts_of, edit_ratio
from gnomon.posttrain.evaluation import Answered, Graded

TEXT = st.text("ab1 ", max_size=5)


def episode(*attempts, too_long=False, task="t"):
    """An episode of (answer, right) pairs; a latent turn is (answer, None)."""
    turns = tuple(Answered(text, bool(right), float(bool(right)), right is None) for text, right in attempts)
    return Graded(task, "x", turns, "greedy", too_long)


def episodes(attempts):
    """Any number of episodes, some of them cut short by the context."""
    answer = st.tuples(TEXT, st.booleans())
    whole = st.lists(answer, min_size=attempts, max_size=attempts).map(lambda tries: episode(*tries))
    cut = st.lists(answer, max_size=attempts - 1).map(lambda tries: episode(*tries, too_long=True))
    return st.lists(st.one_of(whole, whole, cut), max_size=25)


@given(st.sampled_from([2, 3]).flatmap(lambda n: st.tuples(st.just(n), episodes(n))))
@settings(max_examples=150, deadline=None)
def test_what_holds_whatever_was_answered(drawn):
    attempts, graded = drawn
    figures = attempt_figures(graded, attempts=attempts)
    n = len(graded)
    value = {name: figure.value for name, figure in figures.items()}
    assert list(figures) == [
        *(f"t{k + 1}" for k in range(attempts)),
        "delta", "i_to_c", "c_to_i", "fix_rate", "edit_ratio", "unchanged",
    ]  # fmt: skip
    right = [[turn.correct for turn in g.turns] + [False] * (attempts - len(g.turns)) for g in graded]
    wrong_first = sum(not tries[0] for tries in right)
    fixed = sum(not tries[0] and tries[-1] for tries in right)
    broken = sum(tries[0] and not tries[-1] for tries in right)
    both = [g for g in graded if len(g.turns) == attempts]
    assert figures["fix_rate"].n == wrong_first
    assert figures["edit_ratio"].n == len(both)
    if n:
        last = f"t{attempts}"
        for k in range(attempts):
            assert value[f"t{k + 1}"] == pytest.approx(sum(tries[k] for tries in right) / n)
        assert value["i_to_c"] == fixed / n
        assert value["c_to_i"] == broken / n
        assert value["delta"] == pytest.approx(value["i_to_c"] - value["c_to_i"], abs=1e-12)
        assert value[last] == pytest.approx(value["t1"] + value["delta"], abs=1e-12)
        assert value["unchanged"] == sum(g.turns[0].action == g.turns[-1].action for g in both) / n
        assert value[last] == pytest.approx(sum(g.correct for g in graded) / n)  # the last answer is the run's accuracy
    if wrong_first:
        assert value["fix_rate"] == fixed / wrong_first
    else:
        assert value["fix_rate"] is None
    if both:
        ratios = [edit_ratio(g.turns[0].action, g.turns[-1].action) for g in both]
        assert value["edit_ratio"] == pytest.approx(sum(ratios) / len(both), abs=1e-12)
        assert -1e-12 <= value["edit_ratio"] <= 1 + 1e-12
    for name, figure in figures.items():
        if figure.value is None:
            assert figure.reason
        elif figure.n > 1:
            assert figure.low - 1e-12 <= figure.value <= figure.high + 1e-12, name
            low, high = (-1, 1) if name == "delta" else (0, 1)
            assert low - 1e-12 <= figure.low <= figure.high <= high + 1e-12, name


@given(TEXT, TEXT)
def test_the_edit_ratio_is_a_symmetric_share(one, other):
    ratio = edit_ratio(one, other)
    assert ratio == edit_ratio(other, one)
    assert 0 <= ratio <= 1
    assert (ratio == 0) == (one == other)
    if one and other and not set(one) & set(other):
        assert ratio == max(len(one), len(other)) / (len(one) + len(other))


def test_by_hand():
    graded = [
        episode(("12", False), ("13", True)),
        episode(("13", True), ("13", True)),
        episode(("13", True), ("31", False)),
        episode(("1", False), ("1", False)),
        episode(("1", False), ("", False)),
    ]
    figures = attempt_figures(graded)
    value = {name: figure.value for name, figure in figures.items()}
    assert value == pytest.approx(
        {
            "t1": 0.4,
            "t2": 0.4,
            "delta": 0.0,
            "i_to_c": 0.2,
            "c_to_i": 0.2,
            "fix_rate": 1 / 3,
            "edit_ratio": (1 / 4 + 0 + 2 / 4 + 0 + 1) / 5,
            "unchanged": 0.4,
        }
    )
    assert {figures[name].method for name in ("t1", "t2", "i_to_c", "c_to_i", "fix_rate", "unchanged")} == {"wilson"}
    assert {figures[name].method for name in ("delta", "edit_ratio")} == {"bootstrap-percentile"}
    assert figures["delta"].low < 0 < figures["delta"].high


def test_the_interval_of_delta_is_paired():
    """Ninety problems that stay as they are say nothing against ten that are mended: a paired interval is narrow."""
    graded = [episode(("1", k % 2), ("1", k % 2)) for k in range(90)] + [episode(("1", False), ("2", True))] * 10
    delta = attempt_figures(graded)["delta"]
    assert delta.value == pytest.approx(0.1)
    spread = math.sqrt(0.1 * 0.9 / 100)
    assert delta.low == pytest.approx(0.1 - 1.96 * spread, abs=0.02)
    assert delta.high == pytest.approx(0.1 + 1.96 * spread, abs=0.02)
    assert attempt_figures(graded, seed=1)["delta"].value == delta.value
    assert attempt_figures(graded)["delta"].to_dict() == delta.to_dict()


def test_identical_answers_are_no_edit():
    graded = [episode(("13", True), ("13", True)), episode(("", False), ("", False))]
    figures = attempt_figures(graded)
    assert (figures["edit_ratio"].value, figures["unchanged"].value, figures["delta"].value) == (0.0, 1.0, 0.0)


def test_three_attempts_are_compared_first_to_last():
    graded = [
        episode(("1", False), ("2", True), ("1", False)),
        episode(("1", False), ("1", False), ("2", True)),
    ]
    value = {name: figure.value for name, figure in attempt_figures(graded, attempts=3).items()}
    assert (value["t1"], value["t2"], value["t3"]) == (0.0, 0.5, 0.5)
    assert (value["delta"], value["i_to_c"], value["fix_rate"], value["unchanged"]) == (0.5, 0.5, 0.5, 0.5)


def test_a_missing_attempt_is_wrong_and_no_answer_left_unchanged():
    """The context had no room for it: it is no edit of the first, and an empty first answer is not kept by silence."""
    graded = [
        episode(("13", True), too_long=True),
        episode(("", False), too_long=True),
        episode(too_long=True),
        episode(("13", True), ("12", False)),
    ]
    figures = attempt_figures(graded)
    value = {name: figure.value for name, figure in figures.items()}
    assert (value["t1"], value["t2"], value["c_to_i"], value["delta"]) == (0.5, 0.0, 0.5, -0.5)
    assert (value["unchanged"], figures["unchanged"].n) == (0.0, 4)
    assert (value["edit_ratio"], figures["edit_ratio"].n) == (0.25, 1)
    assert figures["edit_ratio"].low is None


def test_a_free_sequence_is_no_attempt():
    graded = episode(("...", None), ("1", True))
    assert [a.action for a in attempts_of(graded, 1)] == ["1"]


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_problems_for_an_interval_are_said_never_a_crash(n):
    figures = attempt_figures([episode(("1", False), ("2", True))] * n)
    for name in ("delta", "edit_ratio"):
        assert figures[name].n == n
        assert figures[name].reason
        assert figures[name].low is None
