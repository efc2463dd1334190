"""Representation ratios: known answers, identities, exact edges, tails, worst cases, designs, and every refusal."""

import itertools
import math
import os
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from gnomon.errors import UserError
from gnomon.measure import representation, representation_ratio
from gnomon.stats import wilson

pytestmark = pytest.mark.filterwarnings("error")

AGES, SEXES = ["0-9", "10-19", "20+"], ["female", "male"]


def table(**counts):
    """A target or counted sample of one variable, `g`."""
    return pl.DataFrame({"g": list(counts), "n": list(counts.values())})


def ratio(sample, target, by=("g",), **options):
    """`representation_ratio` of a counted sample."""
    return representation_ratio(sample, target, list(by), **{"count": "n", **options})


def crossed(rng, n=400, missing=0.0):
    """A sample of rows and the population it is drawn from, unevenly."""
    target = pl.DataFrame([{"age": age, "sex": sex, "n": int(rng.integers(50, 5000))} for age in AGES for sex in SEXES])
    share = rng.dirichlet(np.full(6, 2.0))
    rows = target.select("age", "sex")[rng.choice(6, n, p=share)]
    gone = pl.Series(rng.random(n) < missing)
    return rows.with_columns(age=pl.when(~gone).then("age")), target


# --- known answers ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schools():
    folder = Path(os.environ.get("GNOMON_DATA_DIR", "absent")) / "measure" / "survey_api"
    if not folder.is_dir():
        pytest.skip("the California schools (measure/survey_api) are not in GNOMON_DATA_DIR")
    return folder


@pytest.mark.parametrize(
    ("by", "weight", "known"),
    [
        ("stype", None, {"E": 0.70052, "H": 2.05099, "M": 1.52112}),
        ("stype", "pw", {"E": 1.0, "H": 1.0, "M": 1.0}),
        ("sch.wide", None, {"Yes": 0.91906, "No": 1.38672}),
        ("sch.wide", "pw", {"Yes": 1.00123, "No": 0.99411}),
    ],
)
def test_california_schools(schools, by, weight, known):
    population = pl.read_csv(schools / "api_pop.csv.gz", null_values="NA", infer_schema_length=None)
    target = population.group_by(by).len("n")
    found = representation_ratio(schools / "api_strat.csv", target, [by], weight=weight)
    assert dict(found.frame.select(by, "rr").rows()) == pytest.approx(known, abs=5e-6)
    assert found.summary["n_total"].to_list() == [200]
    assert found.frame["target_n"].sum() == 6194


# --- identities and definitions --------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 10**6)), min_size=1, max_size=7).filter(
        lambda x: any(a for a, _ in x)
    )
)
def test_identities(cells):
    n, big = [a for a, _ in cells], [b for _, b in cells]
    names = [f"g{i}" for i in range(len(cells))]
    found = ratio(pl.DataFrame({"g": names, "n": n}), pl.DataFrame({"g": names, "n": big}), ci="exact")
    frame, summary = found.frame, found.summary.row(0, named=True)
    assert math.fsum(frame["target_share"] * frame["rr"]) == pytest.approx(1)
    assert frame["rr"].to_list() == [float(Fraction(a * sum(big), sum(n) * b)) for a, b in cells]
    assert frame["expected"].sum() == pytest.approx(sum(n))
    gaps = (frame["sample_share"] - frame["target_share"]).to_numpy()
    assert summary["dissimilarity"] == pytest.approx(gaps[gaps > 0].sum(), abs=1e-12)
    assert summary["aarb"] == pytest.approx(100 * np.mean(np.abs(gaps) / frame["target_share"].to_numpy()))
    assert summary["cells_observed"] == sum(a > 0 for a in n)
    assert summary["cells_over_min_n"] == sum(a > 25 for a in n)
    seen = frame.filter(pl.col("n") > 0)
    assert (seen["low"] <= seen["rr"] + 1e-12).all()
    assert (frame["high"] >= frame["rr"] - 1e-12).all()
    assert (frame["p_under"] + frame["p_over"] <= 1 + 1e-12).all()


def test_equal_biases_both_count():
    """50/50 against 60/40: both biases are 20 %, and so is their mean."""
    assert ratio(table(a=60, b=40), table(a=500, b=500)).summary["aarb"][0] == 20.0


