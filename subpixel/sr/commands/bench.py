"""The benchmarks' command-line options and what they do."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from subpixel.ops.conv_transpose import Method
from subpixel.sr.bench import report, training
from subpixel.sr.bench.conv_transpose import measure
from subpixel.sr.errors import InputError
from subpixel.sr.files import write_json
from subpixel.sr.models.base import Dtype


@dataclass(frozen=True)
class ConvTransposeBench:
    """Measures transposed convolution: native JAX, ours and PyTorch, side by side."""

    only: tuple[str, ...] = ()
    """Names of geometries; by default all ten."""
    rounds: int = 15
    """Timed calls of each program."""
    torch: bool = True
    """Measure PyTorch too, if it is installed."""
    method: Method = "auto"
    """Method of our transposed convolution; "auto" is JAX's own on a GPU."""
    json: Path | None = None
    """File for all figures and the environment."""
    chart: Path | None = None
    """File for a chart, .png or .svg."""


def bench_conv_transpose(options: ConvTransposeBench) -> int:
    """Measures, prints the tables and writes the files that are asked for."""
    console = Console()
    _require_rounds(options.rounds)
    try:
        results = measure(
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


@dataclass(frozen=True)
class TrainingBench:
    """Measures the training step, ours and PyTorch's side by side, and the input pipeline."""

    rounds: int = 30
    """Timed steps of each."""
    torch: bool = True
    """Measure PyTorch too, if it is installed."""
    dtype: Dtype = "float32"
    """Of our layers."""
    accumulation: int | None = None
    """In how many parts our step differentiates a batch; by default what train.py chooses."""
    json: Path | None = None
    """File for all figures and the environment."""


def bench_training(options: TrainingBench) -> int:
    """Measures, prints the table and writes the file that is asked for."""
    console = Console()
    _require_rounds(options.rounds)
    results = training.measure(
        rounds=options.rounds,
        torch=options.torch,
        dtype=options.dtype,
        accumulation=options.accumulation,
        progress=lambda name: console.print(f"measuring {name}", style="dim"),
    )
    report.show_training(results, console)
    if options.json is not None:
        write_json(options.json, results)
    return 0


def _require_rounds(rounds: int) -> None:
    if rounds < 1:
        raise InputError(f"rounds must be at least 1; got {rounds}")
