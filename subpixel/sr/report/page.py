"""Renders the report page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from jaxtyping import Float

from subpixel.sr._support.files import write_text
from subpixel.sr.comparison.result import BOUND_DB, Comparison
from subpixel.sr.report.drawings import draw_charts, draw_kernel, line_style
from subpixel.sr.report.images import LOSSLESS_SIDE, ReportImage
from subpixel.sr.report.table import results_table
from subpixel.sr.report.text import (
    TIMES,
    conversion_sentence,
    finding,
    over_bicubic,
    significant,
)


def write_report(
    path: Path,
    comparison: Comparison,
    history: Sequence[Mapping[str, Any]],
    images: Sequence[ReportImage],
    kernel: Float[np.ndarray, "size size in out"],
) -> None:
    """Writes the report page of a comparison: one HTML file that loads nothing from elsewhere.

    Args:
      path: the file to write.
      comparison: the result. A number that is not known is shown as a dash.
      history: validation records of metrics.jsonl: "step", "upsampler", "seconds" (training time
        so far) and "validation_psnr".
      images: test images to look at, in this order.
      kernel: the trained last layer in the layout of zero insertion, shape (k*r, k*r, in, out).

    Raises:
      ValueError: if the scale does not divide the size of the kernel.
    """
    upsamplers, scale = comparison.upsamplers, comparison.scale
    protocol = dict(comparison.protocol)
    page = _environment().get_template("template.html")
    html = page.render(
        title=_title(comparison),
        name=comparison.name,
        finding=finding(comparison),
        gain=over_bicubic(comparison),
        conversion=conversion_sentence(comparison),
        bound=BOUND_DB,
        table=results_table(comparison),
        charts=draw_charts(history, upsamplers),
        styles=[line_style(index, len(upsamplers)) for index in range(len(upsamplers))],
        images=images,
        lossless_side=LOSSLESS_SIDE,
        kernel=None if scale is None else draw_kernel(kernel, scale),
        protocol=protocol.pop("description", ""),
        details={
            "Protocol": _rows(protocol),
            "Settings": _rows(comparison.settings),
            "Environment": _rows(comparison.environment),
        },
    )
    write_text(path, html)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["significant"] = significant
    return environment


def _title(comparison: Comparison) -> str:
    """Returns the title of the page."""
    count = len(comparison.upsamplers)
    words = {0: "no upsampler", 1: "one upsampler", 2: "two upsamplers", 3: "three upsamplers"}
    scale = comparison.scale
    task = "Super-resolution" if scale is None else f"{TIMES}{scale} super-resolution"
    return f"{task} with {words.get(count, f'{count} upsamplers')}"


def _rows(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(str(key), _plain(value)) for key, value in values.items()]


def _plain(value: object) -> str:
    """Returns the text of a setting."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(_plain(item) for item in value)
        case dict():
            return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
