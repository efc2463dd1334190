"""Designed samples: published figures, a written-out oracle, the jackknife, coverage, and every refusal."""

import math
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from gnomon.stats import kish_deff, survey_mean

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def schools():
    folder = Path(os.environ.get("GNOMON_DATA_DIR", "absent")) / "measure" / "survey_api"
    if not folder.is_dir():
        pytest.skip("the California schools (measure/survey_api) are not in GNOMON_DATA_DIR")
    return pl.read_csv(folder / "api_strat.csv", null_values="NA", infer_schema_length=None)


def test_california_schools(schools):
    """What R's survey package prints: 662.29, standard error 9.4089, 197 degrees of freedom."""
    mean = survey_mean(schools["api00"], weight=schools["pw"], strata=schools["stype"], fpc=schools["fpc"])
    assert mean.value == pytest.approx(662.28736, abs=5e-6)
    assert mean.se == pytest.approx(9.40894, abs=5e-6)
    assert mean.high - mean.value == pytest.approx(oracle.t.ppf(0.975, 197) * mean.se)
    assert (mean.n, mean.n_clusters, mean.method) == (200, None, "linearised")
    assert kish_deff(schools["pw"]) == pytest.approx(1.18637, abs=5e-6)


def written_out(y, w, strata, psu, ssu, sizes):
    """Variance of a two-stage mean, sum by sum; `sizes` are the columns of populations, None for no correction."""
    y, w = np.asarray(y, float), np.asarray(w, float)
    mean = sum(w * y) / sum(w)
    z = w * (y - mean) / sum(w)
    variance = 0.0
    for h in sorted(set(strata)):
        in_h = [i for i in range(len(y)) if strata[i] == h]
        clusters = sorted({psu[i] for i in in_h})
        n_h = len(clusters)
        f_h = n_h / sizes[0][in_h[0]] if sizes else 0.0
        totals = [sum(z[i] for i in in_h if psu[i] == c) for c in clusters]
        middle = sum(totals) / n_h
        if f_h < 1:
            variance += (1 - f_h) * n_h / (n_h - 1) * sum((total - middle) ** 2 for total in totals)
        if not sizes:
            continue
        for c in clusters:
            in_c = [i for i in in_h if psu[i] == c]
            units = sorted({ssu[i] for i in in_c})
            m = len(units)
            f = m / sizes[1][in_c[0]]
            parts = [sum(z[i] for i in in_c if ssu[i] == u) for u in units]
            mean_c = sum(parts) / m
            if f < 1:
                variance += f_h * (1 - f) * m / (m - 1) * sum((part - mean_c) ** 2 for part in parts)
    return mean, math.sqrt(variance)


def two_stage(rng, clusters=(3, 4, 2), units=3, rows=2, certain=()):
    """Columns of a stratified two-stage sample; strata in `certain` took all their clusters."""
    columns = {name: [] for name in ("y", "w", "stratum", "psu", "ssu", "N", "M")}
    for h, count in enumerate(clusters):
        population = count if h in certain else count + int(rng.integers(1, 20))
        for c in range(count):
            m = units + int(rng.integers(0, 3))
            inside = m + int(rng.integers(0, 10))
            for u in range(m):
                for _ in range(rows):
                    row = (rng.normal(h + c, 2), rng.uniform(0.5, 3), f"h{h}", f"{h}-{c}", u, population, inside)
                    for column, value in zip(columns.values(), row, strict=True):
                        column.append(value)
    return columns


