"""What a batch of groups amounts to for each of its tasks: a loss per task and turn, for whoever watches an update.

The yardstick is the same whatever the recipe's objective, so that runs can be set side by side. With K samples of a
task that were trained on at turn u, r_k their reward at that turn and log pi_k the log-probability of their tokens,

    loss = -1/K sum_k (r_k - mean r) log pi_k

falls when the better of these answers become likelier against the worse ones. Its value means nothing (the rewards'
mean carries an unknown constant); its change over an update does. It is exactly 0, before and after, where all rewards
are equal: such a task says nothing about what is better.

* A warmup is not graded itself: it is worth the reward of the answer that follows it.
* Where each first attempt is continued several times, a later turn's mean is taken over continuations of the same one,
  as in the objective.
* A demonstration is right, not better than others: its loss is -log pi, and a warmup before one has none.
* A turn taken from the replay is read, not trained on, and has none.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnomon.models.policy import Policy
from gnomon.posttrain.records import Trajectory
from gnomon.posttrain.replay import Group


def task_losses(
    policy: Policy, groups: Sequence[Group], *, contexts: bool = False, at_once: int = 512
) -> tuple[Tensor, Tensor]:
    """The losses above, [tasks, turns] in float64, and the mask of the entries that have one.

    `contexts` says that later turns continue shared first ones; `at_once` bounds the sequences in one forward pass.
    Differentiable in the policy's weights. Sequences without weight in any loss are not scored.
    """
    turns = max(len(trajectory.turns) for group in groups for trajectory in group)
    mask = torch.zeros(len(groups), turns, dtype=torch.bool)
    # Samples of a group often coincide: each distinct sequence is scored once.
    entries: dict[tuple[tuple[int, ...], tuple[int, ...]], list[tuple[int, tuple[int, int], float]]] = {}
    for row, group in enumerate(groups):
        for turn in range(turns):
            weights = _weights(group, turn, contexts=contexts)
            mask[row, turn] = bool(weights)
            for trajectory, weight in weights:
                if weight:
                    entry = (row * turns + turn, trajectory.spans[turn], weight)
                    entries.setdefault((trajectory.prompt_ids, trajectory.rest_ids), []).append(entry)
    losses = torch.zeros(mask.numel(), dtype=torch.float64, device=policy.model.device)
    keys = list(entries)
    temperature = groups[0][0].temperature
    for begin in range(0, len(keys), at_once):
        chunk = keys[begin : begin + at_once]
        log_probs = policy.score([k[0] for k in chunk], [k[1] for k in chunk], temperature=temperature).log_probs
        # Sums up to and without each token, so that a span's sum is a difference of two.
        sums = torch.nn.functional.pad(log_probs.double().cumsum(1), (1, 0))
        flat = [(row, *entry) for row, key in enumerate(chunk) for entry in entries[key]]
        rows, places, spans, factors = zip(*flat, strict=True)
        starts, stops = torch.tensor(spans, device=losses.device).unbind(1)
        which = torch.tensor(rows, device=losses.device)
        spoken = sums[which, stops] - sums[which, starts]
        factor = torch.tensor(factors, dtype=torch.float64, device=losses.device)
        losses = losses.index_add(0, torch.tensor(places, device=losses.device), factor * spoken)
    return losses.view(mask.shape), mask.to(losses.device)


def _weights(group: Group, turn: int, *, contexts: bool) -> list[tuple[Trajectory, float]]:
    """The factor of each trajectory's log-probability in its task's loss at a turn, of those that have one."""
    there = [t for t in group if len(t.turns) > turn and t.turns[turn].origin != "replay"]
    taught = [t for t in there if t.turns[turn].origin == "teacher"]
    if taught:
        return [(t, -1 / len(taught)) for t in taught]
    drawn = [(t, reward) for t in there if (reward := _reward(t, turn)) is not None]
    alike: dict[Any, list[float]] = {}
    for t, reward in drawn:
        alike.setdefault(_context(t, turn, contexts), []).append(reward)
    return [(t, -_centred(reward, alike[_context(t, turn, contexts)]) / len(drawn)) for t, reward in drawn]


def _reward(trajectory: Trajectory, turn: int) -> float | None:
    """The reward of a turn, or for an ungraded one that of the graded turn after it, if the policy drew that."""
    graded = next((u for u in trajectory.turns[turn:] if not u.latent), None)
    return None if graded is None or graded.origin == "teacher" else graded.reward


def _context(trajectory: Trajectory, turn: int, contexts: bool) -> tuple[int, ...] | None:
    return trajectory.turns[0].action_ids if contexts and turn > 0 else None


def _centred(reward: float, rewards: list[float]) -> float:
    """Reward minus mean; exactly 0 where all are equal, which a rounded mean would not be."""
    return 0.0 if min(rewards) == max(rewards) else reward - sum(rewards) / len(rewards)


def turn_labels(groups: Sequence[Group]) -> np.ndarray:
    """What each entry of `task_losses` is called: `turn 1`, `turn 2`, ...; `warmup` and `answer` of a latent task."""
    turns = max(len(trajectory.turns) for group in groups for trajectory in group)
    latent = {place for group in groups for t in group for place, turn in enumerate(t.turns) if turn.latent}
    graded = "answer" if latent else "turn {}"
    names = ["warmup" if turn in latent else graded.format(turn + 1) for turn in range(turns)]
    return np.tile(np.array(names), (len(groups), 1))
