"""The probe inside post-training: what it looks at, that it changes nothing, where its events go, and that they go on."""

import functools
import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import STAGED, tiny

from gnomon.dynamics import Probe
from gnomon.errors import UserError
from gnomon.models.build import decoder
from gnomon.models.policy import Policy
from gnomon.models.tokenizers import symbol_tokenizer
from gnomon.posttrain import opposition_pictures, stages, watching
from gnomon.posttrain.records import Trajectory, Turn
from gnomon.posttrain.report import write_report
from gnomon.posttrain.task_losses import task_losses, turn_labels
from gnomon.posttrain.warm_start import demonstration_losses, supervised_loss
from gnomon.runs import open_run, same_metrics
from gnomon.runs.outlets import _numbers
from gnomon.runs.progress import Progress

WARM = 24  # updates of the tiny recipe's warm start
VOCABULARY = tuple("0123456789abcdef")


@pytest.fixture(scope="module")
def policy():
    torch.manual_seed(0)
    return decoder(symbol_tokenizer(VOCABULARY), layers=1, width=16, heads=2, context=24, seed=3)


@pytest.fixture(scope="module")
def uniform():
    """A policy that gives every token of its vocabulary the same probability: log pi is known without a model."""
    made = decoder(symbol_tokenizer(VOCABULARY), layers=1, width=16, heads=2, context=24, seed=3)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.zero_()
    return made


def turn(prompt, action, reward, **more):
    values = {"latent": False, "origin": "policy", **more}
    zeros = (0.0,) * len(action)
    return Turn(tuple(prompt), tuple(action), zeros, 0, 1.0, "eos", reward, **values)


def trajectory(task, *turns, seed=0):
    """Turns given as (action, reward) or (action, reward, settings); one token (9) is read between two of them."""
    made, prompt = [], (4, 5)
    for action, reward, *more in turns:
        made.append(turn(prompt, action, reward, **(more[0] if more else {})))
        prompt = (*prompt, *action, 9)
    return Trajectory(task, "0.0", seed, tuple(made))


def log_pi(policy, one, place):
    """Log-probability of a turn's action, from a forward pass of its own."""
    each = one.turns[place]
    return float(policy.log_probs([each.prompt_ids], [each.action_ids])[0].double().sum())


# -- the losses ------------------------------------------------------------------------------------------------------


def test_losses_of_a_batch_by_hand(uniform):
    """Two attempts. With log pi = -(number of tokens) log V every entry is a rational multiple of log V."""
    log_v = math.log(uniform.model.config.vocab_size)
    first = (
        trajectory("a", ([6], 1.0), ([7, 8, 6], 0.0)),
        trajectory("a", ([7, 7], 0.0), ([6, 6], 1.0)),
        trajectory("a", ([8, 8, 8], 0.0), ([7], 1.0)),
    )
    second = (trajectory("b", ([6, 6, 6], 0.5), ([7], 0.25)), trajectory("b", ([7], 0.5), ([6, 6], 0.75)))
    losses, mask = task_losses(uniform, [first, second])
    assert losses.dtype == torch.float64
    assert mask.all()
    # -1/K sum_k (r_k - mean) log pi_k, log pi_k = -tokens_k log V
    expected = [
        [(2 / 3 * 1 - 1 / 3 * 2 - 1 / 3 * 3) / 3, (-2 / 3 * 3 + 1 / 3 * 2 + 1 / 3 * 1) / 3],
        [0.0, (-0.25 * 1 + 0.25 * 2) / 2],
    ]
    np.testing.assert_allclose(losses.detach().numpy(), log_v * np.array(expected), rtol=1e-6)
    assert losses[1, 0] == 0.0
    assert turn_labels([first, second]).tolist() == [["turn 1", "turn 2"]] * 2


