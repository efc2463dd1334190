"""A training as a run: its files, its figures, killed and resumed, skipped steps, folds, and every refusal."""

import json
import math
import multiprocessing
import os
import shutil
import signal
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from segment_samples import TINY, pictures, volumes

from gnomon import segment
from gnomon.dynamics import Probe
from gnomon.errors import UserError
from gnomon.runs import Run, open_run, same_metrics
from gnomon.runs.progress import Progress
from gnomon.segment import losses
from gnomon.segment.evaluating import read_rows
from gnomon.segment.reading import read_mask
from gnomon.segment.recipe import Recipe, from_settings, read_recipe
from gnomon.segment.train import members, train

TRANSCEPTION = ['model.name="transception"', "model.stage_depths=[1, 1, 1, 1]"]  # has batch norms, the U-Net has none
SUMMARY = ["model", "params", "steps", "seconds", "seed", "fold", "skipped_steps", "dice", "mean_dice"]


@pytest.fixture(scope="module")
def discs(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def balls(tmp_path_factory):
    return volumes(tmp_path_factory.mktemp("volumes"))


@pytest.fixture(scope="module")
def whole(discs, tmp_path_factory):
    """A run that nobody disturbed."""
    return trained(tiny(discs), tmp_path_factory.mktemp("whole") / "run")


def tiny(dataset, *overrides: str) -> Recipe:
    return read_recipe(None, [*TINY, *overrides], data=dataset.path)


def trained(recipe: Recipe, out, **more) -> Run:
    return train(recipe, out=out, progress=Progress(quiet=True), **more)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.path / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Watcher:
    """An observer that calls a function before each update."""

    def __init__(self, look) -> None:
        self.look = look

    def step(self, step, batch):
        self.look(step, batch)
        return nullcontext()


def killed_before(step: int, recipe: Recipe, out, fold=0, time: int = 1) -> None:
    """Train in a process of its own that is killed as it is about to make its update number `step`, the `time`th."""
    left = [time]

    def kill(number, batch):
        left[0] -= number == step
        if number == step and left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(
        target=trained, args=(recipe, out), kwargs={"fold": fold, "observe": lambda network, run: [Watcher(kill)]}
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


# -- what a run holds ----------------------------------------------------------------------------------------------


def test_a_run_holds_what_it_promises(whole, discs):
    assert (whole.state, whole.kind) == ("finished", "segment-train")
    for name in ("recipe.toml", "environment.json", "model.json", "per_case.csv", "summary.json"):
        assert (whole.path / name).is_file(), name
    assert [path.name for path in sorted((whole.path / "checkpoints").iterdir())] == ["6", "8"]
    rows = whole.metrics()
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert all(row.keys() == {"step", "time", "loss", "lr", "grad_norm"} for row in rows)
    rates = [1e-3 * (1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]
    assert [row["lr"] for row in rows] == pytest.approx(rates)
    assert all(row["grad_norm"] > 0 for row in rows)
    assert [row["step"] for row in whole.evaluations()] == [5, 8]
    assert from_settings(whole.settings) == (tiny(discs), 0)


def test_the_figures_are_those_of_the_held_cases(whole, discs):
    summary = whole.summary()
    assert [key for key in SUMMARY if key not in summary] == []
    assert (summary["model"], summary["steps"], summary["seed"], summary["fold"]) == ("unet", 8, 0, 0)
    assert summary["params"] == sum(tensor.numel() for tensor in weights(whole).values())
    assert summary["skipped_steps"] == 0
    assert 0 < summary["loading_share"] < 1
    held = [case for case in discs.cases if case.fold == 0]
    rows = read_rows(whole.path / "per_case.csv")
    assert [row["case"] for row in rows] == [case.id for case in held]
    found = summary["dice"]["disc"]
    assert found["value"] == pytest.approx(np.mean([row["dice"] for row in rows]))
    assert (found["n"], found["n_undefined"]) == (3, 0)
    assert found["low"] <= found["value"] <= found["high"]
    assert summary["mean_dice"]["value"] == pytest.approx(found["value"])
    assert whole.evaluations()[-1]["dice"] == summary["dice"]


def test_the_model_predicts_what_was_measured(whole, discs):
    segmenter = segment.load(whole.path)
    assert segmenter.labels == {"ground": 0, "disc": 7}
    for case, row in zip([c for c in discs.cases if c.fold == 0], read_rows(whole.path / "per_case.csv"), strict=True):
        assert row["n_prediction"] == int((segmenter.predict(case.image).labels == 7).sum())
        assert row["n_truth"] == int((read_mask(case.label)[0] == 7).sum())


def test_held_volumes_are_measured_on_their_own_grid(balls, tmp_path):
    run = trained(tiny(balls, "data.slice_axis=coronal", "train.flip_axes=[1]"), tmp_path / "run", fold=1)
    stored = json.loads((run.path / "model.json").read_text())
    assert (stored["slice_axis"], stored["flip_axes"]) == ("coronal", [1])
    for row in read_rows(run.path / "per_case.csv"):
        case = next(case for case in balls.cases if case.id == row["case"])
        assert case.fold == 1
        assert row["n_truth"] == int(read_mask(case.label)[0].sum())
        assert row["diagonal"] == pytest.approx(math.dist((0, 0, 0), (19, 23 * 1.5, 11 * 2)), rel=1e-6)


def test_it_learns_what_can_be_learned_and_nothing_else(discs, tmp_path):
    settings = ["train.steps=40", "train.lr=0.01", "train.checkpoint_every=40"]
    run = trained(tiny(discs, *settings), tmp_path / "run")
    assert run.summary()["mean_dice"]["value"] > 0.8
    null = trained(tiny(pictures(tmp_path / "null", shuffled=True), *settings), tmp_path / "null" / "run")
    assert null.summary()["mean_dice"]["value"] < 0.4


# -- one result, however it is reached -----------------------------------------------------------------------------


@pytest.mark.parametrize("overrides", [["train.checkpoint_every=1"], ["train.validate_every=2"], ["train.device=cpu"]])
def test_same_seed_same_weights(discs, whole, tmp_path, overrides):
    run = trained(tiny(discs, *overrides), tmp_path / "run")
    assert same(weights(run), weights(whole))


def test_another_seed_gives_other_weights(discs, whole, tmp_path):
    run = trained(tiny(discs, "train.seed=1"), tmp_path / "run")
    assert not same(weights(run), weights(whole))


@pytest.mark.parametrize(
    "overrides",
    [
        [*TRANSCEPTION, "train.steps=6"],
        ['train.optimizer="sgd"', 'train.augment="strong"'],
        ['train.keep="best"', "train.validate_every=2"],
    ],
    ids=["transception", "sgd", "best"],
)
def test_a_killed_run_ends_with_the_same_weights(discs, tmp_path, overrides):
    recipe = tiny(discs, *overrides)
    unkilled = trained(recipe, tmp_path / "unkilled")
    killed_before(5, recipe, tmp_path / "killed")
    stopped = open_run(tmp_path / "killed")
    assert stopped.state == "interrupted"
    assert not (stopped.path / "model.safetensors").exists()
    assert [row["step"] for row in stopped.metrics()] == [1, 2, 3, 4]
    (stopped.path / "metrics.jsonl").open("a").write('{"step": 5, "lo')  # torn by the kill
    run = trained(recipe, stopped.path, resume=True)
    assert same(weights(run), weights(unkilled))
    assert same_metrics(run, unkilled) == []
    assert [row["step"] for row in run.metrics()] == list(range(1, recipe.train.steps + 1))
    assert (run.path / "per_case.csv").read_bytes() == (unkilled.path / "per_case.csv").read_bytes()
    assert all(run.summary()[key] == unkilled.summary()[key] for key in set(SUMMARY) - {"seconds"})


def test_killed_before_the_first_checkpoint_it_starts_again(discs, whole, tmp_path):
    killed_before(2, tiny(discs), tmp_path / "run")
    run = trained(tiny(discs), tmp_path / "run", resume=True)
    assert same_metrics(run, whole) == []
    assert same(weights(run), weights(whole))


def test_killed_while_it_measured_it_measures_once(discs, whole, tmp_path):
    """After the last step everything is there but the end: nothing is trained or logged a second time."""
    shutil.copytree(whole.path, tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    (tmp_path / "run" / "model.safetensors").unlink()
    run = trained(tiny(discs), tmp_path / "run", resume=True)
    assert same_metrics(run, whole) == []
    assert same(weights(run), weights(whole))


def test_stopped_by_hand_it_saves_itself_and_goes_on(discs, whole, tmp_path):
    def stop(number, batch):
        if number == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trained(tiny(discs), tmp_path / "run", observe=lambda network, run: [Watcher(stop)])
    stopped = open_run(tmp_path / "run")
    assert stopped.state == "interrupted"
    assert stopped.latest_checkpoint()[0] == 4
    run = trained(tiny(discs), tmp_path / "run", resume=True)
    assert same_metrics(run, whole) == []
    assert same(weights(run), weights(whole))


def test_a_finished_run_is_left_as_it_is(discs, whole):
    before = {path: path.stat().st_mtime_ns for path in whole.path.rglob("*")}
    run = trained(tiny(discs), whole.path, resume=True)
    assert run.summary() == whole.summary()
    assert {path: path.stat().st_mtime_ns for path in whole.path.rglob("*")} == before


def test_the_best_weights_are_those_before_the_next_step(discs, tmp_path):
    """`keep = "best"`: the model is the network as it was when the held fold was measured best, and it is remeasured."""
    states = {}

    def watch(network, run):
        def look(number, batch):
            states[number - 1] = {name: value.clone() for name, value in network.state_dict().items()}

        return [Watcher(look)]

    settings = ['train.keep="best"', "train.steps=12", "train.validate_every=1", "train.lr=0.03"]
    run = trained(tiny(discs, *settings), tmp_path / "run", observe=watch)
    measured = {row["step"]: row["mean_dice"]["value"] for row in run.evaluations()}
    best = max(measured, key=lambda step: (measured[step], -step))
    summary = run.summary()
    assert summary["kept_step"] == best
    assert summary["mean_dice"]["value"] == measured[best]
    assert measured[best] > min(measured.values())
    if best < 12:
        assert same(weights(run), states[best])


def test_a_probe_looks_on_and_changes_nothing(discs, whole, tmp_path):
    held = []

    def watch(network, run):
        def example_losses(model, batch):
            images, labels = batch
            return torch.nn.functional.cross_entropy(model(images), labels, reduction="none").mean((1, 2))

        probe = Probe(network, example_losses, unit="example", every=4, gradients="exact", include="all")
        held.append(probe)
        return [probe]

    run = trained(tiny(discs), tmp_path / "run", observe=watch)
    assert same(weights(run), weights(whole))
    assert {event["step"] for event in held[0].events} == {4, 8}


# -- steps that are not finite -------------------------------------------------------------------------------------


def poisoned(monkeypatch, *calls: int) -> None:
    """Make the loss of some steps infinite, and what the network's norms saw in them too."""
    true, count = losses.LOSSES["transception"], [0]

    def loss(logits, labels):
        count[0] += 1
        return true(logits, labels) * (math.inf if count[0] in calls else 1)

    monkeypatch.setitem(losses.LOSSES, "transception", loss)


def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(discs, tmp_path, monkeypatch):
    poisoned(monkeypatch, 4)
    states = {}

    def watch(network, run):
        def look(number, batch):
            states[number - 1] = {name: value.clone() for name, value in network.state_dict().items()}

        return [Watcher(look)]

    run = trained(tiny(discs, *TRANSCEPTION), tmp_path / "run", observe=watch)
    assert same(states[3], states[4])  # running means and variances as well
    assert not same(states[4], states[5])
    assert any("running_mean" in name for name in states[3])
    assert run.summary()["skipped_steps"] == 1
    assert [row["step"] for row in run.metrics() if row["loss"] is None] == [4]


def test_three_in_a_row_end_the_run_at_its_checkpoint(discs, tmp_path, monkeypatch):
    poisoned(monkeypatch, 1, 2, 5, 6, 7)
    with pytest.raises(UserError, match=r"3 steps up to 7, so .* ended with its checkpoint of step 6; train\.lr below"):
        trained(tiny(discs), tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert run.state == "failed"
    assert run.latest_checkpoint()[0] == 6
    assert run.summary() is None


# -- folds ---------------------------------------------------------------------------------------------------------


def test_all_folds_are_one_run_that_predicts_with_their_mean(discs, whole, tmp_path):
    recipe = tiny(discs)
    killed_before(5, recipe, tmp_path / "run", fold="all", time=2)
    assert [member.state for member in members(open_run(tmp_path / "run"))] == ["finished", "interrupted"]
    run = trained(recipe, tmp_path / "run", fold="all", resume=True)
    parts = members(run)
    assert [part.settings["fold"] for part in parts] == [0, 1, 2]
    assert same(weights(parts[0]), weights(whole))
    assert same_metrics(parts[0], whole) == []
    rows = read_rows(run.path / "per_case.csv")
    assert sorted(row["case"] for row in rows) == sorted(case.id for case in discs.cases)
    summary = run.summary()
    assert [key for key in SUMMARY if key not in summary] == []
    assert (summary["fold"], summary["dice"]["disc"]["n"]) == ("all", 9)
    assert summary["mean_dice"]["value"] == pytest.approx(np.mean([row["dice"] for row in rows]))
    assert summary["seconds"] == pytest.approx(sum(part.summary()["seconds"] for part in parts))
    path = discs.cases[0].image
    mean = np.mean([segment.load(part.path).predict(path).probabilities for part in parts], axis=0)
    assert np.allclose(segment.load(run.path).predict(path).probabilities, mean, atol=1e-5)
    assert trained(recipe, tmp_path / "run", fold="all", resume=True).summary() == summary


def test_without_a_held_fold_everything_is_trained_on_and_nothing_measured(discs, tmp_path):
    seen = []

    def watch(network, run):
        return [Watcher(lambda number, batch: seen.append(batch[0]))]

    settings = ["train.batch_size=9", "train.steps=1", 'train.augment="none"', "train.patch_size=[64, 64]"]
    run = trained(tiny(discs, *settings), tmp_path / "run", fold="none", observe=watch)
    summary = run.summary()
    assert (summary["fold"], summary["dice"], summary["mean_dice"]) == ("none", None, None)
    assert run.evaluations() == []
    assert read_rows(run.path / "per_case.csv") == []
    shown = {tuple(image[:, 0, 0].tolist()) for image in seen[0]}
    assert shown == {tuple(discs.arrays(case.id)[0][:, 0, 0].tolist()) for case in discs.cases}
    assert segment.load(run.path).predict(discs.cases[0].image).labels.shape


# -- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "more", "says"),
    [
        (["data.path=absent"], {}, r"data\.path = 'absent' holds no dataset\.json; a folder made by gnomon segment"),
        ([], {"fold": 3}, r"--fold 3: .* has the folds 0 to 2"),
        (['train.keep="best"'], {"fold": "none"}, r"train\.keep = 'best' .* --fold none"),
        (["train.device=cuda:9"], {}, r"train\.device = 'cuda:9': torch finds no GPU"),
        ([], {"resume": True}, "There is no run"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(discs, tmp_path, overrides, more, says):
    if torch.cuda.is_available() and "cuda" in str(overrides):
        pytest.skip("there is a GPU here")
    with pytest.raises(UserError, match=says) as found:
        trained(tiny(discs, *overrides), tmp_path / "run", **more)
    assert "\n" not in str(found.value)
    assert list(tmp_path.iterdir()) == []


def test_a_held_file_that_is_gone_is_named_before_the_first_step(tmp_path):
    dataset = pictures(tmp_path / "data", count=3)
    gone = next(case for case in dataset.cases if case.fold == 0).label
    gone.unlink()
    with pytest.raises(UserError, match=rf"{gone.name} does not exist, but the held case"):
        trained(tiny(dataset), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    trained(tiny(dataset, "train.steps=1"), tmp_path / "run", fold=1)  # training needs the prepared arrays only


def test_a_folder_that_is_taken_and_settings_that_differ_are_refused(discs, whole, tmp_path):
    with pytest.raises(UserError, match=r"exists already; continue it with --resume"):
        trained(tiny(discs), whole.path)
    with pytest.raises(UserError, match=r"--out .*recipe\.toml is no folder"):
        trained(tiny(discs), whole.path / "recipe.toml" / "run")
    with pytest.raises(UserError, match="--resume needs --out"):
        trained(tiny(discs), None, resume=True)
    with pytest.raises(UserError, match=r"train\.seed = 0, not 1"):
        trained(tiny(discs, "train.seed=1"), whole.path, resume=True)
    with pytest.raises(UserError, match=r"fold = 0, not 1"):
        trained(tiny(discs), whole.path, fold=1, resume=True)
    killed_before(5, tiny(discs), tmp_path / "run")
    with pytest.raises(UserError, match=r"train\.lr = 0\.001, not 0\.01; --resume needs the same"):
        trained(tiny(discs, "train.lr=0.01"), tmp_path / "run", resume=True)
