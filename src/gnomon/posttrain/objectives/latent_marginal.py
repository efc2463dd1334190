"""The latent marginal of warmup generations: a free first sequence c is worth how likely it makes the target y.

Derived here from the published factorisation P(y|x) = sum_c P(c|x) P(y|x,c) (arXiv 2502.12304); the paper's own loss
was not available. With K warmups of one example, l_k = log p(y|x,c_k) and L_K = log mean_k exp l_k:

* `marginal`: gradient of L_K through every l_k, plus sum_k s_k grad log p(c_k|x) with s_k = L_K - L_K where l_k is
  replaced by the mean of the others. In expectation this is exactly the gradient of E[L_K].
* `snis`: weights softmax(l / tau), held constant, on the likelihood of the whole sequence [c; y].
* `elbo`: reward l_k with the others' mean as baseline, plus the mean likelihood.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gnomon.errors import UserError
from gnomon.posttrain.groups import group_by, same_shape
from gnomon.posttrain.objectives.loss import Loss


def latent_marginal(
    latent_log_probs: Tensor,
    target_log_probs: Tensor,
    groups: Tensor | Sequence[Any],
    *,
    estimator: str = "marginal",
    tau: float = 1.0,
) -> Loss:
    """The negative objective above, averaged over groups.

    `latent_log_probs` [N] is log p(c|x) and `target_log_probs` [N] log p(y|x,c), sums over tokens; `groups` [N] labels
    in any order. Raises UserError for groups of one, unequal shapes, tau <= 0 and unknown estimators.
    """
    same_shape("latent_marginal", latent_log_probs=latent_log_probs, target_log_probs=target_log_probs)
    if not tau > 0:
        raise UserError(f"latent_marginal: tau = {tau} must be above 0.")
    by_group = group_by(groups, len(latent_log_probs), "latent_marginal")
    by_group.refuse_singles("latent_marginal")
    sizes = by_group.sizes.to(target_log_probs.dtype)
    n = by_group.spread(sizes)
    fixed = target_log_probs.detach()
    marginal = by_group.logsumexp(target_log_probs) - sizes.log()
    others_mean = (by_group.spread(by_group.sum(fixed)) - fixed) / (n - 1)
    if estimator == "marginal":
        whole = marginal.detach()
        without = torch.logaddexp(_log_sum_of_others(fixed, by_group.index), others_mean) - n.log()
        score = by_group.spread(whole) - without
        value = -(marginal + by_group.sum(score * latent_log_probs)).mean()
    elif estimator == "snis":
        weights = (fixed / tau - by_group.spread(by_group.logsumexp(fixed / tau))).exp()
        value = -by_group.sum(weights * (latent_log_probs + target_log_probs)).mean()
    elif estimator == "elbo":
        value = -by_group.mean((fixed - others_mean) * latent_log_probs + target_log_probs).mean()
    else:
        raise UserError(f"latent_marginal: estimator = {estimator!r} is not known; 'marginal', 'snis' or 'elbo'.")
    weights = (fixed - by_group.spread(by_group.logsumexp(fixed))).exp()
    effective = (1 / by_group.sum(weights.square())).mean()
    return Loss(
        value,
        {"log_marginal": float(marginal.detach().mean()), "effective_warmups": float(effective)},
    )


def _log_sum_of_others(values: Tensor, index: Tensor) -> Tensor:
    """log sum exp over the other samples of each sample's group: [N].

    Summed afresh for each: a sum that lost its largest term by subtraction would be nothing but rounding.
    """
    others = (index[:, None] == index[None, :]) & ~torch.eye(len(values), dtype=torch.bool, device=values.device)
    return torch.where(others, values[None, :], -torch.inf).logsumexp(1)