def test_losses_are_those_of_single_forward_passes(policy):
    """Duplicates, unequal lengths, and chunks of any size change nothing but rounding."""
    groups = [
        (
            trajectory("a", ([6, 7], 1.0), ([7], 0.0)),
            trajectory("a", ([6, 7], 0.0), ([7], 0.0)),
            trajectory("a", ([8], 0.5), ([6, 6, 8], 1.0)),
        ),
        (trajectory("b", ([6, 7], 0.0), ([7], 1.0)), trajectory("b", ([4, 4, 4], 1.0), ([5], 0.5))),
    ]
    expected = np.zeros((2, 2))
    for (row, group), place in itertools.product(enumerate(groups), range(2)):
        rewards = [one.turns[place].reward for one in group]
        expected[row, place] = -np.mean(
            [
                (reward - np.mean(rewards)) * log_pi(policy, one, place)
                for one, reward in zip(group, rewards, strict=True)
            ]
        )
    for at_once in (512, 2, 1):
        losses, mask = task_losses(policy, groups, at_once=at_once)
        np.testing.assert_allclose(losses.detach().numpy(), expected, atol=2e-6)
        assert mask.all()


def test_the_loss_falls_when_better_answers_become_likelier():
    policy = decoder(symbol_tokenizer(VOCABULARY), layers=1, width=16, heads=2, context=24, seed=4)
    better, worse = trajectory("a", ([6, 7], 1.0)), trajectory("a", ([8], 0.0))
    before, _ = task_losses(policy, [(better, worse)])
    odds = log_pi(policy, better, 0) - log_pi(policy, worse, 0)
    optimizer = torch.optim.SGD(policy.model.parameters(), lr=0.1)
    (-policy.score([better.prompt_ids], [better.rest_ids]).log_probs.sum()).backward()
    optimizer.step()
    after, _ = task_losses(policy, [(better, worse)])
    assert log_pi(policy, better, 0) - log_pi(policy, worse, 0) > odds
    assert after[0, 0] < before[0, 0]


@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1, 1 / 3])
def test_equal_rewards_are_exactly_no_signal(policy, monkeypatch, reward):
    """Exactly 0 whatever the rounding of a mean, and nothing is computed for it."""
    group = tuple(trajectory("a", ([6] * length, reward)) for length in (1, 2, 3))
    monkeypatch.setattr(policy, "score", None)
    losses, mask = task_losses(policy, [group])
    assert losses.tolist() == [[0.0]]
    assert mask.tolist() == [[True]]


def test_what_is_not_trained_on_has_no_loss(policy):
    """A first attempt from the replay is read only; a trajectory may end early; what remains has its own mean."""
    replayed = {"origin": "replay"}
    offline = (
        trajectory("a", ([6], 1.0, replayed), ([7], 0.0)),
        trajectory("a", ([7], 0.0, replayed), ([6, 6], 1.0)),
    )
    short = (trajectory("b", ([6], 1.0)), trajectory("b", ([7], 0.0)))
    mixed = (
        trajectory("c", ([6], 1.0)),
        trajectory("c", ([7], 0.0), ([6], 0.0)),
        trajectory("c", ([8], 0.0), ([7], 1.0)),
    )
    losses, mask = task_losses(policy, [offline, short, mixed])
    assert mask.tolist() == [[False, True], [True, False], [True, True]]
    by_hand = -(log_pi(policy, mixed[2], 1) - log_pi(policy, mixed[1], 1)) * 0.5 / 2
    assert losses[2, 1].item() == pytest.approx(by_hand, abs=1e-6)
    assert losses[0, 0] == losses[1, 1] == 0.0


def test_continuations_are_compared_with_those_of_the_same_first_attempt(policy):
    group = (
        trajectory("a", ([6], 1.0), ([7], 1.0)),
        trajectory("a", ([6], 1.0), ([8], 1.0)),
        trajectory("a", ([7], 0.0), ([7], 0.0)),
        trajectory("a", ([7], 0.0), ([8], 1.0)),
    )
    losses, _ = task_losses(policy, [group], contexts=True)
    by_hand = -(0.5 * log_pi(policy, group[3], 1) - 0.5 * log_pi(policy, group[2], 1)) / 4
    assert losses[0, 1].item() == pytest.approx(by_hand, abs=1e-6)
    whole, _ = task_losses(policy, [group])
    assert whole[0, 0].item() == losses[0, 0].item()
    assert abs(whole[0, 1].item() - by_hand) > 1e-3


