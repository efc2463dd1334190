"""Runs beside each other: two groups in one figure, the figures they share, and one metric's curves with a band."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from made_runs import estimate, made, write_rows

from gnomon.server import run_shapes as shapes
from gnomon.server.metrics_file import MetricsFile
from gnomon.server.run_curves import band, curve, on_common_places, repeats
from gnomon.stats import mean


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two groups of five finished runs, of which those of `new` are better, and one that has not finished."""
    root = tmp_path / "runs"
    for seed in range(5):
        for arm, better in (("new", 0.2), ("old", 0.0)):
            value = 0.5 + better + seed / 100
            summary = {"accuracy_after": estimate(value, 0, 1), "loss": {"final": 1 - value}, "seed": seed}
            made(root / arm / str(seed), seed=seed, summary=summary)
    made(root / "unfinished", state="interrupted")
    return root


def asked(field: str, arm: str, seeds: Any = range(5)) -> list[tuple[str, str]]:
    return [(field, f"{arm}~{seed}") for seed in seeds]


def compared(client: TestClient, a: str = "new", b: str = "old", **more: Any) -> dict[str, Any]:
    answer = client.get("/api/runs/compare", params=[*asked("a", a), *asked("b", b), *more.items()])
    assert answer.status_code == 200, answer.text
    shapes.Comparison.model_validate(answer.json())
    return answer.json()


def refused(client: TestClient, call: str, params: Any) -> tuple[str, str | None, str]:
    answer = client.get(f"/api/runs/{call}", params=params)
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    return error["code"], error.get("field"), error["message"]


def test_two_groups_are_compared_and_the_verdict_says_which_is_better(client, runs):
    found = compared(client, figure="accuracy_after")
    assert (found["decision"], found["figure"], found["paired"]) == ("greater", "accuracy_after", False)
    assert [row["run"] for row in found["a"]] == [f"new~{seed}" for seed in range(5)]
    assert [row["seed"] for row in found["b"]] == list(range(5))
    assert found["shift"]["value"] == pytest.approx(0.2)
    assert found["verdict"][0].startswith("A is better: its accuracy_after is larger")


def test_smaller_can_be_better_and_runs_can_be_paired_by_seed(client, runs):
    found = compared(client, figure="loss.final", lower="true", paired="true")
    assert (found["decision"], found["paired"], found["n_x"]) == ("less", True, 5)
    assert found["verdict"][0].startswith("A is better: its loss.final is smaller")


def test_a_figure_may_be_left_out_where_only_one_is_shared(client, runs):
    for seed in range(5):
        made(runs / "bare" / str(seed), seed=seed, summary={"loss": {"final": 0.1}})
    assert compared(client, "bare", "old")["figure"] == "loss.final"


def test_a_comparison_that_cannot_be_made_says_why(client, runs):
    def both(a: Any, b: Any, **more: Any) -> tuple[str, str | None, str]:
        return refused(client, "compare", [*a, *b, *more.items()])

    new, old = asked("a", "new"), asked("b", "old")
    code, field, said = both(new, old)
    assert (code, field) == ("invalid", "figure")
    assert "accuracy_after, loss.final" in said
    assert both(new, old, figure="accuracy")[1] == "figure"
    code, field, said = both([("a", "unfinished")], old, figure="accuracy_after")
    assert (code, field) == ("invalid", "a")
    assert "'unfinished' is interrupted" in said
    code, _, said = both(new[:1], old[:1], figure="accuracy_after")
    assert code == "undecidable"
    assert "at least 4 seeds" in said
    assert both(new[:4], old, figure="accuracy_after", paired="true")[:2] == ("invalid", "paired")
    assert "stands twice" in both(new, asked("b", "new"), figure="accuracy_after")[2]
    assert both([], old)[1] == "a"
    missing = client.get("/api/runs/compare?a=nothing&b=old~0")
    assert missing.status_code == 404


def test_a_broken_run_cannot_be_compared(client, runs):
    (runs / "new" / "0" / "recipe.toml").write_text("[")
    code, _, said = refused(client, "compare", [*asked("a", "new"), *asked("b", "old")])
    assert code == "broken"
    assert "recipe.toml of '0' is broken TOML" in said


