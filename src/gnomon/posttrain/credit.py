"""Credit: from rewards per turn to an advantage per turn."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gnomon.errors import UserError
from gnomon.posttrain.groups import Groups, group_by

BASELINES = ("none", "group_mean", "leave_one_out", "group_norm")
EPSILON = 1e-6  # keeps a group of equal returns at zero under `group_norm`


def advantages(
    rewards: Tensor,
    groups: Tensor | Sequence[Any],
    *,
    baseline: str = "none",
    shaping: float = 0.0,
    turn_weights: Sequence[float] | None = None,
    gamma: float = 0.0,
    contexts: Tensor | Sequence[Any] | None = None,
) -> Tensor:
    """Advantages [N, U] of N trajectories with U turns, from `rewards` [N, U] and `groups` [N].

    In this order: the shaped reward s_t = r_t + shaping (r_t - r_(t-1)) for t >= 2 and s_1 = r_1 (SCoRe's bonus; it
    never touches turn 1); the return R_t = sum_{u >= t} gamma^(u - t) s_u; the baseline of R_t over the group at turn 1
    and, where `contexts` [N] names the first attempt that each later one continues, over samples of the same context at
    later turns; times `turn_weights[t]`.

    Baselines: `none`; `group_mean`; `leave_one_out` (RLOO: the mean of the others); `group_norm` (GRPO: mean and
    standard deviation). The defaults give plain REINFORCE. Where each of K first attempts is continued M times, its own
    copies are among "the others" at turn 1: `leave_one_out` then shrinks that turn's expected gradient, whatever gamma
    is, by M (K - 1) / (K M - 1). Raises UserError for a group of one under a baseline.
    """
    if rewards.ndim != 2:
        raise UserError(f"advantages: rewards has shape {tuple(rewards.shape)}; [trajectories, turns] is expected.")
    if baseline not in BASELINES:
        raise UserError(f"advantages: baseline = {baseline!r} is not known; " + ", ".join(BASELINES) + " are.")
    n, turns = rewards.shape
    if turn_weights is not None and len(turn_weights) != turns:
        raise UserError(
            f"advantages: turn_weights has {len(turn_weights)} entries for {turns} turns; one each is needed."
        )
    if not 0 <= gamma <= 1:
        raise UserError(f"advantages: gamma = {gamma} must lie between 0 and 1.")
    rewards = rewards if rewards.is_floating_point() else rewards.float()
    shaped = rewards.clone()
    shaped[:, 1:] += shaping * (rewards[:, 1:] - rewards[:, :-1])
    returns = shaped.clone()
    for turn in range(turns - 2, -1, -1):
        returns[:, turn] += gamma * returns[:, turn + 1]
    if baseline != "none":
        first = group_by(groups, n, "advantages")
        later = first if contexts is None else group_by(contexts, n, "advantages")
        columns = [_centred(returns[:, turn], first if turn == 0 else later, baseline) for turn in range(turns)]
        returns = torch.stack(columns, dim=1)
    if turn_weights is not None:
        returns = returns * torch.tensor(list(turn_weights), dtype=returns.dtype, device=returns.device)
    return returns


def _centred(values: Tensor, by_group: Groups, baseline: str) -> Tensor:
    by_group.refuse_singles("advantages")
    centred = values - by_group.spread(by_group.mean(values))
    if baseline == "group_mean":
        return centred
    sizes = by_group.spread(by_group.sizes.to(values.dtype))
    if baseline == "leave_one_out":  # x - mean of the others = (x - mean) n / (n - 1)
        return centred * sizes / (sizes - 1)
    variance = by_group.spread(by_group.sum(centred.square())) / (sizes - 1)
    return centred / (variance.sqrt() + EPSILON)