def test_r_indicator():
    """Response rates 1/2 and 1/4 of 100 and 300: mean 125/400, variance (100 (3/16)^2 + 300 (1/16)^2)/400."""
    target = table(a=100, b=300)
    expected = 1 - 2 * math.sqrt((100 * (3 / 16) ** 2 + 300 * (1 / 16) ** 2) / 400)
    assert ratio(table(a=50, b=75), target).summary["r_indicator"][0] == pytest.approx(expected, abs=1e-15)
    assert ratio(table(a=25, b=75), target).summary["r_indicator"][0] == 1.0
    assert ratio(table(a=101, b=75), target).summary["r_indicator"][0] is None


@pytest.mark.parametrize(
    ("n", "bin"),
    [
        (499, "strongly under"),
        (500, "moderately under"),
        (749, "moderately under"),
        (750, "adequate"),
        (1000, "adequate"),
        (1333, "adequate"),
        (1334, "moderately over"),
        (2000, "moderately over"),
        (2001, "strongly over"),
    ],
)
def test_bins_hold_their_edges(n, bin):
    assert ratio(table(a=n, b=10_000 - n), table(a=1, b=9)).frame["bin"][0] == bin


def test_four_thirds_is_adequate():
    for thirds in (1, 7, 10**6):
        found = ratio(table(a=4 * thirds, b=8 * thirds), table(a=1, b=3), ci="exact")
        assert found.frame["bin"].to_list() == ["adequate", "adequate"]


# --- exact edges -----------------------------------------------------------------------------------------------------


def test_a_count_on_the_edge_is_not_beyond_it():
    """n = 120, q = 0.3: 27 of 120 is RR 3/4 exactly and 48 is 4/3, which shares in floating point put beyond it."""
    assert 48 / 120 / 0.3 > 4 / 3  # the trap
    for target in (table(a=3, b=7), table(a=0.3, b=0.7), table(a=3_000_000_000_000, b=7_000_000_000_000)):
        found = ratio(table(a=29, b=91), target, ci="exact").frame
        assert found["p_under"][0] == pytest.approx(binom.cdf(26, 120, 29 / 120), abs=1e-14)
        drawn = ratio(table(a=29, b=91), target).frame["p_under"][0]
        assert drawn == pytest.approx(found["p_under"][0], abs=4.5 * math.sqrt(0.25 / 5000))
        assert abs(drawn - binom.cdf(27, 120, 29 / 120)) > 0.05
        for ci in ("exact", "bootstrap"):
            over = ratio(table(a=45, b=75), target, ci=ci).frame["p_over"][0]
            assert over == pytest.approx(binom.sf(48, 120, 45 / 120), abs=4.5 * math.sqrt(0.25 / 5000))
            assert abs(over - binom.sf(47, 120, 45 / 120)) > 0.05
    assert ratio(table(a=27, b=93), table(a=3, b=7)).frame["bin"][0] == "adequate"


@pytest.mark.parametrize("total", [7, 12, 30, 49, 60, 90, 97, 120, 168, 360, 1000])
def test_tails_follow_the_exact_ratio(total):
    """Sum the binomial over counts whose RR, as a fraction, is beyond the limit; and the same of the draws."""
    rng = np.random.default_rng(total)
    for parts in ((1, 3), (3, 7), (1, 9), (2, 3), (333, 667), (35, 151)):
        n = int(rng.integers(1, total))
        exact, drawn = (
            ratio(table(a=n, b=total - n), table(a=parts[0], b=parts[1]), ci=ci, B=300).frame.row(0, named=True)
            for ci in ("exact", "bootstrap")
        )
        ratios = [Fraction(k * sum(parts), total * parts[0]) for k in range(total + 1)]
        chance = binom.pmf(np.arange(total + 1), total, n / total)
        under = np.array([rr < Fraction(3, 4) for rr in ratios])
        over = np.array([rr > Fraction(4, 3) for rr in ratios])
        assert exact["p_under"] == pytest.approx(chance[under].sum(), abs=1e-12)
        assert exact["p_over"] == pytest.approx(chance[over].sum(), abs=1e-12)
        counts = np.random.default_rng(4).multinomial(total, [n / total, 1 - n / total], size=300)[:, 0]
        assert drawn["p_under"] == under[counts].mean()
        assert drawn["p_over"] == over[counts].mean()
        low, high = np.quantile(counts, [0.025, 0.975]) * sum(parts) / (total * parts[0])
        assert (drawn["low"], drawn["high"]) == pytest.approx((low, high))


