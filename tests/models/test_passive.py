"""What `undisturbed` gives back, bit by bit."""

import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.models.passive import undisturbed


def state(model):
    values = [value.numpy().tobytes() for value in model.state_dict().values()]
    grads = [(id(p.grad), None if p.grad is None else p.grad.numpy().tobytes()) for p in model.parameters()]
    numbers = random.getstate(), np.random.get_state()[1].tobytes(), torch.random.get_rng_state().numpy().tobytes()  # noqa: NPY002
    return values, grads, [module.training for module in model.modules()], numbers


@pytest.mark.parametrize("evaluating", [False, True])
@pytest.mark.parametrize("fault", [False, True])
def test_a_look_in_training_mode_leaves_no_trace(evaluating, fault):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1)).eval()
    model[2].train()
    model.register_buffer("missing", torch.tensor([float("nan")]))
    model[0].weight.grad = torch.ones(4, 3)
    before = state(model)
    with pytest.raises(RuntimeError) if fault else nullcontext(), undisturbed(model, evaluating=evaluating):
        model.train()
        model(torch.randn(5, 3)).sum().backward()
        model[1].running_var = torch.zeros(4)
        random.random(), np.random.random()  # noqa: NPY002
        assert state(model) != before
        if fault:
            model(torch.randn(5, 7))
    assert state(model) == before


def test_a_backward_pass_to_come_still_runs():
    """What the loop's own pass saved, as batch norm's statistics in eval mode, may not count as written to."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval()
    loss = model(torch.randn(5, 3)).sum()
    with undisturbed(model, evaluating=False):
        model(torch.randn(5, 3))
    loss.backward()
    assert model[0].weight.grad is not None