def test_the_figures_that_all_runs_have_are_listed(client, runs):
    def figures(*names: str) -> list[str]:
        answer = client.get("/api/runs/figures", params=[("run", name) for name in names]).json()
        shapes.Figures.model_validate(answer)
        return answer["figures"]

    assert figures("new~0", "old~1") == ["accuracy_after", "loss.final"]
    made(runs / "bare", summary={"loss": {"final": 0.1}})
    assert figures("new~0", "bare") == ["loss.final"]
    assert figures("new~0", "unfinished") == []
    assert refused(client, "figures", [])[1] == "run"


# -- curves -----------------------------------------------------------------------------------------------------------


def log(folder: Path, rows: Any) -> None:
    write_rows(folder / "metrics.jsonl", rows)


def curves(client: TestClient, *names: str, **more: Any) -> dict[str, Any]:
    answer = client.get("/api/runs/curves", params=[*(("run", name) for name in names), *more.items()])
    assert answer.status_code == 200, answer.text
    shapes.Curves.model_validate(answer.json())
    return answer.json()


def test_curves_at_equal_steps_are_what_was_logged_and_their_mean_has_its_t_interval(client, runs):
    for seed in range(3):
        log(runs / "new" / str(seed), [{"step": step, "time": step, "reward": step + seed} for step in range(1, 6)])
    found = curves(client, "new~0", "new~1", "new~2", name="reward")
    assert found["x"] == [1, 2, 3, 4, 5]
    assert [each["y"] for each in found["runs"]] == [[step + seed for step in range(1, 6)] for seed in range(3)]
    assert found["mean"] == [2, 3, 4, 5, 6]
    assert found["n"] == [3] * 5
    expected = mean([1.0, 2.0, 3.0])
    assert (found["low"][0], found["high"][0]) == (expected.low, expected.high)


def test_a_curve_ends_where_its_run_does_and_a_single_run_has_no_interval(client, runs):
    log(runs / "new" / "0", [{"step": step, "time": 0, "reward": 1.0} for step in (0, 10)])
    log(runs / "new" / "1", [{"step": step, "time": 0, "reward": 3.0} for step in (5, 20)])
    found = curves(client, "new~0", "new~1", name="reward", points=5)
    assert found["x"] == [0, 5, 10, 15, 20]
    assert [each["y"] for each in found["runs"]] == [[1, 1, 1, None, None], [None, 3, 3, 3, 3]]
    assert found["mean"] == [1, 2, 2, 3, 3]
    assert found["n"] == [1, 2, 2, 1, 1]
    assert [low is None for low in found["low"]] == [True, False, False, True, True]


def test_between_two_values_a_curve_is_straight(client, runs):
    log(runs / "new" / "0", [{"step": 0, "time": 0, "x": 0.0}, {"step": 4, "time": 9, "x": 8.0}])
    log(
        runs / "new" / "1", [{"step": 0, "time": 0, "x": 1.0}, {"step": 2, "time": 9, "x": None}, {"step": 4, "x": 1.0}]
    )
    found = curves(client, "new~0", "new~1", name="x", points=3)
    assert [each["y"] for each in found["runs"]] == [[0, 8], [1, 1]]
    log(runs / "new" / "1", [{"step": 1, "time": 0, "x": 1.0}, {"step": 3, "time": 0, "x": 3.0}])
    found = curves(client, "new~0", "new~1", name="x", points=5)
    assert [each["y"] for each in found["runs"]] == [[0, 2, 4, 6, 8], [None, 1, 2, 3, None]]


def test_curves_can_be_by_time_or_by_samples(client, runs):
    rows = [{"step": 0, "time": 0.5, "reward": 7.0}]
    rows += [{"step": step, "time": step * 2.0, "reward": step, "samples": step * 64} for step in (1, 2, 3)]
    log(runs / "new" / "0", rows)
    assert curves(client, "new~0", name="reward", by="time")["x"] == [0.5, 2, 4, 6]
    assert curves(client, "new~0", name="reward", by="samples")["x"] == [64, 128, 192]
    assert refused(client, "curves", [("run", "new~0"), ("name", "reward"), ("by", "luck")])[1] == "by"


