"""The TransCeption network (Azad et al., arXiv 2301.10847), part by part in the order in which an image passes it.

    images -> four encoder stages (strides 4, 8, 16, 32; widths C, 2C, 5C, 8C) -> dual transformer bridge over the
    tokens of all four stages -> decoder with skip connections -> logits at full resolution

Tensors carry their shape in their name: B images, H x W their height and width (of the part at hand), N = H W tokens in
row-major order, K classes, C the base width, c the width of the part at hand. Arrays between parts are [B, H, W, c], so
that linear layers and norms act on the last axis; `_over_map` gives a convolution the axes it expects, as a view, and a
convolution answers a view of this kind with one.

What matters for a network of one's own: the channel attention of the bridge mixes stretches of the token sequence, so
what it learned belongs to a grid; use one image size for training and prediction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gnomon.errors import UserError

PIECES = (1, 2, 5, 8)
"""Stage widths in units of C, and so the number of C-wide tokens into which the bridge cuts a pixel of each stage."""

STRIDE = 32
"""Pixels of the image for one of the last stage; images are padded to a multiple of it."""

HEADS = 8  # of the factorised attention in stages 2 to 4
HEAD_GROUPS = (2, 3, 3)  # heads that share a kernel size in the relative encoding
REDUCTIONS = (8, 4, 2)  # how much the spatial attention shrinks each of the first three stages for keys and values
BRIDGE_LAYERS = 4
KINDS = ("channel", "spatial")


@dataclass(frozen=True)
class TransCeptionConfig:
    """What a TransCeption is made from. The defaults are the published model.

    `base_channels` is C, a multiple of 8; `stage_depths` counts the blocks of stage 1 and the layers in each branch of
    stages 2 to 4; `bridge` orders the attention of the bridge's four layers. `branches` (how many patch units, of
    receptive fields 3, 5, 7, ..., feed a branch) and `encoding_kernels` (the kernel sizes of the relative encoding for
    heads 1-2, 3-5 and 6-8) have one entry for each of the stages 2 to 4. Raises UserError that names the field.
    """

    num_classes: int = 9
    in_channels: int = 3
    base_channels: int = 64
    stage_depths: tuple[int, ...] = (2, 3, 8, 3)
    bridge: tuple[str, ...] = ("channel", "spatial", "spatial", "spatial")
    branches: tuple[int, ...] = (3, 3, 3)
    encoding_kernels: tuple[tuple[int, ...], ...] = ((3, 5, 7), (3, 5, 7), (3, 5, 7))

    def __post_init__(self) -> None:
        for field in ("num_classes", "in_channels", "base_channels"):
            if not _positive(value := getattr(self, field)):
                raise UserError(f"{field} = {value!r} must be a whole number of at least 1.")
        if self.base_channels % HEADS:
            raise UserError(f"base_channels = {self.base_channels} must be a multiple of {HEADS}.")
        for field, length in (("stage_depths", 4), ("branches", 3)):
            values = self._as_tuple(field)
            if len(values) != length or not all(map(_positive, values)):
                raise UserError(f"{field} = {values!r} must be {length} whole numbers of at least 1.")
        bridge = self._as_tuple("bridge")
        if len(bridge) != BRIDGE_LAYERS or any(kind not in KINDS for kind in bridge):
            raise UserError(f"bridge = {bridge!r} must be {BRIDGE_LAYERS} of {' and '.join(map(repr, KINDS))}.")
        kernels = self._as_tuple("encoding_kernels")
        if len(kernels) != 3 or not all(map(_odd_sizes, kernels)):
            raise UserError(f"encoding_kernels = {kernels!r} must be three odd kernel sizes for each of three stages.")
        object.__setattr__(self, "encoding_kernels", tuple(map(tuple, kernels)))

    def _as_tuple(self, field: str) -> tuple:
        """The field as a tuple, which it is from now on: a recipe file gives lists."""
        value = getattr(self, field)
        if not isinstance(value, list | tuple):
            raise UserError(f"{field} = {value!r} must be a list.")
        object.__setattr__(self, field, tuple(value))
        return tuple(value)

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the four stages: C, 2C, 5C, 8C."""
        return tuple(pieces * self.base_channels for pieces in PIECES)


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _odd_sizes(sizes: object) -> bool:
    """Whether `sizes` has an odd kernel size for every group of heads."""
    if not isinstance(sizes, list | tuple) or len(sizes) != len(HEAD_GROUPS):
        return False
    return all(_positive(size) and size % 2 for size in sizes)


