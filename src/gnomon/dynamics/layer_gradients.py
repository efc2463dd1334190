"""Gradients by example of one layer's parameters, from the layer's input a and the gradient b of its output.

Each formula takes (module, the parameter's own name in it, a, b, c, room): a and b of c examples, their first axis c
or a multiple of it, and gives (c, *parameter.shape) in b's dtype. Matrices put it into `room` where there is one: a
fresh block for every chunk costs a third of the product. They are the chain rule; `example_gradients.py` checks them.
"""

import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Formula = Callable[[nn.Module, str, Tensor, Tensor, int, Tensor | None], Tensor]


def formula_for(module: nn.Module, local: str, a: Tensor, b: Tensor) -> Formula | None:
    """The formula for the parameter `local` of `module`, or None where there is none for these shapes.

    A guess that is checked: what a subclass or an unknown layer computes is judged by its result, not by its name.
    """
    shape = _parameter(module, local).shape
    if isinstance(module, nn.Linear) or is_conv1d(module):
        kind = {"bias": _shift, "weight": _matrix if isinstance(module, nn.Linear) else _transposed_matrix}.get(local)
        sizes = {(a.shape[-1:] + b.shape[-1:]), (b.shape[-1:] + a.shape[-1:]), b.shape[-1:]}
        return kind if a.shape[:-1] == b.shape[:-1] and b.ndim > 1 and shape in sizes else None
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return {"weight": _convolution, "bias": _channel_shift}.get(local) if _convolves(module, a, b) else None
    if isinstance(module, nn.Embedding):
        return _embedding if b.shape == (*a.shape, shape[-1]) and local == "weight" else None
    if a.shape != b.shape or b.ndim <= len(shape) or not a.is_floating_point():
        return None
    if isinstance(module, nn.LayerNorm):
        return {"weight": _layer_norm, "bias": _shift}.get(local) if b.shape[b.ndim - len(shape) :] == shape else None
    if not module._modules and len(shape) == 1:
        if shape[0] in (1, b.shape[-1]):
            return _scale
        if shape[0] == b.shape[1]:
            return _channel_scale
    return None


def _parameter(module: nn.Module, local: str) -> nn.Parameter:
    parameter = module._parameters[local]
    assert parameter is not None
    return parameter


def is_conv1d(module: nn.Module) -> bool:
    """Whether `module` is the transposed Linear of GPT-2 in `transformers`."""
    layers = sys.modules.get("transformers.pytorch_utils")
    return layers is not None and isinstance(module, layers.Conv1D)


def _matrix(module: nn.Module, local: str, a: Tensor, b: Tensor, c: int, room: Tensor | None = None) -> Tensor:
    return torch.bmm(b.reshape(c, -1, b.shape[-1]).mT, a.to(b.dtype).reshape(c, -1, a.shape[-1]), out=room)


def _transposed_matrix(
    module: nn.Module, local: str, a: Tensor, b: Tensor, c: int, room: Tensor | None = None
) -> Tensor:
    return torch.bmm(a.to(b.dtype).reshape(c, -1, a.shape[-1]).mT, b.reshape(c, -1, b.shape[-1]), out=room)


def _shift(module: nn.Module, local: str, a: Tensor, b: Tensor, c: int, room: Tensor | None = None) -> Tensor:
    return b.reshape(c, -1, *_parameter(module, local).shape).sum(1)


def _channel_shift(module: nn.Module, local: str, a: Tensor, b: Tensor, c: int, room: Tensor | None = None) -> Tensor:
    return b.reshape(c, len(b) // c, b.shape[1], -1).sum((1, 3))


def _layer_norm(module: nn.Module, local: str, a: Tensor, b: Tensor, c: int, room: Tensor | None = None) -> Tensor:
    assert isinstance(module, nn.LayerNorm)
    normal = F.layer_norm(a.to(b.dtype), module.normalized_shape, eps=module.eps)
    return (b * normal).reshape(c, -1, *module.normalized_shape).sum(1)


def _scale(module: nn.Module, local: str, a: Tensor, b: Tensor, c: int, room: Tensor | None = None) -> Tensor:
    product = b * _slope(module, local, a).to(b.dtype)
    return product.reshape(c, -1, len(_parameter(module, local))).sum(1)


def _channel_scale(module: nn.Module, local: str, a: Tensor, b: Tensor, c: int, room: Tensor | None = None) -> Tensor:
    return _channel_shift(module, local, a, b * _slope(module, local, a).to(b.dtype), c)


def _slope(module: nn.Module, local: str, a: Tensor) -> Tensor:
    """d output / d parameter of a layer that is linear in it, entry by entry: RMSNorm in all its forms, GroupNorm,
    BatchNorm in eval mode, a layer scale, PReLU. Its output at 1 minus that at 0, by `forward`, past all hooks."""
    kept = _parameter(module, local)
    a = a.to(torch.promote_types(a.dtype, kept.dtype))  # as autocast would have it
    outputs = []
    try:
        for value in (1.0, 0.0):
            module._parameters[local] = nn.Parameter(torch.full_like(kept, value), requires_grad=False)
            outputs.append(module.forward(a))
    finally:
        module._parameters[local] = kept
    return outputs[0] - outputs[1]


def _convolves(module: nn.Conv1d | nn.Conv2d | nn.Conv3d, a: Tensor, b: Tensor) -> bool:
    """Whether b has the shape that `module` itself, without further padding, gives a."""
    if not (a.ndim == b.ndim == len(module.kernel_size) + 2 and a.shape[1] == module.in_channels):
        return False
    padding = module._reversed_padding_repeated_twice[::-1]
    return tuple(b.shape[1:]) == (
        module.out_channels,
        *(
            (length + padding[2 * k] + padding[2 * k + 1] - module.dilation[k] * (module.kernel_size[k] - 1) - 1)
            // module.stride[k]
            + 1
            for k, length in enumerate(a.shape[2:])
        ),
    )


def _convolution(module: nn.Module, local: str, a: Tensor, b: Tensor, c: int, room: Tensor | None = None) -> Tensor:
    assert isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    windows = F.pad(a.to(b.dtype), module._reversed_padding_repeated_twice, mode=mode)
    for axis, (size, stride, dilation) in enumerate(
        zip(module.kernel_size, module.stride, module.dilation, strict=True), start=2
    ):
        windows = windows.unfold(axis, (size - 1) * dilation + 1, stride)[..., ::dilation]
    m, groups = len(a), module.groups  # windows: (m, C_in, L.., K..)
    inputs = windows.reshape(m, groups, a.shape[1] // groups, b[0, 0].numel(), -1)
    inputs = inputs.transpose(2, 3).flatten(3)  # (m, groups, L, C_in/groups * K)
    products = b.reshape(m, groups, b.shape[1] // groups, -1) @ inputs  # (m, groups, C_out/groups, C_in/groups * K)
    return products.reshape(c, -1, *module.weight.shape).sum(1)


def _embedding(module: nn.Module, local: str, a: Tensor, b: Tensor, c: int, room: Tensor | None = None) -> Tensor:
    assert isinstance(module, nn.Embedding)
    tokens, d = module.weight.shape
    if module.padding_idx is not None:
        b = b.masked_fill((a == module.padding_idx).unsqueeze(-1), 0.0)
    places = a.reshape(c, -1) + torch.arange(c, device=a.device).unsqueeze(1) * tokens
    table = b.new_zeros(c * tokens, d).index_add_(0, places.reshape(-1), b.reshape(-1, d))
    return table.view(c, tokens, d)


SUMS: tuple[Formula, ...] = (_shift, _channel_shift)  # those that only add up b