@pytest.mark.parametrize("limit", [0.8, 0.1, 2 / 3, Fraction(2, 3)])
def test_other_limits_are_the_fractions_they_stand_for(limit):
    exact = Fraction(limit).limit_denominator(10)
    n, q = 300, Fraction(1, 2)
    edge = int(exact * n * q)
    assert exact * n * q == edge
    found = ratio(table(a=edge, b=n - edge), table(a=1, b=1), ci="exact", under=limit, over=4 / 3).frame
    assert found["p_under"][0] == pytest.approx(binom.cdf(edge - 1, n, edge / n), abs=1e-12)


def test_probabilities_meet_the_binomial_tail_and_flags_follow():
    target = table(a=300, b=300, c=400)
    drawn = ratio(table(a=60, b=75, c=165), target).frame
    exact = ratio(table(a=60, b=75, c=165), target, ci="exact").frame
    for name in ("p_under", "p_over"):
        p = exact[name].to_numpy()
        assert (np.abs(drawn[name].to_numpy() - p) <= 4.5 * np.sqrt(p * (1 - p) / 5000) + 1e-9).all()
    assert exact["p_under"][0] == pytest.approx(binom.cdf(67, 300, 0.2))
    assert drawn["flag"].to_list() == [
        "under" if under > 0.95 else "over" if over > 0.95 else "none"
        for under, over in drawn.select("p_under", "p_over").rows()
    ]
    sure = ratio(table(a=20, b=75, c=205), target)
    assert sure.frame["flag"].to_list()[0] == "under"
    assert sure.summary["share_flagged_under"][0] == (sure.frame["flag"] == "under").sum() / 3
    assert ratio(table(a=280, b=10, c=10), target).frame["flag"].to_list() == ["over", "under", "under"]


def test_exact_bounds_are_binomial_quantiles_and_wilson_is_wilsons():
    target = table(a=300, b=700)
    exact = ratio(table(a=60, b=240), target, ci="exact", level=0.9).frame
    assert exact["low"][0] == pytest.approx(binom.ppf(0.05, 300, 0.2) / 300 / 0.3)
    assert exact["high"][0] == pytest.approx(binom.ppf(0.95, 300, 0.2) / 300 / 0.3)
    score = ratio(table(a=60, b=240), target, ci="wilson").frame
    assert score["low"][0] == pytest.approx(wilson(60, 300).low / 0.3)
    assert score["high"][0] == pytest.approx(wilson(60, 300).high / 0.3)
    assert score["p_under"][0] == ratio(table(a=60, b=240), target, ci="exact").frame["p_under"][0]
    assert score["method"].to_list() == ["wilson", "wilson"]


# --- cells that nobody is in, that nobody is expected in, and many cells ---------------------------------------------


@pytest.mark.parametrize("ci", ["bootstrap", "exact", "wilson"])
def test_an_empty_cell(ci):
    found = ratio(table(a=40, b=60), table(a=1, b=1, c=2), ci=ci)
    row = found.frame.row(2, named=True)
    assert (row["n"], row["rr"], row["low"], row["p_under"], row["p_over"]) == (0, 0.0, 0.0, 1.0, 0.0)
    assert row["high"] == pytest.approx(wilson(0, 100).high / 0.5)
    assert (row["bin"], row["flag"], row["method"]) == ("strongly under", "under", ci)
    assert found.summary.select("cells", "cells_observed").row(0) == (3, 2)


@pytest.mark.parametrize("ci", ["bootstrap", "exact", "wilson"])
def test_a_cell_that_the_target_has_nobody_in(ci):
    found = ratio(table(a=30, b=60, z=10), table(a=1, b=3, z=0), ci=ci)
    row = found.frame.row(2, named=True)
    assert [row[name] for name in ("rr", "low", "high", "p_under", "p_over", "flag")] == [None] * 6
    assert (row["n"], row["bin"], row["reason"]) == (10, "undefined", "target share is 0")
    assert found.frame["sample_share"].to_list() == [0.3, 0.6, 0.1]
    assert found.summary["aarb"][0] == pytest.approx(100 * (0.05 / 0.25 + 0.15 / 0.75) / 2)
    assert found.summary["r_indicator"][0] is None


