"""The command `bench conv-transpose`."""

from dataclasses import dataclass
from pathlib import Path

from subpixel.ops.conv_transpose import Method
from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_outputs, write_json
from subpixel.sr.bench import report
from subpixel.sr.bench.conv_transpose import measure_geometries


@dataclass(frozen=True)
class Options:
    """Measures transposed convolution: native JAX, ours and PyTorch, side by side."""

    only: tuple[str, ...] = ()
    """Names of geometries (default: all ten)."""
    rounds: int = 15
    """Timed calls of each program."""
    torch: bool = True
    """Measures PyTorch too, if it is installed."""
    method: Method = "auto"
    """Method of our transposed convolution; "auto" is JAX's own on a GPU."""
    json: Path | None = None
    """File for all results and the environment."""
    chart: Path | None = None
    """File for a chart, .png or .svg."""

    def __post_init__(self):
        if self.rounds < 1:
            raise InputError(f"rounds must be at least 1; got {self.rounds}")
        if self.chart is not None and self.chart.suffix.lower() not in report.CHARTS:
            raise InputError(f"chart must end in {' or '.join(report.CHARTS)}; got {self.chart}")


def run(options: Options) -> int:
    """Measures, prints the tables and writes the files that are asked for."""
    check_outputs(options.json, options.chart)
    console = make_console()
    try:
        results = measure_geometries(
            options.only,
            rounds=options.rounds,
            torch=options.torch,
            method=options.method,
            progress=lambda name: console.print(f"measuring {name}", style="dim"),
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    report.show(results, console)
    if options.json is not None:
        write_json(options.json, results)
    if options.chart is not None:
        report.draw(results, options.chart)
    return 0