@pytest.mark.parametrize("certain", [(), (1,), (0, 1, 2)])
def test_two_stages_equal_the_written_out_sums(certain):
    for seed in range(5):
        d = two_stage(np.random.default_rng(seed), certain=certain)
        mean, se = written_out(d["y"], d["w"], d["stratum"], d["psu"], d["ssu"], (d["N"], d["M"]))
        ours = survey_mean(
            d["y"], weight=d["w"], strata=d["stratum"], cluster=[d["psu"], d["ssu"]], fpc=[d["N"], d["M"]]
        )
        assert (ours.value, ours.se) == pytest.approx((mean, se), rel=1e-12)
        assert (ours.n_clusters, ours.n) == (9, len(d["y"]))
        assert ours.high - mean == pytest.approx(oracle.t.ppf(0.975, 6) * se)
        without = written_out(d["y"], d["w"], d["stratum"], d["psu"], d["ssu"], None)[1]
        for cluster in (d["psu"], [d["psu"]], [d["psu"], d["ssu"]]):
            again = survey_mean(d["y"], weight=d["w"], strata=d["stratum"], cluster=cluster)
            assert again.se == pytest.approx(without, rel=1e-12)
        unbounded = [[math.inf] * len(d["y"])] * 2
        again = survey_mean(d["y"], weight=d["w"], strata=d["stratum"], cluster=[d["psu"], d["ssu"]], fpc=unbounded)
        assert again.se == pytest.approx(without, rel=1e-12)


def test_rows_may_be_the_last_stage():
    d = two_stage(np.random.default_rng(1), rows=1)
    settings = {"weight": d["w"], "strata": d["stratum"], "fpc": [d["N"], d["M"]]}
    rows = survey_mean(d["y"], cluster=d["psu"], **settings)
    assert rows == survey_mean(d["y"], cluster=[d["psu"], range(len(d["y"]))], **settings)
    assert rows.se == pytest.approx(survey_mean(d["y"], cluster=[d["psu"], d["ssu"]], **settings).se)


def test_three_stages_add_their_own_part():
    """All of the first two stages taken: what is left is the third, inside each second-stage unit."""
    rng = np.random.default_rng(2)
    psu, ssu, row = (a.ravel() for a in np.meshgrid(range(3), range(2), range(4), indexing="ij"))
    y = rng.normal(size=24)
    ours = survey_mean(y, cluster=[psu, ssu, row], fpc=[[3] * 24, [2] * 24, [10] * 24])
    inside = y.reshape(6, 4)
    assert ours.se**2 == pytest.approx((1 - 0.4) * 4 * inside.var(axis=1, ddof=1).sum() / 24**2)
    partly = survey_mean(y, cluster=[psu, ssu, row], fpc=[[6] * 24, [2] * 24, [10] * 24])
    between = y.reshape(3, 8).sum(1) / 24
    assert partly.se**2 == pytest.approx(0.5 * 3 * between.var(ddof=1) + 0.5 * ours.se**2)


def test_a_simple_sample_is_the_textbook():
    y = np.random.default_rng(0).normal(size=40)
    plain = survey_mean(y, level=0.9)
    t = oracle.ttest_1samp(y, 0).confidence_interval(0.9)
    assert (plain.low, plain.high, plain.level) == pytest.approx((t.low, t.high, 0.9))
    assert survey_mean(y, fpc=[50] * 40).se == pytest.approx(plain.se * math.sqrt(0.2))
    census = survey_mean(y, fpc=[40] * 40)
    assert census.se == 0
    assert (census.low, census.value, census.high) == pytest.approx((y.mean(),) * 3, rel=1e-12)


def test_strata_without_degrees_of_freedom_have_no_interval():
    whole = survey_mean([1.0, 2.0, 5.0], strata=["a", "b", "c"], fpc=[1, 1, 1])
    assert (whole.value, whole.se, whole.low) == (pytest.approx(8 / 3), 0, None)
    assert "degrees of freedom" in whole.reason


def test_equal_clusters_equal_the_jackknife_exactly():
    """Clusters of one total weight: the ratio is linear in them, so delete-one and linearisation are the same."""
    rng = np.random.default_rng(3)
    y, cluster = rng.normal(size=60) + np.repeat(rng.normal(size=12), 5), np.repeat(np.arange(12), 5)
    left = np.array([y[cluster != c].mean() for c in range(12)])
    jackknife = math.sqrt(11 / 12 * ((left - y.mean()) ** 2).sum())
    assert survey_mean(y, cluster=cluster).se == pytest.approx(jackknife, rel=1e-12)


