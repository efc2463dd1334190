"""Scores of one network by many rankers: the built-in ones together on one pass, a user's apart from all others."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from math import isfinite, nan
from numbers import Real
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gnomon.errors import UserError
from gnomon.models.passive import undisturbed
from gnomon.search.rankers.catalogue import Ranker, get
from gnomon.search.rankers.isolation import Snapshot, same
from gnomon.search.rankers.one_pass import NotApplicable, OnePass, seed_generators
from gnomon.seeds import derive

HOMES = {
    "epe_nas": "jacov",
    "hamming": "nwot",
    "logsynflow": "synflow",
    "macs": "size",
    "ntk_alignment": "ntk",
    "ntk_condition": "ntk",
    "ntk_eigen": "ntk",
    "ntk_frobenius": "ntk",
    "ntk_mean": "ntk",
    "params": "size",
    "plain": "snip",
}
"""The files of the rankers that do not have one of their own."""

DESCRIBED = {"params": ("params_non_embedding", "params"), "macs": ("macs",)}
"""What a space's description calls what a ranker counts; the first that is there."""


@dataclass(frozen=True)
class Measured:
    """One score: None unless `status` is `ok`.

    Else `status` is `not finite`, `not applicable` or `failed: Type: message`. A pass that several rankers share counts
    into the `seconds` of the first of them.
    """

    score: float | None
    status: str
    seconds: float


def score(names: Sequence[str | Ranker], network: nn.Module, inputs: Any, labels: Any) -> dict[str, float]:
    """The score of `network` on a batch by each ranker of `names`.

    `inputs` are images [B, C, H, W] or whole numbers [B, T]; `labels` are classes [B], one class for each pixel
    [B, H, W], or next tokens [B, T]. A ranker that does not apply, or whose value is not finite, gives NaN; one that
    fails, or a user's that gives no finite number or damages the network, gives NaN with a warning. The network, the
    batch and all random states are afterwards as they were found. What is drawn on the way, as by dropout, is always
    the same. Raises UserError for an unknown ranker or a batch of fewer than two examples.
    """
    asked = [get(name) if isinstance(name, str) else name for name in names]
    measured = measure(asked, lambda: network, inputs, labels)
    for ranker in asked:
        status = measured[ranker.name].status
        if status.startswith("failed") or (ranker.function is not None and status != "ok"):
            warnings.warn(f"ranker {ranker.name!r} gives no score: {status}", stacklevel=2)
    return {name: nan if one.score is None else one.score for name, one in measured.items()}


def measure(
    names: Sequence[str | Ranker],
    build: Callable[[], nn.Module],
    inputs: Any,
    labels: Any,
    *,
    describe: Callable[[], Mapping[str, float]] | None = None,
    seed: int = 0,
) -> dict[str, Measured]:
    """The score of the network that `build` gives, the same in every call, by each ranker of `names`, with its status.

    Every ranker sees network and batch as they were made, whatever the others are and did. Built-in rankers share one
    network; each of a user's has one of its own, and random numbers that follow from `seed` and its name. `params` and
    `macs` are taken from `describe` where it is given. Nothing is built for those alone. `inputs` and `labels` may be
    None where no ranker needs them. Raises UserError as `score` does.
    """
    asked = {ranker.name: ranker for ranker in (get(name) if isinstance(name, str) else name for name in names)}
    inputs, labels = _batch(asked.values(), inputs, labels)
    built_in = [name for name, ranker in asked.items() if ranker.function is None]
    described = [name for name in built_in if name in DESCRIBED and describe is not None]
    found = {name: _described(name, describe) for name in described}  # type: ignore[arg-type]
    together = [name for name in built_in if name not in found]
    if together:
        found |= _together(together, build, inputs, labels, seed)
    for name, ranker in asked.items():
        if ranker.function is not None:
            assert inputs is not None
            assert labels is not None
            found[name] = _alone(ranker, build, inputs, labels, seed)
    return {name: found[name] for name in asked}