def test_many_cells_are_exact_and_never_drawn_at_once():
    k = 12_000
    target = pl.DataFrame({"g": [f"{i:05d}" for i in range(k)], "n": np.arange(1, k + 1)})
    sample = target.select("g")[np.random.default_rng(0).choice(k, 50_000)]
    ratio(table(a=1, b=2), table(a=1, b=1), ci="exact")  # what SciPy imports is not counted
    tracemalloc.start()
    found = representation_ratio(sample, target, ["g"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20  # 5,000 x 12,000 numbers would take 458 MiB
    assert set(found.frame["method"]) == {"exact"}
    assert any("12,000 cells" in note for note in found.notes)
    few = representation_ratio(sample, target, ["g"], ci="exact")
    assert few.frame.equals(found.frame)
    assert few.notes == []


def test_many_cells_of_clusters_are_drawn_in_turns(monkeypatch):
    """Clusters cannot be exact: a few cells at a time, of the same resamples."""
    rng = np.random.default_rng(1)
    sample, target = crossed(rng)
    sample = sample.with_columns(donor=pl.Series(rng.integers(0, 150, len(sample))))
    options = {"cluster": "donor", "B": 200}
    whole = representation_ratio(sample, target, ["age", "sex"], **options)
    monkeypatch.setattr(representation, "MOST_CELLS", 4)
    monkeypatch.setattr(representation, "_COLUMNS_AT_ONCE", 3)
    assert representation_ratio(sample, target, ["age", "sex"], **options).frame.equals(whole.frame)
    assert set(whole.frame["method"]) == {"bootstrap"}


def test_everybody_where_nobody_is_expected():
    for ci in ("bootstrap", "exact", "wilson"):
        found = ratio(table(z=10), table(a=1, z=0), ci=ci).frame
        assert found["rr"].to_list() == [0.0, None]
        assert found["high"][0] == pytest.approx(wilson(0, 10).high)


def test_clusters_in_nearly_every_cell_are_the_same_sparse_or_full(monkeypatch):
    rng = np.random.default_rng(9)
    sample, target = crossed(rng, n=600)
    sample = sample.with_columns(donor=pl.Series(rng.integers(0, 40, len(sample))))
    full = representation_ratio(sample, target, ["age", "sex"], cluster="donor", B=300).frame
    monkeypatch.setattr(representation, "_DENSE", 0)
    assert representation_ratio(sample, target, ["age", "sex"], cluster="donor", B=300).frame.equals(full)


# --- the order and the form of what is given -------------------------------------------------------------------------


def same_cells(a, b, keys=("age", "sex")):
    return a.sort(keys).select(sorted(a.columns)).equals(b.sort(keys).select(sorted(b.columns)))


@pytest.mark.parametrize("design", [{}, {"weight": "w"}, {"cluster": "donor"}, {"weight": "w", "cluster": "donor"}])
@pytest.mark.parametrize("thirds", [False, True])
def test_order_and_form_change_no_bit(design, thirds):
    rng = np.random.default_rng(7)
    sample, target = crossed(rng, missing=0.1)
    weights = rng.choice([0.0, 1.1, 2.5], len(sample))
    sample = sample.with_columns(
        w=pl.Series(weights / 3 if thirds else weights), donor=pl.Series(rng.integers(0, 150, len(sample)))
    )
    plain = representation_ratio(sample, target, ["age", "sex"], B=300, **design)
    shuffled = sample[rng.permutation(len(sample))].with_columns(
        (1000 - pl.col("donor")).alias("donor"), pl.col("sex").cast(pl.Enum(["male", "female"]))
    )
    counted = sample.group_by("age", "sex", "w", "donor").len("count")
    turned = target[rng.permutation(len(target))]
    for other in (
        representation_ratio(shuffled, target, ["age", "sex"], B=300, **design),
        representation_ratio(counted, target, ["age", "sex"], B=300, count="count", **design),
        representation_ratio(sample, turned, ["age", "sex"], B=300, **design),
        representation_ratio(sample, target, [["sex"], ["age", "sex"]], B=300, **design),
        representation_ratio(sample, target.cast({"n": pl.Float64}), ["age", "sex"], B=300, **design),
    ):
        frame = other.frame.filter(pl.col("stratification") == "age x sex").select(plain.frame.columns)
        assert same_cells(frame.cast({"target_n": pl.Int64}), plain.frame)
        if other.summary.height == 1:
            assert other.summary.equals(plain.summary)
    crossed_over = representation_ratio(sample, target, ["sex", "age"], B=300, **design).frame
    assert same_cells(crossed_over.drop("stratification"), plain.frame.drop("stratification"))
    assert plain.frame.select("age", "sex").rows() == target.select("age", "sex").rows()
    assert plain.frame.equals(representation_ratio(sample, target, ["age", "sex"], B=300, **design).frame)
    assert not plain.frame.equals(representation_ratio(sample, target, ["age", "sex"], B=300, seed=5, **design).frame)


def test_one_level_however_written():
    target = pl.DataFrame({"g": ["1", "2"], "n": [1, 1]})
    columns = ([1, 1, 2], [1.0, 1.0, 2.0], ["1", "1", "2"])
    found = [representation_ratio({"g": column}, target, ["g"]) for column in columns]
    assert found[0].frame.equals(found[1].frame)
    assert found[0].frame.equals(found[2].frame)
    assert found[2].notes == []
    assert found[0].notes == [
        "Column 'g' holds whole numbers in the sample and text in the target; they are compared as text."
    ]
    assert "floating-point numbers in the sample and text" in found[1].notes[0]


# --- missing, unmatched, summed ---------------------------------------------------------------------------------------

URBAN = pl.DataFrame({"sex": ["f", "f", "m", "m"], "urban": ["yes", "no", "yes", "no"], "n": [30, 20, 30, 20]})
PEOPLE = {"sex": ["f", "f", "f", "m", "m", None], "urban": ["yes", "NA", "no", "yes", "", "no"]}


def test_missing_values_leave_one_stratification_only():
    found = representation_ratio(PEOPLE, URBAN, [["sex", "urban"], ["sex"]], B=50)
    assert found.summary.select("stratification", "n_total", "n_missing").rows() == [
        ("sex x urban", 3, 3),
        ("sex", 5, 1),
    ]
    assert found.frame.filter(pl.col("stratification") == "sex")["n"].to_list() == [3, 2]
    assert found.frame.filter(pl.col("stratification") == "sex")["urban"].to_list() == [None, None]
    assert "sex x urban: rows left out for a missing value: 3." in found.notes
    assert found.by == [["sex", "urban"], ["sex"]]


def test_margins_stand_on_their_own_complete_cases():
    margins = representation_ratio(PEOPLE, URBAN, ["sex", "urban"], B=50).margins()
    alone = representation_ratio(PEOPLE, URBAN, [["sex"], ["urban"]], B=50)
    assert margins.equals(alone.frame)
    shares = margins.group_by("stratification", maintain_order=True).agg(pl.col("n", "sample_share").sum())
    assert shares.rows() == [("sex", 5, 1.0), ("urban", 4, 1.0)]


def test_levels_only_in_the_sample():
    sample = {"sex": ["f", "x", "x", "m", "y"]}
    target = URBAN
    with pytest.raises(
        UserError, match=r"column 'sex' of sample has the level 'x' \(n = 2\) and 1 more level, which target lacks"
    ):
        representation_ratio(sample, target, ["sex"])
    dropped = representation_ratio(sample, target, ["sex"], unmatched="drop", B=50)
    assert dropped.summary.select("n_total", "n_missing", "n_unmatched").row(0) == (2, 0, 3)
    assert any("the target has no such cell: 3" in note for note in dropped.notes)
    with pytest.raises(UserError, match=r"the cell sex = 'm', urban = 'no' \(n = 1\), which target lacks"):
        representation_ratio({"sex": ["m", "f"], "urban": ["no", "yes"]}, target[:3], ["sex", "urban"])
    with pytest.raises(UserError, match="no row of sample is in a cell of target"):
        representation_ratio({"sex": ["x"]}, target, ["sex"], unmatched="drop")


def test_target_rows_are_summed_and_twins_refused():
    twice = pl.concat([URBAN, URBAN])
    with pytest.raises(UserError, match="cell sex = 'f', urban = 'yes' twice"):
        representation_ratio(PEOPLE, twice, ["sex"])
    years = pl.concat([URBAN.with_columns(year=pl.lit(1)), URBAN.with_columns(year=pl.lit(2), n=pl.col("n") * 3)])
    summed = representation_ratio(PEOPLE, years, ["sex", "urban"], B=50).frame
    assert summed["target_n"].to_list() == [120, 80, 120, 80]
    unlabelled = pl.concat([URBAN, pl.DataFrame({"sex": [None], "urban": ["no"], "n": [7]}, schema=URBAN.schema)])
    found = representation_ratio(PEOPLE, unlabelled, ["sex"], B=50)
    assert found.frame["target_n"].to_list() == [50, 50]
    assert found.notes[-1] == "sex: rows of the target without a value, in no cell: 1."


# --- weights and clusters --------------------------------------------------------------------------------------------


def test_weights_make_shares_and_rows_make_n():
    sample = {"g": ["a", "a", "b", "b"], "w": [0, 3, 1, 2]}
    found = representation_ratio(sample, table(a=1, b=1), ["g"], weight="w", B=50).frame
    assert found["n"].to_list() == [2, 2]
    assert found["sample_share"].to_list() == [0.5, 0.5]
    assert found["rr"].to_list() == [1.0, 1.0]
    unseen = representation_ratio({**sample, "w": [0, 0, 1, 2]}, table(a=1, b=1), ["g"], weight="w", B=50).frame
    assert (unseen["n"][0], unseen["rr"][0], unseen["p_under"][0]) == (2, 0.0, 1.0)
    kish = (1 + 2) ** 2 / (1 + 4)
    assert unseen["high"][0] == pytest.approx(wilson(0, int(kish)).high / 0.5)


@pytest.mark.parametrize("weight", [1.0, 44.21, 0.1, 1 / 3])
def test_equal_weights_are_no_weights(weight):
    sample, target = crossed(np.random.default_rng(2))
    plain = representation_ratio(sample, target, ["age", "sex"]).frame
    weighed = representation_ratio(sample.with_columns(w=weight), target, ["age", "sex"], weight="w").frame
    for name in ("rr", "low", "high"):
        assert weighed[name].to_numpy() == pytest.approx(plain[name].to_numpy(), rel=1e-12)
    if weight != 1 / 3:  # decimals are compared as whole numbers, so what lies on an edge stays there
        assert weighed.select("p_under", "p_over", "bin").equals(plain.select("p_under", "p_over", "bin"))


def test_weighted_resampling_is_of_rows():
    """Against a resample of rows written out: two groups, weights that differ inside each."""
    rng = np.random.default_rng(3)
    g, w = rng.choice(["a", "b"], 200), rng.choice([1.0, 2.0, 9.0], 200)
    found = representation_ratio({"g": g, "w": w}, table(a=1, b=1), ["g"], weight="w", B=4000).frame.row(0, named=True)
    rows = rng.integers(0, 200, (4000, 200))
    rr = (w[rows] * (g[rows] == "a")).sum(1) / w[rows].sum(1) / 0.5
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.quantile(rr, [0.025, 0.975])), abs=0.02)