def test_a_warmup_is_worth_the_answer_after_it(policy):
    latent = {"latent": True}
    drawn = (
        trajectory("a", ([6, 6], 0.0, latent), ([7], 1.0)),
        trajectory("a", ([8], 0.0, latent), ([6], 0.0)),
    )
    losses, mask = task_losses(policy, [drawn])
    assert mask.all()
    by_hand = -(0.5 * log_pi(policy, drawn[0], 0) - 0.5 * log_pi(policy, drawn[1], 0)) / 2
    assert losses[0, 0].item() == pytest.approx(by_hand, abs=1e-6)
    assert turn_labels([drawn]).tolist() == [["warmup", "answer"]]


def test_a_demonstration_counts_by_its_likelihood(policy):
    """It is right, not better than another; a warmup before it cannot be compared by rewards."""
    taught = {"origin": "teacher"}
    group = (
        trajectory("a", ([6, 6], 0.0, {"latent": True}), ([7, 8], 1.0, taught)),
        trajectory("a", ([8], 0.0, {"latent": True}), ([7, 8], 1.0, taught)),
    )
    losses, mask = task_losses(policy, [group])
    assert mask.tolist() == [[False, True]]
    assert losses[0, 1].item() == pytest.approx(-np.mean([log_pi(policy, one, 1) for one in group]), abs=1e-6)


def test_losses_of_demonstrations_are_what_the_warm_start_minimises(policy):
    batch = ([[4, 5], [4]], [[6, 7, 9, 8], [7]], [[True, True, False, True], [True]])
    losses, mask = demonstration_losses(policy, batch)
    assert mask.tolist() == [[True, True, False, True], [True, False, False, False]]
    assert losses[mask].mean().item() == pytest.approx(supervised_loss(policy)(batch).item(), abs=1e-6)


