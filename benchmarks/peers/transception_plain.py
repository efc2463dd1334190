"""TransCeption written plainly: one operation for each of the paper's symbols, the peer of `segment_transception.py`.

The same function of the same weights as `gnomon.models.transception`, without what makes that one fast: MixFFN takes
fc1 of its input twice and adds the depthwise convolution to its input, queries, keys and values of the efficient
attention are three 1 x 1 convolutions, attention writes its matrix, features are put in place before they are normed.
Tokens are [B, N, c], maps [B, c, H, W].
"""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gnomon.models.transception import TransCeption
from gnomon.models.transception.network import (
    HEADS,
    PIECES,
    Branch,
    BranchLayer,
    BridgeLayer,
    DecoderStage,
    EfficientAttention,
    EfficientBlock,
    Expand,
    FirstStage,
    MixFFN,
    MultiBranchStage,
    RelativeEncoding,
    SpatialAttention,
)

Grid = tuple[int, int]


class PlainTransCeption(nn.Module):
    """A copy of `model`'s weights, and the plain way to compute with them. Images must be of sizes that need no pad."""

    def __init__(self, model: TransCeption) -> None:
        super().__init__()
        self.parts = copy.deepcopy(model)
        for part in list(self.parts.modules()):
            if isinstance(part, EfficientAttention):
                _separate(part)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Logits [B, K, H, W]."""
        first, *others = self.parts.stages
        maps = [_first_stage(first, images_BCHW)]
        for stage in others:
            maps.append(_stage(stage, maps[-1]))
        C = self.parts.config.base_channels
        grids = [(x.shape[2], x.shape[3]) for x in maps]
        x_BNC = torch.cat([x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, C) for x in maps], dim=1)
        for layer in self.parts.bridge:
            x_BNC = _bridge_layer(layer, x_BNC, grids)
        slices = _slices(x_BNC, grids)
        decoder = self.parts.decoder
        x_BNc, grid = _expanded(decoder.deepest, slices[3], grids[3])
        for stage, skip in zip(decoder.stages, slices[2::-1], strict=True):
            x_BNc, grid = _decoder_stage(stage, x_BNc, skip, grid)
        weight_Kc11 = decoder.classify.weight[:, :, None, None]
        return F.conv2d(_map(x_BNc, grid), weight_Kc11, decoder.classify.bias)


def _separate(attention: EfficientAttention) -> None:
    """Three 1 x 1 convolutions in the place of the joint linear map."""
    convolutions = []
    for weight, bias in zip(attention.qkv.weight.chunk(3), attention.qkv.bias.chunk(3), strict=True):
        convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
        convolution.weight = nn.Parameter(weight.detach()[:, :, None, None].clone())
        convolution.bias = nn.Parameter(bias.detach().clone())
        convolutions.append(convolution)
    attention.qkv = nn.ModuleList(convolutions)


def _map(x_BNc: Tensor, grid: Grid) -> Tensor:
    return x_BNc.transpose(1, 2).unflatten(2, grid)


def _tokens(x_BcHW: Tensor) -> Tensor:
    return x_BcHW.flatten(2).transpose(1, 2)


def _slices(x_BNC: Tensor, grids: Sequence[Grid]) -> list[Tensor]:
    """The bridge's sequence as the tokens [B, h w, m C] of the four stages."""
    parts = x_BNC.split([h * w * m for (h, w), m in zip(grids, PIECES, strict=True)], dim=1)
    return [x.reshape(x.shape[0], h * w, -1) for x, (h, w) in zip(parts, grids, strict=True)]


def _mix_ffn(ffn: MixFFN, x_BNc: Tensor, grid: Grid) -> Tensor:
    depthwise = _tokens(nn.Conv2d.forward(ffn.depthwise, _map(ffn.expand(x_BNc), grid)))
    return ffn.reduce(F.gelu(ffn.norm(depthwise + ffn.expand(x_BNc))))


def _efficient_block(block: EfficientBlock, x_BNc: Tensor, grid: Grid) -> Tensor:
    x_BcHW = _map(block.attention_norm(x_BNc), grid)
    q, k, v = (convolution(x_BcHW).flatten(2) for convolution in block.attention.qkv)  # [B, c, N] each
    context_Bcc = k.softmax(dim=2) @ v.mT
    out_BcHW = (context_Bcc.mT @ q.softmax(dim=1)).unflatten(2, grid)
    projection = block.attention.projection
    x_BNc = x_BNc + _tokens(F.conv2d(out_BcHW, projection.weight[:, :, None, None], projection.bias))
    return x_BNc + _mix_ffn(block.ffn, block.ffn_norm(x_BNc), grid)