def test_unequal_clusters_are_near_the_stratified_jackknife():
    rng = np.random.default_rng(4)
    sizes = rng.integers(3, 12, 80)
    cluster = np.repeat(np.arange(80), sizes)
    strata, y = cluster % 2, rng.normal(size=sizes.sum()) + rng.normal(size=80)[cluster]
    w = rng.uniform(0.5, 2, len(y))
    mean = np.average(y, weights=w)
    jackknife = 0.0
    for c in range(80):
        kept = np.where(cluster == c, 0, np.where(strata == c % 2, 40 / 39, 1.0)) * w
        jackknife += 39 / 40 * (np.average(y, weights=kept) - mean) ** 2
    ours = survey_mean(y, weight=w, strata=strata, cluster=cluster)
    assert ours.se == pytest.approx(math.sqrt(jackknife), rel=0.02)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.floats(1e-6, 1e6))
def test_neither_row_order_nor_the_size_of_weights_nor_names_matter(seed, factor):
    rng = np.random.default_rng(seed)
    d = two_stage(rng)
    order = rng.permutation(len(d["y"]))
    frame = pl.DataFrame(d)[order.tolist()]

    def mean(source, w, psu):
        return survey_mean(
            source["y"],
            weight=w,
            strata=source["stratum"],
            cluster=[psu, source["ssu"]],
            fpc=[source["N"], source["M"]],
        )

    one = mean(d, d["w"], d["psu"])
    other = mean(frame, frame["w"] * factor, frame["psu"].str.reverse())
    assert (one.value, one.se) == pytest.approx((other.value, other.se), rel=1e-9)


def test_weights_of_0_count_their_cluster():
    y, w, cluster = [1.0, 2.0, 4.0, 9.0], [1, 1, 1, 0], [1, 2, 3, 4]
    mean = survey_mean(y, weight=w, cluster=cluster)
    assert (mean.value, mean.n, mean.n_clusters) == (pytest.approx(7 / 3), 4, 4)
    z = np.array([*(np.array(y[:3]) - 7 / 3) / 3, 0])
    assert mean.se == pytest.approx(math.sqrt(4 / 3 * ((z - z.mean()) ** 2).sum()))


def test_coverage_where_the_naive_interval_fails():
    """Where clusters hang together the design's interval holds and a plain t interval does not."""
    rng = np.random.default_rng(11)
    population = rng.normal(size=(200, 1)) * 1.5 + rng.normal(size=(200, 30))
    truth = population.mean()
    runs, held, naive = 600, 0, 0
    columns = {
        "cluster": np.repeat(np.arange(40), 6), "fpc": [np.full(240, 200), np.full(240, 30)],
    }  # fmt: skip
    for _ in range(runs):
        chosen = rng.choice(200, 40, replace=False)
        y = rng.permuted(population[chosen], axis=1)[:, :6].ravel()
        ours = survey_mean(y, **columns)
        held += ours.low <= truth <= ours.high
        plain = survey_mean(y)
        naive += plain.low <= truth <= plain.high
    assert 0.925 <= held / runs <= 0.975
    assert naive / runs < 0.75


def test_no_rows_are_undefined():
    mean = survey_mean([], weight=[], strata=[], cluster=[], fpc=[])
    assert (mean.value, mean.n, mean.reason) == (None, 0, "no observations")


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=30))
def test_kish(w):
    w = np.array(w)
    assert kish_deff(w) == pytest.approx(len(w) * (w**2).sum() / w.sum() ** 2)
    assert kish_deff(w) == pytest.approx(1 + (w.std() / w.mean()) ** 2)
    assert kish_deff([*w, 0]) == pytest.approx(kish_deff(w) * (len(w) + 1) / len(w))


