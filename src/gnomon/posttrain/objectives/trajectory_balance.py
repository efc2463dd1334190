"""Trajectory balance in its VarGrad form (TBA; Bartoldson et al. 2025, trajectory balance with asynchrony).

For one prompt's group of K responses with k = log pi(y) - log pi_ref(y):

    log Z_hat = mean_k( -k_k + r_k / beta )                       held constant
    loss      = mean_k( log Z_hat + k_k - r_k / beta )^2

The minimiser on any support that covers it is pi*(y) = pi_ref(y) exp(r(y) / beta) / Z, whichever policy drew the
samples. That is what makes stale and replayed samples legitimate without importance ratios.
"""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from gnomon.errors import UserError
from gnomon.posttrain.groups import group_by, same_shape
from gnomon.posttrain.objectives.loss import Loss


def trajectory_balance(
    log_probs: Tensor,
    ref_log_probs: Tensor,
    rewards: Tensor,
    groups: Tensor | Sequence[Any],
    *,
    beta: float,
    log_z: str = "vargrad",
) -> Loss:
    """Mean squared residual of the balance condition over N responses.

    `log_probs` [N] are sums over a response's tokens (its end token included) under the policy being trained, at the
    sampling temperature; `ref_log_probs` [N] the same under the anchor: the fixed reference, a reference that is reset
    now and then, or the policy that drew the sample. `rewards` [N], `groups` [N] labels in any order. No length
    normalisation, no clipping, no importance weight.

    `log_z="vargrad"` is the group mean above; `"log_mean_exp"` is log mean_k exp(r_k / beta), which estimates log Z
    where the samples come from the anchor itself. Both are held constant.

    Sample by sample the gradient of the VarGrad form is -2 / beta times that of REINFORCE with the group mean as
    baseline and advantage (r - mean r) - beta (k - mean k), k taken at the current policy.

    Raises UserError for beta <= 0, unequal shapes, and groups of one, whose residual is always zero.
    """
    if not beta > 0:
        raise UserError(f"trajectory_balance: beta = {beta} must be above 0; 0.2 is a safe start.")
    same_shape("trajectory_balance", log_probs=log_probs, ref_log_probs=ref_log_probs, rewards=rewards)
    if log_probs.ndim != 1:
        raise UserError(
            f"trajectory_balance: log_probs has shape {tuple(log_probs.shape)}; sums over each response's tokens, one"
            " number each, are expected."
        )
    by_group = group_by(groups, len(log_probs), "trajectory_balance")
    by_group.refuse_singles("trajectory_balance")
    k = log_probs - ref_log_probs
    target = rewards.to(log_probs.dtype) / beta
    if log_z == "vargrad":
        normaliser = by_group.mean((target - k).detach())
    elif log_z == "log_mean_exp":
        normaliser = by_group.logsumexp(target) - by_group.sizes.to(target.dtype).log()
    else:
        raise UserError(f"trajectory_balance: log_z = {log_z!r} is not known; 'vargrad' or 'log_mean_exp'.")
    residual = by_group.spread(normaliser) + k - target
    value = residual.square().mean()
    return Loss(value, {"log_z": float(normaliser.detach().mean()), "residual": math.sqrt(float(value.detach()))})
