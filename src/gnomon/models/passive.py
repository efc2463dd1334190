"""Looking at a model without touching it: whatever a measurement did to its state is undone when the block ends."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def undisturbed(model: torch.nn.Module, *, evaluating: bool) -> Iterator[None]:
    """Run a measurement of `model` that leaves no trace, also where it raises.

    Afterwards every random state (Python, NumPy, torch on CPU and on the model's CUDA devices), every module's own
    train or eval flag, every buffer and every parameter's `.grad` (the same tensor, with the same values) are what they
    were. With `evaluating` the modules are in eval mode inside; otherwise each keeps its own. Weights are not saved:
    whoever moves them brings them back.
    """
    flags = [(module, module.training) for module in model.modules()]
    # By owner and name too: a forward pass may put another tensor in a buffer's place.
    buffers = [
        (module, name, buffer, None if buffer is None else buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
    ]
    gradients = [
        (parameter, parameter.grad, None if parameter.grad is None else parameter.grad.detach().clone())
        for parameter in model.parameters()
    ]
    devices = sorted({parameter.device.index for parameter in model.parameters() if parameter.device.type == "cuda"})
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=devices):
        try:
            if evaluating:
                model.eval()
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
            for module, training in flags:
                module.training = training
            with torch.no_grad():
                for module, name, buffer, kept in buffers:
                    module._buffers[name] = buffer
                    if buffer is not None and kept is not None:
                        # By `data`: a backward pass still to come counts what was written to the buffer itself.
                        buffer.data.copy_(kept)
                for parameter, gradient, value in gradients:
                    parameter.grad = gradient
                    if gradient is not None and value is not None:
                        gradient.copy_(value)
