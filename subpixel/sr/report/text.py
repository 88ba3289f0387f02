"""Text of the report: numbers, and sentences that summarise a comparison."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import TypeGuard

from subpixel.sr.comparison.result import BOUND_DB, Comparison, Cost, UpsamplerResult

# Bounds within which the layouts of one network are one function: sums in another order.
SAME_PSNR_DB, SAME_PIXELS = 1e-4, 1e-5
# The spreads of three seeds of ESPCN on Set5, Set14 and B100 in research/evidence.md.
SEEDS_DB = "0.06 to 0.54"

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


def finding(comparison: Comparison) -> str:
    """Returns the main result.

    The sentence says that the function is the same only if the PSNRs of every benchmark lie within
    `BOUND_DB`. It says that an upsampler is faster only if its training step is shorter by
    5 % and the quartiles do not overlap.
    """
    upsamplers = comparison.upsamplers
    if not upsamplers:
        return "No upsampler was measured."
    if len(upsamplers) == 1:
        return _alone(*next(iter(upsamplers.items())), comparison.scale)
    quality, agrees = _agreement(comparison)
    speed = _speed(upsamplers)
    return f"{quality}{', ' if agrees else '; '}{speed}."


def over_bicubic(comparison: Comparison) -> str:
    """Returns the gain of the worst upsampler over bicubic on each benchmark; "" if not known."""
    reference = {} if comparison.bicubic is None else comparison.bicubic.psnr
    upsamplers = comparison.upsamplers.values()
    gains = []
    for benchmark, base in reference.items():
        values = [finite(of.psnr.get(benchmark)) for of in upsamplers]
        known = [value for value in values if value is not None]
        below = finite(base)
        if len(known) == len(values) > 0 and below is not None:
            gain = min(known) - below
            gains.append(f"{'+' if gain >= 0 else ''}{fixed(gain, 2)} dB on {benchmark}")
    if not gains:
        return ""
    lowest = ", counting the lowest of the upsamplers" if len(upsamplers) > 1 else ""
    return f"Against bicubic: {', '.join(gains)}{lowest}."


def conversion_sentence(comparison: Comparison) -> str:
    """Returns how far the layouts of one trained network differ, and why trainings do."""
    known = [each.conversion for each in comparison.upsamplers.values() if each.conversion]
    psnr_db, pixel = (
        max((finite(getattr(of, key)) or 0.0 for of in known), default=0.0)
        for key in ("psnr_db", "pixels")
    )
    if not known:
        return ""
    same = psnr_db <= SAME_PSNR_DB and pixel <= SAME_PIXELS
    claim = "One function in every layout" if same else "Not one function in every layout"
    sentence = (
        f"{claim}: converted to the two other layouts, a trained network changes the PSNR of an "
        f"image of {known[0].benchmark} by at most {psnr_db:.1g} dB and a pixel by at most "
        f"{pixel:.1g} of its range."
    )
    if len(known) > 1:
        sentence += (
            " The trainings differ by rounding, which the optimiser amplifies; seeds differ by "
            f"{SEEDS_DB} dB (ESPCN, research/evidence.md)."
        )
    return sentence


def too_far_apart(spread: object) -> bool:
    """Whether a spread is above `BOUND_DB`, or is not a finite number."""
    number = finite(spread)
    return number is None or number > BOUND_DB


def _alone(name: str, result: UpsamplerResult, scale: int | None) -> str:
    values = [f"{fixed(value, 2)} dB on {benchmark}" for benchmark, value in result.psnr.items()]
    what = f"One upsampler was trained, {name}, at a scale of {scale}"
    return f"{what}: {', '.join(values)}." if values else f"{what}; its PSNR was not measured."


def _agreement(comparison: Comparison) -> tuple[str, bool]:
    """Returns a sentence about the PSNRs, and whether they agree."""
    measured = dict.fromkeys(name for of in comparison.upsamplers.values() for name in of.psnr)
    spreads = {**measured, **comparison.psnr_spread_db}
    known = {name: float(value) for name, value in spreads.items() if is_number(value)}
    # Every comparison with NaN is false, so NaN gets a place of its own: the last.
    ranked = sorted(known, key=lambda name: (math.isnan(known[name]), -known[name]))
    if ranked and known[ranked[0]] > BOUND_DB:
        apart = (
            f"Not the same PSNR: the upsamplers differ by {difference(known[ranked[0]])} dB on "
            f"{ranked[0]}, more than the {BOUND_DB} dB within which one function should lie"
        )
        return apart, False
    unknown = [name for name, value in spreads.items() if finite(value) is None]
    if not ranked or unknown:
        where = f" on {', '.join(unknown)}" if unknown else ""
        return f"How far the PSNRs lie apart is not known{where}", False
    return f"Same function, same PSNR (spread {difference(known[ranked[0]])} dB)", True


def _speed(upsamplers: Mapping[str, UpsamplerResult]) -> str:
    """Returns a sentence about the times of a training step."""
    times = {name: finite(result.train_step_ms) for name, result in upsamplers.items()}
    known = {name: time for name, time in times.items() if time}
    if len(known) < 2:
        return "and the training steps were not timed"
    fastest = min(known, key=lambda name: known[name])
    faster, alike = [], []
    for name in sorted(known.keys() - {fastest}, key=lambda name: -known[name]):
        if _overlap(upsamplers[fastest], upsamplers[name]):
            alike.append(name)
        else:
            faster.append(f"{fixed(known[name] / known[fastest], 1)}{TIMES} faster than {name}")
    if not faster:
        return "and no measurable difference in the time of a training step"
    sentence = f"{fastest} trains {' and '.join(faster)}"
    return f"{sentence}, and as fast as {' and '.join(alike)}" if alike else sentence


def _overlap(one: Cost, other: Cost) -> bool:
    """Whether the times of two training steps differ by less than can be measured."""
    (time, low, high), (other_time, other_low, other_high) = map(_range, (one, other))
    close = abs(other_time / time - 1) < 0.05
    return close or (low <= other_high and other_low <= high)


def _range(cost: Cost) -> tuple[float, float, float]:
    """Returns median and quartiles of a training step; the median stands for unknown quartiles."""
    time = finite(cost.train_step_ms) or math.nan
    low, high = cost.quartiles.get("train_step_ms") or (time, time)
    return time, finite(low) or time, finite(high) or time