class TransCeption(nn.Module):
    """Images [B, in_channels, H, W] -> logits [B, K, H, W], for any H and W.

    Images with one channel are repeated to three where `in_channels` is 3. Sizes that are no multiple of 32 are padded
    right and bottom with the values at the edge, and the logits are cropped again. There is no dropout.

    Initial weights come from torch's global generator: Xavier uniform with zero bias in patch units, local branches
    and decoder, as in the paper's code, and torch's own elsewhere.
    """

    def __init__(self, config: TransCeptionConfig) -> None:
        super().__init__()
        self.config = config
        widths, depths = config.widths, config.stage_depths
        self.stages = nn.ModuleList([FirstStage(config.in_channels, widths[0], depths[0])])
        for width, out_width, depth, branches, kernels in zip(
            widths[:-1], widths[1:], depths[1:], config.branches, config.encoding_kernels, strict=True
        ):
            self.stages.append(MultiBranchStage(width, out_width, depth, branches, kernels))
        self.bridge = nn.ModuleList(BridgeLayer(config.base_channels, kind) for kind in config.bridge)
        self.decoder = Decoder(config.base_channels, config.num_classes)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Logits [B, K, H, W]. Raises UserError for images of another rank, channel count or without pixels."""
        padded_BKHW = self.decoder(self._bridged(self._encoded(images_BCHW)))
        height, width = images_BCHW.shape[2:]
        return padded_BKHW[..., :height, :width]

    def features(self, images_BCHW: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Maps [B, c, h, w] of the four stages, strides 4 to 32, after the encoder and after the bridge.

        They cover the padded image. Raises UserError as `forward` does.
        """
        encoded = self._encoded(images_BCHW)
        bridged = self._bridged(encoded)
        return [x.permute(0, 3, 1, 2) for x in encoded], [x.permute(0, 3, 1, 2) for x in bridged]

    def _encoded(self, images_BCHW: Tensor) -> list[Tensor]:
        x = self._prepared(images_BCHW).permute(0, 2, 3, 1)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def _prepared(self, images_BCHW: Tensor) -> Tensor:
        shape, wanted = tuple(images_BCHW.shape), self.config.in_channels
        if len(shape) != 4 or (shape[1] != wanted and (shape[1], wanted) != (1, 3)) or 0 in shape:
            raise UserError(f"images have the shape {shape}; (B, {wanted}, H, W) is expected, none of them 0.")
        _, channels, height, width = shape
        if channels != wanted:
            images_BCHW = images_BCHW.expand(-1, wanted, -1, -1)
        if height % STRIDE or width % STRIDE:
            images_BCHW = F.pad(images_BCHW, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        return images_BCHW

    def _bridged(self, maps_BHWc: list[Tensor]) -> list[Tensor]:
        """Every pixel of a stage of width m C is m tokens of width C; the tokens of all stages are one sequence."""
        C = self.config.base_channels
        grids = [(x.shape[1], x.shape[2]) for x in maps_BHWc]
        x_BNC = torch.cat([x.reshape(x.shape[0], -1, C) for x in maps_BHWc], dim=1)
        for layer in self.bridge:
            x_BNC = layer(x_BNC, grids)
        return _cut(x_BNC, grids)


# Blocks that several parts share.


def _over_map(module: nn.Module, x_BHWc: Tensor) -> Tensor:
    """`module`, which takes [B, c, H, W], on an array that has its channels last."""
    return module(x_BHWc.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def _depthwise(width: int, kernel: int, **options: int | bool) -> nn.Conv2d:
    """One `kernel` x `kernel` filter for each channel; with stride 1 the map keeps its size."""
    return nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width, **options)  # type: ignore[arg-type]


class ResidualDepthwise(nn.Conv2d):
    """x + DW(x) for DW a depthwise 3 x 3 convolution, in one: the middle of every kernel is one larger."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, 3, padding=1, groups=width)

    def forward(self, x_BcHW: Tensor) -> Tensor:
        middle = F.pad(torch.ones(1, 1, dtype=self.weight.dtype, device=self.weight.device), (1, 1, 1, 1))
        return self._conv_forward(x_BcHW, self.weight + middle, self.bias)


def _xavier(part: nn.Module) -> None:
    """Glorot & Bengio's uniform weights and zero biases in `part`; a joint map to q, k, v counts as three."""
    for name, layer in part.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            for weight in layer.weight.chunk(3 if name.endswith("qkv") else 1):
                nn.init.xavier_uniform_(weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class MixFFN(nn.Module):
    """fc2(GELU(LN(DW(h) + h))) with h = fc1(x), c -> 4c -> c and DW a depthwise 3 x 3 convolution (Xie et al. 2021)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, 4 * width)
        self.depthwise = ResidualDepthwise(4 * width)
        self.norm = nn.LayerNorm(4 * width)
        self.reduce = nn.Linear(4 * width, width)

    def forward(self, x_BHWc: Tensor) -> Tensor:
        return self.reduce(F.gelu(self.norm(_over_map(self.depthwise, self.expand(x_BHWc)))))


class EfficientAttention(nn.Module):
    """E(Q, K, V) = softmax_channels(Q) (softmax_tokens(K)^T V), one head (efficient attention, Shen et al. 2021)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, x_BHWc: Tensor) -> Tensor:
        q, k, v = self.qkv(x_BHWc.flatten(1, 2)).chunk(3, dim=-1)  # [B, N, c] each
        context_Bcc = k.softmax(dim=1).mT @ v
        out_BNc = q.softmax(dim=-1) @ context_Bcc
        return self.projection(out_BNc.view_as(x_BHWc))


class EfficientBlock(nn.Module):
    """x + E(LN x), then x + MixFFN(LN x): the efficient transformer block of stage 1 and of the decoder."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = EfficientAttention(width)
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn = MixFFN(width)

    def forward(self, x_BHWc: Tensor) -> Tensor:
        x_BHWc = x_BHWc + self.attention(self.attention_norm(x_BHWc))
        return x_BHWc + self.ffn(self.ffn_norm(x_BHWc))


# Encoder.


class FirstStage(nn.Module):
    """Overlapping patches at stride 4, efficient blocks, norm: images [B, H, W, channels] -> [B, H/4, W/4, C]."""

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, width, kernel_size=7, stride=4, padding=3)
        self.patches_norm = nn.LayerNorm(width)
        self.blocks = nn.Sequential(*(EfficientBlock(width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)

    def forward(self, images_BHWC: Tensor) -> Tensor:
        x_BHWc = self.patches_norm(_over_map(self.patches, images_BHWC))
        return self.norm(self.blocks(x_BHWc))


class MultiBranchStage(nn.Module):
    """Stages 2 to 4, [B, H, W, c] -> [B, H/2, W/2, c']: ResInception patch merging, multi-branch transformer, fusion.

    A chain of patch units gives maps of growing receptive field (3, 5, 7), each with a branch of its own; a local
    branch of convolutions reads the first. The fusion weighs and mixes all of them.
    """

    def __init__(self, width: int, out_width: int, depth: int, branches: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.patch_units = nn.ModuleList(PatchUnit(width, stride=1 if i else 2) for i in range(branches))
        self.local = LocalBranch(width)
        self.branches = nn.ModuleList(Branch(width, depth, kernels) for _ in range(branches))
        self.fusion = Fusion(width * (branches + 1), out_width)

    def forward(self, x_BHWc: Tensor) -> Tensor:
        outputs = []
        for i, (unit, branch) in enumerate(zip(self.patch_units, self.branches, strict=True)):
            x_BHWc = _over_map(unit, x_BHWc)
            if i == 0:
                outputs.append(_over_map(self.local, x_BHWc))
            outputs.append(branch(x_BHWc))
        return _over_map(self.fusion, torch.cat(outputs, dim=-1))


class PatchUnit(nn.Sequential):
    """Depthwise 3 x 3 of the given stride -> 1 x 1 -> BN -> Hardswish, [B, c, H, W] at unchanged width."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.depthwise = _depthwise(width, 3, stride=stride, bias=False)
        self.pointwise = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.activation = nn.Hardswish()
        _xavier(self)


class LocalBranch(nn.Module):
    """x + BN(1x1(Hardswish(BN(DW(Hardswish(BN(1x1(x)))))))) on [B, c, H, W]: what is near, by convolutions alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.Hardswish(),
            _depthwise(width, 3, bias=False),
            nn.BatchNorm2d(width),
            nn.Hardswish(),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        _xavier(self)

    def forward(self, x_BcHW: Tensor) -> Tensor:
        return x_BcHW + self.residual(x_BcHW)


class Branch(nn.Module):
    """`depth` transformer layers that share one position encoding and one relative encoding.

    x <- P(x) + x; x <- x + FA(LN x); x <- x + MixFFN(LN x), with P a depthwise 3 x 3 convolution.
    """

    def __init__(self, width: int, depth: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.position = ResidualDepthwise(width)
        self.relative = RelativeEncoding(width, kernels)
        self.layers = nn.ModuleList(BranchLayer(width) for _ in range(depth))

    def forward(self, x_BHWc: Tensor) -> Tensor:
        for layer in self.layers:
            x_BHWc = layer(_over_map(self.position, x_BHWc), self.relative)
        return x_BHWc


class BranchLayer(nn.Module):
    """x + FA(LN x), then x + MixFFN(LN x), with norms of eps 1e-6."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=1e-6)
        self.attention = FactorisedAttention(width)
        self.ffn_norm = nn.LayerNorm(width, eps=1e-6)
        self.ffn = MixFFN(width)

    def forward(self, x_BHWc: Tensor, relative: "RelativeEncoding") -> Tensor:
        x_BHWc = x_BHWc + self.attention(self.attention_norm(x_BHWc), relative)
        return x_BHWc + self.ffn(self.ffn_norm(x_BHWc))


class FactorisedAttention(nn.Module):
    """FA = d^(-1/2) Q (softmax_tokens(K)^T V) + Q * E(V) in each of 8 heads of d = c/8 channels (Xu et al. 2021)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, x_BHWc: Tensor, relative: "RelativeEncoding") -> Tensor:
        q, k, v = self.qkv(x_BHWc).chunk(3, dim=-1)
        q_BhNd, k_BhNd, v_BhNd = (self._heads(x) for x in (q, k, v))
        context_Bhdd = k_BhNd.softmax(dim=2).mT @ v_BhNd
        out_BhNd = q_BhNd @ (context_Bhdd * context_Bhdd.shape[-1] ** -0.5)
        out_BHWc = out_BhNd.transpose(1, 2).reshape(x_BHWc.shape)
        return self.projection(out_BHWc + q * relative(v))

    @staticmethod
    def _heads(x_BHWc: Tensor) -> Tensor:
        return x_BHWc.flatten(1, 2).unflatten(-1, (HEADS, -1)).transpose(1, 2)


class RelativeEncoding(nn.Module):
    """E(V): depthwise convolutions over the map of V, of another kernel size for each group of heads."""

    def __init__(self, width: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.group_widths = [heads * width // HEADS for heads in HEAD_GROUPS]
        self.groups = nn.ModuleList(map(_depthwise, self.group_widths, kernels))

    def forward(self, v_BHWc: Tensor) -> Tensor:
        parts = v_BHWc.split(self.group_widths, dim=-1)
        return torch.cat([_over_map(conv, part) for conv, part in zip(self.groups, parts, strict=True)], dim=-1)


class Fusion(nn.Module):
    """Intra-stage feature fusion [B, z, H, W] -> [B, c', H, W]: gates by row and column, then 1 x 1.

    The means over each row and over each column pass a bottleneck together and become two gates in (0, 1), of which
    every value of the map is multiplied by its row's and its column's (coordinate attention, Hou et al. 2021).
    """

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        bottleneck = max(8, width // 16)
        self.squeeze = nn.Sequential(nn.Conv2d(width, bottleneck, 1), nn.BatchNorm2d(bottleneck))
        self.row_gate = nn.Conv2d(bottleneck, width, 1)
        self.column_gate = nn.Conv2d(bottleneck, width, 1)
        self.projection = nn.Conv2d(width, out_width, 1)

    def forward(self, z_BzHW: Tensor) -> Tensor:
        rows, columns = z_BzHW.shape[2:]
        means = torch.cat([z_BzHW.mean(3, keepdim=True), z_BzHW.mean(2, keepdim=True).mT], dim=2)  # [B, z, H + W, 1]
        y = self.squeeze(means)
        y = y * (F.silu(y + 3) / 6).clamp(max=1)
        y_rows, y_columns = y.split([rows, columns], dim=2)
        a_h = self.row_gate(y_rows).sigmoid()  # [B, z, H, 1]
        a_w = self.column_gate(y_columns.mT).sigmoid()  # [B, z, 1, W]
        return self.projection(z_BzHW * a_w * a_h)


# Dual transformer bridge.


def _cut(x_BNC: Tensor, grids: Sequence[tuple[int, int]]) -> list[Tensor]:
    """The bridge's sequence as the maps [B, h, w, m C] of the four stages: the inverse of cutting and joining them."""
    C = x_BNC.shape[-1]
    slices = x_BNC.split([h * w * m for (h, w), m in zip(grids, PIECES, strict=True)], dim=1)
    return [x.reshape(-1, h, w, m * C) for x, (h, w), m in zip(slices, grids, PIECES, strict=True)]


class BridgeLayer(nn.Module):
    """t = x + Attention(LN x), then t + MixFFN(LN t) with a MixFFN for the map of each stage, on tokens [B, N, C]."""

    def __init__(self, width: int, kind: str) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = ChannelAttention(width) if kind == "channel" else SpatialAttention(width)
        self.ffn_norm = nn.LayerNorm(width)
        self.ffns = nn.ModuleList(MixFFN(pieces * width) for pieces in PIECES)

    def forward(self, x_BNC: Tensor, grids: Sequence[tuple[int, int]]) -> Tensor:
        x_BNC = x_BNC + self.attention(self.attention_norm(x_BNC), grids)
        maps = _cut(self.ffn_norm(x_BNC), grids)
        mixed = [ffn(x).reshape(x.shape[0], -1, x_BNC.shape[-1]) for ffn, x in zip(self.ffns, maps, strict=True)]
        return x_BNC + torch.cat(mixed, dim=1)


class ChannelAttention(nn.Module):
    """(softmax(K) V^T)^T softmax(Q) between C rows of length N, Q, K, V [B, C, N].

    As published, the rows are not the channels: the buffer of N tokens by C channels is read as C rows of N numbers, so
    that a row is a stretch of N/C tokens. Transposing instead would be another network.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.projection = nn.Linear(width, width)

    def forward(self, x_BNC: Tensor, grids: Sequence[tuple[int, int]]) -> Tensor:
        B, N, C = x_BNC.shape
        q_BCN, k_BCN, v_BCN = (linear(x_BNC).reshape(B, C, N) for linear in (self.query, self.key, self.value))
        context_BCC = (k_BCN.softmax(dim=2) @ v_BCN.mT).mT
        out_BCN = context_BCC @ q_BCN.softmax(dim=1)
        return self.projection(out_BCN.mT)


class SpatialAttention(nn.Module):
    """softmax(Q K^T C^(-1/2)) V with queries of all tokens, and keys and values of a shortened sequence of M tokens.

    Convolutions with kernel = stride = 8, 4, 2 shrink the first three stages to the grid of the fourth, [B, m C, h, w].
    As published, that buffer is read as [B, C, m h w] and then transposed to tokens, which is not the pixel by pixel
    order in which the sequence was cut.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.reductions = nn.ModuleList(
            nn.Conv2d(m * width, m * width, kernel_size=r, stride=r) for m, r in zip(PIECES, REDUCTIONS, strict=False)
        )
        self.reduced_norm = nn.LayerNorm(width)
        self.key_value = nn.Linear(width, 2 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, x_BNC: Tensor, grids: Sequence[tuple[int, int]]) -> Tensor:
        B, _, C = x_BNC.shape
        *larger, last = _cut(x_BNC, grids)
        reduced = [
            convolution(x_BHWc.permute(0, 3, 1, 2)).reshape(B, C, -1).mT
            for convolution, x_BHWc in zip(self.reductions, larger, strict=True)
        ]
        reduced_BMC = self.reduced_norm(torch.cat([*reduced, last.reshape(B, -1, C)], dim=1))
        k_BMC, v_BMC = self.key_value(reduced_BMC).chunk(2, dim=-1)
        # The fused kernel is taken only where there is an axis of heads; it scales by C^(-1/2) itself.
        q, k, v = (x.unsqueeze(1) for x in (self.query(x_BNC), k_BMC, v_BMC))
        return self.projection(F.scaled_dot_product_attention(q, k, v).squeeze(1))


# Decoder.


class Expand(nn.Module):
    """Patch expanding: every pixel becomes f x f pixels, linear without bias to f f c' channels, then LN over c'.

    [B, H, W, c] -> [B, H, W, f, f, c'], each pixel's f rows of f still together; `_spread` puts them in place.
    """

    def __init__(self, width: int, factor: int, out_width: int) -> None:
        super().__init__()
        self.factor = factor
        self.linear = nn.Linear(width, factor**2 * out_width, bias=False)
        self.norm = nn.LayerNorm(out_width)

    def forward(self, x_BHWc: Tensor) -> Tensor:
        x_BHWffc = self.linear(x_BHWc).unflatten(-1, (self.factor, self.factor, -1))
        return self.norm(x_BHWffc)


def _spread(x_BHWffc: Tensor) -> Tensor:
    """[B, f H, f W, c']: place (p1, p2) of pixel (y, x) becomes pixel (f y + p1, f x + p2).

    Channel (p1 f + p2) c' + j before is channel j after, an order that differs from that of `torch.nn.PixelShuffle`.
    """
    return x_BHWffc.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class DecoderStage(nn.Module):
    """linear([t, skip]) to the skip's width, two efficient blocks, expansion: one step up the decoder."""

    def __init__(self, width: int, skip_width: int, factor: int, out_width: int) -> None:
        super().__init__()
        self.merge = nn.Linear(width + skip_width, skip_width)
        self.blocks = nn.Sequential(EfficientBlock(skip_width), EfficientBlock(skip_width))
        self.expand = Expand(skip_width, factor, out_width)

    def forward(self, x_BHWc: Tensor, skip_BHWc: Tensor) -> Tensor:
        return self.expand(self.blocks(self.merge(torch.cat([x_BHWc, skip_BHWc], dim=-1))))


class Decoder(nn.Module):
    """The bridged maps of the four stages -> logits [B, K, H, W]: x2 from stage 4, 3 and 2, x4 from stage 1."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        skip_widths = [pieces * width for pieces in PIECES]
        self.deepest = Expand(skip_widths[3], 2, skip_widths[3] // 2)
        widths = [c // 2 for c in skip_widths[:0:-1]] + [width]  # of t: 4C, 5C/2, C, C
        self.stages = nn.ModuleList(
            DecoderStage(t, skip_width, factor, after)
            for (t, after), skip_width, factor in zip(pairwise(widths), skip_widths[2::-1], (2, 2, 4), strict=True)
        )
        self.classify = nn.Linear(width, num_classes)
        _xavier(self)

    def forward(self, maps_BHWc: Sequence[Tensor]) -> Tensor:
        *skips, last = maps_BHWc
        x_BHWffc = self.deepest(last)
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            x_BHWffc = stage(_spread(x_BHWffc), skip)
        # Pixels are put in place once they are K logits, fewer numbers than the C features they come from.
        return _spread(self.classify(x_BHWffc)).permute(0, 3, 1, 2)
