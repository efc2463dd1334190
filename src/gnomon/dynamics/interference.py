"""Destructive interference: how much of what was gained here was lost there, and how much of that is chance.

For changes z_1..z_n (of loss, or gradient coordinates)

    D = 1 - |sum z| / sum |z|        M = mean |z|        |mean z| = (1 - D) M

is the share of all movement that cancels (arXiv 2506.05447, destructive interference). Alone it says little: n numbers
with random signs give D near 1 - n^(-1/2). Beside it therefore always stand n and the unit of z, M, and what random
signs would give with the same magnitudes,

    D_null = 1 - sqrt(2/pi) sqrt(sum z^2) / sum |z|        A = (1 - D) / (1 - D_null)        z = sum z / sqrt(sum z^2)

A, the alignment, is near 1 for independent signs, below 1 where changes systematically oppose each other (zero-sum
learning), above 1 where they share a direction. The null and A are ours, and take random signs as normal.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Unit = Literal["token", "sequence", "example"]
UNITS = ("token", "sequence", "example")

FEWEST_DISTINCT, OF_MORE_THAN = 50, 500  # fewer distinct values in more than so many: the losses were rounded


@dataclass(frozen=True)
class Interference:
    """D of one set of changes, with all that it must be read with.

    `unit` says what one change belongs to, `n` counts the finite ones, `n_zero` the zeros among them, `n_nonfinite`
    those left out. `mean` keeps its sign. D, D_null, A and z are NaN where every change is zero. `flags` holds
    `"quantised"` where the changes look rounded (losses computed in less than float32).
    """

    unit: str
    n: int
    D: float
    M: float
    mean: float
    D_null: float
    A: float
    z: float
    n_zero: int
    n_nonfinite: int
    flags: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is undefined is None."""
        return {**{name: defined(value) for name, value in asdict(self).items()}, "flags": list(self.flags)}


@dataclass(frozen=True)
class Sums:
    """What D is made of, all of it additive: chunks, groups and machines add theirs up."""

    n: int = 0
    total: float = 0.0
    absolute: float = 0.0
    squares: float = 0.0
    n_zero: int = 0
    n_nonfinite: int = 0

    @classmethod
    def of(cls, values: Any) -> "Sums":
        """The sums of `values`, any shape, in float64; what is not finite is counted and left out."""
        z = as_array(values).ravel()
        finite = z[np.isfinite(z)]
        return cls(
            n=int(finite.size),
            total=float(finite.sum()),
            absolute=float(np.abs(finite).sum()),
            squares=float(np.square(finite).sum()),
            n_zero=int((finite == 0).sum()),
            n_nonfinite=int(z.size - finite.size),
        )

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(a + b for a, b in zip(self.parts(), other.parts(), strict=True)))

    def parts(self) -> tuple[Any, ...]:
        """(n, sum z, sum |z|, sum z^2, zeros, non-finite)."""
        return (self.n, self.total, self.absolute, self.squares, self.n_zero, self.n_nonfinite)

    def interference(self, unit: str, flags: Sequence[str] = ()) -> Interference:
        """The statistic these sums give."""
        nan = math.nan
        if self.absolute == 0:
            M, D, D_null, A, z = (0.0 if self.n else nan), nan, nan, nan, nan
        else:
            M = self.absolute / self.n
            # |sum z| and sqrt(sum z^2) cannot exceed sum |z|, rounding aside.
            kept = min(1.0, abs(self.total) / self.absolute)
            kept_null = math.sqrt(2 / math.pi) * min(1.0, math.sqrt(self.squares) / self.absolute)
            D, D_null, A = 1 - kept, 1 - kept_null, kept / kept_null
            z = self.total / math.sqrt(self.squares)
        mean = self.total / self.n if self.n else nan
        return Interference(unit, self.n, D, M, mean, D_null, A, z, self.n_zero, self.n_nonfinite, tuple(flags))


def destructive_interference(values: Any, *, unit: Unit) -> Interference:
    """D of `values` (any shape, an array, a tensor or a list of numbers) with its null and alignment.

    `unit` is what one value belongs to: a `"token"` (one position), a `"sequence"` (mean over its positions) or an
    `"example"` (anything else). Units measure different things and are never compared. Raises ValueError for another
    unit. Source: arXiv 2506.05447 for D; the null and A are ours (this file's head).
    """
    check_unit(unit)
    array = as_array(values).ravel()
    return Sums.of(array).interference(unit, flags=["quantised"] if _quantised(array) else [])


