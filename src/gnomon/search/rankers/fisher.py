"""fisher: Fisher information of channels (Theis and others 2018, arXiv 1801.05787, as summed in arXiv 2101.08134)."""

from typing import Any

from gnomon.search.rankers.one_pass import OnePass, channel_axis


def fisher(network: OnePass) -> float:
    """sum over outputs o of layers with q = dL/do, over channels c: fan-in of c, times

        1/2 mean over examples (sum over positions o_c q_c)^2.

    A convolution's channels are its output's second axis, a linear layer's its last; a layer that is used twice counts
    twice.
    """
    _, found = network.loss_gradients
    total = 0.0
    for (layer, output), q in zip(network.seen.outputs, found, strict=True):
        by_channel = (output.detach() * q).movedim(channel_axis(layer), -1)
        summed = by_channel.reshape(len(q), -1, by_channel.shape[-1]).sum(1)  # [B, channels]
        information = summed.double().square().mean(0) / 2
        weight: Any = layer.weight
        total += weight.numel() // len(information) * float(information.sum())
    return total
