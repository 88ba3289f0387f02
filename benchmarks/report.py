"""Tables, ratios and a chart of benchmark results."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from subpixel.sr._support.files import write_bytes

CHARTS = (".png", ".svg")
TITLES = {
    "forward": "forward",
    "gradients": "forward + both gradients",
    "layer": "layer with bias and ReLU, forward + gradients",
}


def best_torch(times: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the times of PyTorch's faster memory layout; None if PyTorch was not measured."""
    torch = [value for name, value in times.items() if name.startswith("torch")]
    return min(torch, key=lambda value: value["median_ms"]) if torch else None


def ratios(results: dict[str, Any], program: str) -> dict[str, dict[str, float]]:
    """Returns the speed of ours relative to native JAX and to PyTorch, by geometry."""
    table: dict[str, dict[str, float]] = {}
    for name, programs in results["geometries"].items():
        times = programs[program]
        ours, native, torch = times["subpixel"], times["native"], best_torch(times)
        table[name] = {
            "native": native["median_ms"] / ours["median_ms"],
            "compile": ours["compile_s"] / native["compile_s"],
        }
        if torch is not None:
            table[name]["torch"] = torch["median_ms"] / ours["median_ms"]
    return table


def geometric_mean(values: Iterable[float]) -> float:
    """Returns the geometric mean."""
    return float(np.exp(np.mean(np.log(list(values)))))


def show(results: dict[str, Any], console: Console) -> None:
    """Prints a table of each measured program with its geometric mean.

    Results of earlier versions have no program "layer".
    """
    measured = next(iter(results["geometries"].values()), {})
    for program, title in TITLES.items():
        if program not in measured:
            continue
        table = Table(title=f"{title}, ms (median, quartiles)")
        table.add_column("geometry")
        for column in ("native", "subpixel", "PyTorch", "x native", "x PyTorch"):
            table.add_column(column, justify="right")
        table.add_column("compile, s", justify="right")
        table.add_column("temp, MiB", justify="right")
        of_program = ratios(results, program)
        for name, programs in results["geometries"].items():
            times = programs[program]
            native, ours = times["native"], times["subpixel"]
            torch = best_torch(times)
            ratio = of_program[name]
            table.add_row(
                name,
                _time(native),
                _time(ours),
                "" if torch is None else _time(torch),
                f"{ratio['native']:.2f}",
                f"{ratio['torch']:.2f}" if "torch" in ratio else "",
                f"{native['compile_s']:.2f} / {ours['compile_s']:.2f}",
                f"{_memory(native)} / {_memory(ours)}",
            )
        console.print(table)
        for other, label in (("native", "native JAX"), ("torch", "PyTorch's faster layout")):
            values = [ratio[other] for ratio in of_program.values() if other in ratio]
            if values:
                console.print(
                    f"{title}: {geometric_mean(values):.2f} times as fast as {label} in the "
                    f"geometric mean, {min(values):.2f} at least; faster on "
                    f"{sum(value > 1 for value in values)} of {len(values)}"
                )