def check_unit(unit: str) -> None:
    """Raises ValueError unless `unit` is one of UNITS."""
    if unit not in UNITS:
        raise ValueError(f"unit = {unit!r} is not known; 'token', 'sequence' or 'example'.")


def defined(value: Any) -> Any:
    """`value`, or None for a number that is not finite: what JSON says of the undefined."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_array(values: Any) -> np.ndarray:
    """`values` as a float64 array; tensors of any device and precision are welcome."""
    if hasattr(values, "detach"):
        values = values.detach().double().cpu().numpy()
    return np.asarray(values, dtype=float)


def _quantised(z: np.ndarray) -> bool:
    moved = z[np.isfinite(z) & (z != 0)]
    return moved.size > OF_MORE_THAN and np.unique(moved).size < FEWEST_DISTINCT


# -- groups --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GroupChange:
    """One group's part in a set of changes: `share_of_gain` is its part of all loss that fell (sum of the negative z),
    `share_of_loss` its part of all that rose; both NaN where nothing did."""

    group: str
    n: int
    sum: float
    mean: float
    M: float
    D: float
    D_null: float
    A: float
    share_of_gain: float
    share_of_loss: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is undefined is None."""
        return {name: defined(value) for name, value in asdict(self).items()}


def by_group(values: Any, groups: Any, *, unit: Unit) -> list[GroupChange]:
    """Each group's sum and mean of changes of loss, D inside it, and its shares of all gain and all loss.

    `values` are changes of loss (negative is better), `groups` as many labels. Groups come in the order of their
    labels' text. Raises ValueError where the numbers of values and labels differ.
    """
    check_unit(unit)
    z, labels = as_array(values).ravel(), np.asarray(groups).ravel().astype(str)
    if len(z) != len(labels):
        raise ValueError(f"groups has {len(labels)} labels for {len(z)} values; one label for each is expected.")
    finite = np.isfinite(z)
    z, labels = z[finite], labels[finite]
    names, index = np.unique(labels, return_inverse=True)
    fell = np.bincount(index, np.where(z < 0, -z, 0.0), len(names))
    rose = np.bincount(index, np.where(z > 0, z, 0.0), len(names))
    rows = []
    for place, name in enumerate(names):
        inside = Sums.of(z[index == place]).interference(unit)
        rows.append(
            GroupChange(
                group=str(name),
                n=inside.n,
                sum=inside.mean * inside.n,
                mean=inside.mean,
                M=inside.M,
                D=inside.D,
                D_null=inside.D_null,
                A=inside.A,
                share_of_gain=_ratio(fell[place], fell.sum()),
                share_of_loss=_ratio(rose[place], rose.sum()),
            )
        )
    return rows


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan


# -- the first-order identity -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decomposition:
    """Where the cancellation of a first-order change of loss comes from. Parts lie in [0, 1]; 1 = nothing cancels.

    With p_ij = g_ij dtheta_j over examples i and coordinates j:
    `C_g` = sum_j |sum_i p| / sum |p|: across examples, coordinate by coordinate (gradient interference);
    `C_uG` = |sum p| / sum_j |sum_i p|: across coordinates, of the summed gradient along the update;
    `C_ug` = sum_i |sum_j p| / sum |p|: across coordinates, within each example;
    `C_dl` = |sum p| / sum_i |sum_j p| = 1 - D of the first-order changes of loss = C_g C_uG / C_ug.
    """

    C_g: float
    C_uG: float
    C_ug: float
    C_dl: float


def first_order_decomposition(gradients: Any, update: Any) -> Decomposition:
    """The identity C_dl = C_g C_uG / C_ug of the first-order changes dl_i = sum_j g_ij dtheta_j.

    `gradients` [N, P] are the examples' gradients, `update` [P] the step that was taken. All in float64; a ratio 0/0 is
    NaN. Raises ValueError for other shapes.
    """
    g, step = as_array(gradients), as_array(update)
    if g.ndim != 2 or step.shape != g.shape[1:]:
        raise ValueError(
            f"first_order_decomposition: gradients of shape (N, P) and an update of shape (P,) are expected;"
            f" got {g.shape} and {step.shape}."
        )
    p = g * step
    everything = float(np.abs(p).sum())
    over_examples = float(np.abs(p.sum(0)).sum())
    over_coordinates = float(np.abs(p.sum(1)).sum())
    whole = abs(float(p.sum()))
    return Decomposition(
        C_g=_ratio(over_examples, everything),
        C_uG=_ratio(whole, over_examples),
        C_ug=_ratio(over_coordinates, everything),
        C_dl=_ratio(whole, over_coordinates),
    )
