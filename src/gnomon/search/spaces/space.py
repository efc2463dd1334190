"""What a space of architectures is: named genes with their options, text for every architecture, and how one is built.

A space of one's own derives from `Space` and says four things: its `genes`, the `task` its networks are for, `build`
and `describe`. Drawing, changing, crossing and writing architectures follow from the genes.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from gnomon.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import torch

Arch = tuple[Any, ...]
"""An architecture: one value for each gene, in the genes' order."""

MOST_REJECTIONS = 10_000  # draws in a row that `allowed` may refuse before a space counts as empty


class Space(ABC):
    """Architectures with one value for each of `genes`.

    `task` is what the networks take and give, which decides the default data: `images` [B, 3, s, s] with one class
    each, `tokens` [B, context] with the next token of each, or `masks`, images with one class for each pixel.
    """

    name: str
    task: Literal["images", "tokens", "masks"]
    genes: Mapping[str, Sequence[Any]]

    @abstractmethod
    def build(self, arch: Arch, *, seed: int) -> "torch.nn.Module":
        """The network in training mode; its weights follow from `seed` alone, and no global random state is moved."""

    @abstractmethod
    def describe(self, arch: Arch) -> dict[str, float]:
        """At least `params` and `macs` (multiply-adds of one forward pass of one example), by arithmetic."""

    def allowed(self, arch: Arch) -> bool:
        """Whether `arch`, made of listed options, belongs to the space; all do unless a space says otherwise."""
        return True

    @property
    def size(self) -> int | None:
        """How many architectures there are, None where that is unknown."""
        unrestricted = type(self).allowed is Space.allowed
        return math.prod(len(options) for options in self.genes.values()) if unrestricted else None

    def sample(self, rng: "np.random.Generator") -> Arch:
        """An architecture drawn evenly. Raises UserError where none seems to be allowed."""
        for _ in range(MOST_REJECTIONS):
            arch = tuple(options[int(rng.integers(len(options)))] for options in self.genes.values())
            if self.allowed(arch):
                return arch
        raise UserError(f"space {self.name!r}: none of {MOST_REJECTIONS} drawn architectures is allowed.")

    def mutate(self, arch: Arch, rng: "np.random.Generator") -> Arch:
        """`arch` with exactly one gene at another value, drawn evenly from `neighbours`."""
        options = list(self.neighbours(arch))
        if not options:
            raise UserError(f"space {self.name!r}: {self.encode(arch)} has no neighbour.")
        return options[int(rng.integers(len(options)))]

    def crossover(self, a: Arch, b: Arch, rng: "np.random.Generator") -> Arch:
        """Each gene from `a` or `b` with equal chance; one of the two where no mixture drawn is allowed."""
        for _ in range(100):
            child = tuple(
                one if first else other for one, other, first in zip(a, b, rng.random(len(a)) < 0.5, strict=True)
            )
            if self.allowed(child):
                return child
        return a if rng.random() < 0.5 else b

    def neighbours(self, arch: Arch) -> Iterator[Arch]:
        """Every architecture that differs in one gene, gene by gene in the options' order."""
        for place, options in enumerate(self.genes.values()):
            for option in options:
                if option != arch[place]:
                    other = (*arch[:place], option, *arch[place + 1 :])
                    if self.allowed(other):
                        yield other

    def encode(self, arch: Arch) -> str:
        """The text of `arch`: `gene=value;gene=value`."""
        return ";".join(f"{name}={value}" for name, value in zip(self.genes, arch, strict=True))

    def decode(self, text: str) -> Arch:
        """The architecture written as `text`. Raises UserError naming the gene that is wrong, and what it may be."""
        parts = [part.partition("=") for part in text.strip().split(";") if part.strip()]
        given = {key.strip(): value.strip() for key, _, value in parts}
        if unknown := [key for key in given if key not in self.genes]:
            raise UserError(
                f"{text!r} is no architecture of {self.name!r}: {unknown[0]!r} is not one of {', '.join(self.genes)}."
            )
        values = []
        for name, options in self.genes.items():
            found = [option for option in options if str(option) == given.get(name)]
            if not found:
                what = f"{name} = {given[name]!r} is not" if name in given else f"{name} is missing; it is"
                raise UserError(
                    f"{text!r} is no architecture of {self.name!r}: {what} one of {', '.join(map(str, options))}."
                )
            values.append(found[0])
        arch = tuple(values)
        if not self.allowed(arch):
            raise UserError(f"{text!r} is not allowed in {self.name!r}.")
        return arch
