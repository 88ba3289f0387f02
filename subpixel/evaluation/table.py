"""Shows and keeps figures: tables, JSON, CSV; figures of two protocols are never mixed unsaid."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from subpixel.data.degradation import Degradation
from subpixel.errors import InputError
from subpixel.evaluation.figures import Figures
from subpixel.evaluation.protocol import Protocol, differing_fields
from subpixel.files import write_bytes

Rows = Mapping[str, Mapping[str, Figures]]


def figures_table(title: str, rows: Rows, benchmarks: Sequence[str]) -> Table:
    """Returns a table with a row for each model and PSNR / SSIM of each benchmark.

    Where figures were measured by different protocols, each protocol has a row of its own, and a
    column shows each choice in which they differ.

    Args:
      title: what the table shows.
      rows: figures by model and benchmark; a benchmark may be missing.
      benchmarks: the columns.
    """
    by_protocol = [
        (model, protocol, {b: f for b, f in figures.items() if f.protocol == protocol})
        for model, figures in rows.items()
        for protocol in dict.fromkeys(result.protocol for result in figures.values())
    ]
    differing = differing_fields([protocol for _, protocol, _ in by_protocol])
    table = Table(title=title, title_justify="left")
    # In a narrow window names are folded; how figures were measured is never cut off.
    table.add_column("PSNR dB / SSIM", overflow="fold")
    for field in differing:
        table.add_column(field, no_wrap=True)
    for benchmark in benchmarks:
        table.add_column(benchmark, justify="right", no_wrap=True)
    for model, protocol, figures in by_protocol:
        choices = (_choice(getattr(protocol, field)) for field in differing)
        cells = (_cell(figures.get(benchmark)) for benchmark in benchmarks)
        table.add_row(model, *choices, *cells)
    return table


def _choice(value: Any) -> str:
    if not isinstance(value, Degradation):
        return str(value)
    blur = f" {value.sigma:g} {value.kernel_size}" if value.kind == "blur" else ""
    return f"{value.kind}{blur}, {value.border}"


def _cell(figures: Figures | None) -> str:
    return "" if figures is None else f"{figures.mean_psnr:.2f} / {figures.mean_ssim:.4f}"


def worst_table(rows: Rows, count: int) -> Table:
    """Returns the pictures with the lowest PSNR of each model and benchmark, worst first."""
    table = Table(title="worst pictures", title_justify="left")
    for heading in ("model", "benchmark", "picture"):
        table.add_column(heading)
    for heading in ("PSNR dB", "SSIM"):
        table.add_column(heading, justify="right")
    for model, by_benchmark in rows.items():
        for benchmark, figures in by_benchmark.items():
            for name in sorted(figures.psnr, key=figures.psnr.__getitem__)[:count]:
                values = (f"{figures.psnr[name]:.2f}", f"{figures.ssim[name]:.4f}")
                table.add_row(model, benchmark, name, *values)
    return table


def figures_csv(rows: Rows) -> str:
    """Returns a line for each model, benchmark and picture, the protocol's choices in columns."""
    file = io.StringIO()
    writer: Any = None
    for model, by_benchmark in rows.items():
        for benchmark, figures in by_benchmark.items():
            for name in figures.psnr:
                line = {
                    "model": model, "benchmark": benchmark, "picture": name,
                    "psnr": figures.psnr[name], "ssim": figures.ssim[name],
                    **figures.protocol.to_json(),
                }  # fmt: skip
                if writer is None:
                    writer = csv.DictWriter(file, list(line), lineterminator="\n")
                    writer.writeheader()
                writer.writerow(line)
    return file.getvalue()


def write_csv(path: Path, rows: Rows) -> None:
    """Writes `figures_csv`, whole or not at all."""
    write_bytes(path, figures_csv(rows).encode())


def read_figures(path: Path) -> dict[str, dict[str, Figures]]:
    """Reads the JSON of eval.py.

    Returns:
      Figures by the model's name and benchmark; a second row, where there is one, is that of
      self-ensemble.

    Raises:
      InputError: if the file cannot be read, or is not one of eval.py's.
    """
    try:
        values = json.loads(path.read_text())
        name = values["model"]["name"]
        rows = {name: _read_row(values, path)}
        if "self_ensemble" in values:
            rows[f"{name}, self-ensemble"] = _read_row(values["self_ensemble"], path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a JSON file of eval.py: {error!r}") from error
    return rows


def _read_row(values: dict[str, Any], path: Path) -> dict[str, Figures]:
    protocol = Protocol.from_json(values["protocol"], str(path))
    return {
        benchmark: Figures(
            replace(protocol, low_from=result["low_from"]),
            {
                name: math.inf if image["psnr"] is None else float(image["psnr"])
                for name, image in result["images"].items()
            },
            {name: float(image["ssim"]) for name, image in result["images"].items()},
        )
        for benchmark, result in values["results"].items()
    }
