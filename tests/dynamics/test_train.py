"""A small decoder trained from nothing with the probe on: its run, resume, and mistakes in a recipe."""

import json
from pathlib import Path

import numpy as np
import pytest

from gnomon.config import load
from gnomon.dynamics.recipe import Recipe
from gnomon.dynamics.train import result, run_recipe
from gnomon.errors import UserError
from gnomon.models.corpus import DIALECTS
from gnomon.runs import open_run
from gnomon.runs.progress import Progress
from gnomon.runs.store import same_metrics

RECIPES = Path(__file__).parents[2] / "recipes"
TINY = [
    "train.steps=60",
    "train.warmup=4",
    "train.checkpoint_every=25",
    "data.context=16",
    "model.layers=1",
    "model.width=16",
    "model.heads=2",
    "train.batch_size=8",
    "probe.sequences=9",
]


def tiny(*overrides: str) -> Recipe:
    return load(Recipe, RECIPES / "dynamics-toy.toml", [*TINY, *overrides])


def carried_out(recipe: Recipe, root: Path, **more: object):
    return run_recipe(recipe, root=root, progress=Progress(quiet=True), **more)


def test_a_run_holds_what_it_promises(tmp_path):
    run = carried_out(tiny(), tmp_path)
    assert run.state == "finished"
    for name in ("fit.json", "zero_sum.json", "summary.json", "report.html", "metrics.jsonl"):
        assert (run.path / name).is_file(), name
    trained = [row for row in run.metrics() if row["stage"] == "train"]
    assert [row["step"] for row in trained] == list(range(1, 61))
    assert trained[-1]["loss"] < trained[0]["loss"] - 1
    events = result(run)["probe"]
    spans = [(e["from"], e["step"]) for e in events if e["kind"] == "loss" and "from" in e]
    assert spans == [(1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (32, 60)]
    assert all(e["unit"] == "token" and e["n"] == 9 * 16 for e in events if e["kind"] == "loss" and "from" in e)
    assert [row["group"] for row in events[-1]["groups"]] == sorted(DIALECTS)
    gradients = [e for e in events if e["kind"] == "gradient"]
    assert [e["step"] for e in gradients] == [1, 2, 4, 8, 16, 32]
    assert all(0 < e["D"] < 1 and e["n"] == 8 for e in gradients)
    matrix = json.loads((run.path / "zero_sum.json").read_text())
    assert matrix["labels"] == sorted(DIALECTS)
    assert np.allclose(matrix["Z"], np.transpose(matrix["Z"]))
    summary = run.summary()
    assert summary["validation_loss"]["low"] < summary["validation_loss"]["value"] < summary["validation_loss"]["high"]
    # The checkpoint is a policy that the rest of the house can use.
    assert (run.path / "checkpoints" / "60" / "policy" / "config.json").is_file()


def test_the_probe_changes_nothing_and_a_resumed_run_is_the_same(tmp_path):
    whole = carried_out(tiny(), tmp_path / "whole")
    unwatched = carried_out(tiny("probe.every=1000", 'probe.gradients="off"'), tmp_path / "unwatched")

    def train_rows(run):
        return [{k: v for k, v in row.items() if k != "time"} for row in run.metrics() if row["stage"] == "train"]

    assert train_rows(whole) == train_rows(unwatched)

    class Killed(Progress):
        def __init__(self):
            super().__init__(quiet=True)

        def stage(self, name, total, first):
            from contextlib import contextmanager

            @contextmanager
            def stage():
                def show(done, status):
                    if done == 40:
                        raise RuntimeError("killed")

                yield show

            return stage()

    with pytest.raises(RuntimeError, match="killed"):
        run_recipe(tiny(), root=tmp_path / "killed", progress=Killed())
    (folder,) = (tmp_path / "killed").iterdir()
    assert open_run(folder).latest_checkpoint()[0] == 25
    from gnomon.runs.store import Run

    # The process is gone and its lock with it.
    (tmp_path / "moved").mkdir()
    moved = folder.rename(tmp_path / "moved" / folder.name)
    assert isinstance(open_run(moved), Run)
    resumed = carried_out(tiny(), tmp_path, resume=moved)
    assert same_metrics(whole, resumed) == []
    assert (resumed.path / "fit.json").read_text() == (whole.path / "fit.json").read_text().replace(
        str(whole.path), str(resumed.path)
    )


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.stepz=3", "did you mean 'steps'"),
        ("train.steps=10", "greater than or equal to 50"),
        ("train.warmup=60", "leaves nothing of train.steps = 60"),
        ("probe.every=0", "0 is neither a number of steps"),
        ('probe.unit="word"', "'token' or 'sequence'"),
        ("model.width=18", "does not divide into model.heads"),
        ('data.text="nowhere.txt"', "no file 'nowhere.txt' and no registered data set"),
    ],
)
def test_mistakes_leave_nothing_behind(tmp_path, override, said):
    with pytest.raises(UserError, match=said):
        carried_out(tiny(override), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_the_toy_decelerates_and_opposes_itself_more_late_than_early(tmp_path):
    run = carried_out(
        load(Recipe, RECIPES / "dynamics-toy.toml", ["train.steps=400", 'probe.gradients="off"']), tmp_path
    )
    found = result(run)
    assert found["fit"]["verdict"] == "deceleration"
    assert 20 < found["fit"]["t_d"]["value"] < 200
    D = {e["step"]: e["D"] for e in found["probe"] if e["kind"] == "loss" and "from" in e}
    assert max(D[2], D[4], D[8], D[16]) < 0.15
    assert D[256] > 0.4
    A = {e["step"]: e["A"] for e in found["probe"] if e["kind"] == "loss" and "from" in e}
    assert A[256] < A[16] / 2
