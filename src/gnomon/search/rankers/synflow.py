"""What would flow through each weight if all were positive: rankers that look at no data.

synflow: Tanaka, Kunin, Yamins and Ganguli 2020, arXiv 2006.05467, as in zero-cost proxies (2101.08134), of whose sum
it is the logarithm. logsynflow: Cavagnero and others 2022 (FreeREA), arXiv 2207.05135.
"""

from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gnomon.search.rankers.one_pass import NotApplicable, OnePass, gradients


def synflow(network: OnePass) -> float:
    """ln sum |W dS/dW|, -inf where nothing flows."""
    return float(torch.stack([(W * slope).abs().sum() for W, slope in network.once(flow)]).sum().log())


def logsynflow(network: OnePass) -> float:
    """sum |W| ln(|dS/dW| + 1)."""
    return sum(float((W.abs() * slope.abs().log1p()).sum()) for W, slope in network.once(flow))


def flow(network: OnePass) -> list[tuple[Tensor, Tensor]]:
    """|W| and dS/d|W| of every layer in float64: S is the sum of the outputs for one input of ones, with parameters
    made absolute and batch norms left out."""
    if network.reads_tokens:
        raise NotApplicable
    network.reseed("flow")
    given = network.network
    positive = {name: _float64(p).abs() if p.is_floating_point() else p for name, p in given.named_parameters()}
    wanted = {id(p): name for name, p in given.named_parameters()}
    weights = [positive[wanted[id(W)]].requires_grad_() for W in network.weights]
    buffers = {name: _float64(buffer) for name, buffer in given.named_buffers()}
    ones = torch.ones_like(network.batch[:1], dtype=torch.float64)
    with ExitStack() as undone:
        for module in given.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                undone.callback(_give_back, module, dict(vars(module)))
                module.forward = _identity  # type: ignore[assignment, method-assign]
        output = functional_call(given, {**buffers, **positive}, (ones,))
    slopes = gradients(getattr(output, "logits", output).sum(), weights)
    return [(W.detach(), slope) for W, slope in zip(weights, slopes, strict=True)]


def _identity(x: Tensor) -> Tensor:
    return x


def _give_back(module: nn.Module, attributes: dict[str, object]) -> None:
    vars(module).pop("forward")
    if "forward" in attributes:
        vars(module)["forward"] = attributes["forward"]


def _float64(tensor: Tensor) -> Tensor:
    return tensor.detach().double() if tensor.is_floating_point() else tensor