def test_clusters_of_one_are_rows_and_clusters_of_copies_are_one_row_each():
    sample, target = crossed(np.random.default_rng(4), n=120)
    plain = representation_ratio(sample, target, ["age", "sex"]).frame
    single = representation_ratio(sample.with_row_index("id"), target, ["age", "sex"], cluster="id")
    assert single.frame.equals(plain)
    assert single.notes == ["age x sex: 120 clusters were resampled, not rows."]
    copies = sample.with_row_index("id").with_columns(times=5)
    copied = representation_ratio(copies, target, ["age", "sex"], count="times", cluster="id").frame
    assert copied["n"].to_list() == (plain["n"] * 5).to_list()
    unmoved = ["rr", "low", "high", "p_under", "p_over", "bin", "flag"]
    assert copied.select(unmoved).equals(plain.select(unmoved))


def test_an_empty_cell_of_clusters_is_bounded_by_the_clusters():
    sample = {"g": ["a", "a", "a", "b", "b", "a"], "id": [1, 1, 1, 2, 2, 3]}
    found = representation_ratio(sample, table(a=1, b=1, c=2), ["g"], cluster="id", B=50).frame
    assert found["high"][2] == pytest.approx(wilson(0, 3).high / 0.5)


def test_cluster_intervals_cover_where_row_intervals_do_not():
    """Donors of one group each give 1 to 20 samples: rows pretend to know ten times what the donors say."""
    rng = np.random.default_rng(11)
    covered = {"rows": 0, "donors": 0}
    rounds = 100
    for _ in range(rounds):
        group, times = rng.random(120) < 0.3, rng.integers(1, 21, 120)
        sample = {"g": np.where(group, "a", "b"), "n": times, "donor": np.arange(120)}
        for name, cluster in (("rows", None), ("donors", "donor")):
            row = ratio(sample, table(a=3, b=7), cluster=cluster, B=200).frame.row(0, named=True)
            covered[name] += row["low"] <= 1 <= row["high"]
    assert covered["donors"] / rounds >= 0.90
    assert covered["rows"] / rounds <= 0.60