def _first_stage(stage: FirstStage, images_BCHW: Tensor) -> Tensor:
    x_BcHW = stage.patches(images_BCHW)
    grid = (x_BcHW.shape[2], x_BcHW.shape[3])
    x_BNc = stage.patches_norm(_tokens(x_BcHW))
    for block in stage.blocks:
        x_BNc = _efficient_block(block, x_BNc, grid)
    return _map(stage.norm(x_BNc), grid).contiguous()


def _stage(stage: MultiBranchStage, x_BcHW: Tensor) -> Tensor:
    outputs = []
    for i, (unit, branch) in enumerate(zip(stage.patch_units, stage.branches, strict=True)):
        x_BcHW = unit(x_BcHW)
        if i == 0:
            outputs.append(stage.local(x_BcHW))
        outputs.append(_branch(branch, x_BcHW))
    return stage.fusion(torch.cat(outputs, dim=1))


def _branch(branch: Branch, x_BcHW: Tensor) -> Tensor:
    grid = (x_BcHW.shape[2], x_BcHW.shape[3])
    x_BNc = _tokens(x_BcHW)
    for layer in branch.layers:
        x_BcHW = _map(x_BNc, grid)
        x_BNc = _branch_layer(
            layer, _tokens(nn.Conv2d.forward(branch.position, x_BcHW) + x_BcHW), branch.relative, grid
        )
    return _map(x_BNc, grid).contiguous()


def _branch_layer(layer: BranchLayer, x_BNc: Tensor, relative: RelativeEncoding, grid: Grid) -> Tensor:
    B, N, c = x_BNc.shape
    qkv = layer.attention.qkv(layer.attention_norm(x_BNc))
    q, k, v = qkv.reshape(B, N, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4)  # [B, h, N, d] each
    attended = q @ (k.softmax(dim=2).mT @ v)
    v_BcHW = v.transpose(2, 3).reshape(B, c, *grid)
    parts = v_BcHW.split(relative.group_widths, dim=1)
    encoded_BcHW = torch.cat([conv(part) for conv, part in zip(relative.groups, parts, strict=True)], dim=1)
    encoded = encoded_BcHW.reshape(B, HEADS, c // HEADS, N).transpose(2, 3)
    out_BhNd = (c // HEADS) ** -0.5 * attended + q * encoded
    x_BNc = x_BNc + layer.attention.projection(out_BhNd.transpose(1, 2).reshape(B, N, c))
    return x_BNc + _mix_ffn(layer.ffn, layer.ffn_norm(x_BNc), grid)


def _bridge_layer(layer: BridgeLayer, x_BNC: Tensor, grids: Sequence[Grid]) -> Tensor:
    normed = layer.attention_norm(x_BNC)
    spatial = isinstance(layer.attention, SpatialAttention)
    x_BNC = x_BNC + (_spatial(layer.attention, normed, grids) if spatial else layer.attention(normed, grids))
    slices = _slices(layer.ffn_norm(x_BNC), grids)
    mixed = [
        _mix_ffn(ffn, x, grid).reshape(x.shape[0], -1, x_BNC.shape[2])
        for ffn, x, grid in zip(layer.ffns, slices, grids, strict=True)
    ]
    return x_BNC + torch.cat(mixed, dim=1)


def _spatial(attention: SpatialAttention, x_BNC: Tensor, grids: Sequence[Grid]) -> Tensor:
    B, _, C = x_BNC.shape
    *larger, last = _slices(x_BNC, grids)
    reduced = [
        convolution(_map(x, grid)).reshape(B, C, -1).mT
        for convolution, x, grid in zip(attention.reductions, larger, grids, strict=False)
    ]
    reduced_BMC = attention.reduced_norm(torch.cat([*reduced, last.reshape(B, -1, C)], dim=1))
    k_BMC, v_BMC = attention.key_value(reduced_BMC).chunk(2, dim=-1)
    weights_BNM = (attention.query(x_BNC) @ k_BMC.mT * C**-0.5).softmax(dim=-1)
    return attention.projection(weights_BNM @ v_BMC)


def _decoder_stage(stage: DecoderStage, x_BNc: Tensor, skip_BNc: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
    x_BNc = stage.merge(torch.cat([x_BNc, skip_BNc], dim=-1))
    for block in stage.blocks:
        x_BNc = _efficient_block(block, x_BNc, grid)
    return _expanded(stage.expand, x_BNc, grid)


def _expanded(expand: Expand, x_BNc: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
    (height, width), f = grid, expand.factor
    x = expand.linear(x_BNc).reshape(x_BNc.shape[0], height, width, f, f, -1)
    x_BNc = x.transpose(2, 3).reshape(x.shape[0], height * width * f * f, -1)
    return expand.norm(x_BNc), (height * f, width * f)
