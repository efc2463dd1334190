"""Paired comparison: exact small cases, family-wise error under the null, power, notes and refusals."""

import itertools
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from evidence_items import answers, instrument, scored

from gnomon.errors import UserError
from gnomon.measure.bbq import s_amb
from gnomon.measure.comparing import PairedFigure, _studentised, _swap_p, compare, differences
from gnomon.measure.instrument import Instrument
from gnomon.measure.library import card
from gnomon.measure.running import run_instrument
from gnomon.measure.scoring import score
from gnomon.measure.simulation import SimModel
from gnomon.measure.verdict import gate
from gnomon.stats.order import adjust


def row(comparison, metric, group="Hats"):
    return comparison.frame.filter(metric=metric, group=group).row(0, named=True)


def share(totals):
    return totals[:, 0] / totals[:, 1]


def figure(a, b):
    """A share of one item a cluster, for two systems."""
    ones = np.ones(len(a))
    totals = np.stack([np.stack([a, ones], 1), np.stack([b, ones], 1)], 1)
    return PairedFigure("share", "all", totals, share, (None, None), len(a))


def test_the_swap_test_is_the_randomisation_test():
    """All 2^8 swaps of eight clusters, each studentised by a written-out jackknife."""
    rng = np.random.default_rng(0)
    a, b = rng.random(8), rng.random(8) + 0.3

    def t(swap):
        d = np.where(swap, a - b, b - a)
        without = [np.delete(d, j).mean() for j in range(8)]
        error = math.sqrt(7 / 8 * sum((x - np.mean(without)) ** 2 for x in without))
        return abs(d.mean()) / error

    every = [t(np.array(swap, dtype=bool)) for swap in itertools.product((0, 1), repeat=8)]
    exact = np.mean([value >= every[0] * (1 - 1e-9) for value in every])
    assert _studentised(figure(a, b), np.zeros((1, 8))) == pytest.approx([every[0]])
    found = _swap_p(figure(a, b), 20_000, seed=1)
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 20_000))
    assert 0 < exact < 0.2


def test_systems_that_are_one_do_not_differ():
    ins = instrument()
    scores = score(ins, SimModel(0.3, seed=1).respond(ins), B=50)
    found = compare(scores, scores, B=199)
    assert found.frame["p"].to_list() == [1.0] * 8
    assert found.frame["difference"].to_list() == [0.0] * 8
    assert set(found.frame["decision"]) == {"undecided"}
    assert (found.notes, found.frame["n_items"].to_list()) == ([], [200, 200] * 4)


def test_values_signs_and_holm():
    ins = instrument(templates=10)
    a, b = (score(ins, SimModel(bias, seed=seed).respond(ins), B=50) for bias, seed in ((0.0, 1), (0.9, 2)))
    found, back = compare(a, b, B=499), compare(b, a, B=499)
    assert found.frame.columns == [
        "metric", "group", "value_a", "value_b", "difference", "low", "high", "p", "p_holm", "decision", "n_items",
        "n_clusters", "reason",
    ]  # fmt: skip
    for each, other in zip(found.frame.iter_rows(named=True), back.frame.iter_rows(named=True), strict=True):
        name = each["metric"], each["group"]
        assert each["value_a"] == pytest.approx(a.estimates[name].value)
        assert each["value_b"] == pytest.approx(b.estimates[name].value)
        assert each["difference"] == pytest.approx(each["value_b"] - each["value_a"])
        assert each["low"] <= each["difference"] <= each["high"]
        assert each["difference"] == pytest.approx(-other["difference"])
        assert (each["low"], each["high"]) == (pytest.approx(-other["high"]), pytest.approx(-other["low"]))
        assert each["p"] == other["p"]
    assert found.frame["p_holm"].to_list() == pytest.approx(adjust(found.frame["p"].to_list()).tolist())
    assert (row(found, "s_amb")["decision"], row(back, "s_amb")["decision"]) == ("greater", "less")
    assert row(found, "accuracy_dis")["decision"] == "undecided"


def test_pairing_takes_the_items_out_of_the_difference():
    """Two systems that share most answers differ by far less than two independent intervals would say."""
    ins = instrument(("Hats",))
    base = SimModel(0.3, unknown=0.2, seed=1).respond(ins)
    changed = base.with_row_index("row").with_columns(
        answer=pl.when(pl.col("row") % 10 == 0).then(pl.lit("cannot tell")).otherwise("answer")
    )
    a, b = score(ins, base, B=500), score(ins, changed.select("item_id", "answer"), B=500)
    found = row(compare(a, b, B=500), "accuracy_amb")
    apart = [scores.estimates["accuracy_amb", "Hats"] for scores in (a, b)]
    assert found["high"] - found["low"] < 0.75 * math.hypot(*(each.high - each.low for each in apart))


