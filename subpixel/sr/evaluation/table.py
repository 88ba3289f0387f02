"""Tables, JSON and CSV of scores; scores of different protocols are always marked."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_text
from subpixel.sr.data.degradation import Degradation
from subpixel.sr.evaluation.protocol import Protocol, differing_fields, rename_earlier
from subpixel.sr.evaluation.scores import Scores

Rows = Mapping[str, Mapping[str, Scores]]


def scores_table(title: str, rows: Rows, benchmarks: Sequence[str]) -> Table:
    """Returns a table with a row for each model and PSNR / SSIM of each benchmark.

    Where scores were measured by different protocols, each protocol has a row of its own, and a
    column shows each choice in which they differ.
    """
    by_protocol = [
        (model, protocol, {b: f for b, f in scores.items() if f.protocol == protocol})
        for model, scores in rows.items()
        for protocol in dict.fromkeys(result.protocol for result in scores.values())
    ]
    differing = differing_fields([protocol for _, protocol, _ in by_protocol])
    table = Table(title=title, title_justify="left")
    # In a narrow terminal names are folded; the protocol is never truncated.
    table.add_column("PSNR dB / SSIM", overflow="fold")
    for field in differing:
        table.add_column(field, no_wrap=True)
    for benchmark in benchmarks:
        table.add_column(benchmark, justify="right", no_wrap=True)
    for model, protocol, scores in by_protocol:
        choices = (_choice(getattr(protocol, field)) for field in differing)
        cells = (_cell(scores.get(benchmark)) for benchmark in benchmarks)
        table.add_row(model, *choices, *cells)
    return table


def _choice(value: Any) -> str:
    if not isinstance(value, Degradation):
        return str(value)
    blur = f" {value.sigma:g} {value.kernel_size}" if value.kind == "blur" else ""
    return f"{value.kind}{blur}, {value.border}"


def _cell(scores: Scores | None) -> str:
    return "" if scores is None else f"{scores.mean_psnr:.2f} / {scores.mean_ssim:.4f}"


def worst_table(rows: Rows, count: int) -> Table:
    """Returns the images with the lowest PSNR of each model and benchmark, worst first."""
    table = Table(title="worst images", title_justify="left")
    for heading in ("model", "benchmark", "image"):
        table.add_column(heading)
    for heading in ("PSNR dB", "SSIM"):
        table.add_column(heading, justify="right")
    for model, by_benchmark in rows.items():
        for benchmark, scores in by_benchmark.items():
            for name in sorted(scores.psnr, key=scores.psnr.__getitem__)[:count]:
                values = (f"{scores.psnr[name]:.2f}", f"{scores.ssim[name]:.4f}")
                table.add_row(model, benchmark, name, *values)
    return table


def write_csv(path: Path, rows: Rows) -> None:
    """Writes a line for each model, benchmark and image, the protocol's choices in columns."""
    lines = [
        {
            "model": model, "benchmark": benchmark, "image": name,
            "psnr": scores.psnr[name], "ssim": scores.ssim[name],
            **scores.protocol.to_json(),
        }
        for model, by_benchmark in rows.items()
        for benchmark, scores in by_benchmark.items()
        for name in scores.psnr
    ]  # fmt: skip
    file = io.StringIO()
    writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_text(path, file.getvalue())


def read_scores(path: Path) -> dict[str, dict[str, Scores]]:
    """Reads the JSON of eval.py.

    Returns:
      Scores by the model's name and benchmark; a second row, where there is one, is that of
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


def _read_row(values: dict[str, Any], path: Path) -> dict[str, Scores]:
    protocol = Protocol.from_json(values["protocol"], str(path))
    return {
        benchmark: Scores(
            replace(protocol, lr_from=rename_earlier(result)["lr_from"]),
            {
                name: math.inf if image["psnr"] is None else float(image["psnr"])
                for name, image in result["images"].items()
            },
            {name: float(image["ssim"]) for name, image in result["images"].items()},
        )
        for benchmark, result in values["results"].items()
    }
