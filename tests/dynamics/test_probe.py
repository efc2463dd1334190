"""The probe: its events are what one would compute by hand around a step, and training is bitwise what it is without it."""

import copy
import json
import os
import random
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.checkpoint import checkpoint

from gnomon.dynamics import Probe, destructive_interference, gradient_interference
from gnomon.dynamics import probe as probe_module
from gnomon.dynamics.interference import by_group
from gnomon.runs import Run

STATISTIC = ("unit", "n", "D", "M", "mean", "D_null", "A", "z", "n_zero", "n_nonfinite", "flags")


class Small(nn.Module):
    """Everything that a careless look would disturb: dropout, BatchNorm, a module kept in eval mode, a buffer
    that is changed in place and one that is replaced, a part that is checkpointed."""

    def __init__(self, checkpointed: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.mix = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 8))
        self.frozen = nn.Dropout(0.5).eval()
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 11)
        self.register_buffer("seen", torch.zeros(1))
        self.register_buffer("calls", torch.zeros(1))
        self.checkpointed = checkpointed

    def forward(self, ids):
        hidden = self.embed(ids)
        hidden = checkpoint(self.mix, hidden, use_reentrant=False) if self.checkpointed else self.mix(hidden)
        self.seen = self.seen + ids.numel()
        self.calls.add_(1)
        hidden = self.norm(self.frozen(hidden).transpose(1, 2)).transpose(1, 2)
        return self.head(hidden)


def seeded(make, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def token_losses(model, batch):
    logits = model(batch[:, :-1]).float()
    return nn.functional.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none")


def batches(steps, rows=6, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 11, (rows, 5), generator=generator) for _ in range(steps)]


VALIDATION = batches(1, rows=4, seed=9)[0]


def train(model, steps, probe=None, *, loop_model=None, pieces=1, inside=nullcontext, outside=nullcontext, finish=True):
    """A plain loop. Returns the gradients of every step, as they were before they were cleared."""
    loop_model = model if loop_model is None else loop_model
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    gradients = []
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    with outside():
        for step, batch in enumerate(batches(steps), 1):
            micro = batch.chunk(pieces)
            with nullcontext() if probe is None else probe.step(step, micro[0]):
                for index, piece in enumerate(micro):
                    if probe is not None and index > 0:
                        probe.also(piece)
                    with inside():
                        loss = token_losses(loop_model, piece).mean() / pieces
                    loss.backward()
                optimizer.step()
                # Left in place until the probe has looked again.
            gradients.append([None if p.grad is None else p.grad.clone() for p in model.parameters()])
            optimizer.zero_grad()
    if probe is not None and finish:
        probe.finish(steps)
    return gradients, optimizer


def traces(model, gradients, optimizer):
    """Everything that must not differ, as a flat list of tensors and plain values."""
    state = optimizer.state_dict()["state"]
    return [
        *model.state_dict().values(),
        *[g for step in gradients for g in step],
        *[value for entry in state.values() for value in entry.values()],
        torch.random.get_rng_state(),
        torch.from_numpy(np.random.get_state()[1].astype(np.int64)),  # noqa: NPY002
        torch.tensor(random.getstate()[1], dtype=torch.int64),
        *[module.training for module in model.modules()],
    ]


def assert_same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def hooks(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    on_modules = sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)
    return on_modules + sum(len(p._backward_hooks or ()) for p in model.parameters())


def bf16(cache_enabled=True):
    return torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=cache_enabled)


def autocast_losses(model, batch):
    """A user's losses that open an autocast region of their own."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(batch[:, :-1])
    return nn.functional.cross_entropy(logits.float().transpose(1, 2), batch[:, 1:], reduction="none")


def noisy_losses(model, batch):
    """A user's losses that use up random numbers of every kind and leave gradients behind."""
    torch.rand(3), np.random.rand(), random.random()  # noqa: NPY002
    with torch.enable_grad():
        model(batch[:, :-1]).sum().backward()
    return token_losses(model, batch)