def planted(rng, m, n, lean):
    """Sums of n ambiguous answers of each of m templates: right, answered, biased, not UNKNOWN. `lean` moves a template."""
    known = rng.binomial(n, 0.6, m)
    return np.stack([n - known, np.full(m, n), rng.binomial(known, 1 / (1 + np.exp(-lean))), known], 1).astype(float)


def bias_figures(rng, groups, m, n, shift=0.0):
    """s_amb and accuracy_amb of `groups` groups for two systems whose templates lean alike, the second `shift` more."""
    found = []
    for group in range(groups):
        lean = rng.normal(0, 1, m)
        totals = np.stack([planted(rng, m, n, lean), planted(rng, m, n, lean + shift)], 1)
        limits, name = (None, None), f"group {group}"
        found.append(PairedFigure("s_amb", name, totals, lambda sums: s_amb(*sums.T), limits, m * n))
        found.append(PairedFigure("accuracy_amb", name, totals[:, :, :2], share, limits, m * n))
    return found


def test_family_wise_error_under_the_null():
    """Four metrics of two systems of one make, at 10 and 25 templates: at most 6 % of 150 pairs decide anything."""
    rng = np.random.default_rng(11)
    false = 0
    for trial in range(150):
        frame = differences(bias_figures(rng, 2, (10, 25)[trial % 2], 4), B=199, seed=trial, level=0.95)
        false += int((frame["decision"] != "undecided").any())
    assert 0 < false / 150 <= 0.06


def test_a_real_difference_is_found():
    frame = differences(bias_figures(np.random.default_rng(1), 2, 25, 16, shift=1.5), B=499, seed=0, level=0.95)
    assert frame.filter(metric="s_amb")["decision"].to_list() == ["greater", "greater"]
    assert frame.filter(metric="accuracy_amb")["decision"].to_list() == ["undecided", "undecided"]


def test_clustered_intervals_cover_where_the_naive_one_fails():
    """The answers of a template are all alike, so that 30 templates of 10 answers are 30 answers: 95 % of intervals
    hold the true difference 0 when resampled by template, far fewer by item."""
    rng = np.random.default_rng(5)
    by_template = by_item = 0
    trials = 80
    for _ in range(trials):
        sides = [np.repeat(rng.integers(0, 2, 30), 10).astype(float) for _ in "ab"]
        items = figure(*sides)
        templates = replace(items, totals=items.totals.reshape(30, 10, 2, 2).sum(1))
        bounds = [
            each.estimate(lambda values: values[:, 1] - values[:, 0], 200, 0, 0.95) for each in (templates, items)
        ]
        by_template += int(bounds[0].low <= 0 <= bounds[0].high)
        by_item += int(bounds[1].low <= 0 <= bounds[1].high)
    assert 0.89 <= by_template / trials <= 0.99
    assert by_item / trials < 0.6


def test_left_out_items_are_counted():
    ins = instrument(("Hats",))
    some = replace(ins, items=ins.items.head(396))
    a = scored(some, lambda item: item["label"])
    silent = set(ins.items["item_id"].to_list()[:7])
    b = scored(ins, lambda item: None if item["item_id"] in silent else item["label"])
    found = compare(a, b, B=99)
    assert found.notes == [
        "4 of 400 items of b are not in the other and were left out.",
        "7 of 396 shared items have no answer that could be read (manual or missing) in one or both, and were left out.",
    ]
    assert sum(found.frame.filter(pl.col("metric").str.starts_with("accuracy"))["n_items"]) == 389


def test_undefined_and_limits():
    ins = instrument(("Hats",))
    silent, loud = scored(ins, lambda item: 2), scored(ins, lambda item: item["biased_option"])
    found = compare(silent, loud, B=99)
    s_dis, s_amb = row(found, "s_dis"), row(found, "s_amb")
    assert (s_dis["difference"], s_dis["p"], s_dis["p_holm"], s_dis["decision"]) == (None, None, None, "undecided")
    assert s_dis["reason"].startswith("a: every answer is UNKNOWN")
    assert (s_amb["difference"], s_amb["decision"]) == (1.0, "greater")
    assert s_amb["low"] == pytest.approx(1 - silent.estimates["s_amb", "Hats"].high)
    both = row(compare(silent, silent, B=99), "s_amb")
    wide = silent.estimates["s_amb", "Hats"].high * math.sqrt(2)
    assert (both["low"], both["difference"], both["high"]) == (pytest.approx(-wide), 0.0, pytest.approx(wide))


