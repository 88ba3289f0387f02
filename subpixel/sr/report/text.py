"""Text of the report: numbers, and sentences that summarise a comparison."""

import math
from collections.abc import Mapping

from subpixel.sr.comparison.result import BOUND_DB, Comparison, Cost, Number, UpsamplerResult

# Bounds within which the layouts of one network are one function: sums in another order.
SAME_PSNR_DB, SAME_PIXELS = 1e-4, 1e-5
# The spreads of three seeds of ESPCN on Set5, Set14 and B100 in research/evidence.md.
SEEDS_DB = "0.06 to 0.54"

MISSING = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


def known(value: Number) -> float:
    """Returns a number, NaN for None."""
    return math.nan if value is None else value


def fixed(value: Number, digits: int) -> str:
    """Returns a number with `digits` decimals, "1,234.50"; a dash for None.

    Example:
      >>> fixed(1234.5, 2), fixed(None, 2) == MISSING
      ('1,234.50', True)
    """
    if value is None:
        return MISSING
    text = f"{value:,.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}").replace("inf", "\N{INFINITY}")


def significant(value: Number) -> str:
    """Returns a number with at least three significant digits, without an exponent.

    Example:
      >>> significant(25.12), significant(0.01234), significant(1234.5)
      ('25.1', '0.0123', '1,234')
    """
    if not value:
        return fixed(value, 0)
    return fixed(value, max(0, 2 - math.floor(math.log10(abs(value)))))


def difference(value: float) -> str:
    """Returns a difference of PSNRs with three decimals; a positive one never becomes "0.000".

    Example:
      >>> difference(0.0031), difference(0.0001), difference(0.0)
      ('0.003', '<0.001', '0.000')
    """
    return "<0.001" if 0 < value < 0.001 else fixed(value, 3)


def duration(seconds: float) -> str:
    """Returns a duration with its units.

    Example:
      >>> duration(4.21), duration(42), duration(725), duration(12_000)
      ('4.2 s', '42 s', '12 min 5 s', '3 h 20 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def finding(comparison: Comparison) -> str:
    """Returns the main result.

    The sentence says that the function is the same only if the PSNRs of every benchmark lie within
    `BOUND_DB`. It says that an upsampler is faster only if its training step is shorter by
    5 % and the quartiles do not overlap.
    """
    upsamplers = comparison.upsamplers
    if len(upsamplers) == 1:
        ((name, result),) = upsamplers.items()
        psnr = ", ".join(f"{fixed(value, 2)} dB on {key}" for key, value in result.psnr.items())
        return f"One upsampler was trained, {name}, at a scale of {comparison.scale}: {psnr}."
    spreads = {name: known(spread) for name, spread in comparison.psnr_spread_db.items()}
    speed = _speed(upsamplers)
    furthest = max(spreads, key=lambda name: spreads[name], default=None)
    if furthest is None:
        return f"No PSNR was measured; {speed}."
    apart = difference(spreads[furthest])
    if spreads[furthest] <= BOUND_DB:
        return f"Same function, same PSNR (spread {apart} dB), {speed}."
    return (
        f"Not the same PSNR: the upsamplers differ by {apart} dB on {furthest}, more than the "
        f"{BOUND_DB} dB within which one function should lie; {speed}."
    )


def over_bicubic(comparison: Comparison) -> str:
    """Returns the gain of the worst upsampler over bicubic on each benchmark."""
    upsamplers = comparison.upsamplers.values()
    reference = {} if comparison.bicubic is None else comparison.bicubic.psnr
    gains = []
    for benchmark, base in reference.items():
        gain = min(known(of.psnr[benchmark]) for of in upsamplers) - known(base)
        if math.isfinite(gain):  # the PSNR of equal images is infinite
            gains.append(f"{'+' if gain >= 0 else ''}{fixed(gain, 2)} dB on {benchmark}")
    lowest = ", counting the lowest of the upsamplers" if len(upsamplers) > 1 else ""
    return f"Against bicubic: {', '.join(gains)}{lowest}." if gains else ""


def conversion_sentence(comparison: Comparison) -> str:
    """Returns how far the layouts of one trained network differ, and why trainings do."""
    measured = [each.conversion for each in comparison.upsamplers.values() if each.conversion]
    if not measured:
        return ""
    psnr_db = max(known(each.psnr_db) for each in measured)
    pixel = max(known(each.pixels) for each in measured)
    same = psnr_db <= SAME_PSNR_DB and pixel <= SAME_PIXELS
    claim = "One function in every layout" if same else "Not one function in every layout"
    sentence = (
        f"{claim}: converted to the two other layouts, a trained network changes the PSNR of an "
        f"image of {measured[0].benchmark} by at most {psnr_db:.1g} dB and a pixel by at most "
        f"{pixel:.1g} of its range."
    )
    if len(measured) > 1:
        sentence += (
            " The trainings differ by rounding, which the optimiser amplifies; seeds differ by "
            f"{SEEDS_DB} dB (ESPCN, research/evidence.md)."
        )
    return sentence


def _speed(upsamplers: Mapping[str, UpsamplerResult]) -> str:
    """Returns a sentence about the times of a training step."""
    times = {name: _step_times(result) for name, result in upsamplers.items()}
    fastest = min(times, key=times.__getitem__)
    median, _, high = times.pop(fastest)
    faster, alike = [], []
    for name, (time, low, _) in sorted(times.items(), key=lambda item: -item[1][0]):
        if time < 1.05 * median or low <= high:
            alike.append(name)
        else:
            faster.append(f"{fixed(time / median, 1)}{TIMES} faster than {name}")
    if not faster:
        return "and no measurable difference in the time of a training step"
    sentence = f"{fastest} trains {' and '.join(faster)}"
    return f"{sentence}, and as fast as {' and '.join(alike)}" if alike else sentence


def _step_times(cost: Cost) -> tuple[float, float, float]:
    """Returns the median and the quartiles of a training step."""
    low, high = cost.quartiles["train_step_ms"]
    return known(cost.train_step_ms), known(low), known(high)
