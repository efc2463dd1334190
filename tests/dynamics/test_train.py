"""A small decoder trained from nothing with the probe on: its text, its run, resume, and mistakes in a recipe."""

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gnomon.config import load
from gnomon.dynamics.corpus import DIALECTS, read_corpus
from gnomon.dynamics.recipe import Recipe
from gnomon.dynamics.train import result, run_recipe
from gnomon.errors import UserError
from gnomon.models.tokenizers import byte_token_ids, byte_tokenizer
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


def test_bytes_are_tokens():
    tokenizer = byte_tokenizer()
    ids = byte_token_ids(tokenizer)
    assert len(set(ids)) == 256
    text = "Țară, naïve — 𝄞\n\t\x00"
    assert [ids[byte] for byte in text.encode()] == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode([ids[byte] for byte in text.encode()]) == text


def test_windows_stay_inside_their_source(tmp_path):
    for letter in "ab":
        (tmp_path / f"{letter}.txt").write_text(letter * 200)
    corpus = read_corpus([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")], 16, 0)
    batch = corpus.batch(3, 64, 0)
    assert batch.shape == (64, 17)
    assert {len(row.unique()) for row in batch} == {1}
    assert set(batch.unique().tolist()) == {ord("a"), ord("b")}
    windows, labels = corpus.held_out(5)
    assert sorted(labels) in (["a", "a", "a", "b", "b"], ["a", "a", "b", "b", "b"])
    assert [chr(row[0]) for row in windows.tolist()] == labels


def test_batches_are_functions_of_seed_and_step():
    corpus = read_corpus([], 16, 0)
    assert torch.equal(corpus.batch(5, 4, 1), corpus.batch(5, 4, 1))
    assert not torch.equal(corpus.batch(5, 4, 1), corpus.batch(6, 4, 1))
    assert not torch.equal(corpus.batch(5, 4, 1), corpus.batch(5, 4, 2))


def test_held_out_text_is_not_trained_on(tmp_path):
    text = "".join(chr(48 + i // 10) for i in range(100)) * 1
    (tmp_path / "t.txt.gz").write_bytes(gzip.compress(text.encode()))
    corpus = read_corpus([str(tmp_path / "t.txt.gz")], 4, 0)
    seen = {value for step in range(50) for value in corpus.batch(step, 8, 0).unique().tolist()}
    assert seen == {ord(c) for c in text[:90]}
    assert set(corpus.held_out(3)[0].unique().tolist()) == {ord(text[-1])}


def test_the_generated_text_has_dialects_that_share_their_words_and_not_their_habits():
    corpus = read_corpus([], 64, 0)
    assert [source.name for source in corpus.sources] == list(DIALECTS)
    words = [bytes(source.train).decode().lower().replace(".", "").split() for source in corpus.sources]
    vocabularies = [set(text) for text in words]
    assert len(vocabularies[0]) > 300
    assert len(vocabularies[0] & vocabularies[1]) / len(vocabularies[0] | vocabularies[1]) > 0.7
    pairs = [set(itertools.pairwise(text)) for text in words]
    # Most pairs of neighbours are a dialect's own.
    assert len(pairs[0] & pairs[1]) / len(pairs[0] | pairs[1]) < 0.35
    again = read_corpus([], 64, 0)
    assert np.array_equal(again.sources[2].train, corpus.sources[2].train)


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


def test_texts_that_will_not_do(tmp_path):
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1") * 300)
    (tmp_path / "broken.txt.gz").write_bytes(b"not gzip")
    for name, said in (("short.txt", "too short"), ("latin.txt", "not UTF-8"), ("broken.txt.gz", "cannot be read")):
        with pytest.raises(UserError, match=said):
            read_corpus([str(tmp_path / name)], 16, 0)


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
