"""A space small enough for tests: convolutional networks of at most two layers on digits, twelve in all."""

import torch

from gnomon.search.spaces import Space


class Tiny(Space):
    name = "tiny"
    task = "images"
    classes, input_size = 10, 8

    def __init__(self, widths=(2, 3, 4), activations=("relu", "tanh"), depths=(1, 2)):
        self.genes = {"width": tuple(widths), "activation": tuple(activations), "depth": tuple(depths)}

    def build(self, arch, *, seed):
        width, activation, depth = arch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = []
            for layer in range(depth):
                layers += [torch.nn.Conv2d(width if layer else 3, width, 3, padding=1, bias=False)]
                layers += [torch.nn.ReLU() if activation == "relu" else torch.nn.Tanh()]
            return torch.nn.Sequential(
                *layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(width, 10)
            )

    def describe(self, arch):
        width, _, depth = arch
        weights = 27 * width + (depth - 1) * 9 * width * width
        return {"params": weights + 10 * width + 10, "macs": 64 * weights + 10 * width}