# -- runs ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def _no_pages():
    """Drawing the page is most of a tiny run's time: the tests that read one have it written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "_report", lambda run: None)
        yield


@functools.cache
def page(run):
    return write_report(run).read_text()


def make(folder, resume=False, make_probe=Probe, start_of=None, **sections):
    recipe = tiny(**sections)
    quiet = Progress(quiet=True)
    return stages.run_recipe(recipe, out=folder, resume=resume, progress=quiet, probe=make_probe, start_of=start_of)


def unwatched(run):
    return [
        {name: value for name, value in row.items() if name not in ("time", "trainer_idle", "searcher_idle")}
        | {"samples_per_second": None}
        for row in run.metrics()
        if row["stage"] != "probe"
    ]


def events(run, split="train"):
    """Rows of the probe over single updates."""
    rows = [row for row in run.metrics() if row["stage"] == "probe" and row["split"] == split]
    return [row for row in rows if "from" not in row]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return make(tmp_path_factory.mktemp("bare") / "run")


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    return make(tmp_path_factory.mktemp("watched") / "run", probe={"every": 2})


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    return make(tmp_path_factory.mktemp("staged") / "run", probe={"every": 1}, **STAGED)


def test_the_probe_changes_nothing(bare, watched):
    """Metrics, answers, samples and weights are those of the run without it, to the last bit."""
    assert unwatched(watched) == unwatched(bare)
    for name in ("eval.jsonl", "trajectories.jsonl"):
        assert (watched.path / name).read_bytes() == (bare.path / name).read_bytes()
    weights = [sorted(run.path.rglob("model.safetensors")) for run in (bare, watched)]
    assert len(weights[0]) == len(weights[1]) > 1
    for one, other in zip(*weights, strict=True):
        assert one.read_bytes() == other.read_bytes()
    clocks = {name for name in watched.summary() if "second" in name or name.endswith("_idle")} | {"publish_share"}
    ours, theirs = ({k: v for k, v in run.summary().items() if k not in clocks} for run in (watched, bare))
    assert ours.pop("probe").keys() == {"warm_start", "rl"}
    assert ours == theirs


def test_the_probe_changes_nothing_beside_another_process(bare, watched, tmp_path):
    """With no staleness allowed `process` is `sync`; so it is with a probe, and the probe sees the same."""
    run = make(tmp_path / "run", probe={"every": 2}, engine={"name": "process", "max_staleness": 0})
    assert unwatched(run) == unwatched(bare)
    assert same_metrics(run, watched) == []


@pytest.mark.parametrize("split", ["train", "eval"])
def test_events_are_rows_of_the_metrics(watched, split):
    rows = events(watched, split)
    assert [row["step"] for row in rows] == list(range(2, WARM + 1, 2)) + list(range(WARM + 2, WARM + 13, 2))
    sizes = {"train": (64, 6), "eval": (20, 6)}[split]  # the tiny recipe has twenty validation tasks
    for row in rows:
        warm = row["step"] <= WARM
        assert row["watched"] == ("warm_start" if warm else "rl")
        assert (row["unit"], row["n"]) == (("sequence", sizes[0]) if warm else ("example", sizes[1]))
        assert row["kind"] == "loss"
        assert ("groups" in row) == (not warm)
        if row["D"] is not None:
            assert abs(row["mean"]) == pytest.approx((1 - row["D"]) * row["M"])
    supervised = [row["mean"] for row in rows if row["watched"] == "warm_start"]
    assert sum(mean < 0 for mean in supervised) > len(supervised) / 2  # the updates lower the loss they minimise
    learned = [row for row in rows if row["watched"] == "rl"]
    assert {group["group"] for row in learned for group in row["groups"]} == {"turn 1"}


def test_held_out_losses_are_those_of_tasks_never_trained_on(tmp_path):
    """The same answers at every probe, drawn by the policy the stage begins with."""
    given = []

    def make_probe(model, example_losses, **settings):
        given.append((settings["batch"], example_losses(model, settings["batch"])[0].detach()))
        return Probe(model, example_losses, **settings)

    run = make(tmp_path / "run", make_probe=make_probe, probe={"every": 1}, train={"steps": 3})
    (demonstrations, _), (groups, at_first) = given
    environment = tiny().environment()
    validation = [task.id for task in environment.tasks("validation")]
    assert [group[0].task_id for group in groups] == validation[:6]
    assert not set(validation) & {task.id for task in environment.tasks("train")}
    assert [len(group) for group in groups] == [4] * 6
    assert len(demonstrations[0]) == 20
    changes = [row["mean"] for row in events(run, "eval") if row["watched"] == "rl"]
    at_last = task_losses(Policy.load(run.path), groups)[0].detach()
    assert sum(changes) == pytest.approx((at_last - at_first).mean().item(), abs=1e-6)
    assert sum(changes) != 0


def test_tasks_without_signal_are_counted_as_zeros(watched):
    """`no_signal` is the trainer's own count of the groups whose rewards are all equal."""
    trained = {row["step"]: row for row in watched.metrics() if row["stage"] == "rl"}
    learned = [row for row in events(watched) if row["watched"] == "rl"]
    zeros = [row["n_zero"] for row in learned]
    assert zeros == [round(6 * trained[row["step"]]["no_signal"]) for row in learned]
    assert max(zeros) > 0
    assert min(zeros) < 6


def test_two_attempts_in_two_stages(staged):
    rows = [row for row in events(staged) if row["watched"] != "warm_start"]
    assert [row["watched"] for row in rows] == ["I"] * 5 + ["II"] * 7
    assert [row["step"] for row in rows] == list(range(WARM + 1, WARM + 13))
    for row in rows:
        assert [group["group"] for group in row["groups"]] == ["turn 1", "turn 2"]
        assert sum(group["n"] for group in row["groups"]) == row["n"]
        assert sum(group["sum"] for group in row["groups"]) == pytest.approx(row["n"] * row["mean"])
    # First attempts out of the replay are read, not trained on: no loss of theirs is measured.
    counts = [{group["group"]: group["n"] for group in row["groups"]} for row in rows]
    assert any(count["turn 1"] < count["turn 2"] for count in counts)
    assert all(count["turn 2"] == 6 for count in counts)


