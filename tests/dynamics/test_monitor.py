"""The live monitor: when it speaks, what it says, and what it shrugs off."""

import json
import math

import numpy as np
import pytest

from gnomon.dynamics import DecelerationMonitor, fit
from gnomon.errors import UserError


def curve_of(T: int, t_d: float, sd: float = 0.0, c1: float = -0.18, seed: int = 0) -> np.ndarray:
    steps = np.arange(1, T + 1.0)
    noise = sd * np.random.default_rng(seed).normal(size=T)
    return 20 * steps**-0.2 * (1 + (steps / t_d) ** (1 / 0.3)) ** (-c1 * 0.3) * np.exp(noise)


def watch(losses, monitor: DecelerationMonitor | None = None, first: int = 1) -> list[dict]:
    monitor = monitor or DecelerationMonitor()
    events = [monitor.update(step, loss) for step, loss in enumerate(losses, first)]
    return [event for event in events if event is not None]


def test_a_break_is_told_once_after_three_times_its_step():
    losses = curve_of(20000, 1000, sd=0.02)
    events = watch(losses, DecelerationMonitor(warmup=100, steps=20000))
    assert [event["kind"] for event in events] == ["deceleration"]
    event = events[0]
    assert 3 * event["t_d"]["value"] <= event["step"] <= 4500
    assert event["t_d"]["low"] <= 1000 <= event["t_d"]["high"]
    assert event["T"] == 20000
    end = 20 * 1000**-0.2 * 20**-0.02  # on the second straight line at the planned end
    assert event["L_T_hat"]["low"] <= end <= event["L_T_hat"]["high"]
    assert event["L_T_hat"]["value"] == pytest.approx(
        event["L_d"]["value"] * (20000 / event["t_d"]["value"]) ** -event["r_d"]["value"], rel=1e-9
    )
    assert event["flags"] == []
    json.dumps(event, allow_nan=False)


def test_it_says_what_a_fit_of_the_same_steps_says():
    losses = curve_of(20000, 1000, sd=0.02)
    event = watch(losses)[0]
    assert event["T"] == event["step"]  # no length was planned
    step = event["step"]
    fitted = fit(np.arange(1, step + 1.0), losses[:step])
    for name in ("t_d", "L_d", "r_d", "L_T_hat"):
        theirs = getattr(fitted, name)
        assert theirs.low <= event[name]["value"] <= theirs.high
    assert event["t_d"]["value"] == pytest.approx(fitted.t_d.value, rel=0.05)


@pytest.mark.parametrize("c1", [0.0, 0.1])
def test_power_laws_and_accelerations_are_not_told(c1):
    for seed in range(2):
        assert watch(curve_of(10000, 1000, sd=0.02, c1=c1, seed=seed)) == []


def test_constant_and_rising_losses_are_not_told():
    assert watch([2.0] * 1000) == []
    assert watch(np.arange(1, 1001.0)) == []


def test_near_warmup_is_told():
    assert watch(curve_of(2000, 400), DecelerationMonitor(warmup=300))[0]["flags"] == ["near_warmup"]
    assert watch(curve_of(2000, 400), DecelerationMonitor(warmup=100))[0]["flags"] == []


def test_a_second_slowing_revises():
    losses = curve_of(60000, 500, c1=-0.05, sd=0.005)
    steps = np.arange(1, 60001.0)
    losses *= (1 + (steps / 6000) ** 4) ** (0.14 / 4)  # the slowdown that counts comes later
    events = watch(losses)
    assert [event["kind"] for event in events[:2]] == ["deceleration", "revised"]
    assert not events[0]["t_d"]["low"] <= events[1]["t_d"]["value"] <= events[0]["t_d"]["high"]
    assert events[-1]["t_d"]["value"] > 2000


def test_a_break_that_was_none_is_taken_back():
    losses = curve_of(100000, 1000)
    steps = np.arange(1, 100001.0)
    losses[3999:] = losses[3999] * (steps[3999:] / 4000) ** -0.2  # a plateau, then the first slope again
    events = watch(losses)
    assert events[0]["kind"] == "deceleration"
    assert events[-1]["kind"] == "revised"
    last = events[-1]
    assert last["t_d"] is None or not events[0]["t_d"]["low"] <= last["t_d"]["value"] <= events[0]["t_d"]["high"]
    json.dumps(events, allow_nan=False)


def test_same_updates_same_events():
    losses = curve_of(3000, 400, sd=0.02)
    assert watch(losses) == watch(losses)
    assert watch(losses) != watch(losses, DecelerationMonitor(seed=1))


def test_losses_that_are_none_are_counted_and_change_nothing():
    losses = curve_of(3000, 400, sd=0.02)
    plain, messy = DecelerationMonitor(), DecelerationMonitor()
    told = []
    for step, loss in enumerate(losses, 1):
        plain.update(step, loss)
        for bad in (math.nan, math.inf, -math.inf, 0.0, -1.0) if step % 300 == 0 else ():
            told.append(messy.update(step, bad))
        messy.update(step, loss)
    messy.update(0, 3.0)
    messy.update(-5, 3.0)
    assert messy.skipped == 10 * 5 + 2
    assert plain.skipped == 0
    assert told == [None] * 50
    assert messy.events == plain.events != []
    assert watch([math.nan] * 1000) == []


def test_a_restart_begins_anew_from_there():
    losses = curve_of(3000, 400, sd=0.02)
    monitor = DecelerationMonitor()
    watch(losses[:300], monitor)
    watch([50.0] * 200, monitor, first=301)  # it diverges, and goes on from a checkpoint at 290
    watch(losses[290:], monitor, first=291)
    plain = DecelerationMonitor()
    watch(losses, plain)
    assert monitor.events[0]["t_d"]["value"] == pytest.approx(plain.events[0]["t_d"]["value"], rel=0.02)


def test_a_step_that_comes_again_replaces_its_loss():
    losses = curve_of(3000, 400, sd=0.02)
    once, twice = DecelerationMonitor(), DecelerationMonitor()
    for step, loss in enumerate(losses, 1):
        once.update(step, loss)
        if step % 7 == 0:
            twice.update(step, 99.0)
        twice.update(step, loss)
    found, expected = twice.events[0], once.events[0]
    assert found["step"] == expected["step"]
    assert found["t_d"]["value"] == pytest.approx(expected["t_d"]["value"], rel=1e-6)


def test_memory_and_refits_thin_out():
    monitor = DecelerationMonitor()
    refits = 0
    look = monitor._look

    def counted():
        nonlocal refits
        refits += 1
        return look()

    monitor._look = counted
    watch(curve_of(50000, 1000, c1=0), monitor)
    assert len(monitor._bins) < 260
    assert refits < 120  # of 50,000 updates, 30 of them before there are enough bins


@pytest.mark.parametrize("options", [{"every": 0}, {"warmup": -1}, {"steps": 0}])
def test_impossible_settings(options):
    with pytest.raises(UserError, match=f"{next(iter(options))} = "):
        DecelerationMonitor(**options)
