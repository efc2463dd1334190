"""Interference of gradients: how much of the examples' gradients cancels, coordinate by coordinate.

For example i's own mean loss with gradient g_i, and every coordinate j, the three sums over examples

    sum_i g_ij        sum_i |g_ij|        sum_i g_ij^2

give D_j, D_null,j and from their means D, D_null and the alignment A (arXiv 2506.05447, gradient interference; the null
and A are ours, see `interference.py`). The gradients of all examples are never held at once.

`example_gradients.py` forms them from what hooks on the layers see, and checks what it formed; a parameter that fails
the check, or that no hook sees, is measured by one backward pass per example. So nothing is left out or counted wrong
in silence; what the check leaves open is said there.
"""

import math
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from gnomon.dynamics.example_gradients import DEAD, Backward, ExampleSums, Hooks, ordinary_sums
from gnomon.dynamics.interference import Unit, as_array, check_unit, defined
from gnomon.dynamics.layer_gradients import is_conv1d
from gnomon.dynamics.losses import ExampleLosses, batch_rows, entries
from gnomon.models.passive import undisturbed
from gnomon.seeds import derive

Include = Literal["hidden", "all"] | Callable[[str], bool]
METHODS = ("auto", "hooks", "loop")


# A Linear of one of these names outside any list of layers is taken for the output head.
HEADS = ("lm_head", "head", "output", "output_layer", "out_head", "embed_out", "unembed", "unembedding", "logits")
TABLES = re.compile("emb", re.IGNORECASE)  # a bare parameter with this in its own name is taken for an embedding


# -- the result ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ParameterSums:
    """One parameter's sums over examples of g, |g| and g^2, each of its shape, in float32 or better.

    From a sample, `sum` is exact, `sum_abs` scaled by n/K, `sum_sq` None. They add up over chunks and machines.
    """

    sum: Tensor
    sum_abs: Tensor
    sum_sq: Tensor | None