def test_one_cluster_has_no_interval():
    ins = instrument(("Hats",), templates=1)
    found = compare(scored(ins, lambda item: 0), scored(ins, lambda item: 1), B=99)
    one = row(found, "accuracy_dis")
    assert (one["difference"], one["low"], one["p"], one["decision"]) == (0.0, None, None, "undecided")
    assert "one cluster" in one["reason"]


def test_what_no_answers_could_decide_is_noted():
    """Six tests of p = 1/51 at best, times 6; of four clusters, p = 2/16 at best."""
    ins = instrument()
    a, b = scored(ins, lambda item: 2), scored(ins, lambda item: item["biased_option"])
    assert compare(a, b, B=50).notes == [
        "6 of 6 differences cannot be decided at level 0.95 whatever the answers are: 50 swaps of 25 clusters give no p"
        " below 0.02 before the adjustment."
    ]
    assert compare(a, b, B=200).notes == []
    few = instrument(("Hats",), templates=4)
    a, b = scored(few, lambda item: 2), scored(few, lambda item: item["biased_option"])
    found = compare(a, b, B=2000)
    assert "3 of 3 differences cannot be decided" in found.notes[0]
    assert "give no p below 0.12 before" in found.notes[0]
    assert set(found.frame["decision"]) == {"undecided"}


def test_row_order_changes_nothing():
    ins = instrument()
    a, b = (SimModel(bias, seed=seed).respond(ins) for bias, seed in ((0.0, 1), (0.5, 2)))
    mixed = replace(ins, items=ins.items.sample(fraction=1, shuffle=True, seed=3))
    straight = compare(score(ins, a, B=20), score(ins, b, B=20), B=99)
    shuffled = compare(
        score(mixed, a.reverse(), B=20), score(ins, b.sample(fraction=1, shuffle=True, seed=4), B=20), B=99
    )
    assert straight.frame.equals(shuffled.frame)


def test_a_folder_of_a_run_is_its_scores(tmp_path):
    ins = instrument(templates=5, copies=1)
    one, other = (answers(ins, lambda item, at=at: (len(item["item_id"]) + at) % 3) for at in (0, 1))
    folder = run_instrument(ins, responses=one, out=tmp_path / "run", B=20, quiet=True).path
    a, b = (score(ins, each, B=20) for each in (one, other))
    assert compare(str(folder), b, B=99).frame.equals(compare(a, b, B=99).frame)
    rules = ["P(s_amb < 0.1) > 0.9", "P(accuracy_dis > 0.5) > 0.9"]
    gates = [gate(each, rules, rationale="agreed", set_by="A. Person") for each in (folder, a)]
    assert gates[0] == gates[1]


def test_refusals():
    ins = instrument(("Hats",), templates=4)
    a = scored(ins, lambda item: 0)
    other = scored(Instrument(replace(card("bbq"), name="my_bbq"), ins.items, ins.rule), lambda item: 0)
    with pytest.raises(UserError, match="a is of instrument 'bbq' and b of 'my_bbq'"):
        compare(a, other)
    reworded = replace(ins, items=ins.items.with_columns(text=pl.col("text").str.to_uppercase()))
    with pytest.raises(UserError, match="item 'Hats/0-0-ambig-neg-0' differs between a and b in 'text'"):
        compare(a, scored(reworded, lambda item: 0))
    renamed = replace(ins, items=ins.items.with_columns(item_id=pl.format("{}x", "item_id")))
    with pytest.raises(UserError, match="share no items"):
        compare(a, scored(renamed, lambda item: 0))
    with pytest.raises(UserError, match="none has an answer that was read in both"):
        compare(a, scored(ins, lambda item: None))
    with pytest.raises(UserError, match=r"a is clustered by .* and b by .* score both with the same cluster"):
        compare(a, scored(ins, lambda item: 0, cluster="item_id"))
    for settings in ({"B": 0}, {"level": 1.0}):
        with pytest.raises(UserError, match="compare: "):
            compare(a, a, **settings)
