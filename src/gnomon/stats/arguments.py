"""Reading what callers pass: columns of numbers and labels, counts, levels. A refusal names function and argument."""

from typing import Any

import numpy as np

from gnomon.errors import UserError


def as_array(function: str, name: str, values: Any) -> np.ndarray:
    """`values` as NumPy reads it, but lists with text stay objects: NumPy would make a NaN among it the text "nan"."""
    try:
        read = np.asarray(values)
        if read.dtype.kind in "US" and not hasattr(values, "dtype"):
            read = np.asarray(values, dtype=object)
    except ValueError:
        raise UserError(f"{function}: {name} is ragged; rows of one length are expected.") from None
    return read


def missing(values: np.ndarray) -> np.ndarray:
    """Where `values` hold None, NaN or another mark that is not equal to itself."""
    if values.dtype.kind != "O":
        return np.asarray(values != values)
    return np.array([_is_missing(value) for value in values.flat], dtype=bool).reshape(values.shape)


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas' NA refuses to be true or false
        return True


def numbers(function: str, name: str, values: Any, length: int | None = None) -> np.ndarray:
    """One column of finite numbers, of `length` entries where one is given."""
    read = column(function, name, values, length)
    if (gaps := missing(read)).any():
        raise UserError(f"{function}: {name} is missing (NaN) at position {int(gaps.argmax())}; leave such rows out.")
    try:
        if read.dtype.kind not in "biufO" or any(isinstance(value, str | bytes) for value in _objects(read)):
            raise TypeError
        read = read.astype(float)
    except (TypeError, ValueError):
        raise UserError(f"{function}: {name} holds {item(read, 0)!r:.60}, ...; numbers are expected.") from None
    if (infinite := ~np.isfinite(read)).any():
        at = int(infinite.argmax())
        raise UserError(f"{function}: {name} is {read[at]} at position {at}; finite numbers are expected.")
    return read


def weights(function: str, name: str, values: Any, length: int | None = None) -> np.ndarray:
    """One column of weights: finite, none below 0, not all 0."""
    read = numbers(function, name, values, length)
    if (read < 0).any():
        at = int((read < 0).argmax())
        raise UserError(f"{function}: {name} is {read[at]:g} at position {at}; weights are 0 or more.")
    if len(read) and not read.any():
        raise UserError(f"{function}: {name} is 0 everywhere; some weight above 0 is needed.")
    return read


def labels(function: str, name: str, values: Any, length: int) -> tuple[np.ndarray, np.ndarray]:
    """One column of labels as its distinct names, sorted, and each row's index among them."""
    read = column(function, name, values, length)
    if (gaps := missing(read)).any():
        raise UserError(f"{function}: {name} is missing at position {int(gaps.argmax())}; every row needs a label.")
    try:
        names, index = np.unique(read, return_inverse=True)
    except TypeError:
        raise UserError(f"{function}: {name} mixes text with numbers; labels of one kind are expected.") from None
    return names, index


def column(function: str, name: str, values: Any, length: int | None) -> np.ndarray:
    """One dimension, of `length` entries where one is given."""
    read = as_array(function, name, values)
    if read.ndim != 1:
        raise UserError(f"{function}: {name} has shape {read.shape}; one dimension is expected.")
    if length is not None and len(read) != length:
        raise UserError(f"{function}: {name} has {len(read)} entries for {length} rows; one for each is expected.")
    return read


def counts(function: str, successes: Any, n: Any) -> tuple[int, int]:
    """k of n as whole numbers, 0 <= k <= n."""
    try:
        whole = int(successes) == successes and int(n) == n
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or not 0 <= successes <= n:
        raise UserError(f"{function}: {successes} successes of {n} are impossible; 0 <= successes <= n, whole numbers.")
    return int(successes), int(n)


def check_level(function: str, level: float) -> None:
    """Refuse a confidence level outside (0, 1)."""
    if isinstance(level, bool | str) or not 0 < level < 1:
        raise UserError(f"{function}: level = {level!r} must lie between 0 and 1, as 0.95 does.")


def check_resamples(function: str, B: int) -> None:
    """Refuse a number of resamples that is not a whole number from 1 up."""
    if not (B >= 1 and int(B) == B):
        raise UserError(f"{function}: B = {B} must be a whole number, at least 1.")


def check_seed(function: str, seed: int) -> None:
    """Refuse a seed that is not a whole number from 0 up."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise UserError(f"{function}: seed = {seed!r} must be a whole number, 0 or more.")


def item(values: np.ndarray, position: int) -> Any:
    """An entry as a plain Python value, for a sentence."""
    return values[position : position + 1].tolist()[0]


def _objects(values: np.ndarray) -> Any:
    return values if values.dtype.kind == "O" else ()