ROWS = {"y": [1.0, 2.0, 4.0, 8.0]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"y": [1.0, math.nan]}, r"y is missing \(NaN\) at position 1"),
        ({"y": [1.0, None]}, "y is missing"),
        ({"y": [1.0, math.inf]}, "y is inf at position 1"),
        ({"y": ["a", "b"]}, "y holds 'a'.*numbers are expected"),
        ({"y": [[1.0], [2.0]]}, r"y has shape \(2, 1\)"),
        ({"weight": [1, 1, 1, -1]}, "weight is -1 at position 3"),
        ({"weight": [1, 1, 1, math.nan]}, "weight is missing"),
        ({"weight": [0, 0, 0, 0]}, "weight is 0 everywhere"),
        ({"weight": [1, 1]}, "weight has 2 entries for 4 rows"),
        ({"strata": [1, 1, 2]}, "strata has 3 entries"),
        ({"cluster": [1, 1, 2, 2, 3]}, "cluster has 5 entries"),
        ({"cluster": [[1, 1, 2, 2], [1, 2, 1]]}, "cluster has 3 entries"),
        ({"cluster": ["a", "a", None, "b"]}, "cluster is missing at position 2"),
        ({"cluster": ["a", "a", 1, 2]}, "cluster mixes text with numbers"),
        ({"strata": [1.0, 1.0, math.nan, 2.0]}, "strata is missing at position 2"),
        ({"fpc": [9, 9, 9]}, "fpc has 3 entries"),
        ({"fpc": [9, 9, 9, None]}, "fpc is missing at position 3"),
        ({"level": 0}, "level = 0"),
        ({"level": 95}, "survey_mean: level = 95"),
        ({"cluster": [7, 7, 7, 7]}, "one cluster only, 7"),
        ({"y": [3.0]}, "one row"),
        ({"strata": ["E", "E", "E", "H"]}, "stratum 'H' has one row only"),
        ({"strata": ["E", "E", "H", "H"], "cluster": [1, 2, 3, 3]}, "stratum 'H' has one cluster only"),
        ({"cluster": [1, 1, 2, 2], "strata": [1, 2, 3, 3]}, "cluster 1 lies in two strata"),
        ({"fpc": [3, 3, 3, 3]}, "fpc is 3 in the sample, smaller than the 4 sampled"),
        ({"fpc": [0, 0, 0, 0]}, "fpc is 0 in the sample"),
        ({"strata": ["E", "E", "H", "H"], "fpc": [9, 9, 1, 1]}, "fpc is 1 in stratum 'H', smaller than the 2"),
        ({"strata": ["E", "E", "H", "H"], "fpc": [9, 9, 9, 8]}, "fpc varies in stratum 'H'"),
        ({"fpc": [9, 9, 9, 8]}, "fpc varies in the sample"),
        ({"cluster": [1, 1, 2, 2], "fpc": [[9] * 4, [2, 2, 1, 1]]}, "fpc is 1 in cluster 2 of stage 1, smaller than the 2"),
        ({"cluster": [[1, 1, 2, 2], [1, 2, 1, 1]], "fpc": [[9] * 4, [9] * 4]}, "cluster 2 of stage 1 has one unit of stage 2"),
        ({"cluster": [[1, 1, 2, 2], [1, 2, 1, 2]], "fpc": [9, 9, 9, 9]}, "fpc has 1 stages and cluster 2"),
        ({"fpc": [[9] * 4, [9] * 4]}, "fpc has 2 stages and cluster 1"),
    ],
)  # fmt: skip
def test_mistakes_are_value_errors_that_name_them(arguments, words):
    settings = {**ROWS, **arguments}
    with pytest.raises(ValueError, match=words) as caught:
        survey_mean(settings.pop("y"), **settings)
    assert str(caught.value).startswith("survey_mean: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [[], [1, -1], [0, 0], [1, math.nan], ["a"], [[1.0, 2.0]]])
def test_kish_refuses(bad):
    with pytest.raises(ValueError, match="kish_deff: weight"):
        kish_deff(bad)
