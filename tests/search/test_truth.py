"""What scores are worth against a target: published correlations, intervals, ties, and scores that failed."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr
from tiny_space import Tiny

from gnomon.errors import UserError
from gnomon.search.truth import _with_influence, judge, spearman_difference, truth

NAS = Path(os.environ.get("GNOMON_DATA_DIR", "/nowhere"), "nas")
given_tables = pytest.mark.skipif(not NAS.is_dir(), reason="the tables (nas/) are not in GNOMON_DATA_DIR")

# NAS-Bench-201, CIFAR-10: Spearman with accuracy, Spearman in the top tenth, accuracy of the cell that scores best.
PUBLISHED = {
    "jacov": (0.818, 0.15, None),
    "nwot": (0.792, -0.20, 89.78),
    "epe_nas": (0.787, None, None),
    "params": (0.747, 0.01, 90.36),
    "synflow": (0.732, 0.19, 90.36),
    "l2_norm": (0.720, None, None),
    "flops": (0.714, None, 90.36),
    "snip": (0.552, -0.34, 81.45),
    "grad_norm": (0.550, None, 81.45),
    "fisher": (0.501, None, None),
    "grasp": (0.491, None, None),
    "zen": (0.101, None, None),
    "plain": (-0.367, None, None),
}


@given_tables
def test_published_figures_of_nas_bench_201():
    found = truth(NAS / "nb201_cifar10.csv.gz", arch="net", target="val_accuracy", scores=list(PUBLISHED))
    assert found["architectures"] == 9445
    for name, (whole, top, best) in PUBLISHED.items():
        figures = found["scores"][name]
        assert figures["spearman"]["value"] == pytest.approx(whole, abs=1e-3)
        assert figures["spearman"]["low"] < figures["spearman"]["value"] < figures["spearman"]["high"]
        assert top is None or figures["spearman_top10"] == pytest.approx(top, abs=6e-3)
        assert best is None or figures["argmax_target"] == best
        # Of the thirteen only these three are better than counting parameters.
        assert figures["beats_params"] is (name in ("jacov", "nwot", "epe_nas"))
    assert found["scores"]["nwot"]["missing"] == 1
    assert found["scores"]["params"]["params_difference"]["value"] == 0


@given_tables
def test_perplexity_is_better_when_lower():
    from gnomon.search import spaces

    space = spaces.get("decoder-lm", vocab_size=50254, context=1024)
    found = truth(
        NAS / "gpt_s.csv.gz",
        arch="arch",
        target="perplexity",
        lower=True,
        scores=["params_non_embedding", "accuracy"],
        space=space,
    )
    assert found["architectures"] == 10_000
    assert found["scores"]["params_non_embedding"]["spearman"]["value"] == pytest.approx(0.98, abs=2e-3)
    assert found["scores"]["params_non_embedding"]["beats_params"] is None  # no column counts them
    assert found["scores"]["accuracy"]["argmax_target"] < 25  # as the table writes it, not negated


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_against_scipy_with_ties_and_gaps(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.normal(size=120).round(1)
    x = (y + rng.normal(size=120)).round(1)
    cells = [str(value) for value in x]
    cells[3], cells[7], cells[50] = "", "inf", "-1e8"
    rows = "".join(f"n{i},{cell},{goal}\n" for i, (cell, goal) in enumerate(zip(cells, y, strict=True)))
    found = truth(write(tmp_path, "net,s,y\n" + rows), arch="net", target="y", scores=["s"])["scores"]["s"]
    kept = np.delete(np.arange(120), [3, 7, 50])
    assert found["missing"] == 3
    assert found["spearman"]["value"] == pytest.approx(spearmanr(x[kept], y[kept]).statistic)
    assert found["kendall"] == pytest.approx(kendalltau(x[kept], y[kept]).statistic)
    top = kept[y[kept] >= np.quantile(y, 0.9)]
    assert found["spearman_top10"] == pytest.approx(spearmanr(x[top], y[top]).statistic)
    best = kept[np.argmax(x[kept])]
    assert (found["argmax"], found["argmax_target"]) == (f"n{best}", y[best])
    assert found["beats_params"] is None
    assert found["params_difference"] is None


def test_signs(tmp_path):
    path = write(tmp_path, "net,ntk_condition,loss\n" + "".join(f"n{i},{i},{i}\n" for i in range(1, 9)))
    found = truth(path, arch="net", target="loss", scores=["ntk_condition"], lower=True)["scores"]["ntk_condition"]
    assert found["spearman"]["value"] == 1  # small condition numbers are better, and so are small losses
    assert (found["argmax"], found["argmax_target"]) == ("n1", 1)
    found = truth(path, arch="net", target="loss", scores=["ntk_condition"])["scores"]["ntk_condition"]
    assert found["spearman"]["value"] == -1


def test_nulls_where_every_score_failed(tmp_path):
    path = write(tmp_path, "net,s,params,y\na,-1e8,1,1\nb,,2,2\nc,nan,3,3\nd,,4,4\ne,,5,5\n")
    found = truth(path, arch="net", target="y", scores=["s", "params"])["scores"]
    assert found["s"]["missing"] == 5
    empty = ("kendall", "spearman_top10", "argmax", "argmax_target", "beats_params")
    assert [found["s"][key] for key in empty] == [None] * 5
    assert [found["s"]["spearman"][key] for key in ("value", "low", "high")] == [None] * 3
    assert found["params"]["argmax"] == "e"


def test_targets_may_be_missing(tmp_path):
    path = write(tmp_path, "net,s,y\na,9,\nb,1,1\nc,2,2\nd,3,3\ne,4,5\n")
    found = truth(path, arch="net", target="y", scores=["s"])
    assert found["without_target"] == 1
    assert found["scores"]["s"]["spearman"]["value"] == 1
    assert (found["scores"]["s"]["argmax"], found["scores"]["s"]["argmax_target"]) == ("a", None)


def test_a_score_the_space_computes(tmp_path):
    space = Tiny()
    rng = np.random.default_rng(0)
    archs = list({space.encode(space.sample(rng)) for _ in range(200)})
    params = [space.describe(space.decode(text))["params"] for text in archs]
    rows = "".join(f"{text},{count + i % 3}\n" for i, (text, count) in enumerate(zip(archs, params, strict=True)))
    path = write(tmp_path, "net,y\n" + rows)
    found = truth(path, arch="net", target="y", scores=["params", "macs"], space=space)["scores"]
    goals = [count + i % 3 for i, count in enumerate(params)]
    assert found["params"]["spearman"]["value"] == pytest.approx(spearmanr(params, goals).statistic)
    assert found["macs"]["beats_params"] is not None
    with pytest.raises(UserError, match="'parms' is neither a column nor what space 'tiny' describes"):
        truth(path, arch="net", target="y", scores=["parms"], space=space)
    with pytest.raises(UserError, match="no column 'params', and without --space"):
        truth(path, arch="net", target="y", scores=["params"])


def test_an_architecture_on_several_rows(tmp_path):
    path = write(tmp_path, "task,net,s,y\nx,a,1,1\ny,a,2,2\n")
    with pytest.raises(UserError, match="'a' stands more than once: choose rows with --where"):
        truth(path, arch="net", target="y", scores=["s"])
    assert truth(path, arch="net", target="y", scores=["s"], where={"task": "x"})["architectures"] == 1


def test_a_small_lead_over_params_does_not_beat_them():
    rng = np.random.default_rng(0)
    y = rng.normal(size=30)
    params = y + rng.normal(size=30)
    for noise, beats in ((0.97, False), (0.1, True)):
        score = y + noise * (params - y)
        found = judge({"s": score, "params": params}, y, [str(i) for i in range(30)])["s"]
        assert found.difference.value > 0
        assert found.beats_params is beats
    noisy = y + rng.normal(size=30) * 0.9
    found = judge({"s": noisy, "params": params}, y, [str(i) for i in range(30)])["s"]
    assert found.difference.value > 0 > found.difference.low
    assert found.beats_params is False


def test_the_first_of_several_best():
    found = judge({"s": np.array([1.0, 3.0, 3.0, 2.0])}, np.array([1.0, 5.0, 6.0, 2.0]), list("abcd"))["s"]
    assert (found.argmax, found.argmax_target) == ("b", 5)


def correlated(rng, n, tied=False):
    """Two scores of different worth that share noise, and a target."""
    y = rng.normal(size=n)
    shared = rng.normal(size=n)
    x, other = y + shared + 0.3 * rng.normal(size=n), y + 1.3 * shared + 0.3 * rng.normal(size=n)
    return (x.round(0), other.round(0), y) if tied else (x, other, y)


@pytest.mark.parametrize("tied", [False, True])
def test_the_difference_has_the_error_of_the_bootstrap(tied):
    rng = np.random.default_rng(1)
    x, other, y = correlated(rng, 400, tied)
    found = spearman_difference(x, other, y)
    assert found.value == pytest.approx(spearmanr(x, y).statistic - spearmanr(other, y).statistic)
    draws = []
    for _ in range(600):
        i = rng.integers(400, size=400)
        draws.append(spearmanr(x[i], y[i]).statistic - spearmanr(other[i], y[i]).statistic)
    assert found.se == pytest.approx(np.std(draws), rel=0.12)


@pytest.mark.parametrize("tied", [False, True])
def test_each_architecture_has_the_influence_of_leaving_it_out(tied):
    x, _, y = correlated(np.random.default_rng(3), 300, tied)
    y = y.round(0) if tied else y
    whole = spearmanr(x, y).statistic
    without = [spearmanr(np.delete(x, i), np.delete(y, i)).statistic for i in range(300)]
    value, influence = _with_influence(x, y)
    assert value == pytest.approx(whole)
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(influence, 299 * (whole - np.array(without)), atol=0.02)


def test_the_difference_covers():
    rng = np.random.default_rng(2)
    # Of normal variables with correlation r, Spearman's is 6/pi asin(r/2).
    r = np.array([1 / math.sqrt(1 + 1 + 0.09), 1 / math.sqrt(1 + 1.69 + 0.09)])
    true = float(np.diff(6 / math.pi * np.arcsin(r / 2))[0]) * -1
    found = [spearman_difference(*correlated(rng, 60)) for _ in range(1000)]
    covered = np.mean([estimate.low <= true <= estimate.high for estimate in found])
    assert 0.92 < covered < 0.97


def test_a_difference_that_cannot_be_known():
    constant, rising = np.ones(5), np.arange(5.0)
    assert spearman_difference(constant, rising, rising).value is None
    assert "every score is equal" in spearman_difference(constant, rising, rising).reason
    assert "every target is equal" in spearman_difference(rising, rising, constant).reason
    assert spearman_difference(rising[:3], rising[:3], rising[:3]).low is None
    assert spearman_difference(rising[:1], rising[:1], rising[:1]).value is None