def test_runs_that_differ_only_in_their_seed_are_a_group(client, runs):
    for arm in ("new", "old"):
        for seed in range(3):
            settings = {"seed": seed, "name": f"{arm}{seed}", "train": {"rate": 1 if arm == "new" else 2}}
            made(runs / f"{arm}-{seed}", seed=seed, settings=settings)
            log(
                runs / f"{arm}-{seed}", [{"step": 1, "reward": seed}, {"step": 2, "reward": 10 if arm == "new" else 20}]
            )
    found = curves(client, *(f"{arm}-{seed}" for seed in range(3) for arm in ("new", "old")), name="reward")
    assert [group["runs"] for group in found["groups"]] == [
        [f"{arm}-{seed}" for seed in range(3)] for arm in ("new", "old")
    ]
    assert [group["mean"] for group in found["groups"]] == [[1, 10], [1, 20]]
    assert found["mean"] == [1, 15]
    assert found["n"] == [6, 6]


def test_curves_of_what_nobody_logged_are_refused_and_of_what_one_did_are_drawn(client, runs):
    log(runs / "new" / "0", [{"step": 1, "time": 1, "reward": 2.0, "stage": "rl"}])
    both = [("run", "new~0"), ("run", "unfinished")]
    assert refused(client, "curves", [*both, ("name", "luck")])[1] == "name"
    assert refused(client, "curves", [*both, ("name", "stage")])[1] == "name"
    found = curves(client, "new~0", "unfinished", name="reward")
    assert [each["y"] for each in found["runs"]] == [[2], [None]]
    assert (found["x"], found["n"]) == ([1], [1])


def test_of_two_values_at_one_step_the_last_counts(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write_rows(
        path, [{"step": 2, "x": 1}, {"step": 1, "x": 5}, {"step": 2, "x": 3}, {"step": 3}, {"step": 3, "x": None}]
    )
    x, y = curve(MetricsFile(path), "x", "step")
    assert (x.tolist(), y.tolist()) == ([1, 2], [5, 3])
    assert [len(part) for part in curve(MetricsFile(path), "luck", "step")] == [0, 0]


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(-9, 9)), max_size=8), min_size=1, max_size=4),
    st.integers(2, 20),
)
def test_curves_at_common_places_stay_within_their_own_range_and_values(drawn, points):
    own = []
    for each in drawn:
        places = sorted(dict(each))
        own.append((np.array(places, float), np.array([dict(each)[place] for place in places], float)))
    places, values = on_common_places(own, points)
    assert values.shape == (len(own), len(places))
    assert len(places) <= points or any(len(places) == len(x) for x, _ in own)
    assert (np.diff(places) > 0).all()
    for (x, y), row in zip(own, values, strict=True):
        inside = (places >= x[0]) & (places <= x[-1]) if len(x) else np.zeros(len(places), bool)
        assert np.array_equal(np.isfinite(row), inside)
        if inside.any():
            assert y.min() - 1e-9 <= row[inside].min()
            assert row[inside].max() <= y.max() + 1e-9
    found = band(values)
    for place in range(len(places)):
        there = values[:, place][np.isfinite(values[:, place])]
        assert found["n"][place] == len(there)
        assert (
            found["mean"][place] is None
            if not len(there)
            else math.isclose(found["mean"][place], there.mean(), abs_tol=1e-12)
        )


def test_settings_are_equal_but_for_names():
    base = {"task": {"name": "add", "digits": [3]}, "seed": 1, "name": "a", "about": "x", "trackers": []}
    others = [{**base, "seed": 2, "name": "b"}, {**base, "task": {"name": "add"}}, {"seed": 3}]
    assert repeats([base, *others], [1, 2, 1, 3]) == [[0, 1], [2], [3]]


def test_the_seed_of_a_part_stands_aside_where_it_is_the_runs_own():
    def recipe(seed: int, of_data: int) -> dict[str, Any]:
        return {"train": {"steps": 9, "seed": seed}, "stages": [{"name": "I", "seed": seed}], "data": {"seed": of_data}}

    own = [recipe(0, 7), recipe(1, 7), recipe(1, 8)]
    assert repeats(own, [0, 1, 1]) == [[0, 1], [2]]
    assert repeats(own, [0, 5, 5]) == [[0], [1], [2]]
    assert repeats(own, [None, None, None]) == [[0], [1], [2]]
    turned = {name: recipe(1, 7)[name] for name in ("data", "stages", "train")}
    assert repeats([recipe(0, 7), turned], [0, 1]) == [[0, 1]]
