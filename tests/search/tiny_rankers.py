"""Rankers for tests: some that say what they were shown, and some that misbehave."""

import torch

from gnomon.search import rankers


@rankers.register("weight_sum", direction=1, varies_with=("init",))
def weight_sum(network, inputs, labels):
    return float(sum(parameter.double().sum() for parameter in network.parameters()))


@rankers.register("input_sum", direction=-1, varies_with=("batch",))
def input_sum(network, inputs, labels):
    return float((inputs.double() * torch.arange(len(inputs)).reshape(-1, 1, 1, 1)).sum() + labels.sum())


@rankers.register("output_sum", direction=1)
def output_sum(network, inputs, labels):
    with torch.no_grad():
        return float(network(inputs).double().sum())


@rankers.register("dice", direction=1, varies_with=("init", "batch"))
def dice(network, inputs, labels):
    return float(torch.rand(()))


@rankers.register("spoiler", direction=1)
def spoiler(network, inputs, labels):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    inputs.zero_()
    return 1.0


@rankers.register("raiser", direction=1)
def raiser(network, inputs, labels):
    raise RuntimeError("not today\nnor tomorrow")


@rankers.register("nothing", direction=1)
def nothing(network, inputs, labels):
    return float("nan")


@rankers.register("boundless", direction=1)
def boundless(network, inputs, labels):
    return float("inf")


@rankers.register("talker", direction=1)
def talker(network, inputs, labels):
    return "large"


@rankers.register("slow", direction=1)
def slow(network, inputs, labels):
    """As the script of a test defines it, without the waiting."""
    return float(network(inputs).sum())