# --- errors of the target --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [(30, 50, 20), (3, 500, 90), (0, 10, 10), (4, 4, 4)])
def test_target_error_is_the_worst_case(counts):
    error = 4
    found = ratio(table(a=20, b=50, c=30), table(a=counts[0], b=counts[1], c=counts[2]), target_error=error, B=20).frame
    corners = [
        [max(0, count + sign * error) for count, sign in zip(counts, signs, strict=True)]
        for signs in itertools.product((-1, 1), repeat=3)
    ]
    for place, share in enumerate((0.2, 0.5, 0.3)):
        if counts[place] == 0:
            assert found.select("rr_min", "rr_max").row(place) == (None, None)
            continue
        worst = [share * sum(corner) / corner[place] if corner[place] else math.inf for corner in corners]
        assert found.select("rr_min", "rr_max").row(place) == pytest.approx((min(worst), max(worst)))
    assert "rr_min" not in ratio(table(a=1, b=2), table(a=1, b=1), B=20).frame.columns


def test_target_error_grows_with_the_counts_summed():
    """Two counts that may each be off by 4 make a cell that may be off by 8."""
    target = pl.DataFrame({"g": ["a", "a", "b"], "year": [1, 2, 1], "n": [50, 50, 100]})
    found = ratio(table(a=1, b=1), target, target_error=4, B=20).frame
    assert found["rr_max"][0] == pytest.approx(0.5 * (92 + 104) / 92)
    assert found["rr_min"][0] == pytest.approx(0.5 * (108 + 96) / 108)


