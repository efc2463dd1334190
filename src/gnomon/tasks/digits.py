"""Written arithmetic: columns of digits, carries, and a teacher who forgets some of them."""

import random
from collections.abc import Sequence


def column_arithmetic(columns: Sequence[int], teacher_error: float, rng: random.Random) -> list[int]:
    """Digits, least significant first, of sum_i columns[i] 10^i worked column by column.

    Each carry that is not zero is forgotten with probability `teacher_error`.
    """
    digits, carry = [], 0
    for column in columns:
        carry, digit = divmod(column + carry, 10)
        digits.append(digit)
        if carry and rng.random() < teacher_error:
            carry = 0
    while carry:
        carry, digit = divmod(carry, 10)
        digits.append(digit)
    while len(digits) > 1 and digits[-1] == 0:
        digits.pop()
    return digits


def digits_of(number: int) -> list[int]:
    """Decimal digits, least significant first."""
    return [int(digit) for digit in reversed(str(number))]


def written(digits: Sequence[int], reverse: bool) -> str:
    """Digits (least significant first) as text, in that order where `reverse`, else as usual."""
    text = "".join(map(str, digits))
    return text if reverse else text[::-1]
