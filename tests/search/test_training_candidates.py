"""Training what a search found beside what chance draws: the same for everyone, resumable, and judged honestly."""

import itertools
import json

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau, mannwhitneyu, spearmanr

from gnomon.config import validate
from gnomon.errors import UserError
from gnomon.models import training as loop
from gnomon.models.corpus import read_corpus
from gnomon.models.tokenizers import byte_token_ids, byte_tokenizer
from gnomon.runs import Run
from gnomon.runs.files import read_lines
from gnomon.runs.interruption import Interruption
from gnomon.runs.progress import Progress
from gnomon.search import spaces
from gnomon.search.training import (
    TRAINED,
    Trained,
    TrainSettings,
    check,
    groups_of,
    train_candidates,
    verdict,
)
from gnomon.seeds import derive

ONE, OTHER = "width=16;layers=1;heads=2;ffn=16;bias=0", "width=24;layers=2;heads=3;ffn=24;bias=0"
GROUPS = {ONE: ["finalist"], OTHER: ["finalist", "drawn"]}


@pytest.fixture
def text(tmp_path):
    rng = np.random.default_rng(0)
    words = ["gnomon", "shadow", "noon", "sun", "dial", "hour", "line"]
    path = tmp_path / "text.txt"
    path.write_text(" ".join(rng.choice(words, size=4000)))
    return str(path)


def decoders(**options):
    return spaces.get("decoder-lm", context=16, widths=[16, 24], depths=[1, 2], heads=[2, 3], **options)


def quick(path, **changes):
    return TrainSettings(
        **({"text": (path,), "steps": 12, "warmup": 2, "batch_size": 4, "windows": 9, "seeds": 2} | changes)
    )


def new_run(folder):
    return Run.create(folder, kind="search-run", name="search", settings={"name": "search", "seed": 0}, seed=0)


def unclocked(trained):
    return [{key: value for key, value in vars(each).items() if key != "seconds"} for each in trained]


def test_it_is_the_loop_of_the_house(text):
    """What one training gives, from the parts it is made of."""
    space, settings = decoders(), quick(text, steps=30, seeds=1)
    (found,) = train_candidates(space, {ONE: ["drawn"]}, settings, seed=5)
    corpus, ids = read_corpus([text], 16, 5), torch.tensor(byte_token_ids(byte_tokenizer()))
    model = space.build(space.decode(ONE), seed=derive(5, "train", "weights", ONE, 0))
    optimizer = loop.optimizer_for(model, learning_rate=3e-3, weight_decay=0.1)
    losses = []
    for step in range(30):
        batch = ids[corpus.batch(step, 4, derive(5, "train", "batches", 0))]
        loss = torch.nn.functional.cross_entropy(model(batch[:, :-1]).logits.flatten(0, 1), batch[:, 1:].flatten())
        losses.append(float(loss.detach()))
        loss.backward()
        rate = 3e-3 * loop.warmup_then("cosine", step, steps=30, warmup=2)
        loop.apply_gradient(optimizer, loss=losses[-1], learning_rate=rate, clip=1.0)
    held_out = ids[corpus.held_out(9)[0]]
    with torch.no_grad():
        logits = model(held_out[:, :-1]).logits.flatten(0, 1)
        expected = float(torch.nn.functional.cross_entropy(logits, held_out[:, 1:].flatten()))
    assert found.held_out_loss == pytest.approx(expected, abs=1e-5)
    assert found.train_loss == pytest.approx(np.mean(losses[-3:]), abs=1e-5)
    assert found.curve[0] == (1, pytest.approx(losses[0], abs=1e-5))
    assert found.curve[-1] == (30, pytest.approx(losses[-1], abs=1e-5))
    assert found.held_out_loss < losses[0] - 1
    described = space.describe(space.decode(ONE))
    assert (found.params, found.params_non_embedding) == (described["params"], described["params_non_embedding"])
    assert (found.steps, found.skipped, found.groups) == (30, 0, ("drawn",))


