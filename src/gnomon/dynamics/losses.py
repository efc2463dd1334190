"""What a person's `example_losses(model, batch)` may give back, checked once and reduced to one number per example.

It gives a tensor (B,) or (B, T), or the pair (losses, mask) with a mask of the same shape, true (or 1) where an entry
counts. Nothing is known of the batch itself, except its number of rows where that is beyond doubt.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

ExampleLosses = Callable[[Any, Any], Any]  # (model, batch) -> losses, or (losses, mask)


def losses_and_mask(result: Any, rows: Collection[int] = ()) -> tuple[Tensor, Tensor | None]:
    """The losses, (B,) or (B, T), and their boolean mask of the same shape or None.

    `rows` are the numbers of rows the batch can have (`batch_rows`), empty where nothing is known. Raises ValueError,
    with the shape that is expected and the one given, for anything else: (B, T, V), a mean over the batch, a mask of
    another shape, losses of another length than the batch.
    """
    mask = None
    if isinstance(result, tuple | list) and len(result) == 2:
        result, mask = result
    if not isinstance(result, Tensor):
        raise ValueError(
            "example_losses: a tensor of shape (B,) or (B, T), or a pair (losses, mask), is expected;"
            f" got {type(result).__name__}."
        )
    if result.ndim not in (1, 2) or result.numel() == 0:
        raise ValueError(
            "example_losses: losses of shape (B,) or (B, T), one for each example or position, are expected;"
            f" got {tuple(result.shape)}."
        )
    if not result.is_floating_point():
        raise ValueError(f"example_losses: losses of a floating dtype are expected; got {result.dtype}.")
    if rows and len(result) not in rows:
        B = max(rows)
        raise ValueError(
            f"example_losses: losses of shape ({B},) or ({B}, T) are expected, one for each of the batch's {B} rows;"
            f" got {tuple(result.shape)}."
        )
    if mask is None:
        return result, None
    mask = torch.as_tensor(mask, device=result.device)
    if mask.shape != result.shape:
        raise ValueError(
            f"example_losses: a mask of the losses' shape {tuple(result.shape)} is expected; got {tuple(mask.shape)}."
        )
    return result, mask != 0


def entries(result: Any, unit: str, rows: Collection[int] = ()) -> tuple[Tensor, Tensor]:
    """One loss per unit, and where each stands: values [n] and index [n].

    "sequence": the mean over a row's unmasked positions, index = the row; "token": each unmasked position of losses
    (B, T), index = row * T + position; "example": each unmasked entry of (B,) or (B, T) by itself, index likewise.
    Rows (or entries) that are wholly masked are left out. Values stay differentiable, in float32 or better. Raises
    ValueError as `losses_and_mask` does, where "token" meets losses without positions, and where nothing is unmasked.
    """
    losses, mask = losses_and_mask(result, rows)
    if losses.dtype in (torch.float16, torch.bfloat16):
        losses = losses.float()
    if unit == "token" and losses.ndim != 2:
        raise ValueError(f"example_losses: unit 'token' needs losses of shape (B, T); got {tuple(losses.shape)}.")
    if unit == "sequence" and losses.ndim == 2:
        if mask is None:
            losses = losses.mean(1)
        else:
            counts = mask.sum(1)
            # torch.where, not a product: a masked position may hold NaN or inf.
            losses = torch.where(mask, losses, 0.0).sum(1) / counts.clamp(min=1)
            mask = counts > 0
    flat = losses.reshape(-1)
    if mask is None:
        return flat, torch.arange(len(flat), device=flat.device)
    index = mask.reshape(-1).nonzero().squeeze(1)
    if len(index) == 0:
        raise ValueError("example_losses: at least one unmasked loss is expected; the mask leaves out all of them.")
    return flat[index], index


def batch_rows(batch: Any) -> frozenset[int]:
    """The numbers of rows `batch` can have: the first axis that every tensor in it shares (itself, or in mappings,
    tuples and lists; tensors without axes do not count), and, for a tuple or list, which may be one of examples, its
    length. Empty where the tensors differ or there is none: then nothing is known."""
    lengths = {len(tensor) for tensor in _tensors(batch)}
    if len(lengths) != 1:
        return frozenset()
    return frozenset(lengths | {len(batch)} if isinstance(batch, tuple | list) else lengths)


def _tensors(batch: Any) -> Iterator[Tensor]:
    if isinstance(batch, Tensor):
        if batch.ndim:
            yield batch
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from _tensors(value)
    elif isinstance(batch, tuple | list):
        for value in batch:
            yield from _tensors(value)
