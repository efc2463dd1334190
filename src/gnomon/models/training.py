"""The one supervised training loop, with the observer protocol that whoever wants to watch a run satisfies.

`supervised` is a generator: it yields after every optimiser update, so that the caller logs, saves, stops or
measures between two updates and the loop itself needs no callbacks.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

MEASURED_AT_ONCE = 64  # windows


class Observer(Protocol):
    """Something that watches training from outside and leaves it unchanged, such as an interference probe."""

    def step(self, step: int, batch: Any) -> AbstractContextManager[None]:
        """Entered before the update of `step` on `batch`, left after it."""
        ...


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch with one thread inside: sums over several threads round differently, and workers have one each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Update:
    """What one optimiser update did. `skipped` where loss or gradient were not finite: nothing was changed."""

    step: int
    loss: float
    gradient_norm: float
    learning_rate: float
    skipped: bool


def optimizer_for(model: torch.nn.Module, *, learning_rate: float, weight_decay: float = 0.0) -> torch.optim.AdamW:
    """AdamW with betas (0.9, 0.95); weight decay on matrices only."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim >= 2]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), fused=True)


def warmup_then(schedule: str, step: int, *, steps: int, warmup: int) -> float:
    """Factor on the learning rate at `step` (from 0): linear warm-up, then `constant` or `cosine` to a tenth."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, progress)))


def apply_gradient(
    optimizer: torch.optim.Optimizer, *, loss: float, learning_rate: float, clip: float
) -> tuple[float, bool]:
    """One optimiser update at `learning_rate` from the gradients that are there, their norm clipped at `clip`.

    Returns the norm before clipping and whether the update was skipped because loss or gradient were not finite.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, clip))
    skipped = not (math.isfinite(norm) and math.isfinite(loss))
    if not skipped:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm, skipped


def supervised(
    batch_of: Callable[[int], Any],
    loss_of: Callable[[Any], Tensor],
    optimizer: torch.optim.Optimizer,
    *,
    first: int,
    steps: int,
    learning_rate: float,
    warmup: int,
    clip: float,
    schedule: str = "cosine",
    observers: Sequence[Observer] = (),
) -> Iterator[Update]:
    """Minimise `loss_of(batch_of(step))` for `step` in [first, steps), yielding after every update.

    A batch is a function of its step alone, so a run that is resumed at `first` sees what it would have seen.
    """
    for step in range(first, steps):
        batch = batch_of(step)
        rate = learning_rate * warmup_then(schedule, step, steps=steps, warmup=warmup)
        with ExitStack() as watched:
            for observer in observers:
                watched.enter_context(observer.step(step, batch))
            loss = loss_of(batch)
            value = float(loss.detach())
            loss.backward()
            norm, skipped = apply_gradient(optimizer, loss=value, learning_rate=rate, clip=clip)
        yield Update(step, value, norm, rate, skipped)


def example_losses(model: torch.nn.Module, batch: Tensor) -> Tensor:
    """Cross-entropy in nats of each token given those before it: [B, T] of a batch of token ids [B, T + 1]."""
    logits = model(input_ids=batch[:, :-1]).logits.float()
    losses: Tensor = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none")
    return losses


def window_losses(model: torch.nn.Module, windows: Tensor) -> np.ndarray:
    """The mean of `example_losses` over each window: [N] in float64, of token ids [N, T + 1]; no gradients."""
    with torch.inference_mode():
        parts = [example_losses(model, chunk).mean(1) for chunk in windows.split(MEASURED_AT_ONCE)]
    return torch.cat(parts).double().numpy()


def save_optimizer(optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Write the optimiser's tensors as safetensors (no pickle)."""
    state = optimizer.state_dict()["state"]
    flat = {f"{index}.{name}": value for index, entry in state.items() for name, value in entry.items()}
    save_file({name: value.contiguous() for name, value in flat.items()}, path)


def load_optimizer(optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Restore what `save_optimizer` wrote into an optimiser of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in load_file(path).items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    whole = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