def show_training(results: dict[str, Any], console: Console) -> None:
    """Prints the table of the training benchmark."""
    table = Table(
        title="training step x3, ESPCN unless named, ms: median (quartiles)",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("batch", no_wrap=True)
    for column in (
        "ours", "PyTorch", "x\nPyTorch", "SOAP\n/ Adam", "compile\ns", "temp\nMiB",
        "input\npatches/s", "x\nstep",
    ):  # fmt: skip
        table.add_column(column, justify="right", no_wrap=True)
    for name, measured in results["batches"].items():
        ours, torch = measured["step"]["subpixel"], best_torch(measured["step"])
        soap = measured["step"].get("subpixel, SOAP")
        table.add_row(
            name,
            _short(ours),
            "" if torch is None else _short(torch),
            "" if torch is None else f"{torch['median_ms'] / ours['median_ms']:.2f}",
            "" if soap is None else f"{soap['median_ms'] / ours['median_ms']:.2f}",
            f"{ours['compile_s']:.1f}",
            _memory(ours),
            f"{measured['input']['patches_per_second']:.0f}",
            f"{measured['input']['times_consumed']:.0f}",
        )
    console.print(table)


def show_inference(results: dict[str, Any], console: Console) -> None:
    """Prints the table of the inference benchmark, and the reasons for missing contenders."""
    r, height, width = (results[key] for key in ("scale", "height", "width"))
    table = Table(
        title=f"luma, {width}x{height} to {r * width}x{r * height}, batch 1",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("contender", no_wrap=True)
    for heading in (
        "ms: median\n(quartiles)", "processor\nms", "Mpx/s", "frames/s", "largest\ndifference",
    ):  # fmt: skip
        table.add_column(heading, justify="right", no_wrap=True)
    reasons: dict[str, str] = {}
    for network, by_upsampler in results["networks"].items():
        for upsampler, entry in by_upsampler.items():
            table.add_row(f"{network}, {upsampler}")
            for name, measured in entry["contenders"].items():
                cpu = measured.get("cpu_ms")
                table.add_row(
                    f"  {name}",
                    _short(measured),
                    "" if cpu is None else f"{cpu:.0f}",
                    f"{measured['megapixels_per_second']:.1f}",
                    f"{measured['frames_per_second']:.1f}",
                    f"{entry['max_difference'][name]:.0e}",
                )
            for name, reason in entry["skipped"].items():
                reasons.setdefault(f"{name} is not measured ({reason})", f"{network}, {upsampler}")
    console.print(table)
    for reason, where in reasons.items():
        console.print(f"{where}: {reason}", soft_wrap=True)


def _short(times: dict[str, Any]) -> str:
    median, low, high = (
        f"{value:.1f}" if value < 100 else f"{value:.0f}"
        for value in (times["median_ms"], *times["quartiles_ms"])
    )
    return f"{median} ({low}-{high})"


def _memory(times: dict[str, Any]) -> str:
    return "?" if times["temp_mib"] is None else f"{times['temp_mib']:.0f}"


def _time(times: dict[str, Any]) -> str:
    low, high = times["quartiles_ms"]
    return f"{times['median_ms']:.1f} ({low:.1f}-{high:.1f})"


def draw(results: dict[str, Any], path: Path) -> None:
    """Draws the ratios to native JAX as bars, on a logarithmic axis.

    Args:
      results: of `measure_geometries`.
      path: the file; its suffix, one of `CHARTS`, is the format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    names = list(results["geometries"])
    position = np.arange(len(names))
    bars = [("forward", "native"), ("gradients", "native"), ("gradients", "torch")]
    labels = ["forward / JAX", "forward + gradients / JAX", "forward + gradients / PyTorch"]
    for number, ((program, other), label) in enumerate(zip(bars, labels, strict=True)):
        of_program = ratios(results, program)
        heights = [of_program[name].get(other, np.nan) for name in names]
        axes.bar(position + 0.27 * (number - 1), heights, 0.27, label=label)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_ylabel("times as fast")
    axes.set_xticks(position, names, rotation=30, ha="right")
    axes.set_title("subpixel.conv_transpose against native JAX and PyTorch")
    figure.legend(loc="outside lower center", ncols=3)
    _save(figure, path)


def draw_curves(curves: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Draws PSNR over minutes of training, on a logarithmic axis of time.

    Args:
      curves: of `time_to_quality.measure`.
      path: the file; its suffix, one of `CHARTS`, is the format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        minutes, decibels = ([point[key] for point in curve] for key in ("minutes", "psnr"))
        axes.plot(minutes, decibels, marker=".", label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("minutes of training")
    axes.set_ylabel("PSNR of held-out images, dB")
    axes.grid(color="0.9")
    axes.legend(loc="lower right")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:].lower(), dpi=150)
    write_bytes(path, content.getvalue())