@pytest.mark.parametrize("step", [13, WARM + 7])
def test_a_resumed_run_logs_what_an_uninterrupted_one_does(watched, tmp_path, monkeypatch, step):
    class Killed(Exception):
        pass

    real = stages.Run.log

    def log(self, at, **values):
        if at == step and values["stage"] != "probe":
            raise Killed
        real(self, at, **values)

    folder = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(stages.Run, "log", log)
        make(folder, probe={"every": 2})
    open_run(folder).mark("interrupted")
    assert json.loads((folder / "state.json").read_text())["state"] == "interrupted"
    run = make(folder, probe={"every": 2}, resume=True)
    assert same_metrics(run, watched) == []


def test_a_resumed_stage_counts_on(staged, tmp_path, monkeypatch):
    """Powers of two from the stage's first update, wherever the run was interrupted."""
    sections = {**STAGED, "probe": {"every": "log2"}}
    real = stages._Job._keep_examples

    def stop(self, engine, step):
        real(self, engine, step)
        self.interruption.asked = step == WARM + 8

    folder = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stages._Job, "_keep_examples", stop)
        make(folder, **sections)
    unfinished = page(open_run(folder))
    assert "What opposed the update" in unfinished
    assert f"{WARM + 2} to {WARM + 4}" in unfinished
    run = make(folder, resume=True, **sections)
    assert unwatched(run) == unwatched(staged)
    seen = [(row["watched"], row["step"]) for row in events(run)]
    warm = [("warm_start", step) for step in (1, 2, 4, 8, 16)]
    assert seen == [*warm, *(("I", WARM + i) for i in (1, 2, 4)), *(("II", WARM + 5 + i) for i in (1, 2, 4))]
    spans = [(row["watched"], row["from"], row["step"]) for row in run.metrics() if "from" in row]
    warm = [("warm_start", a, b) for a, b in itertools.pairwise((1, 2, 4, 8, 16, WARM))]
    first = [("I", WARM + a, WARM + b) for a, b in itertools.pairwise((1, 2, 4, 5))]
    second = [("II", WARM + 5 + a, WARM + 5 + b) for a, b in itertools.pairwise((1, 2, 4, 7))]
    assert spans == [*warm, *first, *second]
    uninterrupted = make(tmp_path / "whole", **sections)
    assert same_metrics(run, uninterrupted) == []


@pytest.mark.parametrize(
    ("answer", "objective", "held_out"),
    [("policy", {"name": "policy_gradient", "gamma": 1.0}, {"warmup": 6, "answer": 6}),
     ("teacher", {"name": "latent_marginal"}, {"answer": 6})],
)  # fmt: skip
def test_warmups(tmp_path, answer, objective, held_out):
    """They are labelled; before a demonstration they have no loss."""
    sections = {"latent": {"max_tokens": 3}, "objective": objective, "sampling": {"answer": answer}}
    shorter = {"warm_start": {"steps": 2}, "train": {"steps": 2}, "evaluation": {"n": 4, "n_curve": 4}}
    run = make(tmp_path / "run", probe={"every": 1}, **sections, **shorter)
    for split in ("train", "eval"):
        rows = [row for row in events(run, split) if row["watched"] == "rl"]
        assert len(rows) == 2
        for row in rows:
            assert {group["group"]: group["n"] for group in row["groups"]} == held_out


def test_a_shared_warm_start_brings_its_events(watched, tmp_path):
    run = make(tmp_path / "run", probe={"every": 2}, start_of=watched)
    assert same_metrics(run, watched) == []
    bare = make(tmp_path / "bare", start_of=watched)
    assert events(bare) == []
    assert "probe" not in bare.summary()


def test_watching_is_on_nobodys_clock(tmp_path, monkeypatch):
    """What a probe takes is neither training time nor given to the control: here every look takes 1000 seconds."""
    ticks = itertools.count(0, 1000)
    clock = SimpleNamespace(perf_counter=lambda: next(ticks), process_time=lambda: next(ticks))
    monkeypatch.setattr(watching, "time", clock)
    run = make(tmp_path / "run", probe={"every": 1}, warm_start={"steps": 8}, train={"steps": 2})
    summary = run.summary()
    # Before and after an update and at the end, each 2000 between two readings of one clock that tick in turns.
    assert summary["probe"]["rl"]["cpu_seconds"] == (2 * 2 + 1) * 2000
    assert summary["probe"]["warm_start"]["cpu_seconds"] == (8 * 2 + 1) * 2000
    assert summary["seconds"] == pytest.approx(-2 * 2 * 2000, abs=900)
    assert summary["cpu_seconds"] == pytest.approx(-2 * 2 * 2000, abs=900)
    assert summary["warm_start_cpu_seconds"] == pytest.approx(-8 * 2 * 2000, abs=900)


