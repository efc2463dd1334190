"""Reading samples: one-dimensional arrays of numbers, and what a missing number (NaN) means in a comparison."""

import math
from typing import Any

import numpy as np

from gnomon.errors import UserError

FLOAT = np.dtype(float)
MISSING = ("raise", "lowest", "drop")


def read(values: Any, name: str) -> np.ndarray:
    """`values` as a one-dimensional float64 array that is not empty, itself where it is one; None becomes NaN."""
    if type(values) is np.ndarray and values.dtype is FLOAT and values.ndim == 1 and values.size:
        return values
    try:
        array = np.asarray(values)
    except ValueError:
        raise UserError(f"{name} is ragged; numbers in one dimension are expected.") from None
    if array.dtype.kind == "O" and array.ndim == 1:
        array = np.array([_number(value, name, position) for position, value in enumerate(array)])
    if array.ndim != 1:
        raise UserError(f"{name} has shape {array.shape}; numbers in one dimension are expected.")
    if array.size == 0:
        raise UserError(f"{name} is empty (shape {array.shape}); at least one number is expected.")
    if array.dtype.kind not in "biuf":
        raise UserError(f"{name} holds {array[0].item()!r} at position 0; numbers are expected.")
    return array.astype(float, copy=False)


def _number(value: Any, name: str, position: int) -> float:
    if value is None:
        return math.nan
    try:
        if isinstance(value, str):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{name} holds {value!r:.60} at position {position}; numbers are expected.") from None


def settle(x: np.ndarray, y: np.ndarray, paired: bool, missing: str) -> tuple[np.ndarray, np.ndarray]:
    """Both samples after the rule for missing numbers; NaN is left only under "lowest"."""
    check_missing(missing)
    if paired and len(x) != len(y):
        raise UserError(f"paired samples need equal lengths; x has {len(x)} and y has {len(y)}.")
    if missing == "raise":
        refuse_gaps(x, "x")
        refuse_gaps(y, "y")
    elif missing == "drop":
        if paired:
            gaps = np.isnan(x) | np.isnan(y)
            x, y = np.where(gaps, math.nan, x), np.where(gaps, math.nan, y)
        x, y = without_gaps(x, "x"), without_gaps(y, "y")
    return x, y


def refuse_gaps(array: np.ndarray, name: str) -> None:
    """Refuse missing numbers."""
    if (gaps := np.isnan(array)).any():
        raise UserError(
            f"{name} is missing (NaN) at position {int(gaps.argmax())}; choose missing='lowest', where it ranks below"
            " every number, or missing='drop'."
        )


def without_gaps(array: np.ndarray, name: str) -> np.ndarray:
    """The numbers that are there; refuses an array without any."""
    gaps = np.isnan(array)
    if gaps.all():
        raise UserError(f"{name} is empty once missing numbers are dropped; missing='lowest' keeps them.")
    return array[~gaps] if gaps.any() else array


def check_missing(missing: str) -> None:
    """Refuse a rule for missing numbers that does not exist."""
    if missing not in MISSING:
        raise UserError(f"missing = {missing!r} is not known; there are {', '.join(MISSING)}.")


def check_finite(x: np.ndarray, y: np.ndarray, what: str) -> None:
    """Refuse infinite and missing numbers where sums or differences are taken."""
    for name, array in (("x", x), ("y", y)):
        if not (finite := np.isfinite(array)).all():
            position = int(finite.argmin())
            raise UserError(
                f"{name} holds {array[position]} at position {position}; {what} needs finite numbers, a rank method"
                " takes any."
            )


def sortable(*samples: np.ndarray) -> list[np.ndarray]:
    """The samples as they are, or as whole numbers in the same order where NaN has to rank below -inf."""
    pooled = np.concatenate(samples)
    gaps = np.isnan(pooled)
    if not gaps.any():
        return list(samples)
    codes = np.searchsorted(np.unique(pooled[~gaps]), pooled) + 1
    codes[gaps] = 0
    return np.split(codes, np.cumsum([len(sample) for sample in samples])[:-1])


def differences(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x - y pair by pair as a ranking sees it: equal infinities and two missing numbers differ by 0, one missing number
    by infinity."""
    with np.errstate(invalid="ignore", over="ignore"):
        d = np.where(x == y, 0.0, x - y)
    gaps_x, gaps_y = np.isnan(x), np.isnan(y)
    d[gaps_x] = -math.inf
    d[gaps_y] = math.inf
    d[gaps_x & gaps_y] = 0
    return d
