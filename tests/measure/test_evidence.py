"""Validity, known groups and contamination: planted systems give the right verdicts, and every refusal."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from evidence_items import instrument, scored
from scipy import stats as oracle

from gnomon.errors import UserError
from gnomon.measure.comparing import PairedFigure
from gnomon.measure.evidence import _standing, contamination, known_groups, validity
from gnomon.measure.instrument import Instrument
from gnomon.measure.library import card
from gnomon.measure.scoring import score
from gnomon.measure.simulation import SimModel
from gnomon.stats.correlation import spearman

# -- known groups ----------------------------------------------------------------------------------------------------


def test_scores_rise_with_the_planted_bias():
    """s_amb = (1 - u) b rises by 1 - u = 0.5; s_dis, with a = 0.9 and half of the labels biased, by 0.05/0.95."""
    found = known_groups(instrument(copies=3), B=400)
    assert set(found.contrasts["metric"]) == {"s_amb", "s_dis"}
    for row in found.contrasts.filter(metric="s_amb").iter_rows(named=True):
        assert row["expected"] == pytest.approx(0.5)
        assert row["verdict"] == "ordered"
        assert row["low"] > 0
        half = (row["high"] - row["low"]) / 2
        assert abs(row["slope"] - 0.5) < 4.5 * half / 1.96
        assert row["p_ordered"] > 0.5
    assert found.contrasts.filter(metric="s_dis")["expected"].to_list() == pytest.approx([0.05 / 0.95] * 2)
    assert found.points.filter(metric="s_amb", group="Hats")["bias"].to_list() == [0.0, 0.2, 0.4, 0.6]
    assert found.points.filter(metric="s_amb", group="Hats")["expected"].to_list() == pytest.approx([0, 0.1, 0.2, 0.3])


def test_the_contrast_is_that_of_the_points():
    found = known_groups(instrument(("Hats",), templates=8), biases=(0, 0.5, 1), B=50)
    values = found.points.filter(metric="s_amb")["value"].to_numpy()
    assert found.contrasts.filter(metric="s_amb")["slope"].item() == pytest.approx(values[2] - values[0])


def test_an_instrument_whose_key_is_wrong_is_found_out():
    """Models that lean one way, scored by a key that is turned round, or that agrees with them in half of the items."""
    ins = instrument(("Hats",), copies=3)
    turned = ins.items.with_columns(biased_option=1 - pl.col("biased_option"))
    half = ins.items.with_columns(biased_option=pl.col("item_id").str.slice(-1).cast(pl.Int64))
    for key, verdict in ((turned, "reversed"), (half, "undecided")):
        found = known_groups(replace(ins, rule=_Wrong(ins.rule, key)), B=400)
        row = found.contrasts.filter(metric="s_amb").row(0, named=True)
        assert row["verdict"] == verdict


class _Wrong:
    """BBQ's rule with another column of biased options than the models go by."""

    def __init__(self, rule, items):
        self._rule, self._key = rule, items.select("item_id", "biased_option", "target")
        self.cluster, self.key, self.likelihood_only = rule.cluster, rule.key, rule.likelihood_only

    def figures(self, answered, level):
        keyed = answered.drop("biased_option", "target").join(
            self._key, on="item_id", how="left", maintain_order="left"
        )
        return self._rule.figures(keyed, level)


def test_known_groups_in_any_order_of_rows():
    ins = instrument(templates=5, copies=1)
    mixed = replace(ins, items=ins.items.sample(fraction=1, shuffle=True, seed=2))
    one, other = (known_groups(each, B=30) for each in (ins, mixed))
    assert one.points.equals(other.points)
    assert one.contrasts.equals(other.contrasts)


@pytest.mark.parametrize("biases", [(), (0.1,), (0.4, 0.2), (0.1, 0.1), (0.0, float("nan"))])
def test_biases_must_ascend(biases):
    with pytest.raises(UserError, match="two or more numbers that ascend"):
        known_groups(instrument(templates=2), biases=biases)


# -- validity --------------------------------------------------------------------------------------------------------

LEANS = {"A": (0.9, 0.0), "B": (0.5, 0.8), "C": (0.1, -0.5), "D": (-0.3, 0.5), "E": (-0.7, -0.9), "F": (0.7, -0.3)}
"""Bias of six systems about hats and about shoes, hardly related."""


