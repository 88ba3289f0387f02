"""The table of results: one row an upsampler, with an explanation of each column."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from subpixel.sr.comparison.result import Comparison, Cost, ModelScores
from subpixel.sr.report.text import (
    MISSING,
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
class Column:
    """Title of a column, with its explanation."""

    title: str
    meaning: str


@dataclass(frozen=True)
class Group:
    """Columns under one title."""

    title: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Row:
    """A row; `index` numbers the upsamplers, for their colours."""

    title: str
    cells: tuple[Cell, ...]
    index: int | None = None


@dataclass(frozen=True)
class Table:
    """The table of results."""

    groups: tuple[Group, ...]
    rows: tuple[Row, ...]
    spread: Row | None = None
    benchmarks: tuple[str, ...] = field(default=())


_PSNR = Column("PSNR, dB", "peak signal-to-noise ratio, the mean over the images; higher is better")
_SSIM = Column("SSIM", "structural similarity, the mean over the images; at most 1")
_TIMES = {
    "train_step_ms": Column("training step", "forward, backward and the optimiser, for one batch"),
    "gradient_ms": Column("gradient", "forward and both gradients, for one batch"),
    "forward_ms": Column("forward", "the forward pass of one batch"),
}
_COST = {
    "compile_s": Column(
        "compile, s", "XLA's compilation of the training step, once for every shape of the input"
    ),
    "gflop_useful": Column(
        "useful", "operations that the function needs, one forward pass of a batch"
    ),
    "gflop_executed": Column(
        "executed", "operations performed, including products with inserted zeros"
    ),
    "temp_mib": Column("MiB", "memory for intermediate results of the training step"),
    "parameters": Column("parameters", "trained numbers of the whole network"),
}


def results_table(comparison: Comparison) -> Table:
    """Returns the table of a comparison, with a dash for each number that is not known."""
    upsamplers, bicubic = comparison.upsamplers, comparison.bicubic
    scored = [result.scores for result in upsamplers.values()]
    if bicubic is not None:
        scored.insert(0, bicubic)
    benchmarks = list(
        dict.fromkeys(name for of in scored for metric in (of.psnr, of.ssim) for name in metric)
    )
    groups = (
        *(Group(name, (_PSNR, _SSIM)) for name in benchmarks),
        Group("Time, ms", tuple(_TIMES.values())),
        Group("Once", (_COST["compile_s"],)),
        Group("GFLOP", (_COST["gflop_useful"], _COST["gflop_executed"])),
        Group("Memory", (_COST["temp_mib"],)),
        Group("Size", (_COST["parameters"],)),
    )
    measured = len(_TIMES) + len(_COST)
    blank = (Cell(""),) * measured
    rows = []
    if bicubic is not None:
        rows.append(Row("bicubic", (*_quality(bicubic, benchmarks), *blank)))
    costs = [result.cost for result in upsamplers.values()]
    extremes = {key: _extremes(costs, key) for key in (*_TIMES, "compile_s")}
    for index, (name, result) in enumerate(upsamplers.items()):
        cost = result.cost
        cells = (
            *_quality(result.scores, benchmarks),
            *(_time(cost, key, extremes[key]) for key in (*_TIMES, "compile_s")),
            Cell(significant(cost.gflop_useful)),
            _executed(cost),
            Cell(significant(cost.temp_mib)),
            Cell(fixed(cost.parameters, 0)),
        )
        rows.append(Row(name, cells, index))
    spread = None
    if len(upsamplers) > 1:
        spreads = comparison.psnr_spread_db
        pairs = ((_spread(spreads.get(name)), Cell("")) for name in benchmarks)
        spread = Row("spread", (*(cell for pair in pairs for cell in pair), *blank))
    return Table(groups, tuple(rows), spread, tuple(benchmarks))


def _quality(scores: ModelScores, benchmarks: Iterable[str]) -> Iterable[Cell]:
    for name in benchmarks:
        yield Cell(fixed(scores.psnr.get(name), 2))
        yield Cell(fixed(scores.ssim.get(name), 4))


def _spread(value: object) -> Cell:
    if value is None:
        return Cell(MISSING)
    return Cell(difference(value), alarm=too_far_apart(value))


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
