"""Reductions over groups: samples that share a label, in any order and of any number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gnomon.errors import UserError


@dataclass(frozen=True)
class Groups:
    """N samples sorted into G groups: `index` [N] is each sample's group, `sizes` [G], `labels` as given."""

    index: Tensor
    sizes: Tensor
    labels: list[Any]

    def sum(self, values: Tensor) -> Tensor:
        """Group sums [G] of `values` [N]."""
        return torch.zeros(len(self.sizes), dtype=values.dtype, device=values.device).index_add(0, self.index, values)

    def mean(self, values: Tensor) -> Tensor:
        """Group means [G] of `values` [N]."""
        return self.sum(values) / self.sizes.to(values.dtype)

    def logsumexp(self, values: Tensor) -> Tensor:
        """Group log-sum-exps [G] of `values` [N]."""
        top = torch.full((len(self.sizes),), -torch.inf, dtype=values.dtype, device=values.device)
        top = top.scatter_reduce(0, self.index, values.detach(), "amax")
        return (self.sum((values - top[self.index]).exp())).log() + top

    def spread(self, values: Tensor) -> Tensor:
        """A value per group [G] handed to each of its samples [N]."""
        return values[self.index]

    def refuse_singles(self, function: str) -> None:
        """Raise UserError naming the first group of one: it has nothing to be compared with."""
        if bool((self.sizes == 1).any()):
            label = self.labels[int((self.sizes == 1).nonzero()[0, 0])]
            raise UserError(f"{function}: group {label} has one sample only; at least two in each group are needed.")


def group_by(labels: Tensor | Sequence[Any], n: int, function: str) -> Groups:
    """Sort `n` samples by their labels. Raises UserError where there is not one label for each."""
    tensor = labels if isinstance(labels, Tensor) else torch.as_tensor(labels)
    if tensor.shape != (n,):
        raise UserError(
            f"{function}: groups has shape {tuple(tensor.shape)} for {n} samples; one label each is needed."
        )
    names, index, sizes = tensor.unique(return_inverse=True, return_counts=True)
    return Groups(index, sizes, names.tolist())


def same_shape(function: str, **tensors: Tensor | None) -> None:
    """Raise UserError unless all tensors given have the first one's shape."""
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    first, *others = given
    for name in others:
        if given[name].shape != given[first].shape:
            raise UserError(
                f"{function}: {name} has shape {tuple(given[name].shape)}, but {first} has"
                f" {tuple(given[first].shape)}; they must be the same."
            )
