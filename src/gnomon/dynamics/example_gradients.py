"""The gradients of all examples of a batch, layer by layer, from the inputs and output gradients that hooks see.

A forward hook keeps a layer's input a, a tensor hook on its output receives b, the gradient of the summed losses, and
row i of both gives example i's gradient: b_i^T a_i for a matrix, sum b_i for a bias, and so on
(`layer_gradients.py`). That is right only if row i of the output touches loss i alone, if the formula is the layer's,
and if no other use of the parameter escaped. None of this is believed. With random weights w,

    sum_i w_i g_i (formed from the hooks)  =  gradient of sum_i w_i loss_i (one ordinary backward pass)

is demanded of every parameter, projected on one random direction of its last axes. (The equality of plain sums would
not do: rows that belong to positions, or losses that share rows, leave the sum right and every term wrong.) What is
wrong by more than `TOLERANCE` of the gradients' size fails, save by chance of measure zero.

The check costs half a training step. It is made once for each structure of the graph of a model (its operations, layer
calls and shapes, and the code of the losses), and every time where the graph is not seen whole (reentrant checkpoints)
or rows may be picked by number, since then the data decide what depends on what.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from gnomon.dynamics.layer_gradients import SUMS, formula_for
from gnomon.seeds import derive

# Largest difference between the two sides of the check, in units of the root of sum_ij g_ij^2: in float32 and float64,
# where matrix products may run in TF32, and where any layer gave half precision. Mistakes are of order 1.
TOLERANCE, CUDA_TOLERANCE, HALF_TOLERANCE = 1e-3, 1e-2, 0.1
DEAD = 100  # a coordinate below this many eps of the largest sum |g| is rounding, not gradient

# What was found right for a model, by the structure of the graph: name -> whether hooks saw it at all.
KNOWN: WeakKeyDictionary[nn.Module, dict[int, dict[str, bool]]] = WeakKeyDictionary()


class ExampleSums:
    """One parameter's sums, filled chunk by chunk. Not `exact`: from a sample, whose own sum is never formed; `total`
    is then given, from all examples (`ordinary_sums`)."""

    def __init__(self, parameter: Tensor, *, exact: bool) -> None:
        self.parameter, self.exact = parameter, exact
        self.dtype = torch.promote_types(parameter.dtype, torch.float32)
        self.total: Tensor | None = None
        self.clear()

    def clear(self) -> None:
        """Forget what was added."""
        if self.exact:
            self.total = None
        self.absolute: Tensor | None = None
        self.squares: Tensor | None = None

    def zeros(self) -> Tensor:
        return torch.zeros_like(self.parameter, dtype=self.dtype, memory_format=torch.contiguous_format)

    def add(self, gradients: Tensor) -> None:
        """Add examples' gradients (c, *shape); what is given is overwritten."""
        flat = gradients.to(self.dtype).reshape(len(gradients), -1)
        ones = flat.new_ones(len(flat))
        if self.absolute is None:
            self.absolute = self.zeros()
            if self.exact:
                self.total, self.squares = self.zeros(), self.zeros()
        # In place and by matrix-vector products: the chunk stays in the cache and nothing of its size is allocated.
        if self.exact and self.total is not None:
            self.total.view(-1).addmv_(flat.t(), ones)
        flat.abs_()
        self.absolute.view(-1).addmv_(flat.t(), ones)
        flat.square_()
        if self.squares is not None:
            self.squares.view(-1).addmv_(flat.t(), ones)

    def done(self, scale: float) -> tuple[Tensor, Tensor, Tensor | None]:
        """(sum g, sum |g|, sum g^2), |g| times `scale`; what nothing was added to is zero."""
        total = self.zeros() if self.total is None else self.total.to(self.dtype)
        absolute = self.zeros() if self.absolute is None else self.absolute
        if not self.exact:
            return total, absolute * scale, None
        return total, absolute, self.zeros() if self.squares is None else self.squares


