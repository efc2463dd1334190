"""grasp: what leaving a weight out would change of the gradient's size (GraSP, arXiv 2002.07376, as in 2101.08134)."""

import torch

from gnomon.search.rankers.one_pass import OnePass, gradients


def grasp(network: OnePass) -> float:
    """sum -W (H g), H g = d/dW <g.detach(), g> with g = dL/dW.

    Takes two backward passes of its own: one whose result can be differentiated, where some layers round differently.
    """
    g = gradients(network.loss, network.weights, differentiable=True)
    product = torch.stack([(one.detach() * one).sum() for one in g]).sum()
    Hg = gradients(product, network.weights)
    return sum(float(-(W.detach().double() * h).sum()) for W, h in zip(network.weights, Hg, strict=True))