# -- the report, and mistakes -----------------------------------------------------------------------------------------


def test_the_report_says_what_opposed_the_update(staged, bare):
    text = page(staged)
    assert "What opposed the update" in text
    for said in (
        "unit: example",
        "unit: sequence",
        "D_null",
        "II, held-out, turn 2",
        "turn 1 against turn 2",
        "carried no signal",
    ):
        assert said in text, said
    assert "Less opposition is not a better run" in text
    assert "What opposed the update" not in page(bare)


def test_the_rest_of_the_page_is_as_without_a_probe(watched, bare):
    before, _ = page(watched).split("<h2>What opposed the update</h2>")
    assert "Curves" in before
    assert page(bare).startswith(before)


@pytest.mark.parametrize(
    ("alignments", "said"),
    [
        ((2.0, 2.2, 1.8, 2.1), "tasks moved together more than chance would have them: A is 2.02 ["),
        ((0.2, 0.3, None, 0.1), "tasks systematically moved against each other: A is 0.20 ["),
        (
            (0.5, 1.6, 1.2),
            "tasks are not shown to move together or against each other more than by chance: A is 1.10 [",
        ),
        ((None, 3.0), "A is 3.00 in the one update that moved a loss: no interval, no conclusion."),
        ((None,), "no probed update moved any loss."),
    ],
)
def test_what_is_concluded_from_alignments(alignments, said):
    sentence = opposition_pictures._verdict([{"A": alignment} for alignment in alignments], "tasks")
    assert sentence.startswith(said)


def test_a_probe_that_saw_nothing_says_so(tmp_path):
    """All rewards equal in every group: no loss can move, and the page does not fail over it."""
    run = make(tmp_path / "run", probe={"every": 1}, warm_start={"steps": 0}, train={"steps": 2})
    assert {row["D"] for split in ("train", "eval") for row in events(run, split)} == {None}
    text = page(run)
    for split in ("Held-out", "Trained on"):
        assert f"{split}: no probed update moved any loss. 12 of 12 losses (100%) carried no signal." in text


def test_trackers_get_curves_by_unit():
    row = {"stage": "probe", "split": "train", "kind": "loss", "unit": "example", "D": 0.5, "n": 3, "groups": []}
    assert _numbers(row) == {"probe/train/loss/example/D": 0.5, "probe/train/loss/example/n": 3.0}
    assert _numbers({"stage": "rl", "loss": 1.0}) == {"loss": 1.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[probe]\nevery = 0", ":2: probe.every: 0 is neither a number of updates"),
        ('[probe]\nevery = "log10"', ":2: probe.every: 'log10' is neither"),
        ("[probe]\nbudget = 2.0", ":2: probe.budget = 2.0"),
        ("[probe]\nbudgett = 0.1", "did you mean 'budget'"),
        ('[[stages]]\nname = "probe"', "the name is taken"),
    ],
)
def test_mistakes_in_a_recipe(tmp_path, text, said):
    from gnomon.config import load
    from gnomon.posttrain.recipe import Recipe

    path = tmp_path / "recipe.toml"
    path.write_text(text + '\n[task]\nname = "multiply"\n')
    with pytest.raises(UserError) as mistake:
        load(Recipe, path)
    assert said in str(mistake.value)


def test_a_probe_is_off_unless_asked_for():
    assert tiny().probe is None
    assert tiny(probe={}).probe.every == 10
    assert tiny(probe={}).base() == tiny().base()  # the policy that a run starts from is the same


def test_a_probe_without_its_class_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="gnomon.dynamics.Probe"):
        make(tmp_path / "run", make_probe=None, probe={})
    assert not (tmp_path / "run").exists()


def test_the_command_line_names_the_probes_class():
    from gnomon.cli import build
    from gnomon.posttrain import commands

    build()
    assert commands._probe() is Probe