class Backward:
    """Backward passes from the losses, as often as wanted: gradients of sum_i weights_i loss_i."""

    def __init__(self, model: nn.Module, losses: Tensor) -> None:
        self.model, self.losses = model, losses
        # A reentrant checkpoint hides its part of the graph, and torch lets it be passed by .backward() only.
        self.reentrant = any("CheckpointFunction" in name for name in _graph(losses))
        if self.reentrant:
            for name, parameter in model.named_parameters():
                if getattr(parameter, "_post_accumulate_grad_hooks", None):
                    raise ValueError(
                        f"{name} has a hook that runs when its gradient is accumulated; under reentrant activation"
                        " checkpointing it would run here too: use_reentrant=False."
                    )

    def __call__(self, weights: Tensor, parameters: Sequence[Tensor]) -> list[Tensor | None]:
        if not parameters:
            return []
        if not self.reentrant:
            return list(
                torch.autograd.grad(self.losses, list(parameters), weights, retain_graph=True, allow_unused=True)
            )
        for parameter in self.model.parameters():
            parameter.grad = None
        self.losses.backward(weights, retain_graph=True)
        gradients = [parameter.grad for parameter in parameters]
        for parameter in self.model.parameters():
            parameter.grad = None
        return gradients


def ordinary_sums(backward: Backward, sums: dict[str, ExampleSums]) -> None:
    """Give every parameter the exact sum over all examples: one ordinary backward pass."""
    gradients = backward(torch.ones_like(backward.losses), [part.parameter for part in sums.values()])
    for part, gradient in zip(sums.values(), gradients, strict=True):
        part.total = None if gradient is None else gradient.to_dense()


