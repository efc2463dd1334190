"""The space `transception`: base width, stage depths, branches, kernel sets and bridge order of the segmentation model.

The networks are those of `gnomon.models.transception` (Azad et al., arXiv 2301.10847); the published one is the
architecture of width 64, depths 2, 3, 8 and 3, three branches with kernels 3-5-7 in every stage, and the bridge csss.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from gnomon.errors import UserError
from gnomon.search.spaces.space import Arch, Space

if TYPE_CHECKING:
    from torch import nn

IMAGE_CHANNELS = 3
KINDS = {"c": "channel", "s": "spatial"}  # of a layer's attention in the bridge


class TransCeption(Space):
    """TransCeptions that give each pixel of images [B, 3, input_size, input_size] one of `classes`.

    The genes and the options that list their values:

    - `width` (`widths`): the base width C, a multiple of 8;
    - `depth1` to `depth4` (`depths`): blocks of stage 1, layers in every branch of stages 2 to 4;
    - `branches2` to `branches4` (`branches`): patch units in a chain, each with a branch and each seeing 2 pixels more;
    - `kernels2` to `kernels4` (`kernels`): kernel sizes of the relative encoding for heads 1-2, 3-5, 6-8, as "3-5-7";
    - `bridge` (`bridges`): attention of the bridge's four layers, c over channels and s over space, as "csss".

    Raises UserError that names the option whose values cannot be.
    """

    name = "transception"
    task: Literal["masks"] = "masks"

    def __init__(
        self,
        classes: int = 11,
        input_size: int = 64,
        widths: Sequence[int] = (8, 16, 24),
        depths: Sequence[int] = (1, 2, 3),
        branches: Sequence[int] = (1, 2, 3),
        kernels: Sequence[str] = ("3-3-3", "3-5-7", "5-7-9"),
        bridges: Sequence[str] = ("csss", "sssc", "ssss"),
    ) -> None:
        for option, value in (("classes", classes), ("input_size", input_size)):
            if not _positive(value):
                raise UserError(f"{option} = {value!r} must be a whole number of at least 1.")
        self.classes = classes
        self.input_size = input_size
        whole = "whole numbers of at least 1"
        of_width = _values("widths", widths, lambda width: _positive(width) and width % 8 == 0, "multiples of 8")
        of_depth = _values("depths", depths, _positive, whole)
        of_branches = _values("branches", branches, _positive, whole)
        of_kernels = _values("kernels", kernels, _is_kernel_set, "texts of three odd sizes like '3-5-7'")
        of_bridge = _values("bridges", bridges, _is_bridge, "texts of four letters c or s like 'csss'")
        self.genes = {
            "width": of_width,
            **{f"depth{stage}": of_depth for stage in (1, 2, 3, 4)},
            **{f"branches{stage}": of_branches for stage in (2, 3, 4)},
            **{f"kernels{stage}": of_kernels for stage in (2, 3, 4)},
            "bridge": of_bridge,
        }

    def build(self, arch: Arch, *, seed: int) -> "nn.Module":
        import torch

        from gnomon.models import transception

        width, depths, branches, kernels, bridge = _parts(arch)
        config = transception.TransCeptionConfig(
            num_classes=self.classes,
            in_channels=IMAGE_CHANNELS,
            base_channels=width,
            stage_depths=depths,
            bridge=tuple(KINDS[letter] for letter in bridge),
            branches=branches,
            encoding_kernels=kernels,
        )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return transception.TransCeption(config)

    def describe(self, arch: Arch) -> dict[str, float]:
        """`params`, and `macs` of all convolutions and linear layers for one example (attention products left out)."""
        width, depths, branches, kernels, bridge = _parts(arch)
        widths = [width, 2 * width, 5 * width, 8 * width]
        padded = -(-self.input_size // 32) * 32  # the network pads so
        sides = [padded // stride for stride in (4, 8, 16, 32)]
        count = _Count()
        count.layer(49 * IMAGE_CHANNELS, width, sides[0] ** 2)
        count.norm(width)
        for _ in range(depths[0]):
            count.block(width, sides[0] ** 2)
        count.norm(width)
        for stage in (1, 2, 3):
            width, out_width = widths[stage - 1], widths[stage]
            count.stage(width, out_width, sides[stage], depths[stage], branches[stage - 1], kernels[stage - 1])
        for letter in bridge:
            count.bridge_layer(widths, sides, channel=letter == "c")
        count.decoder(widths, sides, self.classes)
        return {"params": count.params, "macs": count.macs}


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_kernel_set(text: object) -> bool:
    sizes = text.split("-") if isinstance(text, str) else []
    return len(sizes) == 3 and all(size.isdecimal() and str(int(size)) == size and int(size) % 2 for size in sizes)


def _is_bridge(text: object) -> bool:
    return isinstance(text, str) and len(text) == 4 and set(text) <= set(KINDS)


def _values(option: str, given: Any, fits: Callable[[Any], bool], what: str) -> tuple[Any, ...]:
    """The values a gene may take, each once and each fit for it."""
    values = tuple(given) if isinstance(given, list | tuple) else ()
    if not values or not all(map(fits, values)) or len(set(values)) < len(values):
        raise UserError(f"{option} = {given!r} must be a list of different {what}.")
    return values


def _parts(arch: Arch) -> tuple[int, tuple[int, ...], tuple[int, ...], tuple[tuple[int, ...], ...], str]:
    """Width, depths of the four stages, branches and kernels of stages 2 to 4, and bridge."""
    width, *rest, bridge = arch
    kernels = tuple(tuple(map(int, text.split("-"))) for text in rest[7:])
    return width, tuple(rest[:4]), tuple(rest[4:7]), kernels, bridge


class _Count:
    """Parameters and multiply-adds, added up part by part as the network is put together. n counts positions."""

    def __init__(self) -> None:
        self.params = 0
        self.macs = 0

    def layer(self, fan_in: int, outputs: int, n: int, *, bias: bool = True) -> None:
        """A linear layer, or a convolution: `fan_in` is what one of its outputs at one position is summed over."""
        self.params += (fan_in + bias) * outputs
        self.macs += fan_in * outputs * n

    def norm(self, width: int) -> None:
        self.params += 2 * width

    def mix_ffn(self, width: int, n: int) -> None:
        self.layer(width, 4 * width, n)
        self.layer(9, 4 * width, n)
        self.norm(4 * width)
        self.layer(4 * width, width, n)

    def block(self, width: int, n: int) -> None:
        """A block of stage 1 and the decoder, or a layer of a branch: maps to q, k, v and back, and feed-forward."""
        self.norm(width)
        self.layer(width, 3 * width, n)
        self.layer(width, width, n)
        self.norm(width)
        self.mix_ffn(width, n)

    def stage(self, width: int, out_width: int, side: int, depth: int, branches: int, kernels: tuple[int, ...]) -> None:
        n = side**2
        for _ in range(branches):
            self.layer(9, width, n, bias=False)
            self.layer(width, width, n, bias=False)
            self.norm(width)
            # One position and one relative encoding, applied in each layer.
            self.layer(9, width, n * depth)
            for heads, size in zip((2, 3, 3), kernels, strict=True):
                self.layer(size**2, heads * width // 8, n * depth)
            for _ in range(depth):
                self.block(width, n)
        for fan_in in (width, 9, width):
            self.layer(fan_in, width, n, bias=False)
            self.norm(width)
        fused = (branches + 1) * width
        bottleneck = max(8, fused // 16)
        self.layer(fused, bottleneck, 2 * side)
        self.norm(bottleneck)
        self.layer(bottleneck, fused, side)
        self.layer(bottleneck, fused, side)
        self.layer(fused, out_width, n)

    def bridge_layer(self, widths: list[int], sides: list[int], *, channel: bool) -> None:
        C = widths[0]
        tokens = [side**2 * width // C for side, width in zip(sides, widths, strict=True)]
        shortened = sides[3] ** 2 * sum(widths) // C
        self.norm(C)
        self.layer(C, C, sum(tokens))
        if channel:
            self.layer(C, C, sum(tokens))
            self.layer(C, C, sum(tokens))
        else:
            for width, reduction in zip(widths, (8, 4, 2), strict=False):
                self.layer(reduction**2 * width, width, sides[3] ** 2)
            self.norm(C)
            self.layer(C, 2 * C, shortened)
        self.layer(C, C, sum(tokens))
        self.norm(C)
        for width, side in zip(widths, sides, strict=True):
            self.mix_ffn(width, side**2)

    def decoder(self, widths: list[int], sides: list[int], classes: int) -> None:
        C = widths[0]
        self.expand(widths[3], 2, widths[3] // 2, sides[3] ** 2)
        arriving = widths[3] // 2
        for stage, factor, leaving in ((2, 2, widths[2] // 2), (1, 2, C), (0, 4, C)):
            width, n = widths[stage], sides[stage] ** 2
            self.layer(arriving + width, width, n)
            self.block(width, n)
            self.block(width, n)
            self.expand(width, factor, leaving, n)
            arriving = leaving
        self.layer(C, classes, (4 * sides[0]) ** 2)

    def expand(self, width: int, factor: int, out_width: int, n: int) -> None:
        self.layer(width, factor**2 * out_width, n, bias=False)
        self.norm(out_width)
