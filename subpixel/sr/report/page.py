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
from subpixel.sr.report.drawings import draw_charts, draw_kernel, line_styles
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
    scale: int,
) -> None:
    """Writes the report page of a comparison: one HTML file that loads nothing from elsewhere.

    Args:
      path: the file to write.
      comparison: the result, of this version.
      history: validation records of metrics.jsonl: "step", "upsampler", "seconds" (training time
        so far) and "validation_psnr".
      images: test images to look at, in this order.
      kernel: the trained last layer in the layout of zero insertion, shape (k*r, k*r, in, out).
      scale: r.
    """
    groups, rows = results_table(comparison)
    styles = line_styles(comparison.upsamplers)
    protocol = dict(comparison.protocol)
    page = _environment().get_template("template.html")
    html = page.render(
        title=_title(scale, len(styles)),
        name=comparison.name,
        finding=finding(comparison),
        gain=over_bicubic(comparison),
        conversion=conversion_sentence(comparison),
        bound=BOUND_DB,
        groups=groups,
        rows=rows,
        several=len(styles) > 1,
        charts=draw_charts(history, styles),
        styles=styles,
        images=images,
        lossless_side=LOSSLESS_SIDE,
        kernel=draw_kernel(kernel, scale),
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


def _title(scale: int, count: int) -> str:
    words = ("one upsampler", "two upsamplers", "three upsamplers", "four upsamplers")
    return f"{TIMES}{scale} super-resolution with {words[count - 1]}"


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
