"""One forward pass of an untrained network and what it leaves behind, for all built-in rankers that are asked for.

A ranker is a function of a `OnePass`. What several of them need is made by the first that asks: the logits, what hooks
saw on the way, the gradient of the loss; and, with `once`, whatever a family shares besides (`ntk.tangent_kernel`).
Everything happens in training mode, and the network is left as it was found.
"""

import random
import sys
from collections.abc import Callable, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from gnomon.models.passive import undisturbed
from gnomon.seeds import derive

READ_RELUS = {"hamming", "nwot"}
READ_LAYERS = {"fisher", "macs"}
WITHOUT_GRADIENT = {"hamming", "l2_norm", "logsynflow", "macs", "nwot", "params", "synflow"}
EXACT = 2**24  # up to here float32 counts every whole number

Made = TypeVar("Made")


class NotApplicable(Exception):
    """A ranker has no meaning for this network or batch."""


@dataclass
class Seen:
    """What the forward pass of a batch of B examples showed."""

    logits: Tensor
    inputs: Tensor  # the leaf that the logits depend on
    agreement: Tensor | None = None  # [B, B]: over all ReLU inputs, how many two examples have on the same side of 0
    units: int = 0  # how many ReLU inputs one example has
    foreign: bool = False  # whether a ReLU was applied to something that is not one row for each example
    macs: float = 0.0  # multiply-adds of convolutions and linear layers for one example
    outputs: list[tuple[nn.Module, Tensor]] = field(default_factory=list)  # of convolutions and linear layers
    versions: list[int] = field(default_factory=list)

    @property
    def overwritten(self) -> bool:
        """Whether something after a layer changed the layer's output in place."""
        return any(output._version != version for (_, output), version in zip(self.outputs, self.versions, strict=True))


