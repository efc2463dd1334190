"""The supervised loop: it resumes exactly, skips what is not finite, and observers see without touching."""

from contextlib import contextmanager

import pytest
import torch

from gnomon.models import training


def problem(seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    inputs = torch.randn(64, 4, generator=generator)
    targets = inputs.sum(-1, keepdim=True).tanh()

    def batch_of(step):
        chosen = torch.randint(0, 64, (16,), generator=torch.Generator().manual_seed(step))
        return inputs[chosen], targets[chosen]

    def loss_of(batch):
        return ((model(batch[0]) - batch[1]) ** 2).mean()

    return model, batch_of, loss_of


SETTINGS = {"learning_rate": 1e-2, "warmup": 3, "clip": 1.0}


def train(model, batch_of, loss_of, optimizer, first, steps, observers=()):
    return [
        update.loss
        for update in training.supervised(
            batch_of, loss_of, optimizer, first=first, steps=steps, observers=observers, **SETTINGS
        )
    ]


def test_it_learns_and_resumes_exactly(tmp_path):
    model, batch_of, loss_of = problem()
    optimizer = training.optimizer_for(model, learning_rate=1e-2, weight_decay=0.1)
    whole = train(model, batch_of, loss_of, optimizer, 0, 60)
    assert sum(whole[-5:]) < 0.5 * sum(whole[:5])

    again, batch_of, loss_of = problem()
    optimizer = training.optimizer_for(again, learning_rate=1e-2, weight_decay=0.1)
    for update in training.supervised(batch_of, loss_of, optimizer, first=0, steps=60, **SETTINGS):
        if update.step == 24:
            break
    training.save_optimizer(optimizer, tmp_path / "o.safetensors")
    resumed, batch_of, loss_of = problem(seed=0)
    resumed.load_state_dict(again.state_dict())
    optimizer = training.optimizer_for(resumed, learning_rate=1e-2, weight_decay=0.1)
    training.load_optimizer(optimizer, tmp_path / "o.safetensors")
    assert train(resumed, batch_of, loss_of, optimizer, 25, 60) == whole[25:]
    for mine, theirs in zip(resumed.parameters(), model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_observers_wrap_every_step_and_change_nothing():
    seen = []

    class Watch:
        @contextmanager
        def step(self, step, batch):
            seen.append(("in", step))
            yield
            seen.append(("out", step))

    plain = problem()
    watched = problem()
    losses = [
        train(*each, training.optimizer_for(each[0], learning_rate=1e-2), 0, 5, observers)
        for each, observers in ((plain, ()), (watched, (Watch(),)))
    ]
    assert losses[0] == losses[1]
    assert seen == [(side, step) for step in range(5) for side in ("in", "out")]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_that_is_not_finite_changes_nothing(bad):
    model, batch_of, loss_of = problem()
    optimizer = training.optimizer_for(model, learning_rate=1e-2)
    before = [p.clone() for p in model.parameters()]
    updates = list(training.supervised(batch_of, lambda b: loss_of(b) * bad, optimizer, first=0, steps=2, **SETTINGS))
    assert [update.skipped for update in updates] == [True, True]
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_the_gradient_is_clipped():
    parameter = torch.nn.Parameter(torch.zeros(4))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    (parameter * torch.tensor([3.0, 4.0, 0.0, 0.0])).sum().backward()
    norm, skipped = training.apply_gradient(optimizer, loss=1.0, learning_rate=1.0, clip=1.0)
    assert norm == pytest.approx(5.0)
    assert not skipped
    assert float(parameter.detach().norm()) == pytest.approx(1.0, abs=1e-4)


def test_schedule_warms_up_and_decays():
    factors = [training.warmup_then("cosine", step, steps=100, warmup=10) for step in range(101)]
    assert factors[:10] == sorted(factors[:10])
    assert max(factors) == pytest.approx(1.0)
    assert factors[100] == pytest.approx(0.1)
    assert training.warmup_then("constant", 99, steps=100, warmup=10) == 1.0
