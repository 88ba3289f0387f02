"""Sentences that summarise a comparison."""

import math
from collections.abc import Mapping

from subpixel.sr.comparison.result import BOUND_DB, Comparison, Cost, UpsamplerResult
from subpixel.sr.report.formatting import TIMES, difference, finite, fixed, is_number


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
        values = [finite(result.scores.psnr.get(benchmark)) for result in upsamplers]
        known = [value for value in values if value is not None]
        below = finite(base)
        if len(known) == len(values) > 0 and below is not None:
            gain = min(known) - below
            sign = "+" if gain >= 0 else ""
            gains.append(f"{sign}{fixed(gain, 2)} dB on {benchmark}")
    if not gains:
        return ""
    lowest = ", counting the lowest of the upsamplers" if len(upsamplers) > 1 else ""
    return f"Against bicubic: {', '.join(gains)}{lowest}."


def too_far_apart(spread: object) -> bool:
    """Whether a spread is above `BOUND_DB`, or is not a finite number."""
    number = finite(spread)
    return number is None or number > BOUND_DB


def _alone(name: str, result: UpsamplerResult, scale: int | None) -> str:
    psnr = result.scores.psnr.items()
    values = [f"{fixed(value, 2)} dB on {benchmark}" for benchmark, value in psnr]
    what = f"One upsampler was trained, {name}, at a scale of {scale}"
    return f"{what}: {', '.join(values)}." if values else f"{what}; its PSNR was not measured."


def _agreement(comparison: Comparison) -> tuple[str, bool]:
    """Returns a sentence about the PSNRs, and whether they agree."""
    measured = dict.fromkeys(
        benchmark for result in comparison.upsamplers.values() for benchmark in result.scores.psnr
    )
    spreads = {**measured, **comparison.psnr_spread_db}
    known = {name: float(value) for name, value in spreads.items() if is_number(value)}
    # Every comparison with NaN is false, so NaN gets a place of its own: the last.
    ranked = sorted(known, key=lambda name: (math.isnan(known[name]), -known[name]))
    worst = ranked[0] if ranked else None
    if worst is not None and known[worst] > BOUND_DB:
        apart = (
            f"Not the same PSNR: the upsamplers differ by {difference(known[worst])} dB on "
            f"{worst}, more than the {BOUND_DB} dB within which one function should lie"
        )
        return apart, False
    unknown = [name for name, value in spreads.items() if finite(value) is None]
    if worst is None or unknown:
        where = f" on {', '.join(unknown)}" if unknown else ""
        return f"How far the PSNRs lie apart is not known{where}", False
    return f"Same function, same PSNR (spread {difference(known[worst])} dB)", True


def _speed(upsamplers: Mapping[str, UpsamplerResult]) -> str:
    """Returns a sentence about the times of a training step."""
    times = {name: finite(result.cost.train_step_ms) for name, result in upsamplers.items()}
    known = {name: time for name, time in times.items() if time is not None and time > 0}
    if len(known) < 2:
        return "and the training steps were not timed"
    fastest = min(known, key=lambda name: known[name])
    faster, alike = [], []
    for name in sorted(known, key=lambda name: -known[name]):
        if name == fastest:
            continue
        if _overlap(upsamplers[fastest].cost, upsamplers[name].cost):
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
