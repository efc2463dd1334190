"""First-order saliencies: what leaving a weight out would change of the loss.

snip: Lee, Ajanthan and Torr 2019, arXiv 1810.02340. plain: Mozer and Smolensky 1989. Both summed over all weights of
convolutions and linear layers as in zero-cost proxies, arXiv 2101.08134.
"""

from gnomon.search.rankers.one_pass import OnePass


def snip(network: OnePass) -> float:
    """sum |W dL/dW|."""
    found, _ = network.loss_gradients
    return sum(float((W.detach().double() * g).abs().sum()) for W, g in zip(network.weights, found, strict=True))


def plain(network: OnePass) -> float:
    """sum W dL/dW."""
    found, _ = network.loss_gradients
    return sum(float((W.detach().double() * g).sum()) for W, g in zip(network.weights, found, strict=True))