# -- it only looks -----------------------------------------------------------------------------------------------------

WAYS = {
    "plain": {},
    "accumulated": {"pieces": 3},
    "autocast in the loop": {"inside": bf16},
    "autocast around the loop": {"outside": bf16},
}


@pytest.mark.parametrize("losses", [token_losses, autocast_losses, noisy_losses])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("gradients", ["off", "exact", "sampled"])
def test_training_is_bitwise_the_same_with_and_without(losses, way, checkpointed, gradients):
    plain, watched = (seeded(lambda: Small(checkpointed)) for _ in range(2))
    probe = Probe(watched, losses, batch=VALIDATION, unit="token", every=1, gradients=gradients)
    assert_same(
        traces(plain, *train(plain, 3, **WAYS[way])),
        traces(watched, *train(watched, 3, probe, **WAYS[way])),
    )
    assert len(probe.events) == (6 if gradients == "off" else 9)
    assert all(event["n_zero"] < event["n"] for event in probe.events if event["kind"] == "loss")
    assert all(0 < event["D_pooled"] < 1 for event in probe.events if event["kind"] == "gradient")
    assert hooks(watched) == 0


@pytest.mark.parametrize("where", ["around", "in place"])
def test_a_compiled_model_is_neither_disturbed_nor_compiled_again(where):
    graphs = []
    torch._dynamo.reset()

    def backend(graph, example_inputs):  # stands for a compiler: it is asked once for each graph
        graphs.append(graph)
        return graph.forward

    def compiled(model):
        if where == "around":
            return torch.compile(model, backend=backend)
        model.compile(backend=backend)
        return model

    plain, watched = (seeded(Small) for _ in range(2))
    without = traces(plain, *train(plain, 3, loop_model=compiled(plain)))
    assert len(graphs) == 1
    torch._dynamo.reset()
    model = compiled(watched)
    probe = Probe(model, token_losses, batch=VALIDATION, unit="token", every=1, gradients="exact")
    assert_same(without, traces(watched, *train(watched, 3, probe, loop_model=model)))
    # The validation batch has another shape and the probe another mode; training alone needs one graph.
    assert len(graphs) == 2
    assert len(probe.events) == 9


@pytest.mark.parametrize("losses", [token_losses, autocast_losses])
def test_a_surrounding_autocast_neither_rounds_losses_nor_keeps_old_weights(losses):
    seen = []
    for context in (nullcontext, bf16):
        model = seeded(Small).eval()
        probe = Probe(model, losses, batch=VALIDATION, unit="token", every=1)
        with context(), probe.step(1), torch.no_grad():
            model(VALIDATION)  # fills autocast's cache, if there is one, with these weights
            for parameter in model.parameters():
                parameter.mul_(1.1)
        seen.append(probe.events)
    assert seen[0] == seen[1]
    assert seen[0][0]["M"] > 0.01


def test_losses_are_taken_without_gradient_from_the_bare_model_in_eval_mode():
    seen = []

    def noting(model, batch):
        seen.append((torch.is_grad_enabled(), model.training, type(model)))
        return token_losses(model, batch)

    probe = Probe(torch.compile(seeded(Small), backend="eager"), noting, unit="token", every=1, gradients="exact")
    with probe.step(1, VALIDATION):
        pass
    assert seen == [(False, False, Small), (True, False, Small), (False, False, Small)]


# -- its events --------------------------------------------------------------------------------------------------------


def by_hand(model, batch, unit="token", losses=token_losses):
    with torch.no_grad():
        model.eval()
        values = losses(model, batch)
        model.train()
        model.frozen.eval()
    return (values.mean(1) if unit == "sequence" else values).flatten().double()


def expected(changes, unit="token"):
    return {k: v for k, v in destructive_interference(changes, unit=unit).to_dict().items() if k in STATISTIC}