# --- refusals --------------------------------------------------------------------------------------------------------

GOOD = {"sample": {"g": ["a", "b", "b"], "c": [1, 1, 2], "w": [1.0, 2.0, 0.5]}, "target": table(a=1, b=1), "by": ["g"]}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"by": []}, "by = [] must list"),
        ({"by": [[]]}, "by = [[]] must list"),
        ({"by": "g"}, "by = 'g' must list"),
        ({"by": ["g", ["g"]]}, "must list"),
        ({"by": ["g", "g"]}, "twice in ['g', 'g']"),
        ({"by": [["g"], ["g"]]}, "same stratification twice"),
        ({"by": ["rr"]}, "column 'rr', which is a name of the result's own"),
        ({"by": ["h"]}, "by names column 'h', which target does not have; it has 'g', 'n'"),
        ({"sample": {"h": ["a"]}}, "by names column 'g', which sample does not have; it has 'h'"),
        ({"count": "k"}, "count names column 'k', which sample does not have"),
        ({"weight": "k"}, "weight names column 'k', which sample does not have"),
        ({"cluster": "k"}, "cluster names column 'k', which sample does not have"),
        ({"target_count": "k"}, "target_count names column 'k', which target does not have; it has 'g', 'n'"),
        ({"target_count": "g"}, "column 'g' is both a stratum and target_count"),
        ({"weight": "g"}, "column 'g' is weight and something else"),
        ({"count": "c", "weight": "c"}, "column 'c' is count and something else"),
        ({"target": table(a=-1, b=1)}, "column 'n' of target (target_count) is -1 in row 1"),
        ({"target": table(a=float("nan"), b=1.0)}, "column 'n' of target (target_count) is nan in row 1"),
        ({"target": table(a=None, b=1)}, "column 'n' of target (target_count) is missing in row 1"),
        ({"target": table(a="x", b="y")}, "column 'n' of target (target_count) holds 'x'"),
        ({"target": table(a=0, b=0)}, "column 'n' of target (target_count) is 0 everywhere"),
        ({"target": pl.DataFrame({"g": [], "n": []})}, "target has no rows"),
        ({"sample": {"g": []}}, "sample has no rows"),
        ({"sample": {"g": [None, "NA"]}}, "no row of sample has a value of 'g'"),
        ({"sample": {"g": ["a"], "w": [-1]}, "weight": "w"}, "column 'w' of sample (weight) is -1 in row 1"),
        ({"sample": {"g": ["a"], "w": [None]}, "weight": "w"}, "column 'w' of sample (weight) holds None"),
        (
            {"sample": {"g": ["a", "b"], "w": [1, None]}, "weight": "w"},
            "column 'w' of sample (weight) is missing in row 2",
        ),
        (
            {"sample": {"g": ["a"], "w": np.array([np.nan])}, "weight": "w"},
            "column 'w' of sample (weight) is nan in row 1",
        ),
        ({"sample": {"g": ["a"], "w": [0]}, "weight": "w"}, "column 'w' of sample (weight) is 0 everywhere"),
        ({"sample": {"g": ["a", None], "w": [0, 1]}, "weight": "w"}, "weight is 0 in every row that has a cell"),
        (
            {"sample": {"g": ["a"] * 99 + ["b"], "w": [0] * 99 + [1]}, "weight": "w", "B": 1, "seed": 2},
            "none of B = 1 resamples",
        ),
        ({"sample": {"g": ["a"], "c": [1.5]}, "count": "c"}, "column 'c' of sample (count) is 1.5 in row 1"),
        (
            {"sample": {"g": ["a", "b"], "c": ["x", "NA"]}, "cluster": "c"},
            "column 'c' of sample (cluster) is missing in row 2",
        ),
        ({"sample": {"g": ["a", "b"], "c": [7, 7]}, "cluster": "c"}, "one cluster only, 7"),
        ({"sample": {"g": [["a"], ["b"]]}}, "in sample, column 'g' holds List(String)"),
        ({"sample": "absent.csv"}, "sample = 'absent.csv' is not a file"),
        ({"target": "absent.csv"}, "target = 'absent.csv' is not a file"),
        ({"ci": "bca"}, "ci = 'bca' is not known"),
        ({"ci": "exact", "weight": "w"}, "ci = 'exact' is for independent rows without weights; with weight"),
        ({"ci": "wilson", "cluster": "c"}, "ci = 'wilson' is for independent rows without weights; with cluster"),
        ({"B": 0}, "B = 0"),
        ({"B": 2.5}, "B = 2.5"),
        ({"level": 1.0}, "level = 1.0"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 1.5}, "seed = 1.5"),
        ({"under": 0}, "under = 0"),
        ({"under": 2.0}, "under = 2.0"),
        ({"min_n": -1}, "min_n = -1"),
        ({"unmatched": "keep"}, "unmatched = 'keep' is not known"),
        ({"target_error": -1}, "target_error = -1"),
        ({"target_error": float("nan")}, "target_error = nan"),
    ],
)
def test_refusals(changed, says):
    given_ = {**GOOD, **changed}
    with pytest.raises(ValueError) as refused:
        representation_ratio(given_.pop("sample"), given_.pop("target"), given_.pop("by"), **given_)
    said = str(refused.value)
    assert isinstance(refused.value, UserError)
    assert said.startswith("representation_ratio: ")
    assert says in said
    assert "\n" not in said
    assert said.endswith((".", "?"))


