"""l2_norm: how large the weights are, a baseline without data (NAS-Bench-Suite-Zero, arXiv 2210.03230)."""

import torch

from gnomon.search.rankers.one_pass import OnePass


def l2_norm(network: OnePass) -> float:
    """sum over layers ||W||_2."""
    return sum(float(torch.linalg.vector_norm(W.detach(), dtype=torch.float64)) for W in network.weights)
