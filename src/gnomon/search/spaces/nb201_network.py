"""The networks of NAS-Bench-201 (arXiv 2001.00326, section 2): a stem, three stages of cells with reductions between
them, and a linear head. Modules register in the order in which data passes them, a cell's edges in the space's order.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from gnomon.search.spaces.nb201 import EDGES, KERNELS


class Network(nn.Module):
    """Images [B, 3, s, s] to logits [B, classes]; s is a multiple of 4."""

    def __init__(self, operations: Sequence[int], *, channels: int, cells: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        stages: list[nn.Module] = []
        for width in (channels, 2 * channels, 4 * channels):
            if width > channels:
                stages.append(Reduction(width // 2, width))
            stages += [Cell(operations, width) for _ in range(cells)]
        self.stages = nn.Sequential(*stages)
        self.last = nn.Sequential(nn.BatchNorm2d(4 * channels), nn.ReLU())
        self.head = nn.Linear(4 * channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.last(self.stages(self.stem(images)))
        logits: Tensor = self.head(features.mean((2, 3)))
        return logits


class Cell(nn.Module):
    """Node j is the sum of what the edges (i, j) give; node 0 is the input and node 3 the output."""

    def __init__(self, operations: Sequence[int], width: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(_operation(operation, width) for operation in operations)

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for node in (1, 2, 3):
            arriving = [edge(nodes[i]) for (i, j), edge in zip(EDGES, self.edges, strict=True) if j == node]
            nodes.append(sum(arriving[1:], start=arriving[0]))
        return nodes[-1]


class Reduction(nn.Module):
    """A residual block that halves the image and doubles the channels."""

    def __init__(self, width: int, wider: int) -> None:
        super().__init__()
        self.first = _relu_conv_bn(width, wider, 3, stride=2)
        self.second = _relu_conv_bn(wider, wider, 3)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(width, wider, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        shrunk: Tensor = self.shortcut(x)
        return shrunk + self.second(self.first(x))


class Zeros(nn.Module):
    """The operation `none`."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 0.0


def _operation(operation: int, width: int) -> nn.Module:
    if operation in KERNELS:
        return _relu_conv_bn(width, width, KERNELS[operation])
    kept: dict[int, nn.Module] = {0: nn.Identity(), 1: Zeros(), 4: nn.AvgPool2d(3, 1, 1, count_include_pad=False)}
    return kept[operation]


def _relu_conv_bn(width: int, wider: int, kernel: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(width, wider, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(wider),
    )
