"""Renders the report page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from subpixel.sr._support.files import write_text
from subpixel.sr.comparison.result import BOUND_DB, Comparison
from subpixel.sr.report.drawings import draw_charts, line_styles
from subpixel.sr.report.images import LOSSLESS_SIDE, ReportImage
from subpixel.sr.report.table import results_table
from subpixel.sr.report.text import (
    TIMES,
    conversion_sentence,
    finding,
    over_bicubic,
)


def write_report(
    path: Path,
    comparison: Comparison,
    history: Sequence[Mapping[str, Any]],
    images: Sequence[ReportImage],
) -> None:
    """Writes the report page of a comparison: one HTML file that loads nothing from elsewhere.

    Args:
      path: the file to write.
      comparison: the result, of this version.
      history: validation records of metrics.jsonl: "step", "upsampler", "seconds" (training time
        so far) and "validation_psnr".
      images: test images to look at, in this order.
    """
    groups, rows = results_table(comparison)
    styles = line_styles(comparison.upsamplers)
    protocol = dict(comparison.protocol)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("template.html")
    count = ("one upsampler", "two upsamplers", "three upsamplers", "four upsamplers")
    html = page.render(
        title=f"{TIMES}{comparison.scale} super-resolution with {count[len(styles) - 1]}",
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
        protocol=protocol.pop("description", ""),
        details={
            "Protocol": _rows(protocol),
            "Settings": _rows(comparison.settings),
            "Environment": _rows(comparison.environment),
        },
    )
    write_text(path, html)


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
