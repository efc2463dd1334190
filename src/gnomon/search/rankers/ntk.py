"""The empirical neural tangent kernel T = G G' of a batch, and five numbers of it.

G's rows are the derivatives of the examples' summed logits with respect to every parameter whose name has `weight` in
it, batch norm's scales and token embeddings included. One forward pass of the whole batch in training mode: batch norm
lets every example move every other, which the kernel therefore shows.
"""

import torch
from torch import Tensor

from gnomon.search.rankers.one_pass import NotApplicable, OnePass, gradients


def ntk_condition(network: OnePass) -> float:
    """e_max / e_min of T's eigenvalues (TE-NAS, arXiv 2102.11535); inf where T is singular. Smaller is better."""
    e = torch.linalg.eigvalsh(network.once(tangent_kernel))
    singular = e[0] <= len(e) * torch.finfo(e.dtype).eps * e[-1]
    return float("inf") if singular else float(e[-1] / e[0])


def ntk_frobenius(network: OnePass) -> float:
    """||T||_F (arXiv 2203.14577)."""
    return float(torch.linalg.matrix_norm(network.once(tangent_kernel)))


def ntk_mean(network: OnePass) -> float:
    """Mean of T's entries (KNAS, arXiv 2111.13293)."""
    return float(network.once(tangent_kernel).mean())


def ntk_eigen(network: OnePass) -> float:
    """-sum (ln(e + 1) + 1 / (e + 1)) over T's eigenvalues: the eigenvalue score of Variation Matters' authors."""
    e = torch.linalg.eigvalsh(network.once(tangent_kernel)).clamp(min=0) + 1
    return float(-(e.log() + 1 / e).sum())


def ntk_alignment(network: OnePass) -> float:
    """Cosine of T and Y, both less their mean, with Y = 1 for a pair of one class and -1 else (arXiv 2203.14577)."""
    T, labels = network.once(tangent_kernel), network.labels
    if labels.ndim != 1:
        raise NotApplicable
    Y = 2 * (labels[:, None] == labels).to(T) - 1
    T, Y = T - T.mean(), Y - Y.mean()
    return float((T * Y).sum() / (T.norm() * Y.norm()))


def tangent_kernel(network: OnePass) -> Tensor:
    """T [B, B] in float64, by one backward pass for each example; G is held in the parameters' own precision."""
    weights = [p for name, p in network.network.named_parameters() if "weight" in name and p.is_floating_point()]
    if not weights:
        raise NotApplicable
    summed = network.seen.logits.flatten(1).sum(1)
    B = len(summed)
    rows = [p.new_empty(B, p.numel()) for p in weights]
    for i, value in enumerate(summed):
        for G, g in zip(rows, gradients(value, weights), strict=True):
            G[i] = g.flatten()
    T = torch.zeros(B, B, dtype=torch.float64, device=summed.device)
    for G in rows:
        exact = G.double()
        T += exact @ exact.T
    return T
