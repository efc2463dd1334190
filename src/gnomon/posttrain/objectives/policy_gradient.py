"""Policy gradients with explicit credit: REINFORCE, RLOO, GRPO, PPO-clip and SCoRe are this one function.

What tells them apart is the credit (`gnomon.posttrain.credit.advantages`), whether the ratio to the sampling policy
is taken and clipped (Schulman et al. 2017, eq. 7), and how tokens are averaged.
"""

import torch
from torch import Tensor

from gnomon.errors import UserError
from gnomon.posttrain.groups import same_shape
from gnomon.posttrain.objectives.loss import Loss


def policy_gradient(
    log_probs: Tensor,
    mask: Tensor,
    advantages: Tensor,
    *,
    behaviour_log_probs: Tensor | None = None,
    clip: float | tuple[float, float] | None = None,
    aggregate: str = "sequence",
) -> Loss:
    """The negative surrogate whose gradient is the policy gradient.

    `log_probs`, `mask` [N, T]; `advantages` [N] (one for all of a sequence's tokens) or [N, T]. With `clip = None` the
    term of a token is advantage * log pi: plain REINFORCE, whoever drew the sample. With `clip` (epsilon, or a pair
    below and above 1) and `behaviour_log_probs` [N, T] it is min(rho A, clip(rho, 1 - low, 1 + high) A), rho the
    token's probability ratio to the sampling policy. `aggregate="sequence"` sums a sequence's tokens and averages over
    sequences; `"token"` averages over all tokens of the batch.
    """
    same_shape("policy_gradient", log_probs=log_probs, mask=mask, behaviour_log_probs=behaviour_log_probs)
    weights = mask.to(log_probs.dtype)
    credit = advantages.to(log_probs.dtype).detach()
    if credit.ndim == 1:
        credit = credit[:, None].expand_as(log_probs) if len(credit) == len(log_probs) else credit
    same_shape("policy_gradient", log_probs=log_probs, advantages=credit)
    metrics: dict[str, float] = {}
    if clip is None:
        terms = credit * log_probs
    else:
        low, high = clip if isinstance(clip, tuple) else (clip, clip)
        if not (0 < low <= 1 and high > 0):
            raise UserError(f"policy_gradient: clip = {clip} must be above 0 (and below 1 on the lower side).")
        if behaviour_log_probs is None:
            raise UserError(
                "policy_gradient: clip needs behaviour_log_probs, those of the policy that drew the samples."
            )
        # Where the mask is 0 the logs may be anything: they must not reach exp.
        log_ratio = torch.where(mask.bool(), log_probs - behaviour_log_probs, 0.0)
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1 - low, 1 + high)
        terms = torch.minimum(ratio * credit, clipped * credit)
        active = weights.sum().clamp(min=1.0)
        bound = ((ratio * credit > clipped * credit).to(weights.dtype) * weights).sum() / active
        metrics["clip_fraction"] = float(bound)
        metrics["ratio"] = float((ratio.detach() * weights).sum() / active)
    terms = torch.where(mask.bool(), terms, 0.0)
    if aggregate == "sequence":
        value = -terms.sum(-1).mean()
    elif aggregate == "token":
        value = -terms.sum() / weights.sum().clamp(min=1.0)
    else:
        raise UserError(f"policy_gradient: aggregate = {aggregate!r} is not known; 'sequence' or 'token'.")
    return Loss(value, metrics)