# --- the figure ------------------------------------------------------------------------------------------------------


def test_plot_draws_a_map_for_each_stratification_and_names_the_bins():
    rng = np.random.default_rng(5)
    cells = list(itertools.product(AGES, SEXES, ["low", "high"]))
    target = pl.DataFrame(cells, schema=["age", "sex", "income"], orient="row").with_columns(n=pl.lit(100))
    sample = target.drop("n")[rng.integers(0, 6, 300)]
    found = representation_ratio(sample, target, [["age"], ["age", "sex"], ["age", "sex", "income"]], B=50)
    plot = found.plot()
    assert len(plot.axes) == 4
    assert [axes.get_title() for axes in plot.axes] == ["", "", "income low", "income high"]
    words = [text.get_text() for text in plot.legends[0].get_texts()]
    assert [text.split(":")[0] for text in words] == list(representation.BINS)
    shown = [text.get_text() for axes in plot.axes for text in axes.texts]
    assert len(shown) == found.frame.height
    assert sum("▾" in text for text in shown) == (found.frame["flag"] == "under").sum() > 0
    with_none = ratio(table(a=1, z=1), table(a=1, z=0), B=20).plot()
    assert [text.get_text() for text in with_none.axes[0].texts][1] == "–"
    assert "undefined" in with_none.legends[0].get_texts()[-1].get_text()


def test_plot_of_many_cells_is_colours_alone():
    target = pl.DataFrame({"x": [i // 30 for i in range(900)], "y": [i % 30 for i in range(900)], "n": [1] * 900})
    plot = representation_ratio(target.drop("n"), target, ["x", "y"], ci="exact").plot()
    assert len(plot.axes[0].texts) == 0
