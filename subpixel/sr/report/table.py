"""The table of results: what is compared, a row for each, and what each column means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from subpixel.sr.report.finding import too_far_apart
from subpixel.sr.report.formatting import MISSING, TIMES, difference, finite, fixed, significant


@dataclass(frozen=True)
class Cell:
    """A number, and what stands below it."""

    text: str
    ratio: str = ""
    quartiles: str = ""
    share: float | None = None  # of the largest in the column, 0..1, drawn as a bar
    alarm: bool = False


@dataclass(frozen=True)
class Column:
    """The head of a column, with its explanation."""

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
        "executed", "operations carried out, those with inserted zeros included"
    ),
    "temp_mib": Column("MiB", "what XLA reserves for intermediate results of the training step"),
    "parameters": Column("parameters", "trained numbers of the whole network"),
}


def results_table(comparison: Mapping[str, Any]) -> Table:
    """Arranges comparison.json as a table; what it lacks becomes a dash."""
    upsamplers = comparison.get("upsamplers") or {}
    bicubic = comparison.get("bicubic") or {}
    spreads = comparison.get("psnr_spread_db") or {}
    scored = [bicubic, *upsamplers.values()]
    benchmarks = _ordered(
        name
        for metrics in [*(entry.get(key) or {} for entry in scored for key in ("psnr", "ssim"))]
        for name in metrics
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
    rows = [Row("bicubic", (*_quality(bicubic, benchmarks), *blank))] if bicubic else []
    extremes = {key: _extremes(upsamplers.values(), key) for key in (*_TIMES, "compile_s")}
    for index, (name, entry) in enumerate(upsamplers.items()):
        cells = (
            *_quality(entry, benchmarks),
            *(_time(entry, key, extremes[key]) for key in (*_TIMES, "compile_s")),
            Cell(significant(entry.get("gflop_useful"))),
            _executed(entry),
            Cell(significant(entry.get("temp_mib"))),
            Cell(fixed(entry.get("parameters"), 0)),
        )
        rows.append(Row(name, cells, index))
    spread = None
    if len(upsamplers) > 1:
        pairs = ((_spread(spreads.get(name)), Cell("")) for name in benchmarks)
        spread = Row("spread", (*(cell for pair in pairs for cell in pair), *blank))
    return Table(groups, tuple(rows), spread, tuple(benchmarks))


def _ordered(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _quality(entry: Mapping[str, Any], benchmarks: Iterable[str]) -> Iterable[Cell]:
    psnr, ssim = entry.get("psnr") or {}, entry.get("ssim") or {}
    for name in benchmarks:
        yield Cell(fixed(psnr.get(name), 2))
        yield Cell(fixed(ssim.get(name), 4))


def _spread(value: object) -> Cell:
    if value is None:
        return Cell(MISSING)
    return Cell(difference(value), alarm=too_far_apart(value))


def _extremes(entries: Iterable[Mapping[str, Any]], key: str) -> tuple[float, float] | None:
    """Returns the smallest and the largest positive number, if there are two."""
    numbers = [number for entry in entries if (number := finite(entry.get(key))) and number > 0]
    return (min(numbers), max(numbers)) if len(numbers) > 1 else None


def _time(entry: Mapping[str, Any], key: str, extremes: tuple[float, float] | None) -> Cell:
    number = finite(entry.get(key))
    bounds = (entry.get("quartiles") or {}).get(key) or ()
    quartiles = "\N{EN DASH}".join(significant(bound) for bound in bounds)
    if number is None or extremes is None:
        return Cell(significant(entry.get(key)), quartiles=quartiles)
    smallest, largest = extremes
    ratio = f"{fixed(number / smallest, 2)}{TIMES}"
    return Cell(significant(number), ratio, quartiles, round(number / largest, 4))


def _executed(entry: Mapping[str, Any]) -> Cell:
    executed, useful = finite(entry.get("gflop_executed")), finite(entry.get("gflop_useful"))
    ratio = ""
    if executed and useful and executed > 1.005 * useful:
        ratio = f"{fixed(executed / useful, 2)}{TIMES} useful"
    return Cell(significant(entry.get("gflop_executed")), ratio)
