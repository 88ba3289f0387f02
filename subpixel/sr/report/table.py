"""The table of results: one row an upsampler, with an explanation of each column."""

from collections.abc import Iterable
from dataclasses import dataclass

from subpixel.sr.comparison.result import Comparison, Conversion, Cost, ModelScores
from subpixel.sr.report.text import (
    MISSING,
    SAME_PIXELS,
    SAME_PSNR_DB,
    TIMES,
    difference,
    finite,
    fixed,
    significant,
    too_far_apart,
)


@dataclass(frozen=True)
class Cell:
    """A number, with the notes below it."""

    text: str
    ratio: str = ""
    quartiles: str = ""
    share: float | None = None  # length of the bar: ratio to the largest of the column, 0..1
    alarm: bool = False


@dataclass(frozen=True)
class Row:
    """A row; `index` numbers the upsamplers, for their colours."""

    title: str
    cells: tuple[Cell, ...]
    index: int | None = None


@dataclass(frozen=True)
class Table:
    """The table of results; a group has a title, and titles and explanations of its columns."""

    groups: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    rows: tuple[Row, ...]
    spread: Row | None = None


_QUALITY = (
    ("PSNR, dB", "peak signal-to-noise ratio, the mean over the images; higher is better"),
    ("SSIM", "structural similarity, the mean over the images; at most 1"),
)
_TIMES = ("train_step_ms", "gradient_ms", "forward_ms", "compile_s")
_GROUPS = (
    (
        "Converted",
        (
            ("PSNR, dB", "largest change of an image's PSNR in the two other layouts"),
            ("pixels", "largest change of a pixel, of a range of 1"),
        ),
    ),
    (
        "Time, ms",
        (
            ("training step", "forward, backward and the optimiser, for one batch"),
            ("gradient", "forward and both gradients, for one batch"),
            ("forward", "the forward pass of one batch"),
        ),
    ),
    ("Once", (("compile, s", "XLA's compilation of the training step, once for every shape"),)),
    (
        "GFLOP",
        (
            ("useful", "operations that the function needs, one forward pass of a batch"),
            ("executed", "operations performed, including products with inserted zeros"),
        ),
    ),
    ("Memory", (("MiB", "memory for intermediate results of the training step"),)),
    ("Size", (("parameters", "trained numbers of the whole network"),)),
)


def results_table(comparison: Comparison) -> Table:
    """Returns the table of a comparison, with a dash for each number that is not known."""
    upsamplers, bicubic = comparison.upsamplers, comparison.bicubic
    scored = [*([] if bicubic is None else [bicubic]), *upsamplers.values()]
    benchmarks = list(dict.fromkeys(name for of in scored for name in (*of.psnr, *of.ssim)))
    groups = (*((name, _QUALITY) for name in benchmarks), *_GROUPS)
    blank = (Cell(""),) * sum(len(columns) for _, columns in _GROUPS)
    rows = []
    if bicubic is not None:
        rows.append(Row("bicubic", (*_quality(bicubic, benchmarks), *blank)))
    extremes = {key: _extremes(upsamplers.values(), key) for key in _TIMES}
    for index, (name, result) in enumerate(upsamplers.items()):
        cells = (
            *_quality(result, benchmarks),
            *_conversion(result.conversion),
            *(_time(result, key, extremes[key]) for key in _TIMES),
            Cell(significant(result.gflop_useful)),
            _executed(result),
            Cell(significant(result.temp_mib)),
            Cell(fixed(result.parameters, 0)),
        )
        rows.append(Row(name, cells, index))
    spread = None
    if len(upsamplers) > 1:
        spreads = [comparison.psnr_spread_db.get(name) for name in benchmarks]
        cells = (cell for value in spreads for cell in (_spread(value), Cell("")))
        spread = Row("spread", (*cells, *blank))
    return Table(groups, tuple(rows), spread)


def _quality(scores: ModelScores, benchmarks: Iterable[str]) -> Iterable[Cell]:
    for name in benchmarks:
        yield Cell(fixed(scores.psnr.get(name), 2))
        yield Cell(fixed(scores.ssim.get(name), 4))


def _conversion(conversion: Conversion | None) -> Iterable[Cell]:
    for key, bound in (("psnr_db", SAME_PSNR_DB), ("pixels", SAME_PIXELS)):
        value = finite(getattr(conversion, key, None))
        yield Cell(MISSING) if value is None else Cell(f"{value:.0e}", alarm=value > bound)


def _spread(value: object) -> Cell:
    return Cell(MISSING) if value is None else Cell(difference(value), alarm=too_far_apart(value))


def _extremes(costs: Iterable[Cost], key: str) -> tuple[float, float] | None:
    """Returns the smallest and the largest positive number, if there are two."""
    numbers = [number for cost in costs if (number := finite(getattr(cost, key))) and number > 0]
    return (min(numbers), max(numbers)) if len(numbers) > 1 else None


def _time(cost: Cost, key: str, extremes: tuple[float, float] | None) -> Cell:
    number = finite(getattr(cost, key))
    quartiles = "\N{EN DASH}".join(significant(bound) for bound in cost.quartiles.get(key, ()))
    if number is None or extremes is None:
        return Cell(significant(getattr(cost, key)), quartiles=quartiles)
    smallest, largest = extremes
    ratio = f"{fixed(number / smallest, 2)}{TIMES}"
    return Cell(significant(number), ratio, quartiles, round(number / largest, 4))


def _executed(cost: Cost) -> Cell:
    executed, useful = finite(cost.gflop_executed), finite(cost.gflop_useful)
    ratio = ""
    if executed and useful and executed > 1.005 * useful:
        ratio = f"{fixed(executed / useful, 2)}{TIMES} useful"
    return Cell(significant(cost.gflop_executed), ratio)