def system(ins, leans, seed):
    """A system that leans otherwise in each category."""
    parts = [
        SimModel(lean, unknown=0.1, seed=seed).respond(replace(ins, items=ins.items.filter(category=category)))
        for category, lean in zip(("Hats", "Shoes"), leans, strict=True)
    ]
    return score(ins, pl.concat(parts), B=2)


@pytest.fixture(scope="module")
def two_instruments():
    first = instrument(copies=3)
    other = Instrument(replace(card("bbq"), name="other"), instrument(templates=20, copies=3).items, first.rule)
    return {
        name: [system(first, leans, seed), system(other, leans, 100 + seed)]
        for seed, (name, leans) in enumerate(LEANS.items())
    }


def test_traits_converge_over_methods_and_stay_apart(two_instruments):
    found = validity(two_instruments, metrics=["s_amb"], B=200)
    assert found.matrix["kind"].to_list().count("reliability") == 4
    assert len(found.matrix) == 10
    assert found.summary["verdict"].to_list() == ["convergent"] * 2
    assert found.summary["r"].min() > 0.9
    assert found.summary["exceeds"].to_list() == found.summary["of"].to_list() == [4, 4]
    reliable = found.matrix.filter(kind="reliability")
    assert reliable["r"].min() > 0.9
    assert (reliable["low"] < reliable["r"]).all()
    assert (reliable["r"] < reliable["high"]).all()
    assert reliable["high"].max() < 1
    everything = validity(two_instruments, B=200)
    assert set(everything.matrix["method_a"]) == {"bbq s_amb", "bbq s_dis", "other s_amb", "other s_dis"}


def test_correlations_are_spearmans_over_systems(two_instruments):
    found = validity(two_instruments, metrics=["s_amb"], B=200).matrix
    one = found.filter(trait_a="hats", trait_b="shoes", method_a="bbq s_amb", method_b="bbq s_amb").row(0, named=True)
    values = [
        [sources[0].estimates["s_amb", group].value for sources in two_instruments.values()]
        for group in ("Hats", "Shoes")
    ]
    expected = spearman(*values)
    assert (one["r"], one["low"], one["high"], one["n"]) == (expected.value, expected.low, expected.high, 6)
    assert one["kind"] == "heterotrait-monomethod"


def test_traits_that_are_one_do_not_discriminate(two_instruments):
    """Systems that lean alike about everything: traits converge, but no more than anything else does."""
    ins = instrument(copies=3)
    other = Instrument(replace(card("bbq"), name="other"), ins.items, ins.rule)
    scores = {
        name: [system(ins, (lean, lean), at), system(other, (lean, lean), 50 + at)]
        for at, (name, (lean, _)) in enumerate(LEANS.items())
    }
    found = validity(scores, metrics=["s_amb"])
    assert found.summary["verdict"].to_list() == ["convergent"] * 2
    assert (found.summary["exceeds"] < found.summary["of"]).any()


def test_reliability_of_two_systems_by_hand():
    """Means of m clusters that differ by d_j: the variance of the two scores is (mean d)^2 / 2, and that of their
    standing under resampling (var d / m) / 2, whatever else moves both together."""
    rng = np.random.default_rng(2)
    shared, d, ones = rng.normal(0, 50, 12), rng.normal(1.5, 1, 12), np.ones(12)
    totals = np.stack([np.stack([shared, ones], 1), np.stack([shared + d, ones], 1)], 1)
    figure = PairedFigure("mean", "all", totals, lambda sums: sums[:, 0] / sums[:, 1], (None, None), 12)
    found = _standing(figure, 2, 20_000, 0, 0.95)
    error = d.var() / 12 / d.mean() ** 2
    assert found.value == pytest.approx(1 - error, abs=0.05 * error)
    assert found.low == pytest.approx(max(0, 1 - error * oracle.chi2.ppf(0.975, 1)), abs=0.3 * error)
    assert found.high == pytest.approx(1 - error * oracle.chi2.ppf(0.025, 1), abs=0.05 * error)


def test_systems_that_score_the_same_have_no_reliability():
    ins = instrument(templates=3)
    one = scored(ins, lambda item: item["biased_option"])
    found = validity({"A": [one], "B": [one]}).matrix
    assert set(found["r"]) == {None}
    assert found.filter(kind="reliability")["reason"][0] == "the systems' scores do not vary"


