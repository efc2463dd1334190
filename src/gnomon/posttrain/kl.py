"""Kullback-Leibler divergence to a reference, as a loss.

Two forms are offered. The exact one sums over the vocabulary at every token. `k2`, half the squared log-ratio, needs
only the sampled tokens, and on samples of the current policy its gradient is that of the exact one in expectation.
Not offered: k1 = log pi - log pi_ref, whose expected gradient is zero, and k3, whose gradient is that of the
divergence the other way round.
"""

import torch
from torch import Tensor

from gnomon.posttrain.groups import same_shape


def exact_kl(logits: Tensor, ref_logits: Tensor, mask: Tensor) -> Tensor:
    """KL(pi || pi_ref) summed over each sequence's tokens: [N] from logits [N, T, V] and mask [N, T]."""
    same_shape("exact_kl", logits=logits, ref_logits=ref_logits)
    same_shape("exact_kl", mask=mask, logits=logits[..., 0])
    log_p, log_q = torch.log_softmax(logits, -1), torch.log_softmax(ref_logits, -1)
    # A token that pi rules out (log p = -inf) adds nothing, whatever the reference says.
    term = torch.where(torch.isneginf(log_p), 0.0, log_p.exp() * (log_p - log_q))
    return torch.where(mask.bool(), term.sum(-1), 0.0).sum(-1)


def k2(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    """Half the squared log-ratio summed over each sequence's tokens: [N] from three [N, T]."""
    same_shape("k2", log_probs=log_probs, ref_log_probs=ref_log_probs, mask=mask)
    return torch.where(mask.bool(), 0.5 * (log_probs - ref_log_probs).square(), 0.0).sum(-1)
