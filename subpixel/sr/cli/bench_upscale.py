"""The command `bench upscale`."""

from dataclasses import dataclass
from pathlib import Path

from rich.table import Column, Table

from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr.data.pairs import data_root, find_benchmarks
from subpixel.sr.photo.engine import DEFAULT_MODEL
from subpixel.sr.photo.measure import measure_way, ways_to

UNITS = ("dB", "% returning", "s/MP")


@dataclass(frozen=True)
class Options:
    """Measures PSNR and time of the ways to enlarge to a size: docs/upscale.md."""

    benchmarks: tuple[str, ...] = ("Set5", "Set14")
    """Folders of original images, under the data root or anywhere, or "embedded:test"."""
    scales: tuple[int, ...] = (2, 3, 4, 6)
    """Sizes of the results, in multiples of the input."""
    model: str = DEFAULT_MODEL
    """As in `upscale`."""
    data_root: Path | None = None
    """Folder of the data sets (default: the environment variable SUBPIXEL_DATA)."""


def run(options: Options) -> int:
    """Measures and prints a table.

    Returns:
      The exit code, 0.

    Raises:
      InputError: if a set or the model is not found, or a scale is below 2.
    """
    if min(options.scales, default=0) < 2:
        raise InputError(f"scales must be whole numbers of at least 2; got {options.scales}")
    benchmarks = find_benchmarks(options.benchmarks, data_root(options.data_root))
    table = Table(
        Column("way", no_wrap=True), *(f"{name}, {unit}" for name in benchmarks for unit in UNITS)
    )
    for scale in options.scales:
        table.add_section()
        for way in ways_to(scale, options.model):
            costs = [measure_way(way, images, scale) for images in benchmarks.values()]
            cells = [
                cell
                for cost in costs
                for cell in (
                    f"{cost.psnr:.2f}",
                    f"{100 * cost.returning:.1f}",
                    f"{cost.seconds:.2f}",
                )
            ]
            table.add_row(f"to x{scale}: {way.name}", *cells)
    make_console().print(table)
    return 0