def test_traits_are_matched_by_name_or_as_told(two_instruments):
    ins = instrument(("HATS", "Foot-wear"))
    other = Instrument(replace(card("bbq"), name="other"), instrument(("hats", "Shoes")).items, ins.rule)
    scores = {
        str(seed): [score(each, SimModel(0.2 * seed, seed=seed).respond(each), B=20) for each in (ins, other)]
        for seed in range(3)
    }
    named = validity(scores, metrics=["s_amb"], traits={"foot wear": "shoes"})
    assert set(named.matrix["trait_a"]) == {"hats", "shoes"}
    assert len(named.summary) == 2


def test_validity_refuses():
    ins = instrument(templates=2)
    one = scored(ins, lambda item: 0)
    for scores, said in (
        ({"A": [one]}, "1 systems"),
        ({"A": one, "B": one}, "system 'A' has one entry that is no list"),
        ({"A": [one, one], "B": [one]}, "system 'A' has two scores of instrument 'bbq'"),
        ({"A": [one], "B": [scored(instrument(templates=3), lambda item: 0)]}, "'A' and 'B' answered other items"),
        (
            {
                "A": [scored(instrument(("Hats",)), lambda item: 0)],
                "B": [scored(instrument(("Hats",)), lambda item: 1)],
            },
            "1 traits",
        ),
    ):
        with pytest.raises(UserError, match=said):
            validity(scores)
    with pytest.raises(UserError, match="1 methods"):
        validity({"A": [one], "B": [one]}, metrics=["s_dis"])
    with pytest.raises(UserError, match="two groups of instrument 'bbq' are the trait 'worn'"):
        validity({"A": [one], "B": [one]}, traits={"Hats": "worn", "Shoes": "worn"})


# -- contamination ---------------------------------------------------------------------------------------------------


def reworded(ins, rename=True):
    items = ins.items.with_columns(text=pl.format("In other words: {}", "text"))
    if rename:
        items = items.with_columns(twin_of="item_id", item_id=pl.format("twin of {}", "item_id"))
    return replace(ins, items=items)


def test_memorised_items_show():
    ins = instrument(copies=2)
    twins = reworded(ins)
    half = ins.items["item_id"].to_list()[::2]
    cheat = SimModel(0.3, accuracy=0.3, seed=1, memorised=half)
    honest = SimModel(0.3, accuracy=0.3, seed=1)
    fresh = score(twins, replace(honest, seed=2).respond(twins), B=50)
    caught = contamination(score(ins, cheat.respond(ins), B=50), fresh, B=499)
    accuracy = caught.frame.filter(pl.col("metric").str.starts_with("accuracy"))
    assert set(accuracy["decision"]) == {"greater"}
    # Half of the ambiguous items rise from u = 0.5 to 1.
    for row in accuracy.filter(metric="accuracy_amb").iter_rows(named=True):
        assert row["low"] < 0.25 < row["high"]
        assert row["difference"] == pytest.approx(row["value_b"] - row["value_a"])
    clean = contamination(score(ins, honest.respond(ins), B=50), fresh, B=499)
    assert set(clean.frame["decision"]) == {"undecided"}
    assert clean.notes == []


def test_items_without_twins_are_counted_and_ids_serve_as_well():
    ins = instrument(("Hats",), templates=4, copies=1)
    original = scored(ins, lambda item: item["label"])
    some = replace(ins, items=reworded(ins, rename=False).items.head(30))
    found = contamination(original, scored(some, lambda item: 0), B=99)
    assert found.notes[0] == "2 of 32 items of original are not in the other and were left out."
    assert found.frame.filter(metric="accuracy_dis")["value_b"].to_list() == [1.0]


def test_contamination_refuses():
    ins = instrument(("Hats",), templates=3)
    original = scored(ins, lambda item: 0)
    twins = reworded(ins)
    twice = replace(twins, items=twins.items.with_columns(twin_of=pl.lit("Hats/0-0-ambig-neg-0")))
    with pytest.raises(UserError, match="item 'Hats/0-0-ambig-neg-0' has two twins"):
        contamination(original, scored(twice, lambda item: 0))
    moved = replace(twins, items=twins.items.with_columns(category=pl.lit("Gloves")))
    with pytest.raises(UserError, match=r"is of category 'Gloves' and its original of 'Hats'"):
        contamination(original, scored(moved, lambda item: 0))
    with pytest.raises(UserError, match="share no items"):
        contamination(original, scored(replace(twins, items=twins.items.drop("twin_of")), lambda item: 0))
    with pytest.raises(UserError, match="rule of BBQ and twins by that of _Wrong"):
        contamination(original, replace(original, instrument=replace(ins, rule=_Wrong(ins.rule, ins.items))))