class OnePass:
    """The shared evidence about `network` on a batch, for the rankers `names`; a context manager.

    Images are [B, C, H, W] with labels [B], or [B, H, W] for one class per pixel; tokens are whole numbers [B, T]
    with the next tokens as labels. The network gives logits, or an object with `.logits`: [B, K], [B, K, H, W], or
    [B, T, vocabulary] for tokens. Whatever is drawn at random on the way follows from `seed`.
    """

    def __init__(
        self, network: nn.Module, inputs: Tensor | None, labels: Tensor | None, *, names: Set[str], seed: int
    ) -> None:
        self.network = network
        self._inputs, self._labels, self._names, self._seed = inputs, labels, names, seed
        self._made: dict[Any, Any] = {}
        self._state = ExitStack()

    def __enter__(self) -> Self:
        self._state.enter_context(undisturbed(self.network, evaluating=False))
        frozen = [p for p in self.network.parameters() if p.is_floating_point() and not p.requires_grad]
        for parameter in frozen:
            self._state.callback(parameter.requires_grad_, False)
            parameter.requires_grad_(True)
        self.network.train()
        # Attention's fused kernels cannot be differentiated twice, as grasp does; nothing may depend on its presence.
        self._state.enter_context(sdpa_kernel(SDPBackend.MATH))
        self._state.enter_context(torch.inference_mode(False))  # which has gradients on
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state.close()

    def once(self, make: Callable[[Self], Made]) -> Made:
        """`make(self)`, made by the first call and kept for the others."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made

    def reseed(self, purpose: str) -> None:
        """Start the global generators again from the seed for `purpose`, for what a network draws in its passes."""
        seed_generators(derive(self._seed, "ranker", purpose), self.network)

    @property
    def batch(self) -> Tensor:
        """The inputs; read only. Raises NotApplicable where there are none."""
        if self._inputs is None:
            raise NotApplicable
        return self._inputs

    @property
    def labels(self) -> Tensor:
        """The labels; read only."""
        assert self._labels is not None
        return self._labels

    @property
    def reads_tokens(self) -> bool:
        """Whether the network is a token model, so far as the batch says."""
        return self._inputs is not None and not self._inputs.is_floating_point()

    @cached_property
    def layers(self) -> list[nn.Module]:
        """Convolutions and linear layers in the network's order, of several that share one weight the first.

        An embedding is neither; an output head is a linear layer, also where its weight is the token embedding.
        """
        found = {id(module.weight): module for module in reversed(list(self.network.modules())) if is_layer(module)}
        if not found:
            raise NotApplicable
        for module in found.values():
            if not isinstance(module.weight, nn.Parameter):
                raise TypeError(f"a {type(module).__name__} makes its weight anew in every pass")
        return list(found.values())[::-1]

    @cached_property
    def weights(self) -> list[nn.Parameter]:
        """W: the weights of `layers`."""
        return [layer.weight for layer in self.layers]  # type: ignore[misc]

    @cached_property
    def seen(self) -> Seen:
        """The forward pass in training mode."""
        seen = self._forward(copying=False)
        return self._forward(copying=True) if "fisher" in self._names and seen.overwritten else seen

    def _forward(self, *, copying: bool) -> Seen:
        self.reseed("forward")
        inputs = self.batch.detach().clone()
        needs_graph = not self._names <= WITHOUT_GRADIENT
        if needs_graph and inputs.is_floating_point():
            inputs.requires_grad_()
        seen = Seen(logits=inputs, inputs=inputs)

        def relu(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            _compare(seen, arguments[0].detach(), len(inputs))

        def layer(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            weight: Any = module.weight
            side = arguments[0] if isinstance(module, _ConvTransposeNd) else output
            seen.macs += weight.numel() * side.numel() / side.shape[channel_axis(module)] / len(inputs)
            seen.outputs.append((module, output))
            seen.versions.append(output._version)
            return output.clone() if copying else None

        with ExitStack() as hooks, torch.set_grad_enabled(needs_graph):
            for module in self.network.modules():
                if self._names & READ_RELUS and isinstance(module, nn.ReLU | nn.ReLU6):
                    hooks.callback(module.register_forward_pre_hook(relu).remove)
                if self._names & READ_LAYERS and is_layer(module):
                    hooks.callback(module.register_forward_hook(layer).remove)
            # A network may write into what it is given, which a leaf does not allow.
            output = self.network(inputs.clone() if inputs.requires_grad else inputs)
        seen.logits = getattr(output, "logits", output)
        return seen

    @property
    def loss(self) -> Tensor:
        """L: mean cross-entropy, of the next token for tokens."""
        logits = self.seen.logits
        return nn.functional.cross_entropy(logits.movedim(-1, 1) if self.reads_tokens else logits, self.labels)

    @cached_property
    def loss_gradients(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """dL/dW for each of `weights`, and dL/do for each layer output that was kept."""
        outputs = [output for _, output in self.seen.outputs] if "fisher" in self._names else []
        found = gradients(self.loss, [*self.weights, *outputs])
        return found[: len(self.weights)], found[len(self.weights) :]


def gradients(value: Tensor, wanted: list[Any], *, differentiable: bool = False) -> tuple[Tensor, ...]:
    """d value / d each of `wanted`, zeros where nothing leads there; the graph is kept for the next one."""
    return torch.autograd.grad(
        value, wanted, retain_graph=True, create_graph=differentiable, allow_unused=True, materialize_grads=True
    )


def is_layer(module: nn.Module) -> bool:
    """Whether `module` is a convolution or a linear layer, `transformers`' transposed one included."""
    transposed = sys.modules.get("transformers.pytorch_utils")
    return isinstance(module, nn.Linear | _ConvNd) or (transposed is not None and isinstance(module, transposed.Conv1D))


def channel_axis(layer: nn.Module) -> int:
    """Which axis of a layer's input and output [B, ...] holds the channels."""
    return 1 if isinstance(layer, _ConvNd) else -1


def seed_generators(seed: int, network: nn.Module) -> None:
    """Seed the global generators of Python, NumPy and torch (of the network's devices); whoever calls restores them."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    for device in {p.device.index for p in network.parameters() if p.device.type == "cuda"}:
        torch.cuda.default_generators[device].manual_seed(seed)


def _compare(seen: Seen, x: Tensor, examples: int) -> None:
    """Add to `seen.agreement` how many entries of x, one row for each example, have the same sign.

    With a = 1[x > 0], a a' + (1 - a)(1 - a)' = m - s - s' + 2 a a' for m entries of which s are positive; all of them
    whole numbers, which the matrix product gives exactly.
    """
    if x.ndim == 0 or len(x) % examples or not len(x):
        seen.foreign = True
        return
    rows = x.reshape(examples, -1)
    m = rows.shape[1]
    a = (rows > 0).to(torch.float32 if m <= EXACT else torch.float64)
    s = a.sum(1).double()
    both = (a @ a.T).double()
    same = 2 * both + (m - s[:, None] - s[None, :])
    seen.agreement = same if seen.agreement is None else seen.agreement + same
    seen.units += m