def watched_by_hand(steps, unit):
    """What the events of `train` must be, from losses taken by hand between the steps of a loop without a probe."""
    model = seeded(Small)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    torch.manual_seed(1)
    found = {}
    for step, batch in enumerate(batches(steps), 1):
        before = by_hand(model, batch, unit), by_hand(model, VALIDATION, unit)
        token_losses(model, batch).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        found[step] = (*before, by_hand(model, batch, unit), by_hand(model, VALIDATION, unit))
    return found


@pytest.mark.parametrize("unit", ["token", "sequence"])
def test_events_at_powers_of_two(unit):
    model = seeded(Small)
    probe = Probe(model, token_losses, batch=VALIDATION, unit=unit)
    train(model, 11, probe)
    hand = watched_by_hand(11, unit)
    wanted = []
    for step in (1, 2, 4, 8):
        train_before, before, train_after, after = hand[step]
        wanted.append({"step": step, "kind": "loss", "split": "train", **expected(train_after - train_before, unit)})
        wanted.append({"step": step, "kind": "loss", "split": "eval", **expected(after - before, unit)})
        if step > 1:
            change = after - hand[step // 2][3]
            wanted.append({"step": step, "kind": "loss", "split": "eval", "from": step // 2, **expected(change, unit)})
    wanted.append({"step": 11, "kind": "loss", "split": "eval", "from": 8, **expected(hand[11][3] - hand[8][3], unit)})
    assert probe.events == wanted
    assert probe.events[0]["n"] == {"token": 24, "sequence": 6}[unit]


def test_events_every_third_step_and_no_last_one():
    model = seeded(Small)
    probe = Probe(model, token_losses, batch=VALIDATION, unit="token", every=3)
    train(model, 7, probe)
    assert [(e["step"], e["split"], "from" in e) for e in probe.events] == [
        (3, "train", False),
        (3, "eval", False),
        (6, "train", False),
        (6, "eval", False),
    ]


def test_a_last_step_that_was_kept_gives_no_further_event():
    model = seeded(Small)
    probe = Probe(model, token_losses, batch=VALIDATION, unit="token")
    train(model, 4, probe)
    assert [e["step"] for e in probe.events if "from" in e] == [2, 4]
    probe.finish(6)
    probe.finish(6)
    assert [(e["from"], e["step"]) for e in probe.events if "from" in e] == [(1, 2), (2, 4), (4, 6)]
    assert probe.events[-1]["D"] is None  # nothing moved since
    assert probe.events[-1]["n_zero"] == probe.events[-1]["n"]


def test_training_batches_alone_and_validation_alone():
    model = seeded(Small)
    probe = Probe(model, token_losses, unit="token")
    train(model, 3, probe)
    assert [(e["step"], e["split"]) for e in probe.events] == [(1, "train"), (2, "train")]
    probe = Probe(model, token_losses, batch=VALIDATION, unit="token")
    with probe.step(1):
        pass
    assert [(e["step"], e["split"]) for e in probe.events] == [(1, "eval")]


def test_micro_batches_give_the_event_of_one_batch():
    def plain_sum(model, batch):  # a model without BatchNorm or dropout moves alike in pieces and whole
        return (model(nn.functional.one_hot(batch, 11).double()) ** 2).sum(-1)

    events = []
    for pieces in (1, 3):
        model = seeded(lambda: nn.Linear(11, 3).double())
        probe = Probe(model, plain_sum, unit="token", every=1, groups=lambda batch: batch[:, 0])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        batch = batches(1)[0]
        micro = batch.chunk(pieces)
        with probe.step(1, micro[0]):
            for piece in micro[1:]:
                probe.also(piece)
            plain_sum(model, batch).mean().backward()
            optimizer.step()
        events.append(probe.events[0])
    assert events[0] == events[1]
    assert events[0]["n"] == 30


def test_masked_losses_are_left_out_and_labels_follow():
    batch = VALIDATION
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[0, 1:] = False
    mask[2] = False

    def masked(model, batch):
        return token_losses(model, batch), mask

    for unit, labels, kept in (
        ("token", ["a", "b", "c", "a"], np.repeat(["a", "b", "a"], [1, 4, 4])),
        ("sequence", ["a", "b", "c", "a"], np.array(["a", "b", "a"])),
        ("token", np.arange(16).reshape(4, 4) % 3, (np.arange(16) % 3)[mask.flatten().numpy()]),
        ("example", torch.arange(16).reshape(4, 4) % 3, (np.arange(16) % 3)[mask.flatten().numpy()]),
    ):
        model = seeded(Small)
        probe = Probe(model, masked, batch=batch, unit=unit, every=1, groups=labels)
        before = by_hand(model, batch)
        with probe.step(1), torch.no_grad():
            model.head.bias.add_(torch.linspace(-1, 1, 11))
        z = by_hand(model, batch) - before
        if unit == "sequence":
            z = torch.stack([z.view(4, 4)[row][mask[row]].mean() for row in (0, 1, 3)])
        else:
            z = z[mask.flatten()]
        event = probe.events[0]
        assert event["n"] == len(z) == len(kept)
        assert event["D"] == pytest.approx(destructive_interference(z, unit=unit).D, rel=1e-5)
        wanted = by_group(z, kept, unit=unit)
        assert [g["group"] for g in event["groups"]] == [w.group for w in wanted]
        for found, row in zip(event["groups"], wanted, strict=True):
            assert found["n"] == row.n
            assert found["sum"] == pytest.approx(row.sum, rel=1e-5)
            assert found["share_of_gain"] == pytest.approx(row.share_of_gain, rel=1e-5)


def test_labels_of_a_function_reach_both_splits_and_an_array_only_validation():
    model = seeded(Small)
    probe = Probe(model, token_losses, batch=VALIDATION, unit="sequence", every=1, groups=lambda b: (b[:, 0] > 5).int())
    train(model, 1, probe)
    assert all("groups" in event for event in probe.events)
    probe = Probe(model, token_losses, batch=VALIDATION, unit="sequence", every=1, groups=list("aabb"))
    train(model, 1, probe)
    assert ["groups" in event for event in probe.events] == [False, True]


def test_bf16_losses_are_flagged_as_quantised():
    def rounded(model, batch):
        return model(batch).squeeze(-1).bfloat16()

    model = seeded(lambda: nn.Linear(1, 1))
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(40.0)
    probe = Probe(model, rounded, batch=torch.linspace(0, 1, 600)[:, None], unit="example", every=1)
    with probe.step(1), torch.no_grad():
        model.weight.mul_(3)
    assert probe.events[0]["flags"] == ["quantised"]
    assert json.loads(json.dumps(probe.events, allow_nan=False)) == probe.events


def test_what_is_not_finite_is_counted_and_null():
    def broken(model, batch):
        return model(batch).squeeze(-1) * torch.tensor([1.0, float("nan"), float("inf")])

    model = seeded(lambda: nn.Linear(1, 1))
    probe = Probe(model, broken, batch=torch.ones(3, 1), unit="example", every=1, groups=list("abc"))
    with probe.step(1), torch.no_grad():
        model.weight.mul_(0)
    (event,) = probe.events
    assert (event["n"], event["n_nonfinite"]) == (1, 2)
    assert json.loads(json.dumps(event, allow_nan=False)) == event
    with probe.step(2):
        pass
    assert probe.events[1]["D"] is None
    assert json.dumps(probe.events, allow_nan=False)


# -- gradients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["token", "sequence"])
def test_gradients_are_those_at_the_weights_before_the_step(unit):
    model = seeded(Small).eval()
    batch = batches(1)[0]
    wanted = gradient_interference(model, token_losses, batch, unit="sequence", method="loop")
    probe = Probe(model, token_losses, batch=VALIDATION, unit=unit, gradients="exact")
    with probe.step(1, batch), torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    event = probe.events[-1]
    assert {k: event[k] for k in ("step", "kind", "split", "unit", "n")} == {
        "step": 1,
        "kind": "gradient",
        "split": "train",
        "unit": "sequence",
        "n": 6,
    }
    for name in ("D", "D_pooled", "D_null", "A"):
        assert event[name] == pytest.approx(getattr(wanted, name), rel=1e-4)
    assert (event["n_coordinates"], event["n_dead"]) == (wanted.n_coordinates, wanted.n_dead)
    assert [layer["layer"] for layer in event["layers"]] == ["mix.0", "mix.3", "norm"]
    assert [layer["A"] for layer in event["layers"]] == pytest.approx([w.A for w in wanted.layers()], rel=1e-4)
    assert json.loads(json.dumps(probe.events, allow_nan=False)) == probe.events


def test_gradients_of_validation_where_no_batch_is_given_and_of_what_is_included():
    model = seeded(Small).eval()
    probe = Probe(
        model, token_losses, batch=VALIDATION, unit="token", gradients="exact", include=lambda name: name == "head.bias"
    )
    with probe.step(1):
        pass
    wanted = gradient_interference(model, token_losses, VALIDATION, include=lambda name: name == "head.bias")
    event = probe.events[-1]
    assert (event["split"], event["n"], event["n_coordinates"]) == ("eval", 4, 11)
    assert event["D"] == pytest.approx(wanted.D, rel=1e-6)


def test_sampled_gradients_have_a_pooled_figure_only():
    model = seeded(Small).eval()
    batch = batches(1, rows=40)[0]
    exact = gradient_interference(model, token_losses, batch)
    probe = Probe(model, token_losses, unit="token", every=1, gradients="sampled")
    for step in range(1, 21):
        with probe.step(step, batch):
            pass
    seen = [event for event in probe.events if event["kind"] == "gradient"]
    assert all((e["D"], e["D_null"], e["A"], e["n_dead"]) == (None, None, None, None) for e in seen)
    assert all((e["n"], e["sample"]) == (40, 4) for e in seen)
    pooled = np.array([event["D_pooled"] for event in seen])
    assert len(set(pooled)) > 10  # another sample at every step
    assert abs(pooled.mean() - exact.D_pooled) < 4 * pooled.std() / len(pooled) ** 0.5


@pytest.mark.parametrize("gradients", ["exact", "sampled"])
def test_gradients_of_micro_batches_are_those_of_one_batch(gradients):
    batch = batches(1, rows=8)[0]
    events = []
    for pieces in (1, 2):
        model = seeded(Small).double().eval()

        def losses(model, batch):
            return nn.functional.cross_entropy(model(batch[:, :-1]).transpose(1, 2), batch[:, 1:], reduction="none")

        probe = Probe(model, losses, unit="token", gradients=gradients)
        first, *others = batch.chunk(pieces)
        with probe.step(1, first):
            for piece in others:
                probe.also(piece)
        events.append(probe.events[-1])
    whole, joined = events
    assert whole["n"] == joined["n"] == 8
    if gradients == "exact":
        for name in ("D", "D_pooled", "D_null", "A", "n_dead"):
            assert joined[name] == pytest.approx(whole[name], rel=1e-10)
    else:
        assert joined["sample"] == 8  # four of each: all of them
        every_one = gradient_interference(model, losses, batch)
        assert joined["D_pooled"] == pytest.approx(every_one.D_pooled, rel=1e-10)


def test_an_exception_during_gradients_leaves_no_hook():
    calls = []

    def failing(model, batch):
        calls.append(1)
        result = token_losses(model, batch)
        if len(calls) == 2:
            raise ZeroDivisionError
        return result

    model = seeded(Small)
    probe = Probe(model, failing, unit="token", every=1, gradients="exact")
    with pytest.raises(ZeroDivisionError), probe.step(1, VALIDATION):
        pass
    assert probe.events == []
    assert hooks(model) == 0
    assert model.training
    with pytest.raises(KeyError), probe.step(2, VALIDATION):
        assert hooks(model) == 0  # while the body runs, too
        raise KeyError
    assert probe.events == []
    assert hooks(model) == 0


# -- several processes -------------------------------------------------------------------------------------------------


def assert_close(one, other):
    """The same events, sums being taken in another order."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_close(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_close(a, b)
    else:
        assert one == (pytest.approx(other, rel=1e-9) if isinstance(one, float) else other)


@pytest.mark.slow
def test_two_processes_give_the_events_of_one_with_the_joined_batch(tmp_path):
    """The script trains under DistributedDataParallel, and shards a model; rank -1 is one process alone."""
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    script = str(Path(__file__).with_name("two_processes.py"))
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", script, str(rank), str(tmp_path)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (-1, 0, 1)
    ]
    try:
        errors = [process.communicate(timeout=100)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0, 0], errors
    alone, first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (-1, 0, 1))
    assert first["exact"] == second["exact"]
    assert [event["kind"] for event in first["exact"]] == ["loss", "loss", "gradient"]
    assert_close(first["exact"], alone["exact"])
    assert_close(first["sampled"][:2], alone["exact"][:2])
    # Four of the first process's four examples and two of the other's two are all of them.
    pooled = first["sampled"][2]
    assert (pooled["n"], pooled["sample"], pooled["D"]) == (6, 6, None)
    assert pooled["D_pooled"] == pytest.approx(alone["exact"][2]["D_pooled"], rel=1e-9)
    assert (first["rows"], second["rows"]) == (3, 0)
    assert first["same"]
    assert second["same"]
    assert first["steps"] == second["steps"]
    assert 2 <= len(first["steps"]) < 30
    assert "0.weight is sharded" in first["refusal"]
    assert_close(first["sharded"], alone["exact"][:2])


# -- where events go ---------------------------------------------------------------------------------------------------


def test_rows_of_a_run_and_a_callback(tmp_path):
    run = Run.create(tmp_path / "run", kind="dynamics-train", name="x", settings={}, seed=0)
    heard = []
    model = seeded(Small)
    probe = Probe(
        model, token_losses, batch=VALIDATION, unit="token", groups=list("aabb"), run=run, on_event=heard.append
    )
    train(model, 3, probe)
    run.finish({})
    assert heard == probe.events
    rows = run.metrics()
    assert [row.pop("stage") for row in rows] == ["probe"] * len(heard)
    for row in rows:
        row.pop("time")
    assert rows == heard


def test_it_goes_on_after_a_resume(tmp_path):
    whole = seeded(Small)
    uninterrupted = Probe(whole, token_losses, batch=VALIDATION, unit="token")
    train(whole, 12, uninterrupted)

    model = seeded(Small)
    first = Probe(model, token_losses, batch=VALIDATION, unit="token")
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    torch.manual_seed(1)
    probe = first
    for step, batch in enumerate(batches(12), 1):
        if step == 6:
            save_file(first.state(), tmp_path / "probe.safetensors")
            probe = Probe(model, token_losses, batch=VALIDATION, unit="token")
            probe.restore(load_file(tmp_path / "probe.safetensors"))
        with probe.step(step, batch):
            token_losses(model, batch).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    probe.finish(12)
    assert first.events + probe.events == uninterrupted.events
    assert [e["from"] for e in probe.events if "from" in e] == [4, 8]


def test_another_validation_batch_after_a_resume_is_refused():
    model = seeded(Small)
    probe = Probe(model, token_losses, batch=VALIDATION, unit="token")
    train(model, 2, probe, finish=False)
    other = Probe(model, token_losses, batch=VALIDATION[:2], unit="token")
    other.restore(probe.state())
    with pytest.raises(ValueError, match=r"8 losses where there were 16"):
        other.finish(3)


# -- exceptions --------------------------------------------------------------------------------------------------------


def test_an_exception_in_the_body_passes_through_and_leaves_nothing():
    model = seeded(Small)
    probe = Probe(model, token_losses, batch=VALIDATION, unit="token", every=1)
    kept = copy.deepcopy(model.state_dict())
    with pytest.raises(KeyError, match="mine"), probe.step(1, VALIDATION):
        raise KeyError("mine")
    assert probe.events == []
    assert model.training
    assert not model.frozen.training
    assert_same(list(kept.values()), list(model.state_dict().values()))
    with probe.step(2, VALIDATION):
        pass
    assert [e["step"] for e in probe.events] == [2, 2]


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_an_exception_in_the_users_losses_is_the_users_to_see(call):
    calls = []

    def failing(model, batch):
        calls.append(1)
        if len(calls) == call:
            raise ZeroDivisionError("in the losses")
        return token_losses(model, batch)

    model = seeded(Small)
    probe = Probe(model, failing, batch=VALIDATION, unit="token", every=1)
    ran = []
    with pytest.raises(ZeroDivisionError), probe.step(1, VALIDATION):
        ran.append(1)
    assert ran == ([1] if call > 2 else [])
    assert probe.events == []
    assert model.training
    with probe.step(2, VALIDATION):
        pass
    assert len(probe.events) == 2


def test_steps_do_not_nest_and_also_needs_one():
    model = seeded(Small)
    probe = Probe(model, token_losses, batch=VALIDATION, unit="token", every=2)
    with probe.step(1, VALIDATION), pytest.raises(RuntimeError, match="step 1 is still open"), probe.step(2):
        pass
    with pytest.raises(RuntimeError, match="no step is open"):
        probe.also(VALIDATION)
    with pytest.raises(KeyError), probe.step(2, VALIDATION):
        raise KeyError
    probe.example_losses = None  # from here on nobody may ask for losses
    with probe.step(3, VALIDATION):
        probe.also(VALIDATION)  # not a wanted step: nothing to do
    assert probe.events == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"unit": "word"}, "unit = 'word' is not known; 'token', 'sequence' or 'example'"),
        ({"every": 0}, "every = 0: 'log2' or a whole number"),
        ({"every": "log10"}, "every = 'log10': 'log2' or"),
        ({"every": 2.0}, "every = 2.0"),
        ({"every": True}, "every = True"),
        ({"gradients": "some"}, "gradients = 'some' is not known; 'off', 'sampled' or 'exact'"),
        ({"include": "heads"}, "include = 'heads' is not known; 'hidden', 'all' or"),
        ({"budget": 0}, "budget = 0: a share"),
        ({"budget": -0.1}, "budget = -0.1"),
        ({"budget": float("nan")}, "budget = nan"),
        ({"groups": ["a"]}, "groups labels the fixed batch and there is none"),
    ],
)
def test_arguments_that_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Probe(seeded(Small), token_losses, **{"unit": "token", **arguments})


def test_what_a_step_refuses():
    model = seeded(Small)
    probe = Probe(model, token_losses, unit="token")
    with pytest.raises(ValueError, match="step = 0: the first step is number 1"), probe.step(0, VALIDATION):
        pass
    with pytest.raises(ValueError, match="nothing to measure"), probe.step(1):
        pass
    for losses, sentence in (
        (lambda m, b: m(b), r"got \(4, 5, 11\)"),
        (lambda m, b: token_losses(m, b)[:3], r"the batch's 4 rows; got \(3, 4\)"),
        (lambda m, b: token_losses(m, b).mean(1), r"unit 'token' needs losses of shape \(B, T\); got \(4,\)"),
    ):
        probe = Probe(model, losses, unit="token")
        with pytest.raises(ValueError, match=sentence), probe.step(1, VALIDATION):
            pass
    probe = Probe(model, token_losses, batch=VALIDATION, unit="token", groups=list("abc"))
    with pytest.raises(ValueError, match=r"shape \(4,\) or \(4, 4\) are expected for unit 'token'; got \(3,\)"):
        probe.step(1).__enter__()


def test_losses_that_change_their_number_are_refused():
    sizes = iter([4, 3])

    def shrinking(model, batch):
        return model(batch)[: next(sizes)].squeeze(1)

    probe = Probe(seeded(lambda: nn.Linear(1, 1)), shrinking, batch=[torch.ones(4, 1)][0][:0], unit="example")
    probe.batch = nn.Parameter(torch.ones(4, 1)).detach().numpy()  # no tensor: its rows are not known
    probe.example_losses = lambda model, batch: shrinking(model, torch.as_tensor(batch))
    with pytest.raises(ValueError, match="step 1 has 3 losses where there were 4"), probe.step(1):
        pass


# -- what it costs -----------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes only where it is told to."""

    def __init__(self, monkeypatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(probe_module, "perf_counter", lambda: self.now)


def loop(clock, *, steps, step_cost=1.0, pass_cost=0.4, probe_options=None, hiccup=0.0):
    model = seeded(lambda: nn.Linear(1, 1))
    passes = []

    def costly(model, batch):
        passes.append(1)
        clock.now += pass_cost + (hiccup if len(passes) == 1 else 0.0)
        return model(batch).squeeze(1)

    probe = Probe(model, costly, unit="example", **(probe_options or {}))
    for step in range(1, steps + 1):
        with probe.step(step, torch.ones(4, 1)):
            clock.now += step_cost
    return probe, len(passes)


def test_without_a_budget_nothing_is_skipped(monkeypatch):
    probe, passes = loop(Clock(monkeypatch), steps=10, probe_options={"every": 1})
    assert (probe.skipped, passes) == (0, 20)
    assert probe.overhead == pytest.approx(0.8)


def test_budget_is_kept_and_used(monkeypatch):
    probe, passes = loop(Clock(monkeypatch), steps=480, probe_options={"every": 1, "budget": 0.02})
    assert probe.overhead <= 0.02
    assert passes == 2 * (len(probe.events))
    assert len(probe.events) == int(480 * 0.02 / 0.8)  # 12: as many as it allows
    assert probe.skipped == 480 - len(probe.events)
    assert probe.events[0]["step"] == 51  # after 50 steps one more step is 2 %


def test_a_dear_probe_is_not_repeated_before_it_is_earned(monkeypatch):
    options = {"every": 1, "budget": 0.02}
    probe, _ = loop(Clock(monkeypatch), steps=780, pass_cost=4.0, probe_options=options)
    assert [event["step"] for event in probe.events] == [51]  # its 8 units were guessed as 1; a second is due after 800
    probe, _ = loop(Clock(monkeypatch), steps=820, pass_cost=4.0, probe_options=options)
    assert [event["step"] for event in probe.events] == [51, 801]


def test_a_slow_first_probe_is_paid_back(monkeypatch):
    probe, _ = loop(Clock(monkeypatch), steps=480, probe_options={"every": 1, "budget": 0.02}, hiccup=3.0)
    assert 2 <= len(probe.events) < 10
    assert probe.overhead <= 0.02


def test_a_budget_counts_all_time_of_the_loop_and_survives_a_resume(monkeypatch):
    clock = Clock(monkeypatch)
    probe, _ = loop(clock, steps=100, probe_options={"every": 1, "budget": 0.02})
    state, overhead = probe.state(), probe.overhead
    clock.now += 1000.0
    assert probe.overhead < overhead / 5  # time between steps is the loop's too
    again = Probe(nn.Linear(1, 1), token_losses, unit="token", every=1, budget=0.02)
    assert again.overhead == 0.0
    again.restore(state)
    assert again.overhead == pytest.approx(overhead)
    assert again.skipped == probe.skipped == 98


def test_overhead_is_that_of_a_real_clock():
    model = seeded(Small)
    probe = Probe(model, token_losses, batch=VALIDATION, unit="token", every=1)
    assert probe.overhead == 0.0
    train(model, 5, probe)
    assert 0 < probe.overhead < 100
