"""Text of numbers in the report."""

import math
from numbers import Real
from typing import TypeGuard

MISSING = "\N{EN DASH}"
INFINITE = "\N{INFINITY}"
TIMES = "\N{MULTIPLICATION SIGN}"


def is_number(value: object) -> TypeGuard[Real]:
    """Whether `value` is a real number, infinity and NaN included; a bool is not a number."""
    return isinstance(value, Real) and not isinstance(value, bool)


def finite(value: object) -> float | None:
    """Returns `value` if it is a finite number, otherwise None."""
    return float(value) if is_number(value) and math.isfinite(value) else None


def fixed(value: object, digits: int) -> str:
    """Returns a number with `digits` decimals, "1,234.50"; a dash if `value` is not a number.

    Example:
      >>> fixed(1234.5, 2), fixed(float("nan"), 2), fixed(None, 2) == MISSING
      ('1,234.50', 'NaN', True)
    """
    if not is_number(value):
        return MISSING
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return INFINITE if number > 0 else f"\N{MINUS SIGN}{INFINITE}"
    return f"{number:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def significant(value: object, digits: int = 3) -> str:
    """Returns a number with at least `digits` significant digits, without an exponent.

    Example:
      >>> significant(25.12), significant(0.01234), significant(1234.5)
      ('25.1', '0.0123', '1,234')
    """
    number = finite(value)
    if not number:
        return fixed(value, 0)
    return fixed(number, max(0, digits - 1 - math.floor(math.log10(abs(number)))))


def decibels(value: object) -> str:
    """Returns a PSNR, "32.41 dB"; the PSNR of identical images is infinite."""
    text = fixed(value, 2)
    return text if text in (MISSING, "NaN") else f"{text} dB"


def difference(value: object) -> str:
    """Returns a difference of PSNRs with three decimals; a positive one never becomes "0.000".

    Example:
      >>> difference(0.0031), difference(0.0001), difference(0.0)
      ('0.003', '<0.001', '0.000')
    """
    number = finite(value)
    if number is not None and 0 < number < 0.001:
        return "<0.001"
    return fixed(value, 3)


def duration(seconds: object) -> str:
    """Returns a duration with its units: "42 s", "12 min 5 s", "3 h 20 min"."""
    number = finite(seconds)
    if number is None or number < 10:
        return fixed(seconds, 1) + (" s" if number is not None else "")
    whole = round(number)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