def _batch(asked: Any, inputs: Any, labels: Any) -> tuple[Tensor | None, Tensor | None]:
    for what, given in (("data", inputs), ("labels", labels)):
        if given is None and (without := [ranker.name for ranker in asked if what in ranker.needs]):
            raise UserError(f"ranker {without[0]!r} needs {'inputs' if what == 'data' else what}, and there are none.")
    inputs, labels = (None if part is None else torch.as_tensor(part) for part in (inputs, labels))
    if inputs is not None and (inputs.ndim == 0 or len(inputs) < 2):
        raise UserError(f"inputs of shape {tuple(inputs.shape)} are no batch: at least 2 examples are needed.")
    if inputs is not None and labels is not None and len(inputs) != len(labels):
        raise UserError(f"the batch has {len(inputs)} inputs and {len(labels)} labels; one each is expected.")
    return inputs, labels if labels is None or labels.is_floating_point() else labels.long()


def _described(name: str, describe: Callable[[], Mapping[str, float]]) -> Measured:
    def compute() -> float:
        description = describe()
        known = [key for key in DESCRIBED[name] if key in description]
        if not known:
            raise NotApplicable
        return float(description[known[0]])

    return _timed(compute)


def _together(
    names: Sequence[str], build: Callable[[], nn.Module], inputs: Tensor | None, labels: Tensor | None, seed: int
) -> dict[str, Measured]:
    """The built-in rankers on one network."""
    begun = perf_counter()
    try:
        network = build()
    except Exception as fault:
        return dict.fromkeys(names, Measured(None, _failure(fault), (perf_counter() - begun) / len(names)))
    with OnePass(network, inputs, labels, names=set(names), seed=seed) as evidence:
        return {name: _timed(partial(_formula(name), evidence)) for name in names}


def _formula(name: str) -> Callable[[OnePass], float]:
    formula: Callable[[OnePass], float] = getattr(import_module(f"gnomon.search.rankers.{HOMES.get(name, name)}"), name)
    return formula


def _alone(ranker: Ranker, build: Callable[[], nn.Module], inputs: Tensor, labels: Tensor, seed: int) -> Measured:
    """A user's ranker, on a network that is put back afterwards, and on a copy of the batch."""
    function = ranker.function
    assert function is not None
    begun = perf_counter()
    try:
        network = build()
    except Exception as fault:
        return Measured(None, _failure(fault), perf_counter() - begun)
    own_inputs, own_labels = inputs.detach().clone(), labels.detach().clone()
    with undisturbed(network, evaluating=False):
        before = Snapshot(network)
        network.zero_grad(set_to_none=True)
        seed_generators(derive(seed, "ranker", ranker.name), network)
        try:
            measured = _timed(lambda: _number(function(network, own_inputs, own_labels)))
        finally:
            changed = before.restore()
    changed += [
        what
        for what, own, kept in (("inputs", own_inputs, inputs), ("labels", own_labels, labels))
        if not same(own, kept)
    ]
    if changed and not measured.status.startswith("failed"):
        words = " and ".join(filter(None, (", ".join(changed[:-1]), changed[-1])))
        return Measured(None, f"failed: Damage: changed {words}", measured.seconds)
    return measured


def _timed(compute: Callable[[], float]) -> Measured:
    begun = perf_counter()
    value, status = None, "ok"
    try:
        value = compute()
        if not isfinite(value):
            value, status = None, "not finite"
    except NotApplicable:
        status = "not applicable"
    except Exception as fault:
        status = _failure(fault)
    return Measured(value, status, perf_counter() - begun)


def _number(value: Any) -> float:
    if isinstance(value, Tensor | np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"gave {type(value).__name__} instead of a number")
    return float(value)


def _failure(fault: Exception) -> str:
    """One line that is the same in every run: no memory addresses."""
    text = re.sub(r"0x[0-9a-fA-F]+", "0x...", " ".join(str(fault).split()))
    return f"failed: {type(fault).__name__}: {text}"
