"""The table of results: one row an upsampler."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from subpixel.sr.comparison.result import BOUND_DB, Comparison, Conversion, Cost, ModelScores
from subpixel.sr.report.text import (
    MISSING,
    SAME_PIXELS,
    SAME_PSNR_DB,
    TIMES,
    difference,
    fixed,
    known,
    significant,
)


@dataclass(frozen=True)
class Cell:
    """A number, with the notes below it."""

    text: str = ""
    ratio: str = ""
    quartiles: str = ""
    share: float | None = None  # length of the bar: ratio to the largest of the column, 0..1
    alarm: bool = False


# Titles of columns, by the title of their group.
Groups = tuple[tuple[str, tuple[str, ...]], ...]

_TIMES = ("train_step_ms", "gradient_ms", "forward_ms", "compile_s")
_GROUPS: Groups = (
    ("Converted", ("PSNR, dB", "pixels")),
    ("Time, ms", ("training step", "gradient", "forward")),
    ("Once", ("compile, s",)),
    ("GFLOP", ("useful", "executed")),
    ("Memory", ("MiB",)),
    ("Size", ("parameters",)),
)


def results_table(comparison: Comparison) -> tuple[Groups, dict[str, list[Cell]]]:
    """Returns the columns, and the rows by their titles: bicubic, upsamplers, their spread."""
    upsamplers, bicubic = comparison.upsamplers, comparison.bicubic or ModelScores()
    groups = (*((name, ("PSNR, dB", "SSIM")) for name in bicubic.psnr), *_GROUPS)
    blank = [Cell()] * sum(len(columns) for _, columns in _GROUPS)
    rows = {"bicubic": [*_quality(bicubic), *blank]}
    times = {key: [known(getattr(of, key)) for of in upsamplers.values()] for key in _TIMES}
    for name, result in upsamplers.items():
        rows[name] = [
            *_quality(result),
            *_conversion(result.conversion),
            *(_time(result, key, times[key]) for key in _TIMES),
            Cell(significant(result.gflop_useful)),
            _executed(result),
            Cell(significant(result.temp_mib)),
            Cell(fixed(result.parameters, 0)),
        ]
    if len(upsamplers) > 1:
        spreads = map(known, comparison.psnr_spread_db.values())
        rows["spread"] = [cell for value in spreads for cell in (_spread(value), Cell())] + blank
    return groups, rows


def _quality(scores: ModelScores) -> Iterator[Cell]:
    for benchmark, psnr in scores.psnr.items():
        yield Cell(fixed(psnr, 2))
        yield Cell(fixed(scores.ssim[benchmark], 4))


def _conversion(conversion: Conversion | None) -> Iterable[Cell]:
    if conversion is None:  # the fast form of "conv_transpose"
        return Cell(MISSING), Cell(MISSING)
    pairs = ((conversion.psnr_db, SAME_PSNR_DB), (conversion.pixels, SAME_PIXELS))
    return (Cell(f"{known(value):.0e}", alarm=not known(value) <= bound) for value, bound in pairs)


def _spread(value: float) -> Cell:
    return Cell(difference(value), alarm=not value <= BOUND_DB)


def _time(cost: Cost, key: str, column: list[float]) -> Cell:
    number = known(getattr(cost, key))
    quartiles = "\N{EN DASH}".join(map(significant, cost.quartiles.get(key, ())))
    if len(column) == 1:
        return Cell(significant(number), quartiles=quartiles)
    ratio = f"{fixed(number / min(column), 2)}{TIMES}"
    return Cell(significant(number), ratio, quartiles, round(number / max(column), 4))


def _executed(cost: Cost) -> Cell:
    executed, useful = known(cost.gflop_executed), known(cost.gflop_useful)
    ratio = f"{fixed(executed / useful, 2)}{TIMES} useful" if executed > 1.005 * useful else ""
    return Cell(significant(executed), ratio)
