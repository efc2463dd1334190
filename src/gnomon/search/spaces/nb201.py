"""NAS-Bench-201 (Dong and Yang 2020, arXiv 2001.00326): cells of four nodes with one of five operations on each edge.

An architecture is six operations, on the edges (0,1), (0,2), (0,3), (1,2), (1,3), (2,3): 0 skip, 1 none (zeros),
2 convolution 3x3, 3 convolution 1x1, 4 average pool 3x3. It is written `(4, 0, 3, 1, 4, 3)`.
"""

from typing import TYPE_CHECKING

from gnomon.errors import UserError
from gnomon.search.spaces.space import Arch, Space

if TYPE_CHECKING:
    from torch import nn

EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
"""What the benchmark calls the operations 0 to 4."""

KERNELS = {2: 3, 3: 1}
"""The kernel sizes of the operations that have weights."""


class NB201(Space):
    """The 15,625 cells of NAS-Bench-201, in networks with `cells` cells in each of three stages.

    The stages have `channels`, 2 `channels` and 4 `channels` channels and images of `input_size`, a half and a quarter
    of it. `channels=16, cells=5, input_size=32` are the benchmark's networks: `params` then equals its tables.

    Raises UserError for an option that is not a whole number in its range, naming it.
    """

    name = "nb201"
    task = "images"

    def __init__(self, channels: int = 16, cells: int = 5, classes: int = 10, input_size: int = 32) -> None:
        for option, value, least in (("channels", channels, 1), ("cells", cells, 1), ("classes", classes, 2)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UserError(f"nb201: {option} = {value!r} must be a whole number, at least {least}.")
        if isinstance(input_size, bool) or not isinstance(input_size, int) or input_size < 4 or input_size % 4:
            raise UserError(f"nb201: input_size = {input_size!r} must be a multiple of 4: it is halved twice.")
        self.channels, self.cells, self.classes, self.input_size = channels, cells, classes, input_size
        self.genes = {f"{i}-{j}": tuple(range(len(OPERATIONS))) for i, j in EDGES}

    def encode(self, arch: Arch) -> str:
        """Six operations as `(4, 0, 3, 1, 4, 3)`."""
        return str(tuple(map(int, arch)))

    def decode(self, text: str) -> Arch:
        """The cell written as `(4, 0, 3, 1, 4, 3)` or in the benchmark's own form.

        That form, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, lists what flows into node 1, into node 2 and into node 3.
        Raises UserError naming the text and what is wrong with it.
        """
        found = self._from_benchmark(text) if "|" in text else self._from_digits(text)
        return tuple(found)

    def _from_digits(self, text: str) -> list[int]:
        stripped = text.strip()
        bare = stripped[1:-1] if stripped.startswith("(") and stripped.endswith(")") else stripped
        operations = []
        for part in (part.strip() for part in bare.split(",")):
            if part not in map(str, range(len(OPERATIONS))):
                raise self._no_cell(text, f"{part!r} is not one of the operations 0 to {len(OPERATIONS) - 1}")
            operations.append(int(part))
        if len(operations) != len(EDGES):
            raise self._no_cell(text, f"it has {len(operations)} operations, not {len(EDGES)}")
        return operations

    def _from_benchmark(self, text: str) -> list[int]:
        by_edge = {}
        nodes = text.strip().split("+")
        if len(nodes) != 3:
            raise self._no_cell(text, f"it has {len(nodes)} nodes with edges into them, not 3")
        for node, edges in enumerate(nodes, start=1):
            parts = edges.strip().strip("|").split("|")
            if len(parts) != node:
                raise self._no_cell(text, f"{len(parts)} edges go into node {node}, not {node}")
            for origin, part in enumerate(parts):
                operation, tilde, number = (piece.strip() for piece in part.partition("~"))
                if operation not in OPERATIONS:
                    raise self._no_cell(text, f"{operation!r} is not one of {', '.join(OPERATIONS)}")
                if not tilde or number != str(origin):
                    raise self._no_cell(
                        text, f"{part!r} stands where the edge from node {origin} (~{origin}) is expected"
                    )
                by_edge[origin, node] = OPERATIONS.index(operation)
        return [by_edge[edge] for edge in EDGES]

    def _no_cell(self, text: str, what: str) -> UserError:
        return UserError(
            f"{text!r} is no architecture of {self.name!r}: {what}; six operations, as in '(4, 0, 3, 1, 4, 3)', are"
            " expected."
        )

    def build(self, arch: Arch, *, seed: int) -> "nn.Module":
        """The network in training mode, from images [B, 3, s, s] to logits [B, classes].

        Weights are torch's default: every convolution's, and the linear layer's weights and biases, even in
        +-1/sqrt(fan-in); batch norms at scale 1 and shift 0. They follow from `seed` alone.
        """
        import torch

        from gnomon.search.spaces.nb201_network import Network

        operations = self._checked(arch)
        # Layers draw from torch's global generator when they are made; fork_rng gives it back as it was.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return Network(operations, channels=self.channels, cells=self.cells, classes=self.classes)

    def describe(self, arch: Arch) -> dict[str, float]:
        """`params`, and `macs`: multiply-adds of convolutions and the linear layer for one image.

        The `flops` of published tables also count batch norms, ReLUs and pooling.
        """
        taps = sum(KERNELS[operation] ** 2 for operation in self._checked(arch) if operation in KERNELS)
        norms = sum(operation in KERNELS for operation in arch)
        c, pixels = self.channels, self.input_size**2
        params, macs = 3 * 9 * c + 2 * c, 3 * 9 * c * pixels
        for stage in range(3):
            width, area = c * 2**stage, pixels // 4**stage
            if stage:
                half = width // 2
                reduction = 9 * half * width + 9 * width * width + half * width
                params += reduction + 2 * 2 * width
                macs += reduction * area
            params += self.cells * (taps * width * width + norms * 2 * width)
            macs += self.cells * taps * width * width * area
        return {
            "params": params + 2 * 4 * c + (4 * c + 1) * self.classes,
            "macs": macs + 4 * c * self.classes,
        }

    def _checked(self, arch: Arch) -> tuple[int, ...]:
        if len(arch) != len(EDGES) or any(operation not in range(len(OPERATIONS)) for operation in arch):
            raise self._no_cell(str(arch), f"it is not {len(EDGES)} operations from 0 to {len(OPERATIONS) - 1}")
        return tuple(map(int, arch))
