"""Weighted likelihood: supervised fine-tuning, STaR, Pair-SFT, RAFT and warmup's `snis` differ in the weights only."""

import torch
from torch import Tensor

from gnomon.errors import UserError
from gnomon.posttrain.groups import same_shape
from gnomon.posttrain.objectives.loss import Loss


def weighted_nll(log_probs: Tensor, mask: Tensor, weights: Tensor) -> Loss:
    """Mean over N sequences of weight times negative log-likelihood.

    `log_probs`, `mask` [N, T]; `weights` [N], held constant: 1 for supervised training, 1 or 0 for a filter such as
    STaR's, soft ones for self-normalised importance sampling.
    """
    same_shape("weighted_nll", log_probs=log_probs, mask=mask)
    if weights.shape != log_probs.shape[:1]:
        raise UserError(
            f"weighted_nll: weights has shape {tuple(weights.shape)} for {len(log_probs)} sequences; one each is due."
        )
    likelihood = torch.where(mask.bool(), log_probs, 0.0).sum(-1)
    value = -(weights.to(log_probs.dtype).detach() * likelihood).mean()
    return Loss(value, {"weight": float(weights.double().mean())})
