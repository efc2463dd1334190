"""Arithmetic written by a model, read without running it: digits, + - * / and brackets, in exact fractions."""

import ast
from fractions import Fraction

LONGEST = 200  # characters; longer text is no answer to any task here
ALLOWED = frozenset("0123456789+-*/(). ")


def evaluate(text: str) -> tuple[Fraction, list[str]] | None:
    """Value of an expression and the numbers in it as written, or None where it is not one.

    Nothing but ASCII digits, a decimal point, the four operations, signs and brackets is understood; division by zero
    and powers are not expressions.
    """
    text = text.strip()
    if not text or len(text) > LONGEST or not set(text) <= ALLOWED or "**" in text or "//" in text:
        return None
    try:
        tree = ast.parse(text, mode="eval")
        numbers: list[str] = []
        return _value(tree.body, text, numbers), numbers
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def number(text: str) -> Fraction | None:
    """A plain decimal number such as `-12`, `.5` or `1,200.50`; None for anything else."""
    plain = text.strip().replace(",", "")
    digits = plain.removeprefix("-")
    if len(plain) > LONGEST or not digits or not set(digits) <= frozenset("0123456789.") or digits == ".":
        return None
    try:
        return Fraction(plain)
    except ValueError:
        return None


def _value(node: ast.expr, text: str, numbers: list[str]) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        written = ast.get_source_segment(text, node) or ""
        numbers.append(written)
        return Fraction(written)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _value(node.operand, text, numbers)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, text, numbers), _value(node.right, text, numbers)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            return left / right
    raise ValueError("not arithmetic")
