"""What untrained networks are shown: batches of real digits or photographs, of generated text, or of a user's own data.

Batch v of a space is a function of its seed alone, so that every architecture can be shown the same one.
"""

import io
import tarfile
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gnomon import data as registry
from gnomon.errors import UserError
from gnomon.seeds import derive

if TYPE_CHECKING:
    from gnomon.search.spaces import Space

NAMES = {"images": ("digits", "cifar10"), "masks": ("digits",), "tokens": ("tokens",)}
"""The data that can be asked for by name, for each kind of space; the first is the default."""

CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the training images, per channel
FOLLOWERS = 8  # tokens that may follow a token in generated text


class Batches(Protocol):
    """Where batches come from."""

    def batch(self, size: int, seed: int) -> tuple[Tensor, Tensor]:
        """`size` inputs with their labels, drawn as `seed` says."""
        ...


class Examples:
    """Stored examples, of which a batch takes some without replacement."""

    def __init__(self, inputs: Tensor, labels: Tensor) -> None:
        self._inputs, self._labels = inputs, labels

    def batch(self, size: int, seed: int) -> tuple[Tensor, Tensor]:
        chosen = torch.from_numpy(np.random.default_rng(seed).choice(len(self._inputs), size, replace=False))
        return self._inputs[chosen], self._labels[chosen]


class Chain:
    """Generated text: a first-order Markov chain over `vocabulary` tokens; the labels are the next tokens.

    Every token has a few tokens that may follow it, with Zipf's frequencies; which they are follows from `seed`.
    """

    def __init__(self, vocabulary: int, context: int, seed: int) -> None:
        self._context = context
        self._vocabulary = vocabulary
        rng = np.random.default_rng(derive(seed, "chain"))
        self._followers = rng.integers(vocabulary, size=(vocabulary, FOLLOWERS))
        frequencies = 1 / np.arange(1, FOLLOWERS + 1)
        self._cumulative = np.cumsum(frequencies / frequencies.sum())[:-1]

    def batch(self, size: int, seed: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(seed)
        text = np.empty((size, self._context + 1), dtype=np.int64)
        text[:, 0] = rng.integers(self._vocabulary, size=size)
        steps = np.searchsorted(self._cumulative, rng.random((self._context, size)), side="right")
        for position, step in enumerate(steps):
            text[:, position + 1] = self._followers[text[:, position], step]
        whole = torch.from_numpy(text)
        return whole[:, :-1], whole[:, 1:]


def check(space: "Space", data: Any, batch_size: int) -> None:
    """Raise UserError where `data` is not for `space` or has no batch of `batch_size`; a name loads nothing."""
    if batch_size < 2:
        raise UserError(f"batch_size = {batch_size} must be at least 2: the rankers compare examples.")
    if isinstance(data, str) or data is None:
        name = NAMES[space.task][0] if data is None else data
        if name not in NAMES[space.task]:
            raise UserError(
                f"data = {name!r} is not for the space {space.name!r}; there is "
                + " and ".join(map(repr, NAMES[space.task]))
                + " or a pair (inputs, labels)."
            )
        if name == "digits" and batch_size > (known := len(_digits(space)[1])):
            raise UserError(f"batch_size = {batch_size} is more than the {known} digits there are.")
        return
    inputs, _ = _pair(data)
    if batch_size > len(inputs):
        raise UserError(f"batch_size = {batch_size} is more than the {len(inputs)} examples of the data.")


def load(space: "Space", data: Any, *, seed: int) -> Batches:
    """The batches of `data` (a name, a pair of arrays, or None for the space's default) in the form `space` takes.

    `digits`: the 1,797 handwritten digits of scikit-learn (8 x 8 pixels), standardised, in three channels, resized to
    the space's `input_size`; with `masks` the label of a pixel is 0 on paper and the digit + 1 on ink. `cifar10`:
    CIFAR-10's photographs. `tokens`: text generated from `seed`.
    """
    if not (isinstance(data, str) or data is None):
        return Examples(*_pair(data))
    name = NAMES[space.task][0] if data is None else data
    if name == "tokens":
        return Chain(_said(space, "vocab_size"), _said(space, "context"), seed)
    if name == "cifar10":
        photographs, classes = _cifar10()
        keep = classes < _said(space, "classes")
        pixels = torch.from_numpy(photographs[keep]).permute(0, 3, 1, 2).float() / 255
        standard = (pixels - torch.tensor(CIFAR_MEAN)[:, None, None]) / torch.tensor(CIFAR_STD)[:, None, None]
        return Examples(_resized(standard, _said(space, "input_size")), torch.from_numpy(classes[keep]))
    ink, labels = _digits(space)
    standard = _resized((ink - ink.mean()) / ink.std(), _said(space, "input_size"))
    if space.task == "masks":
        on_ink = _resized(ink, _said(space, "input_size"))[:, 0] >= 8
        return Examples(standard.expand(-1, 3, -1, -1), torch.where(on_ink, labels[:, None, None] + 1, 0))
    return Examples(standard.expand(-1, 3, -1, -1), labels)


def _said(space: "Space", attribute: str) -> int:
    """What a space has to say of itself for the data that has a name to be made for it."""
    if not hasattr(space, attribute):
        raise UserError(f"space {space.name!r} has no {attribute!r}; give it one, or the data as (inputs, labels).")
    return int(getattr(space, attribute))


def _digits(space: "Space") -> tuple[Tensor, Tensor]:
    """Ink from 0 to 16 [N, 1, 8, 8] and the digit, of those digits for which the space has a class."""
    from sklearn.datasets import load_digits

    found = load_digits()
    classes = _said(space, "classes") - (space.task == "masks")
    keep = found.target < classes
    return (
        torch.from_numpy(found.images[keep]).float()[:, None],
        torch.from_numpy(found.target[keep].astype(np.int64)),
    )


def _resized(images: Tensor, size: int) -> Tensor:
    return torch.nn.functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)


def _cifar10() -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 32, 32, 3] of uint8 and labels: a sample of the set where one is at hand, else the training set."""
    if registry.locate("cifar10/sample") is not None:
        with np.load(io.BytesIO(registry.read_bytes("cifar10/sample")), allow_pickle=False) as stored:
            return stored["images"], stored["labels"].astype(np.int64)
    images, labels = [], []
    with tarfile.open(fileobj=io.BytesIO(registry.read_bytes("cifar10")), mode="r:gz") as archive:
        for part in range(1, 6):
            member = archive.extractfile(f"cifar-10-batches-bin/data_batch_{part}.bin")
            assert member is not None
            records = np.frombuffer(member.read(), dtype=np.uint8).reshape(-1, 1 + 3 * 32 * 32)
            labels.append(records[:, 0].astype(np.int64))
            images.append(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return np.concatenate(images), np.concatenate(labels)


def _pair(data: Any) -> tuple[Tensor, Tensor]:
    if not (isinstance(data, tuple | list) and len(data) == 2):
        raise UserError(f"data = {data!r:.60} is neither a name nor a pair (inputs, labels).")
    inputs, labels = (torch.as_tensor(part) for part in data)
    if len(inputs) != len(labels):
        raise UserError(f"data: there are {len(inputs)} inputs and {len(labels)} labels; one label each is expected.")
    if inputs.is_floating_point() and not bool(torch.isfinite(inputs).all()):
        raise UserError("data: the inputs hold values that are not finite.")
    if labels.is_floating_point():
        raise UserError(f"data: the labels are {labels.dtype}; classes or tokens as whole numbers are expected.")
    return inputs, labels.long()