def test_everyone_reads_the_same(text, monkeypatch):
    seen = []
    real = loop.supervised

    def listening(batch_of, *args, **kwargs):
        seen.append([batch_of(step) for step in range(3)])
        return real(batch_of, *args, **kwargs)

    monkeypatch.setattr(loop, "supervised", listening)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    trained = train_candidates(decoders(), GROUPS, quick(text), seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert [(each.arch, each.repeat) for each in trained] == [(ONE, 0), (ONE, 1), (OTHER, 0), (OTHER, 1)]
    assert all(torch.equal(a, b) for a, b in zip(seen[0], seen[2], strict=True))
    assert not torch.equal(seen[0][0], seen[1][0])
    assert len({each.seed for each in trained}) == 4
    assert len({each.held_out_loss for each in trained}) == 4


def test_what_was_killed_goes_on_with_the_same_results(text, tmp_path):
    space, settings = decoders(), quick(text)
    whole = new_run(tmp_path / "whole")
    expected = train_candidates(space, GROUPS, settings, seed=3, run=whole)
    rows = (whole.path / TRAINED).read_text().splitlines(keepends=True)
    assert [json.loads(row)["arch"] for row in rows] == [ONE, ONE, OTHER, OTHER]

    killed = new_run(tmp_path / "killed")
    (killed.path / TRAINED).write_text(rows[2] + rows[0] + rows[1][:50])
    known = [json.loads(rows[2])["seconds"], json.loads(rows[0])["seconds"]]
    resumed = train_candidates(space, GROUPS, settings, seed=3, run=killed)
    assert unclocked(resumed) == unclocked(expected)
    kept = list(read_lines(killed.path / TRAINED))
    assert len(kept) == len((killed.path / TRAINED).read_text().splitlines()) == 4
    assert [row["seconds"] for row in kept[:2]] == known  # not trained again
    again = train_candidates(space, GROUPS, settings, seed=3, run=killed)
    assert again == resumed


def test_any_number_of_workers_gives_the_same(text, tmp_path):
    space, settings = decoders(), quick(text)
    run = new_run(tmp_path / "run")
    two = train_candidates(space, GROUPS, settings, seed=3, workers=2, run=run)
    assert unclocked(two) == unclocked(train_candidates(space, GROUPS, settings, seed=3))
    assert len(list(read_lines(run.path / TRAINED))) == 4


def test_who_asks_to_stop_loses_only_what_is_under_way(text, tmp_path):
    class Impatient(Progress):
        """Asks to stop in the middle of the second training."""

        def __init__(self, interruption):
            super().__init__(quiet=True)
            self.interruption = interruption

        def say(self, sentence):
            pass

        def stage(self, name, total, first):
            from contextlib import contextmanager

            assert (name, total, first) == ("training", 48, 0)

            @contextmanager
            def stage():
                yield lambda done, status: setattr(self.interruption, "asked", done == 17)

            return stage()

    interruption = Interruption(print)
    run = new_run(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train_candidates(
            decoders(),
            GROUPS,
            quick(text),
            seed=3,
            run=run,
            progress=Impatient(interruption),
            interruption=interruption,
        )
    assert [(row["arch"], row["repeat"]) for row in read_lines(run.path / TRAINED)] == [(ONE, 0)]


def test_groups():
    space = spaces.get("decoder-lm")
    finalists = [space.encode(space.sample(np.random.default_rng(n))) for n in range(5)]
    groups = groups_of(space, finalists, seed=1)
    assert list(groups)[:5] == finalists
    assert all("finalist" in groups[arch] for arch in finalists)
    assert sum("drawn" in of for of in groups.values()) == 5
    assert groups == groups_of(space, finalists, seed=1) != groups_of(space, finalists, seed=2)
    # What is drawn does not shun the finalists: in a space of six all drawn ones are among six finalists.
    tiny = spaces.get("decoder-lm", widths=[16], depths=[1, 2, 3], heads=[1, 2], ffn_ratios=[1])
    everything = [tiny.encode(arch) for arch in itertools.product(*tiny.genes.values())]
    assert groups_of(tiny, everything, seed=0) == {arch: ["finalist", "drawn"] for arch in everything}
    with pytest.raises(UserError, match="7 different architectures"):
        groups_of(tiny, [*everything, ONE], seed=0)


@pytest.mark.parametrize(
    ("name", "options", "changes", "said"),
    [
        ("nb201", {}, {}, "the networks of space 'nb201' do not read text"),
        ("decoder-lm", {"vocab_size": 257}, {}, "vocab_size = 257 of space 'decoder-lm' is too small"),
        ("decoder-lm", {}, {"text": ("nowhere.txt",)}, "no file 'nowhere.txt'"),
        ("decoder-lm", {"context": 10_000}, {}, "is too short"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(text, tmp_path, name, options, changes, said):
    run = new_run(tmp_path / "run")
    space, settings = spaces.get(name, **options), quick(text, **changes)
    with pytest.raises(UserError, match=said):
        train_candidates(space, GROUPS, settings, seed=0, run=run)
    assert not (run.path / TRAINED).exists()
    with pytest.raises(UserError, match=said):
        check(space, settings, seed=0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"finalists": 3}, "greater than or equal to 4"),
        ({"steps": 40, "warmup": 40}, "warmup = 40 leaves nothing of steps = 40"),
        ({"seeds": 0}, "greater than 0"),
        ({"step": 4}, "did you mean 'steps'"),
    ],
)
def test_settings_that_will_not_do(values, said):
    with pytest.raises(UserError, match=said):
        validate(TrainSettings, values)
    assert TrainSettings(text="a.txt").text == ("a.txt",)


def model(arch, loss, params, groups, repeat=0):
    return Trained(arch, groups, repeat, 0, params + 100, params, 10, loss, loss, 0, (), 1.0)


def trained_as(losses, params, finalists):
    """Architectures a0, a1, ... of which the first `finalists` are finalists and the others drawn."""
    return [
        model(f"a{n}", loss, size, ("finalist",) if n < finalists else ("drawn",))
        for n, (loss, size) in enumerate(zip(losses, params, strict=True))
    ]


def test_a_ranking_that_tells_something():
    rng = np.random.default_rng(0)
    losses = np.concatenate([rng.normal(2.0, 0.02, 8), rng.normal(2.2, 0.02, 8)])
    params = rng.integers(1000, 2000, 16)
    scores = {f"a{n}": float(score) for n, score in enumerate(-losses + rng.normal(0, 0.01, 16))}
    found = verdict(trained_as(losses, params, 8), {"grad_norm": scores}, ranker="grad_norm")
    assert (found["n_trained"], found["n_architectures"], found["n_finalists"], found["n_drawn"]) == (16, 16, 8, 8)
    assert found["decision"] == "better"
    assert found["difference"]["high"] < 0
    assert found["difference"]["value"] == pytest.approx(np.median(losses[:8, None] - losses[None, 8:]))
    own = found["correlations"]["grad_norm"]
    values = list(scores.values())
    assert own["spearman"]["value"] == pytest.approx(spearmanr(values, -losses).statistic)
    assert own["kendall"]["value"] == pytest.approx(kendalltau(values, -losses).statistic)
    ranked = [np.argsort(np.argsort(each)) for each in (values, -losses, params)]
    r = np.corrcoef(ranked)
    partial = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert own["beyond_params"]["value"] == pytest.approx(partial)
    assert found["correlations"]["params"].keys() == {"spearman", "kendall"}
    assert found["correlations"]["params"]["spearman"]["value"] == pytest.approx(spearmanr(params, -losses).statistic)
    assert found["sentence"].startswith("The ranking by grad_norm told something: held-out loss of 8 finalists")
    assert "beyond parameters" in found["sentence"]
    assert "is more than they say" in found["sentence"]
    assert json.loads(json.dumps(found)) == found
    assert found["spread"] == {"between": pytest.approx(np.std(losses, ddof=1)), "within": None}


def test_the_same_ranking_upside_down():
    losses = np.arange(16) / 100
    upwards = {f"a{n}": float(n) for n in range(16)}
    found = verdict(
        trained_as(losses[::-1], range(16), 8), {"snip": {a: -s for a, s in upwards.items()}}, ranker="snip"
    )
    assert found["decision"] == "worse"
    assert found["sentence"].startswith("The ranking by snip pointed the wrong way")
    assert found["correlations"]["snip"]["spearman"]["value"] == pytest.approx(-1)
    assert found["correlations"]["params"]["spearman"]["value"] == pytest.approx(1)


def test_groups_apart_against_a_correlation():
    """Finalists are better, and yet better scores go with worse losses: both are said."""
    losses = [1.0 + n / 100 for n in range(8)] + [2.0 + n / 100 for n in range(8)]
    found = verdict(
        trained_as(losses, [9] * 16, 8),
        {"snip": dict(zip(map("a{}".format, range(16)), losses, strict=True))},
        ranker="snip",
    )
    assert found["decision"] == "better"
    assert "contradicts itself" in found["sentence"]
    assert found["correlations"]["params"]["spearman"]["value"] is None  # all are of one size
    assert "Counting parameters gives undefined" in found["sentence"]


def test_chance_is_rarely_taken_for_knowledge():
    """Scores without any meaning: what is promised at 2.5 % each way happens about that often."""
    told = {"better": 0, "worse": 0, "undecided": 0}
    correlated, words = 0, 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        scores = {f"a{n}": float(rng.normal()) for n in range(16)}
        found = verdict(
            trained_as(rng.normal(2, 0.1, 16), rng.integers(9, 99, 16), 8), {"plain": scores}, ranker="plain"
        )
        told[found["decision"]] += 1
        interval = found["correlations"]["plain"]["spearman"]
        correlated += interval["low"] > 0 or interval["high"] < 0
        words += "told nothing that can be told from chance" in found["sentence"]
    assert 1 <= told["better"] + told["worse"] <= 29  # 15 expected
    assert 3 <= correlated <= 30
    assert words >= 300 - told["better"] - told["worse"] - correlated


def test_the_unit_is_an_architecture():
    """Trainings of one architecture are averaged, not counted; one in both groups counts in both."""
    rows = []
    for n in range(9):
        groups = ("finalist", "drawn") if n == 8 else ("finalist",) if n < 4 else ("drawn",)
        rows += [model(f"a{n}", 1.0 + n, 50 + n, groups, repeat=0), model(f"a{n}", 1.2 + n, 50 + n, groups, repeat=1)]
    failed = Trained("a0", ("finalist",), 2, 0, 1, 1, 10, None, None, 4, (), 1.0)
    found = verdict([*rows, failed], {"snip": {f"a{n}": -float(n) for n in range(9)}}, ranker="snip")
    assert (found["n_trained"], found["n_architectures"], found["failed"]) == (18, 9, 1)
    assert (found["n_finalists"], found["n_drawn"]) == (5, 5)
    finalists, drawn = [1.1, 2.1, 3.1, 4.1, 9.1], [5.1, 6.1, 7.1, 8.1, 9.1]
    assert found["held_out_loss"]["finalist"]["value"] == pytest.approx(np.mean(finalists))
    expected = mannwhitneyu(finalists, drawn, alternative="less").pvalue
    assert found["decision"] == ("better" if expected < 0.025 else "undecided")
    assert found["difference"]["value"] == pytest.approx(np.median(np.subtract.outer(finalists, drawn)))
    assert found["spread"]["within"] == pytest.approx(np.sqrt(0.02))
    assert found["correlations"]["snip"]["spearman"]["n"] == 9


def test_what_cannot_be_known_is_said():
    rows = trained_as([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 2, 3, 4, 5, 6], 3)
    scores = {f"a{n}": (float("nan") if n == 0 else float(-n)) for n in range(6)}
    found = verdict(rows, {"jacov": scores, "l2_norm": dict.fromkeys(scores, 1.0)}, ranker="jacov")
    assert found["difference"]["value"] is None
    assert found["decision"] == "undecided"
    assert "finalists and drawn architectures are not compared" in found["sentence"]
    assert found["correlations"]["jacov"]["spearman"]["n"] == 5  # the failed score is left out
    assert found["correlations"]["l2_norm"]["spearman"]["value"] is None
    assert "Counting" not in verdict(rows, {}, ranker="params")["sentence"]
    none = [Trained(row.arch, row.groups, 0, 0, 1, 1, 10, None, None, 10, (), 1.0) for row in rows[:3]]
    assert (
        "no training with a finite loss" in verdict([*none, *rows[3:]], {"jacov": scores}, ranker="jacov")["sentence"]
    )
