"""grad_norm: how large the gradients of the loss are (zero-cost proxies, arXiv 2101.08134)."""

import torch

from gnomon.search.rankers.one_pass import OnePass


def grad_norm(network: OnePass) -> float:
    """sum over layers ||dL/dW||_2."""
    found, _ = network.loss_gradients
    return sum(float(torch.linalg.vector_norm(g, dtype=torch.float64)) for g in found)