@dataclass(frozen=True)
class LayerInterference:
    """The statistics of one layer's parameters; NaN where every coordinate is dead, None where sampled."""

    layer: str
    D: float | None
    D_pooled: float
    D_null: float | None
    A: float | None
    n_coordinates: int
    n_dead: int | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is undefined is None."""
        return {name: defined(value) for name, value in vars(self).items()}


@dataclass(frozen=True, eq=False)
class GradientInterference:
    """How much of `n` examples' gradients cancels over `n_coordinates` coordinates, `n_dead` of them left out.

    `D` = mean over live coordinates of 1 - |sum g| / sum |g|; `D_null` = the same mean of what random signs would give;
    `A` = (1 - D) / (1 - D_null): 1 independent, below 1 opposed, above 1 shared direction. `D_pooled` =
    1 - sum_j |sum_i g| / sum_ij |g|. From a `sample` of K examples only D_pooled is known (its numerator exact, its
    denominator scaled by n/K), the others are None. A coordinate is dead where sum |g| <= 100 eps(dtype) max_j sum |g|:
    zero up to rounding (eps of float32 where gradients are in half precision). NaN where there is no live coordinate.

    `parameters` holds each measured parameter's `ParameterSums` by name, `routes` which way it was measured ("hooks" or
    "loop"), `excluded` the names left out: embeddings and heads, what a predicate declined, what is frozen.
    """

    unit: str
    n: int
    D: float | None
    D_pooled: float
    D_null: float | None
    A: float | None
    n_coordinates: int
    n_dead: int | None
    sample: int | None
    method: str
    parameters: dict[str, ParameterSums]
    excluded: tuple[str, ...]
    routes: dict[str, str]

    def layers(self) -> list[LayerInterference]:
        """The same statistics for every layer (the module that owns the parameters), in the model's order."""
        floor = _dead_below(self.parameters.values())
        owners: dict[str, list[ParameterSums]] = {}
        for name, sums in self.parameters.items():
            owners.setdefault(name.rpartition(".")[0], []).append(sums)
        return [LayerInterference(layer, *_statistics(sums, floor)) for layer, sums in owners.items()]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the tensors; what is undefined is None."""
        scalars = ("unit", "n", "D", "D_pooled", "D_null", "A", "n_coordinates", "n_dead", "sample", "method")
        return {
            **{name: defined(getattr(self, name)) for name in scalars},
            "layers": [layer.to_dict() for layer in self.layers()],
            "parameters": dict(self.routes),
            "excluded": list(self.excluded),
        }


def interference_of(
    parameters: dict[str, ParameterSums],
    *,
    n: int,
    unit: str,
    method: str,
    sample: int | None = None,
    excluded: Sequence[str] = (),
    routes: dict[str, str] | None = None,
) -> GradientInterference:
    """The statistics that sums over `n` examples give; for sums that were added up elsewhere, over machines say."""
    D, D_pooled, D_null, A, n_coordinates, n_dead = _statistics(
        list(parameters.values()), _dead_below(parameters.values())
    )
    return GradientInterference(
        unit=unit,
        n=n,
        D=D,
        D_pooled=D_pooled,
        D_null=D_null,
        A=A,
        n_coordinates=n_coordinates,
        n_dead=n_dead,
        sample=sample,
        method=method,
        parameters=parameters,
        excluded=tuple(excluded),
        routes=routes if routes is not None else dict.fromkeys(parameters, method),
    )


def _dead_below(parameters: Any) -> float:
    """The largest sum |g| that counts as zero."""
    sums = list(parameters)
    eps = max(torch.finfo(s.sum_abs.dtype).eps for s in sums)
    return DEAD * eps * max(float(s.sum_abs.max()) for s in sums)


def _statistics(
    parameters: Sequence[ParameterSums], floor: float
) -> tuple[float | None, float, float | None, float | None, int, int | None]:
    """(D, D_pooled, D_null, A, n_coordinates, n_dead) over all coordinates of `parameters`."""
    kept = everything = 0.0
    ratios: list[float] = []
    null_ratios: list[float] = []
    live = coordinates = 0
    sampled = False
    for sums in parameters:
        total, absolute = sums.sum.abs(), sums.sum_abs
        kept += float(total.sum(dtype=torch.float64))
        everything += float(absolute.sum(dtype=torch.float64))
        coordinates += total.numel()
        if sums.sum_sq is None:
            sampled = True
            continue
        dead = absolute <= floor  # NaN is not dead: it must be seen
        live += total.numel() - int(dead.sum())
        # |sum g| and sqrt(sum g^2) cannot exceed sum |g|, rounding aside.
        for size, into in ((total, ratios), (sums.sum_sq.sqrt(), null_ratios)):
            ratio = size.div_(absolute).clamp_(max=1).masked_fill_(dead, 0.0)
            into.append(float(ratio.sum(dtype=torch.float64)))
    pooled = 1 - kept / everything if everything else math.nan
    if sampled:
        return None, pooled, None, None, coordinates, None
    if not live:
        return math.nan, pooled, math.nan, math.nan, coordinates, coordinates
    agreement, null = sum(ratios) / live, math.sqrt(2 / math.pi) * sum(null_ratios) / live
    return 1 - agreement, pooled, 1 - null, agreement / null, coordinates, coordinates - live


# -- the measurement -----------------------------------------------------------------------------------------------


def gradient_interference(
    model: nn.Module,
    example_losses: ExampleLosses,
    batch: Any,
    *,
    unit: Unit = "sequence",
    include: Include = "hidden",
    method: Literal["auto", "hooks", "loop"] = "auto",
    chunk: int = 8,
    sample: int | None = None,
    seed: int = 0,
) -> GradientInterference:
    """Interference of the gradients of the examples in `batch`, exactly, at the model's present weights.

    `example_losses(model, batch)` gives (B,) or (B, T) losses, or (losses, mask). `unit="sequence"`: an example is a
    row, its loss the mean over unmasked positions; `"example"`: each unmasked entry by itself.
    `include="hidden"` measures neither embeddings (nn.Embedding, what `get_input_embeddings` names, bare parameters
    with "emb" in their name) nor the output head (what `get_output_embeddings` names, or a Linear called as in `HEADS`
    outside any list of layers), nor what is tied to them; `"all"` every trainable parameter; a predicate those whose
    name it accepts.
    `method="auto"` takes hooks where they are right (checked, see the file's head) and single backward passes for the
    other parameters; `"hooks"` refuses what hooks cannot see; `"loop"` takes single passes for all.
    `chunk` examples' gradients of one layer are held at a time: with the three sums that is the extra memory, beside
    the graph, which stays whole to the end (a parameter used several times also keeps the layer inputs and output
    gradients of all its uses, and under activation checkpointing all layer inputs stay). `sample=K` forms the gradients
    of K examples, drawn by `seed`: D_pooled only. In half precision rounding passes for gradient: nothing is dead.

    The model runs in the mode it is in, one forward pass for all, and is left as it was: weights, `.grad`, buffers,
    flags, hooks, random state. Raises ValueError for `unit="token"`, losses of a wrong shape or without gradient,
    BatchNorm that takes statistics of the batch, sharded parameters, an empty choice, or other wrong arguments.
    Source: arXiv 2506.05447 (section on zero-sum learning); per-example gradients of layers are the chain rule.
    """
    if unit == "token":
        raise ValueError(
            "unit = 'token': token-level gradient interference needs one backward pass per position and is out of"
            " scope; 'sequence' or 'example'."
        )
    check_unit(unit)
    if method not in METHODS:
        raise ValueError(f"method = {method!r} is not known; 'auto', 'hooks' or 'loop'.")
    if chunk < 1:
        raise ValueError(f"chunk = {chunk} examples at a time; at least 1 is expected.")
    if sample is not None and sample < 1:
        raise ValueError(f"sample = {sample} examples; at least 1 is expected.")
    model = unwrapped(model)
    refuse_sharded(model)
    _refuse_coupled(model)
    chosen, excluded = _choose(model, include)

    with undisturbed(model, evaluating=False), torch.enable_grad(), _eager(model):
        hooks = Hooks(model, chosen)
        with hooks.installed(method != "loop"):
            result = example_losses(model, batch)
            losses, index = entries(result, unit, batch_rows(batch))
            _refuse_constant(losses)
            raw = result[0] if isinstance(result, tuple | list) else result
            drawn = _drawn(len(losses), sample, seed)
            backward = Backward(model, losses)
            sums = {name: ExampleSums(parameter, exact=sample is None) for name, parameter in chosen.items()}
            hooked: set[str] = set()
            # Entries of (B, T) taken one by one are no rows of any layer.
            if method != "loop" and (unit == "sequence" or raw.numel() == len(raw)):
                hooked = hooks.measure(
                    backward, sums, raw, index, drawn, chunk, seed, getattr(example_losses, "__code__", None)
                )
            elif sample is not None:
                ordinary_sums(backward, sums)
            elsewhere = [name for name in chosen if name not in hooked]
            if elsewhere and method == "hooks":
                raise ValueError(
                    f"method = 'hooks' does not see the examples' gradients of {', '.join(elsewhere)};"
                    " method = 'auto' measures those by single backward passes."
                )
            for name in elsewhere:
                sums[name].clear()
            for example in drawn.tolist() if elsewhere else ():
                only = torch.zeros_like(losses)
                only[example] = 1.0
                for name, gradient in zip(elsewhere, backward(only, [chosen[n] for n in elsewhere]), strict=True):
                    if gradient is not None:
                        sums[name].add(gradient.to_dense().unsqueeze(0))
        return interference_of(
            {name: ParameterSums(*part.done(len(losses) / len(drawn))) for name, part in sums.items()},
            n=len(losses),
            unit=unit,
            method=method,
            sample=None if sample is None else len(drawn),
            excluded=excluded,
            routes={name: "hooks" if name in hooked else "loop" for name in chosen},
        )


def _refuse_constant(losses: Tensor) -> None:
    if not losses.requires_grad:
        raise ValueError(
            "example_losses: losses that carry a gradient to the model's parameters are expected; got losses of shape"
            f" {tuple(losses.shape)} without one."
        )


def _drawn(n: int, sample: int | None, seed: int) -> Tensor:
    """The examples whose own gradients are formed, in order."""
    if sample is None:
        return torch.arange(n)
    generator = torch.Generator().manual_seed(derive(seed, "examples whose gradients are formed"))
    return torch.randperm(n, generator=generator)[:sample].sort().values


# -- which parameters, which models --------------------------------------------------------------------------------


def _choose(model: nn.Module, include: Include) -> tuple[dict[str, nn.Parameter], list[str]]:
    """The parameters to measure, by name, and the names of all others. A shared parameter has its first name."""
    if isinstance(include, str) and include not in ("hidden", "all"):
        raise ValueError(f"include = {include!r} is not known; 'hidden', 'all' or a predicate on names.")
    everything = dict(model.named_parameters())
    outside = _ends(model) if include == "hidden" else set()
    chosen = {
        name: parameter
        for name, parameter in everything.items()
        if parameter.requires_grad and id(parameter) not in outside and (not callable(include) or include(name))
    }
    if not chosen:
        raise ValueError(
            f"include = {include if isinstance(include, str) else 'the predicate'!r} leaves no trainable parameter to"
            f" measure of {len(everything)}; include = 'all' measures embeddings and the output head too."
        )
    return chosen, [name for name in everything if name not in chosen]


def _ends(model: nn.Module) -> set[int]:
    """The ids of the parameters of embeddings and of the output head."""
    ends: list[nn.Module] = []
    bare: list[nn.Parameter] = []
    for path, module in model.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            ends.append(module)
        parts = path.split(".")
        matrix = isinstance(module, nn.Linear) or is_conv1d(module)
        if matrix and parts[-1] in HEADS and not any(part.isdigit() for part in parts):
            ends.append(module)
        for getter in ("get_input_embeddings", "get_output_embeddings"):
            if callable(getattr(module, getter, None)) and _is_transformers(module):
                try:
                    end = getattr(module, getter)()
                except (NotImplementedError, AttributeError):  # models without text say so in this way
                    continue
                if isinstance(end, nn.Module):
                    ends.append(end)
        bare += [p for local, p in module._parameters.items() if p is not None and TABLES.search(local)]
    return {id(p) for p in [*bare, *(p for end in ends for p in end.parameters())]}


def _is_transformers(module: nn.Module) -> bool:
    models = sys.modules.get("transformers")
    return models is not None and isinstance(module, models.PreTrainedModel)


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside DistributedDataParallel or `torch.compile`: hooks need the layers themselves to be called."""
    while True:
        if isinstance(model, nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod  # type: ignore[assignment]
        else:
            return model


def _eager(model: nn.Module) -> AbstractContextManager[Any]:
    """Without compiled code inside, where `model` was compiled in place."""
    if any(module._compiled_call_impl is not None for module in model.modules()):
        return torch.compiler.set_stance("force_eager")
    return nullcontext()


def refuse_sharded(model: nn.Module) -> None:
    """Raises ValueError where no process holds whole parameters."""
    names = [name for name, p in model.named_parameters() if hasattr(p, "device_mesh") and hasattr(p, "placements")]
    names += [name for name, module in model.named_modules() if type(module).__name__ == "FullyShardedDataParallel"]
    if names:
        raise ValueError(
            f"gradients of sharded parameters cannot be measured by coordinate ({names[0] or 'the model'} is sharded);"
            " unsharded parameters are expected."
        )


def _refuse_coupled(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (module.training or module.running_mean is None):
            raise ValueError(
                f"{name or 'the model'} ({type(module).__name__}) takes its statistics from the batch, so an example"
                " has no gradient of its own; model.eval() with running statistics is expected."
            )


# -- the zero-sum matrix -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ZeroSumMatrix:
    """Z[u, v]: the change of group v's mean loss after a gradient step of size `lr` on group u's mean loss.

    Negative: u helps v. Positive both ways: u and v are in conflict. `labels` in the order of their text.
    """

    labels: tuple[str, ...]
    Z: np.ndarray
    lr: float
    unit: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is not finite is None."""
        rows = [[defined(float(value)) for value in row] for row in self.Z]
        return {"labels": list(self.labels), "Z": rows, "lr": self.lr, "unit": self.unit}


def zero_sum_matrix(
    model: nn.Module,
    example_losses: ExampleLosses,
    batch: Any,
    groups: Any,
    *,
    lr: float,
    method: Literal["first-order", "actual"] = "first-order",
    unit: Unit = "sequence",
) -> ZeroSumMatrix:
    """What a step on each group does to every group.

    With G_u the gradient of u's mean loss over all trainable parameters, "first-order" is Z[u, v] = -lr <G_u, G_v>
    (symmetric), "actual" takes the step theta - lr G_u, evaluates all losses under the same random state and brings the
    weights back bit by bit, also where the evaluation raises. `groups` holds one label for each row of the losses
    (`unit="sequence"`), or for each entry of (B,) or (B, T) losses (`"example"`, `"token"`); labels of masked ones do
    not count. It holds one gradient for each group. The model runs in the mode it is in and is left as it was.
    Raises ValueError for another number of labels, an lr that is not positive and finite, sharded parameters, or losses
    of a wrong shape. Source: arXiv 2506.05447 for zero-sum learning; the matrix is ours.
    """
    if method not in ("first-order", "actual"):
        raise ValueError(f"method = {method!r} is not known; 'first-order' or 'actual'.")
    check_unit(unit)
    if not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"lr = {lr}; a positive, finite step size is expected.")
    model = unwrapped(model)
    refuse_sharded(model)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with undisturbed(model, evaluating=False), torch.enable_grad(), _eager(model):
        result = example_losses(model, batch)
        losses, index = entries(result, unit, batch_rows(batch))
        _refuse_constant(losses)
        shape = (result[0] if isinstance(result, tuple | list) else result).shape
        given = np.asarray(groups).ravel().astype(str)
        expected = shape[0] if unit == "sequence" else shape.numel()
        if len(given) != expected:
            raise ValueError(f"groups has {len(given)} labels; {expected}, one for each {unit}, are expected.")
        names, of = np.unique(given[index.cpu().numpy()], return_inverse=True)
        member = torch.as_tensor(np.eye(len(names))[of].T)  # (groups, n)
        share = (member / member.sum(1, keepdim=True)).to(losses)
        backward = Backward(model, losses)
        gradients = [backward(row, weights) for row in share]

        def means() -> np.ndarray:
            """Every group's mean loss at the weights as they are, always under the same random state."""
            with torch.no_grad(), undisturbed(model, evaluating=False):
                return _group_means(entries(example_losses(model, batch), unit)[0], member)

        if method == "first-order":
            Z = -lr * np.array([[_inner(u, v) for v in gradients] for u in gradients])
        else:
            start = means()
            Z = np.array([_stepped(weights, gradient, lr, means) - start for gradient in gradients])
    return ZeroSumMatrix(tuple(str(name) for name in names), Z, float(lr), unit)


def _group_means(losses: Tensor, member: Tensor) -> np.ndarray:
    return as_array(member.to(losses.device).double() @ losses.double() / member.to(losses.device).sum(1))


def _inner(u: Sequence[Tensor | None], v: Sequence[Tensor | None]) -> float:
    """<u, v> in float64."""
    return sum(
        float(torch.dot(a.to_dense().double().ravel(), b.to_dense().double().ravel()))
        for a, b in zip(u, v, strict=True)
        if a is not None and b is not None
    )


def _stepped(
    weights: Sequence[Tensor], gradient: Sequence[Tensor | None], lr: float, look: Callable[[], np.ndarray]
) -> np.ndarray:
    """What `look` sees at weights - lr gradient; the weights come back bit by bit."""
    kept = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight, slope in zip(weights, gradient, strict=True):
                if slope is not None:
                    weight.sub_(slope.to_dense(), alpha=lr)
        return look()
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)