def _graph(losses: Tensor) -> list[str]:
    """The names of all nodes of the graph under `losses`, in one order."""
    names, seen, ahead = [], set(), [losses.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in seen:
            seen.add(node)
            names.append(node.name())
            ahead.extend(following for following, _ in node.next_functions)
    return names


@dataclass(eq=False)
class _Use:
    """One call of a layer: its input, and whether the gradient of its output has come."""

    module: nn.Module
    a: Tensor
    done: bool = False


class Hooks:
    """Forms the examples' gradients from layer inputs and output gradients, and has them checked."""

    def __init__(self, model: nn.Module, chosen: dict[str, nn.Parameter]) -> None:
        self.model, self.chosen = model, chosen
        names = {id(parameter): name for name, parameter in chosen.items()}
        self.owned: dict[nn.Module, dict[str, str]] = {}
        for module in model.modules():
            own = {local: names[id(p)] for local, p in module._parameters.items() if p is not None and id(p) in names}
            if own:
                self.owned[module] = own
        self.phase: Literal["forward", "idle", "measure"] = "idle"
        self.uses: list[_Use] = []
        self.calls = dict.fromkeys(chosen, 0)
        self.handles: list[Any] = []
        self.waiting: dict[str, list[tuple[_Use, str, Tensor]]] = {}
        self.formed: set[str] = set()
        self.blind: set[str] = set()
        self.check: _Check | None = None
        self.block: Tensor | None = None

    @contextmanager
    def installed(self, wanted: bool) -> Iterator[None]:
        """Hooks on the layers while the block runs; a pass inside it is the forward pass until `measure` is called."""
        self.phase = "forward"
        try:
            if wanted:
                for module in self.owned:
                    self.handles.append(module.register_forward_hook(self._called, with_kwargs=True))
            yield
        finally:
            for handle in self.handles:
                handle.remove()

    def _called(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        if self.phase == "idle":
            return
        if self.phase == "forward":
            for name in self.owned[module].values():
                self.calls[name] += 1
        a = next(iter((*args, *kwargs.values())), None)
        if len(args) + len(kwargs) != 1:
            return  # no layer with a formula takes more than its input
        if not (isinstance(a, Tensor) and isinstance(out, Tensor) and out.requires_grad and torch.is_grad_enabled()):
            return  # under a reentrant checkpoint the layer is called again, with gradient, during the backward pass
        use = _Use(module, a.detach())
        if self.phase == "forward":
            self.uses.append(use)
        self.handles.append(out.register_hook(lambda b: self._arrived(use, b)))

    def _arrived(self, use: _Use, b: Tensor) -> None:
        if self.phase != "measure" or use.done:
            return
        use.done = True
        if self.check is not None:
            half = torch.finfo(b.dtype).bits < 32
            self.check.tolerance = max(
                self.check.tolerance, HALF_TOLERANCE if half else CUDA_TOLERANCE if b.is_cuda else TOLERANCE
            )
        for local, name in self.owned[use.module].items():
            if name in self.blind:
                continue
            if self.calls[name] > 1:  # all uses of a parameter count as one before |.| is taken
                self.waiting.setdefault(name, []).append((use, local, b.detach()))
            else:
                self._form(name, [(use, local, b.detach())])

    def measure(
        self,
        backward: Backward,
        sums: dict[str, ExampleSums],
        losses: Tensor,
        row_of: Tensor,
        drawn: Tensor,
        chunk: int,
        seed: int,
        code: Any,
    ) -> set[str]:
        """Fill `sums` from the examples `drawn`, example i standing in row `row_of[i]` of `losses` (B,) or (B, T),
        which `code` computed; gives the names whose sums are right."""
        self.phase = "idle"
        self.sums, self.rows = sums, len(losses)
        wanted = row_of.cpu()[drawn].tolist()
        self.pieces = {
            size: [_Rows(wanted[start : start + size], start) for start in range(0, len(wanted), size)]
            for size in (chunk, len(wanted))
        }
        self.chunk = chunk
        known = KNOWN.setdefault(self.model, {})
        structure = None if backward.reentrant else self._structure(losses, len(drawn), code)
        right = known.get(structure) if structure is not None else None
        if right is None:
            self.check = _Check(self.chosen, sums, backward, drawn, seed)
        else:
            self.blind.update(name for name in self.chosen if name not in right)
        self.phase = "measure"
        try:
            # Vectors are cheap to differentiate and mostly lie below every matrix: no gradient of a matrix is formed.
            # A use they did not reach has its own parameters differentiated.
            everything = torch.ones_like(backward.losses)
            if all(part.exact for part in sums.values()):
                backward(everything, [p for p in self.model.parameters() if p.requires_grad and p.ndim <= 1])
            else:
                ordinary_sums(backward, sums)
            missed = {name for use in self.uses if not use.done for name in self.owned[use.module].values()}
            missed -= self.blind
            if missed and not backward.reentrant:
                backward(everything, [self.chosen[name] for name in missed])
        finally:
            self.phase = "idle"
        for name, parts in self.waiting.items():
            self._form(name, parts)
        self.waiting.clear()
        if right is not None:
            return {name for name, formed in right.items() if formed == (name in self.formed)}
        assert self.check is not None
        right = {
            name: name in self.formed
            for name in self.chosen
            if name not in self.blind and self.check.passed(name, sums)
        }
        if structure is not None and self.check.finite:
            known[structure] = right
        return set(right)

    def _room(self, sums: ExampleSums, count: int) -> Tensor:
        """The one block in which chunks of gradients are formed, in the shape (count, *shape) of a parameter."""
        size = count * sums.parameter.numel()
        if self.block is None or self.block.numel() < size or self.block.dtype != sums.dtype:
            self.block = sums.parameter.new_empty(size, dtype=sums.dtype)
        return self.block[:size].view(count, *sums.parameter.shape)

    def _structure(self, losses: Tensor, examples: int, code: Any) -> int | None:
        """What decides which rows a loss depends on: the operations, the layers called and their shapes. None where
        rows may be picked by number, since then the data decide too."""
        graph = _graph(losses)
        if any("Index" in name or "Scatter" in name for name in graph):
            return None
        calls = [(self.owned[use.module].items(), use.a.shape, use.a.dtype) for use in self.uses]
        layers = tuple((tuple(names), tuple(shape), dtype) for names, shape, dtype in calls)
        return hash((code, tuple(graph), layers, tuple(losses.shape), losses.dtype, examples, tuple(self.chosen)))

    def _form(self, name: str, parts: list[tuple[_Use, str, Tensor]]) -> None:
        """The examples' gradients of one parameter from all its uses, chunk by chunk."""
        sums = self.sums[name]
        uses = []
        for use, local, b in parts:
            formula = formula_for(use.module, local, use.a, b)
            if formula is None or len(b) % self.rows or len(use.a) != len(b):
                self.blind.add(name)
                return
            uses.append((formula, use.module, local, use.a, b))
        self.formed.add(name)
        with torch.no_grad():
            # Mere sums need no room: all examples at once.
            at_once = all(formula in SUMS for formula, *_ in uses)
            for rows in self.pieces[max(self.pieces) if at_once else self.chunk]:
                rooms = [None if at_once else self._room(sums, rows.count), *[None] * (len(uses) - 1)]
                gradients, *others = [
                    formula(
                        module, local, rows.of(a, self.rows), rows.of(b, self.rows).to(sums.dtype), rows.count, room
                    )
                    for (formula, module, local, a, b), room in zip(uses, rooms, strict=True)
                ]
                for other in others:
                    gradients.add_(other)
                if self.check is not None:
                    self.check.add(name, gradients, rows.start)
                sums.add(gradients)


class _Rows:
    """Some rows of the batch, the examples from `start` on; a layer may have several entries of its first axis each."""

    def __init__(self, rows: list[int], start: int) -> None:
        self.start, self.count = start, len(rows)
        self.first, self.last = rows[0], rows[-1]
        self.gathered = None if self.last - self.first + 1 == len(rows) else torch.tensor(rows)

    def of(self, tensor: Tensor, rows: int) -> Tensor:
        """These rows of `tensor`, whose first axis holds `rows` of them."""
        each = tensor.shape[0] // rows
        if self.gathered is None:
            return tensor[self.first * each : (self.last + 1) * each]
        return tensor.unflatten(0, (rows, each))[self.gathered.to(tensor.device)].flatten(0, 1)


class _Check:
    """sum_i w_i g_i as formed against the ordinary gradient of sum_i w_i loss_i (this file's head)."""

    def __init__(
        self,
        chosen: dict[str, nn.Parameter],
        sums: dict[str, ExampleSums],
        backward: Backward,
        drawn: Tensor,
        seed: int,
    ) -> None:
        generator = torch.Generator().manual_seed(derive(seed, "check of the examples' gradients"))
        signs = torch.randint(0, 2, (len(drawn),), generator=generator) * 2 - 1
        self.weights = signs * (0.5 + torch.rand(len(drawn), generator=generator, dtype=torch.float64))
        self.directions = {
            name: torch.randn(p[0].numel(), generator=generator, dtype=torch.float64)
            for name, p in chosen.items()
            if p.ndim > 1
        }
        self.dtypes = {name: part.dtype for name, part in sums.items()}
        self.tolerance = TOLERANCE
        self.formed: dict[str, Tensor] = {}
        self.squares = dict.fromkeys(chosen, 0.0)
        losses = backward.losses
        weights = torch.zeros_like(losses).index_copy_(0, drawn.to(losses.device), self.weights.to(losses))
        self.truth: dict[str, Tensor | None] = {
            name: None if gradient is None else self._project(name, gradient.to_dense().unsqueeze(0))[0]
            for name, gradient in zip(chosen, backward(weights, list(chosen.values())), strict=True)
        }
        self.finite = all(bool(part.isfinite().all()) for part in self.truth.values() if part is not None)

    def _project(self, name: str, gradients: Tensor) -> Tensor:
        """Gradients (c, *shape) along the parameter's direction, (c, shape[0]); those of vectors as they are."""
        gradients = gradients.to(self.dtypes[name])
        if name not in self.directions:
            return gradients
        return gradients.flatten(2) @ self.directions[name].to(gradients)

    def add(self, name: str, gradients: Tensor, start: int) -> None:
        """Take in the gradients (c, *shape) of the examples from `start` on."""
        projected = self._project(name, gradients)
        weights = self.weights[start : start + len(gradients)].to(projected)
        weighted = torch.tensordot(weights, projected, dims=1)
        self.formed[name] = self.formed[name] + weighted if name in self.formed else weighted
        self.squares[name] += float(torch.linalg.vector_norm(gradients)) ** 2

    def passed(self, name: str, sums: dict[str, ExampleSums]) -> bool:
        """Whether what was formed for `name` is right; where no loss depends on it, that is nothing at all."""
        truth, formed = self.truth[name], self.formed.get(name)
        if truth is None or formed is None:
            return truth is None and formed is None
        if not bool(truth.isfinite().all()):
            return True  # nothing can be compared, and every route gives what is not finite
        largest = max(float(part.absolute.max()) for part in sums.values() if part.absolute is not None)
        rounding = DEAD * torch.finfo(self.dtypes[name]).eps * largest * math.sqrt(sums[name].parameter.numel())
        return float((formed - truth).double().norm()) <= self.tolerance * math.sqrt(self.squares[name]) + rounding
