"""Deceleration: the published table, the default fit against SciPy and closed forms, intervals, verdicts."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from gnomon.dynamics import Curve, compare, fit, published, read_curve
from gnomon.dynamics.broken_power_law import LOG_F, Axis, jacobian, predict
from gnomon.dynamics.deceleration import log_bins, quantities
from gnomon.dynamics.residual_noise import effective_points
from gnomon.errors import UserError

MODELS = ("14M", "37M", "78M", "144M", "472M")
TRUTH = {"b": 20.0, "c0": 0.2, "c1": -0.18, "f": 0.3}


def zsl(name: str) -> Path:
    file = Path(os.environ.get("GNOMON_DATA_DIR", "")) / "zsl" / name
    if not os.environ.get("GNOMON_DATA_DIR") or not file.is_file():
        pytest.skip(f"zsl/{name} is not in GNOMON_DATA_DIR")
    return file


def row(t_d: float, b=20.0, c0=0.2, c1=-0.18, f=0.3) -> np.ndarray:
    return np.array([[math.log(b), c0, c1, math.log(t_d), math.log(f)]])


def curve_of(steps: np.ndarray, *parameters, noise: np.ndarray | float = 0.0, **named) -> np.ndarray:
    """The loss of one smooth break, written as the paper writes it and not as the code does."""
    t_d, b, c0, c1, f = row(*parameters, **named)[0][[3, 0, 1, 2, 4]]
    t_d, b, f = math.exp(t_d), math.exp(b), math.exp(f)
    return b * steps**-c0 * (1 + (steps / t_d) ** (1 / f)) ** (-c1 * f) * np.exp(noise)


def ar1(count: int, rho: float, sd: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(size=count)
    for i in range(1, count):
        noise[i] = rho * noise[i - 1] + math.sqrt(1 - rho**2) * noise[i]
    return sd * noise


def log_steps(T: float, spacing: float = 0.06, first: float = 101) -> np.ndarray:
    """Steps up to T, `spacing` apart in logs."""
    return np.exp(np.arange(math.log(T), math.log(first), -spacing)[::-1])


def codes(fitted) -> set[str]:
    return {flag.code for flag in fitted.flags}


# -- the published estimator ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_published_table(model):
    expected = json.loads(zsl("expected.json").read_text())[model]
    fitted = fit(read_curve(zsl(f"{model}.csv")), compat="paper", smooth="none")
    found = fitted.to_dict()
    assert found["t_d"]["value"] == expected["t_d"]
    for name in ("L_d", "r_d", "L_T_hat"):
        assert found[name]["value"] == pytest.approx(expected[name], abs=1e-4)
        assert found[name]["low"] is None
    for name in ("L_T", "rsle", "T"):
        assert found[name] == pytest.approx(expected[name], abs=1e-4)
    for name in published.NAMES:
        assert found["params"][name] == pytest.approx(expected[name], abs=1e-4)
        assert found["se"][name] == pytest.approx(expected["se"][name], abs=1e-3)
    assert (found["n_raw"], found["n_used"]) == (expected["n_points_file"], expected["n_points_fit"])
    assert found["dropped"]["transient"] == expected["n_points_file"] - expected["n_points_fit"]
    assert found["verdict"] == "deceleration"
    assert found["compat"] == "paper"


def test_published_smoothing_is_the_mean_of_the_window():
    loss = np.random.default_rng(0).uniform(1, 2, 500)
    by_hand = [loss[int(j / 1.2) : j + 1].mean() for j in range(500)]
    np.testing.assert_allclose(published.smooth(loss), by_hand, rtol=1e-12)


def test_published_subsample_has_the_last_point_twice_where_it_lies_on_the_grid():
    for T, last in ((12000, [12000, 12000]), (12345, [12000, 12345])):
        steps = np.arange(0, T + 1.0)
        kept = steps[published.subsample(steps)]
        assert kept[:11].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
        assert kept[(kept >= 100) & (kept < 140)].tolist() == [100, 110, 120, 130]
        assert kept[(kept >= 1000) & (kept < 1400)].tolist() == [1000, 1100, 1200, 1300]
        assert kept[-2:].tolist() == last
    far = np.arange(0, 300001.0, 500)
    kept = far[published.subsample(far)]
    assert set(np.diff(kept[kept >= 100000])) == {0.0, 1000.0}


def test_published_estimator_lags_on_a_noiseless_curve_and_ours_does_not():
    steps = np.arange(1, 262145.0)
    loss = curve_of(steps, 6000)
    theirs, ours = fit(steps, loss, compat="paper"), fit(steps, loss, bootstrap=0)
    assert theirs.t_d.value == pytest.approx(6552, abs=2)
    assert ours.t_d.value == pytest.approx(6000, rel=1e-4)


def test_published_estimator_turned_back_is_the_same_curve():
    """From its own start this curve ends with f1 < 0, the slope after the break first."""
    steps = np.arange(1, 60001.0)
    fitted = fit(steps, curve_of(steps, 2500), compat="paper")
    assert fitted.params["f1"] > 0
    assert fitted.params["c0"] == pytest.approx(0.2, abs=2e-3)
    assert fitted.params["c1"] == pytest.approx(-0.18, abs=2e-3)
    assert fitted.t_d.value == pytest.approx(2500 * 6552 / 6000, rel=5e-3)
    assert fitted.rsle < 1e-3
    steps, loss = fitted.points
    there = fit(steps, loss, compat="paper", smooth="none", start=1500)
    for name in published.NAMES:
        assert fitted.params[name] == pytest.approx(there.params[name], rel=1e-4)
        assert fitted.se[name] == pytest.approx(there.se[name], rel=1e-2)


def test_published_estimator_refuses_a_short_run_and_says_what_to_do():
    steps = np.arange(1, 3001.0)
    with pytest.raises(UserError, match=r"start at step 6000 does not lie within .*--start.*without --compat paper"):
        fit(steps, curve_of(steps, 400), compat="paper")
    moved = fit(steps, curve_of(steps, 400), compat="paper", start=600)
    assert moved.t_d.value == pytest.approx(437, abs=5)


def test_published_estimator_keeps_file_order_and_repeats():
    steps = np.array([*np.arange(150, 20000, 50.0), 19950.0, 19950.0])
    loss = curve_of(steps, 3000)
    loss[5] = math.nan
    fitted = fit(steps, loss, compat="paper", smooth="none", start=3000)
    assert fitted.n_used == steps.size - 1
    assert fitted.dropped == {"nonfinite": 1, "repeated": 0, "nonpositive_step": 0, "transient": 0}
    assert {"nonfinite_dropped", "repeated_steps"} <= codes(fitted)


# -- the model and its fit -------------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=3),
    st.lists(st.floats(2, 9), min_size=2, max_size=2),
    st.lists(st.floats(*LOG_F), min_size=2, max_size=2),
)
def test_jacobian_is_the_difference_quotient(slopes, places, smoothness):
    parameters = np.array([[1.0, slopes[0], slopes[1], places[0], smoothness[0], slopes[2], places[1], smoothness[1]]])
    u = np.linspace(1, 10, 40)
    exact = jacobian(parameters, u)[0]
    for i in range(8):
        shift = np.zeros(8)
        shift[i] = 1e-6
        quotient = (predict(parameters + shift, u) - predict(parameters - shift, u))[0] / 2e-6
        np.testing.assert_allclose(exact[i], quotient, atol=2e-7)


def test_model_is_the_papers():
    steps = np.geomspace(1, 1e7, 50)
    np.testing.assert_allclose(np.exp(predict(row(6000), np.log(steps))[0]), curve_of(steps, 6000), rtol=1e-12)
    assert np.isfinite(predict(row(6000, f=0.018), np.log(np.array([1e-300, 1e300])))).all()


@pytest.mark.parametrize("breaks", [1, 2])
def test_fit_is_as_good_as_scipys_from_many_starts(breaks):
    rng = np.random.default_rng(breaks)
    u = np.linspace(math.log(100), math.log(262144), 120)
    log_y = predict(row(6000), u) + ar1(120, 0.7, 0.02, rng)
    axis = Axis(u)
    _, squares = axis.fit(log_y, breaks)
    low, high = u[4], u[-5]

    def scipys(log_d, log_f):
        start = [log_y.mean() + 0.1 * u.mean(), 0.1]
        for d, c in zip(log_d, (-0.1, 0.1), strict=False):
            start += [c, d, log_f]
        bounds = ([-np.inf] * 2 + [-np.inf, low, LOG_F[0]] * breaks, [np.inf] * 2 + [np.inf, high, LOG_F[1]] * breaks)
        return least_squares(
            lambda p: predict(p[None], u)[0] - log_y[0],
            start,
            jac=lambda p: jacobian(p[None], u)[0].T,
            bounds=bounds,
            x_scale="jac",
            xtol=1e-12,
            ftol=1e-12,
        )

    knots = np.linspace(low + 0.1, high - 0.1, 4)
    places = [[d] for d in knots] if breaks == 1 else [[d, e] for d in knots for e in knots if e > d]
    best = min(2 * scipys(place, log_f).cost for place in places for log_f in (-2.5, -1.0, 0.0))
    assert squares[0] <= best * (1 + 1e-6)


def test_many_curves_at_once_are_each_curve_alone():
    u = np.linspace(5, 12, 80)
    log_y = predict(row(6000), u) + np.random.default_rng(0).normal(0, 0.02, (5, 80))
    axis = Axis(u)
    for breaks in (0, 1, 2):
        together = axis.fit(log_y, breaks)[1]
        alone = [axis.fit(one[None], breaks)[1][0] for one in log_y]
        np.testing.assert_allclose(together, alone, rtol=1e-7)


@pytest.mark.parametrize(("T", "t_d"), [(262144, 6000), (60000, 2500), (20000, 3000), (3000, 400)])
def test_noiseless_curves(T, t_d):
    steps = np.arange(1, T + 1.0)
    fitted = fit(steps, curve_of(steps, t_d), bootstrap=0)
    assert fitted.verdict == "deceleration"
    assert fitted.selection["breaks"] == 1
    assert fitted.t_d.value == pytest.approx(t_d, rel=1e-3)
    L_d = 20 * t_d**-0.2
    assert fitted.L_d.value == pytest.approx(L_d, rel=1e-3)
    assert fitted.r_d.value == pytest.approx(0.02, abs=1e-4)
    assert fitted.L_T_hat.value == pytest.approx(L_d * (T / t_d) ** -0.02, rel=1e-3)
    assert fitted.params["f1"] == pytest.approx(0.3, rel=1e-3)
    assert fitted.rsle < 1e-5
    assert codes(fitted) == set()
    assert fitted.dropped["transient"] == (100 if T >= 5000 else max(10, T // 50))
    assert fitted.n_used == T - fitted.dropped["transient"]
    assert len(fitted.points[0]) <= 200


@pytest.mark.parametrize("tokens", [0.001, 3.7, 33559.21543237567, 524288.0, 1e9])
def test_scale_of_the_axis_moves_t_d_only_as_a_unit(tokens):
    steps = np.arange(1, 8001.0)
    noise = ar1(8000, 0.9, 0.01, np.random.default_rng(3))
    loss = curve_of(steps, 700, noise=noise)
    plain = fit(steps, loss, bootstrap=50)
    guessed = fit(Curve(steps * tokens, loss, x_name="tokens", unit=None), bootstrap=50)
    given_unit = fit(Curve(steps * tokens, loss, x_name="tokens", unit=tokens), bootstrap=50)
    assert codes(guessed) == {"unit_guessed"}
    for name in ("t_d", "L_d", "r_d", "L_T_hat"):
        for end in ("value", "low", "high"):
            expected = getattr(getattr(plain, name), end)
            assert getattr(getattr(guessed, name), end) == pytest.approx(expected, rel=1e-6)
            assert getattr(getattr(given_unit, name), end) == pytest.approx(expected, rel=1e-6)


def test_scale_of_the_axis_by_itself():
    """An axis of steps that is stretched: t_d goes with it, L_d and r_d stay."""
    steps = log_steps(262144)
    loss = curve_of(steps, 6000, noise=ar1(len(steps), 0.5, 0.01, np.random.default_rng(0)))
    one, thousand = fit(steps, loss, skip=0), fit(1000 * steps, loss, skip=0)
    for end in ("value", "low", "high"):
        assert getattr(thousand.t_d, end) == pytest.approx(1000 * getattr(one.t_d, end), rel=1e-6)
        for name in ("L_d", "r_d", "L_T_hat"):
            assert getattr(getattr(thousand, name), end) == pytest.approx(getattr(getattr(one, name), end), rel=1e-6)


def test_log_bins_by_hand():
    steps = np.array([1.0, 2.0, 2.00001, 100.0])
    binned = log_bins(steps, np.array([8.0, 4.0, 2.0, 1.0]), 0, 100.0)
    assert binned.counts.tolist() == [1, 2, 1]
    np.testing.assert_allclose(np.exp(binned.log_y), [8, 3, 1])
    np.testing.assert_allclose(binned.log_x, [0, math.log(2 * 2.00001) / 2, math.log(100)])


def test_effective_points():
    rng = np.random.default_rng(0)
    ones = np.ones(20000)
    white, _ = effective_points(rng.normal(size=20000), ones, 5)
    assert white == pytest.approx(20000, rel=0.05)
    n, rho = effective_points(ar1(20000, 0.7, 1, rng), ones, 5)
    assert rho == pytest.approx(0.7, abs=0.03)
    assert n == pytest.approx(20000 * 0.3 / 1.7, rel=0.1)
    counts = np.repeat([1.0, 100.0], 10000)
    n, _ = effective_points(rng.normal(size=20000) / np.sqrt(counts), counts, 5)
    assert n == pytest.approx(10000, rel=0.06)  # the half with one row each holds the noise


# -- intervals ---------------------------------------------------------------------------------------------------------


def share_held(noise_of, curves: int, steps: np.ndarray, bootstrap: int) -> dict[str, float]:
    truth = {name: value[0] for name, value in quantities(row(6000), 0, steps[-1]).items()}
    held = dict.fromkeys(truth, 0)
    for number in range(curves):
        noise = noise_of(np.random.default_rng([17, number]))
        fitted = fit(steps, curve_of(steps, 6000, noise=noise), bootstrap=bootstrap, seed=number)
        for name, value in truth.items():
            estimate = getattr(fitted, name)
            held[name] += estimate is not None and estimate.low <= value <= estimate.high
    return {name: count / curves for name, count in held.items()}


@pytest.mark.slow
def test_coverage_on_white_noise():
    steps = log_steps(262144, 0.05)
    held = share_held(lambda rng: rng.normal(0, 0.01, len(steps)), 200, steps, 150)
    assert all(0.88 <= share <= 0.99 for share in held.values()), held


@pytest.mark.slow
def test_coverage_on_autocorrelated_noise():
    """AR(1) with 0.7 per 0.06 in log x, on which a block bootstrap of sqrt(n) held 65 % and a sieve 78 %."""
    steps = log_steps(262144, 0.06)
    held = share_held(lambda rng: ar1(len(steps), 0.7, 0.01, rng), 200, steps, 150)
    assert all(0.88 <= share <= 0.99 for share in held.values()), held


def test_intervals_widen_with_autocorrelation_and_level():
    steps = log_steps(262144)
    rng = np.random.default_rng(0)

    def width(noise, **options):
        t_d = fit(steps, curve_of(steps, 6000, noise=noise), bootstrap=100, **options).t_d
        return math.log(t_d.high / t_d.low)

    white = np.median([width(rng.normal(0, 0.01, len(steps))) for _ in range(5)])
    together = np.median([width(ar1(len(steps), 0.7, 0.01, rng)) for _ in range(5)])
    assert together > 1.5 * white
    noise = rng.normal(0, 0.01, len(steps))
    assert width(noise, level=0.5) < width(noise, level=0.9) < width(noise, level=0.99)


def test_intervals_follow_the_seed_and_differ_between_curves():
    steps = log_steps(60000)
    loss = curve_of(steps, 2500, noise=np.random.default_rng(0).normal(0, 0.01, len(steps)))
    one, same, other = (fit(steps, loss, bootstrap=40, seed=seed) for seed in (0, 0, 1))
    assert one.to_dict() == same.to_dict()
    assert (one.t_d.value, one.n_used) == (other.t_d.value, other.n_used)
    assert one.t_d.low != other.t_d.low
    scaled = fit(steps, 2 * loss, bootstrap=40, seed=0)  # another curve at the same seed draws other noise
    assert np.corrcoef(one.t_d.draws, scaled.t_d.draws)[0, 1] < 0.8


def test_without_resamples_there_is_no_interval():
    steps = np.arange(1, 6001.0)
    fitted = fit(steps, curve_of(steps, 700), bootstrap=0)
    assert (fitted.t_d.low, fitted.t_d.high, fitted.draws) == (None, None, None)
    assert np.isnan(fitted.band([10, 100])).all()


def test_band_holds_the_curve_and_predict_is_it():
    steps = log_steps(262144)
    fitted = fit(steps, curve_of(steps, 6000, noise=np.random.default_rng(1).normal(0, 0.01, len(steps))))
    x = np.geomspace(200, 262144, 30)
    low, high = fitted.band(x)
    assert (low < fitted.predict(x)).all()
    assert (fitted.predict(x) < high).all()
    assert ((low < curve_of(x, 6000)) & (curve_of(x, 6000) < high)).mean() > 0.6
    assert fitted.rsle == pytest.approx(
        np.sqrt(np.mean(np.log(fitted.predict(fitted.points[0]) / fitted.points[1]) ** 2)), rel=1e-9
    )


# -- verdicts and flags ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("T", "rho", "sd"), [(262144, 0.0, 0.02), (262144, 0.7, 0.02), (262144, 0.9, 0.02), (3000, 0.7, 0.02)]
)
def test_no_false_alarm_on_power_laws(T, rho, sd):
    """At most 2 of 50 curves are anything but "none" (measured: 0 to 2 % of 200), without the help of an interval."""
    rng = np.random.default_rng(T + int(10 * rho))
    steps = log_steps(T, 0.06, first=101 if T >= 5000 else 61)
    verdicts = [
        fit(steps, 5 * steps**-0.1 * np.exp(ar1(len(steps), rho, sd, rng)), bootstrap=0).verdict for _ in range(50)
    ]
    assert verdicts.count("none") >= 48


def test_no_false_alarm_on_a_raw_log_of_every_step():
    """The first bins hold few rows, so they are noisier; a plain BIC of 200 points takes that for a break."""
    rng = np.random.default_rng(0)
    steps = np.arange(1, 5001.0)
    verdicts = [fit(steps, 5 * steps**-0.1 * np.exp(rng.normal(0, 0.1, 5000)), bootstrap=0).verdict for _ in range(40)]
    assert verdicts.count("none") >= 39


def test_none_has_no_estimates_but_a_curve():
    steps = np.arange(1, 20001.0)
    fitted = fit(steps, 5 * steps**-0.1, bootstrap=20)
    found = fitted.to_dict()
    assert found["verdict"] == "none"
    assert [found[name] for name in ("t_d", "L_d", "r_d", "L_T_hat")] == [None] * 4
    assert found["params"] == {
        "b": pytest.approx(5),
        "c0": pytest.approx(0.1, abs=1e-5),
        "c1": None,
        "log_d1": None,
        "f1": None,
    }
    assert fitted.predict([50.0])[0] == pytest.approx(5 * 50**-0.1, rel=1e-4)
    assert np.isfinite(fitted.band([50.0])).all()
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("bootstrap", [0, 30])
@pytest.mark.parametrize("loss_of", [np.ones_like, lambda x: 1 + x / 1e4, lambda x: x**0.3, lambda x: np.exp(x / 1e4)])
def test_constant_and_rising_losses(loss_of, bootstrap):
    steps = np.arange(1, 10001.0)
    fitted = fit(steps, loss_of(steps), bootstrap=bootstrap)
    assert fitted.verdict == "none"
    json.dumps(fitted.to_dict(), allow_nan=False)


def test_acceleration_is_none_with_a_flag():
    rng = np.random.default_rng(0)
    steps = log_steps(262144)
    for rho in (0.0, 0.7):
        loss = curve_of(steps, 6000, c0=0.05, c1=0.15, noise=ar1(len(steps), rho, 0.01, rng))
        fitted = fit(steps, loss, bootstrap=20)
        assert fitted.verdict == "none"
        assert fitted.t_d is None
        assert codes(fitted) == {"accelerates"}
        assert "--until" in fitted.flags[0].message


def cooldown_curve(T=100000, t_d=4000, from_step=80000, rise=0.4, noise: np.ndarray | float = 0.0):
    steps = np.arange(1, T + 1.0)
    loss = curve_of(steps, t_d, noise=noise) * (1 + (steps / from_step) ** 20) ** (-rise / 20)
    return steps, loss


def test_two_breaks_with_a_cooldown():
    steps, loss = cooldown_curve(noise=np.random.default_rng(0).normal(0, 0.01, 100000))
    fitted = fit(steps, loss, bootstrap=100)
    assert fitted.verdict == "deceleration"
    assert fitted.selection["breaks"] == 2
    assert {"second_break", "in_cooldown"} <= codes(fitted)
    assert fitted.t_d.low <= 4000 <= fitted.t_d.high
    assert fitted.r_d.value == pytest.approx(0.02, abs=0.01)
    assert math.exp(fitted.params["log_d2"]) == pytest.approx(80000, rel=0.1)
    assert fitted.L_T < fitted.L_T_hat.value
    advice = next(flag.message for flag in fitted.flags if flag.code == "second_break")
    until = float(advice.split("--until ")[1].split()[0])
    shorter = fit(steps, loss, until=until, bootstrap=0)
    assert shorter.selection["breaks"] == 1
    assert shorter.T <= until
    assert shorter.n_raw == 100000
    assert codes(shorter) == set()
    constant = Curve(steps, loss, settings={"train": {"schedule": "constant"}})
    assert codes(fit(constant, bootstrap=0)) == {"second_break"}


def test_breaks_asked_for():
    steps, loss = cooldown_curve()
    assert fit(steps, loss, breaks=0, bootstrap=0).verdict == "none"
    assert fit(steps, loss, breaks=1, bootstrap=0).selection["breaks"] == 1
    straight = 5 * steps**-0.1 * np.exp(np.random.default_rng(0).normal(0, 0.01, 100000))
    forced = fit(steps, straight, breaks=1, bootstrap=0)
    assert forced.verdict in ("uncertain", "none")  # BIC would not have broken it


def test_a_bend_before_the_slowing_leaves_the_published_break_and_is_said():
    fitted = fit(read_curve(zsl("14M.csv")))
    assert fitted.verdict == "deceleration"
    assert fitted.selection["breaks"] == 1
    assert codes(fitted) == {"more_breaks"}
    assert fitted.t_d.low < 5877 < fitted.t_d.high  # the published estimate
    assert math.log(fitted.t_d.high / fitted.t_d.low) > 0.15  # the published standard error says 0.045
    unbinned = fit(read_curve(zsl("14M.csv")), smooth="none", bootstrap=0)
    assert unbinned.t_d.value == pytest.approx(5877, abs=1)  # the published optimum


def test_uncertain_where_the_run_ends_soon_after_or_the_interval_is_wide():
    steps = np.arange(1, 14001.0)
    soon = fit(steps, curve_of(steps, 6000), bootstrap=0)
    assert soon.verdict == "uncertain"
    assert soon.t_d.value == pytest.approx(6000, rel=1e-2)
    steps = log_steps(262144)
    wide = fit(steps, curve_of(steps, 6000, noise=ar1(len(steps), 0.7, 0.05, np.random.default_rng(2))))
    assert wide.verdict == "uncertain"
    assert math.log(wide.t_d.high / wide.t_d.low) > 1


def test_warmup_flag():
    steps = np.arange(1, 3001.0)
    loss = curve_of(steps, 400)
    assert "near_warmup" not in codes(fit(steps, loss, bootstrap=0))
    assert "near_warmup" not in codes(fit(steps, loss, bootstrap=0, warmup=199))
    assert "near_warmup" in codes(fit(steps, loss, bootstrap=0, warmup=201))
    known = Curve(steps, loss, settings={"train": {"warmup": 201}})
    assert "near_warmup" in codes(fit(known, bootstrap=0))
    assert "near_warmup" not in codes(fit(known, bootstrap=0, warmup=0))


def test_schedule_flag():
    steps = np.arange(1, 3001.0)

    def flags(**train):
        return codes(fit(Curve(steps, curve_of(steps, 400), settings={"train": train}), bootstrap=0))

    assert flags(schedule="cosine", steps=3000) == {"in_cooldown"}
    assert flags(schedule="constant", steps=3000) == set()
    assert flags(schedule="cosine", steps=30000) == set()


def test_few_points_on_either_side():
    steps = np.arange(100, 20001, 100.0)
    few_before = fit(steps, curve_of(steps, 2000), bootstrap=0)
    assert "downsampled" in codes(few_before)
    assert "18 logged points" in next(flag.message for flag in few_before.flags)
    steps = np.concatenate([np.arange(1, 5000.0), np.linspace(5000, 60000, 20)])
    assert "few_points_after" in codes(fit(steps, curve_of(steps, 5500), bootstrap=0))


def test_a_loss_that_turns_up_is_told():
    steps = np.arange(1, 20001.0)
    fitted = fit(steps, curve_of(steps, 1000, c1=-0.3), bootstrap=0)
    assert fitted.r_d.value < 0
    assert "rises_after" in codes(fitted)


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_messy_log_is_counted_and_gives_the_clean_fit():
    steps = np.arange(1, 6001.0)
    loss = curve_of(steps, 600, noise=np.random.default_rng(0).normal(0, 0.01, 6000))
    plain = fit(steps, loss, bootstrap=0)
    shuffle = np.random.default_rng(1).permutation(6000)
    x = np.concatenate([[700.0, 800.0], steps[shuffle], [0.0, -3.0, 9.5, 10.5]])
    y = np.concatenate([[99.0, 98.0], loss[shuffle], [5.0, 5.0, math.nan, math.inf]])
    messy = fit(x, y, bootstrap=0)
    assert messy.t_d.value == pytest.approx(plain.t_d.value, rel=1e-9)
    assert messy.dropped == {"nonfinite": 2, "repeated": 2, "nonpositive_step": 2, "transient": 100}
    assert messy.n_used + sum(messy.dropped.values()) == messy.n_raw == 6006
    assert {"nonfinite_dropped", "repeated_steps", "unsorted"} <= codes(messy)


@pytest.mark.parametrize("count", [3, 30, 39])
def test_too_few_points(count):
    steps = np.arange(1, count + 1.0)
    with pytest.raises(UserError, match=rf"{max(0, count - 10)} usable points .* at least 30 are needed"):
        fit(steps, steps**-0.1)
    with pytest.raises(UserError, match="at least 30 are needed"):
        fit(steps, steps**-0.1, compat="paper")


def test_thirty_points_are_enough_wherever_they_lie():
    for steps in (np.arange(11, 41.0), np.arange(1e6, 1e6 + 30), np.geomspace(150, 1e6, 30)):
        assert fit(steps, 5 * steps**-0.1, bootstrap=10).verdict == "none"


def test_points_in_one_place_of_the_log_axis():
    steps = np.concatenate([[200.0], np.arange(1e6, 1e6 + 500)])
    with pytest.raises(UserError, match=r"501 points lie in \d places of the log axis"):
        fit(steps, steps**-0.1)


def test_losses_that_are_none():
    steps = np.arange(1, 101.0)
    with pytest.raises(UserError, match=r"must be positive.*row 7 "):
        fit(steps, np.where(steps == 7, -1.0, 3.0))
    with pytest.raises(UserError, match=r"must be positive.*row 7 "):
        fit(steps, np.where(steps == 7, 0.0, 3.0), compat="paper")
    with pytest.raises(UserError, match="at least 30"):
        fit(steps, np.full(100, math.nan))
    with pytest.raises(ValueError, match="one length"):
        fit(steps, np.ones(3))
    with pytest.raises(ValueError, match="needs the losses"):
        fit(steps)
    with pytest.raises(UserError, match="--until"):
        fit(steps, steps, until=0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("compat", "papers"),
        ("smooth", "yes"),
        ("skip", -1),
        ("skip", math.nan),
        ("until", 0),
        ("breaks", 3),
        ("breaks", "1"),
        ("warmup", -1),
        ("bootstrap", -1),
        ("bootstrap", 2.5),
        ("level", 1.0),
        ("level", 0),
        ("seed", -1),
        ("start", 0),
        ("start", 5000),
    ],
)
def test_impossible_options(name, value):
    steps = np.arange(1, 1001.0)
    with pytest.raises(UserError, match=f"--{name}"):
        fit(steps, curve_of(steps, 100), **{name: value})


def test_options_that_do_not_go_together():
    steps = np.arange(1, 5001.0)
    with pytest.raises(UserError, match=r"--breaks 2 .*--compat paper"):
        fit(steps, curve_of(steps, 100), compat="paper", breaks=2)
    with pytest.raises(UserError, match="--smooth none fits every point"):
        fit(steps, curve_of(steps, 100), smooth="none")


# -- attribution -------------------------------------------------------------------------------------------------------


def test_published_attribution():
    a, b = (fit(read_curve(zsl(f"{model}.csv")), compat="paper", smooth="none") for model in ("14M", "144M"))
    found = compare(a, b)
    assert found.delta_log_L_T_hat.value == pytest.approx(-0.26046, abs=1e-5)
    expected = {"L_d": -0.22134, "r_d": -0.03970, "t_d": 0.00059, "T": -0.000004}
    for name, value in expected.items():
        assert found.terms[name].value == pytest.approx(value, abs=1e-5)
    assert found.delta_log_L_T_hat.value == pytest.approx(math.log(b.L_T_hat.value / a.L_T_hat.value), abs=1e-12)
    assert found.delta_log_L_T_hat.low is None


@pytest.mark.parametrize("seed", range(6))
def test_attribution_adds_up(seed):
    rng = np.random.default_rng(seed)
    t_d, c0 = rng.uniform(600, 3000), rng.uniform(0.15, 0.3)
    fits = []
    for T, place, slope in ((40000, 1500, 0.2), (60000, t_d, c0)):
        steps = log_steps(T)
        noise = rng.normal(0, 0.005, len(steps))
        fits.append(fit(steps, curve_of(steps, place, c0=slope, c1=0.02 - slope, noise=noise), bootstrap=20))
    found, back = compare(*fits), compare(*fits[::-1])
    assert sum(term.value for term in found.terms.values()) == pytest.approx(found.delta_log_L_T_hat.value, abs=1e-12)
    draws = sum(term.draws for term in found.terms.values())
    np.testing.assert_allclose(draws, found.delta_log_L_T_hat.draws, atol=1e-12)
    for name, term in found.terms.items():
        assert back.terms[name].value == pytest.approx(-term.value, abs=1e-12)


def test_attribution_with_itself_is_zero_and_its_interval_pairs_draws():
    steps = log_steps(60000)
    rng = np.random.default_rng(0)
    a, b = (
        fit(steps, curve_of(steps, 2500, noise=rng.normal(0, 0.01, len(steps))), bootstrap=draws) for draws in (60, 80)
    )
    assert [term.value for term in compare(a, a).terms.values()] == [0.0] * 4
    found = compare(a, b)
    assert found.delta_log_L_T_hat.draws.size == 60
    expected = np.log(b.L_T_hat.draws[:60]) - np.log(a.L_T_hat.draws)
    np.testing.assert_allclose(found.delta_log_L_T_hat.draws, expected, atol=1e-12)
    low, high = np.quantile(expected, [0.025, 0.975])
    assert (found.delta_log_L_T_hat.low, found.delta_log_L_T_hat.high) == pytest.approx((low, high))
    json.dumps(found.to_dict(), allow_nan=False)


def test_attribution_refuses_a_curve_without_a_break():
    steps = np.arange(1, 20001.0)
    broken, straight = fit(steps, curve_of(steps, 1000), bootstrap=0), fit(steps, steps**-0.1, bootstrap=0)
    with pytest.raises(UserError, match=r"verdict on B \(arrays\) is 'none'"):
        compare(broken, straight)
    with pytest.raises(UserError, match=r"verdict on A \(arrays\) and B \(arrays\)"):
        compare(straight, straight)


# -- what is printed ---------------------------------------------------------------------------------------------------


def test_json_has_the_contracts_fields():
    steps = np.arange(1, 6001.0)
    found = fit(steps, curve_of(steps, 600), bootstrap=10).to_dict()
    assert list(found) == [
        "source",
        "metric",
        "x",
        "compat",
        "verdict",
        "t_d",
        "L_d",
        "r_d",
        "L_T_hat",
        "L_T",
        "T",
        "params",
        "se",
        "rsle",
        "n_raw",
        "n_used",
        "dropped",
        "flags",
        "selection",
    ]
    assert set(found["t_d"]) >= {"value", "low", "high", "level", "n", "method"}
    assert set(found["params"]) == {"b", "c0", "c1", "log_d1", "f1"}
    assert set(found["selection"]["bic"]) == {"0", "1", "2"}
    assert found["se"] is None
