"""SVG charts of the validation PSNR against steps and against training time."""

import io
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from subpixel.sr.report.formatting import decibels, duration, finite, fixed

_INK, _FAINT = "#3d3d3a", "#e4e2dc"


@dataclass(frozen=True)
class LineStyle:
    """Line of an upsampler. Wide pale lines lie under narrow dark ones, so that all are visible."""

    colour: str
    width: float
    dash: tuple[float, ...] = ()


_STYLES = (
    LineStyle("#f0b64d", 8.0),
    LineStyle("#2a78c2", 3.8),
    LineStyle("#1d1d1b", 1.3, (3.0, 4.0)),
    LineStyle("#b5367a", 1.3, (1.0, 2.5)),
)


@dataclass(frozen=True)
class Curve:
    """The validation records of one upsampler."""

    name: str
    style: LineStyle
    steps: tuple[float, ...]
    seconds: tuple[float, ...]
    psnr: tuple[float, ...]

    @property
    def summary(self) -> str:
        """Text of the legend: the last record."""
        steps, seconds = fixed(self.steps[-1], 0), duration(self.seconds[-1])
        return f"{decibels(self.psnr[-1])} after {steps} steps in {seconds}"


@dataclass(frozen=True)
class Charts:
    """Two charts with one legend; `clipped` says whether the first records lie below the axis."""

    curves: tuple[Curve, ...]
    steps: Markup
    seconds: Markup
    clipped: bool


def line_style(index: int, count: int) -> LineStyle:
    """Returns the line of upsampler `index` of `count`."""
    return LineStyle(_STYLES[1].colour, 2.5) if count == 1 else _STYLES[index % len(_STYLES)]


def draw_charts(history: Sequence[Mapping[str, Any]], names: Iterable[str]) -> Charts | None:
    """Draws both charts, or returns None if no record is complete.

    Args:
      history: records with "step", "upsampler", "seconds" and "validation_psnr"; those that lack a
        finite number are left out.
      names: upsamplers in the order of the table; other upsamplers with records follow them.
    """
    records: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    for record in history:
        numbers = [finite(record.get(key)) for key in ("step", "seconds", "validation_psnr")]
        step, seconds, psnr = numbers
        if step is not None and seconds is not None and psnr is not None:
            records.setdefault(str(record.get("upsampler")), []).append((step, seconds, psnr))
    curves = tuple(
        Curve(name, line_style(index, len(records)), *zip(*sorted(points), strict=True))
        for index, (name, points) in enumerate(records.items())
        if points
    )
    if not curves:
        return None
    bottom, top, clipped = _limits([value for curve in curves for value in curve.psnr])
    longest = max(curve.seconds[-1] for curve in curves)
    divisor, unit = (60.0, "minutes") if longest >= 300 else (1.0, "seconds")
    by_step = _chart(
        [(curve.steps, curve.psnr, curve.style) for curve in curves],
        "training steps",
        (bottom, top),
    )
    by_time = _chart(
        [(tuple(s / divisor for s in c.seconds), c.psnr, c.style) for c in curves],
        f"{unit} of training",
        (bottom, top),
    )
    return Charts(curves, by_step, by_time, clipped)


def _limits(values: Sequence[float]) -> tuple[float, float, bool]:
    """Returns the limits of the axis, and whether records lie below it.

    The first records can be many dB lower than the last ones. The axis therefore covers at most
    six times the distance from the highest record to the median.
    """
    top, lowest = max(values), min(values)
    bottom = max(lowest, top - max(6 * (top - statistics.median(values)), 0.05))
    margin = 0.06 * (top - bottom) or 0.5
    return bottom - margin, top + margin, lowest < bottom - margin


def _chart(
    lines: Sequence[tuple[Sequence[float], Sequence[float], LineStyle]],
    label: str,
    limits: tuple[float, float],
) -> Markup:
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": label, "font.size": 10}):
        figure = Figure(figsize=(5.6, 3.5), layout="constrained")
        axes = figure.add_subplot()
        for order, (x, y, style) in enumerate(lines):
            (line,) = axes.plot(x, y, color=style.colour, linewidth=style.width, zorder=3 + order)
            line.set_solid_capstyle("round")
            if style.dash:
                line.set_linestyle((0, style.dash))
            marker = 1.4 * style.width + 1.5
            axes.plot(x[-1:], y[-1:], "o", color=style.colour, markersize=marker, zorder=3 + order)
        axes.set_ylim(*limits)
        axes.set_xlim(left=0)
        axes.set_xlabel(label)
        axes.set_ylabel("validation PSNR, dB")
        axes.ticklabel_format(style="plain", useOffset=False)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.grid(color=_FAINT, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, colors=_INK)
        axes.xaxis.label.set_color(_INK)
        axes.yaxis.label.set_color(_INK)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(_INK)
        return _inline(figure, f"validation PSNR against {label}")


def _inline(figure: Figure, title: str) -> Markup:
    """Returns the figure as an inline SVG element; `title` must not contain a user's text."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    head, body = svg[svg.index("<svg") :].split(">", 1)
    box = head[head.index("viewBox=") :].split('"')[1]
    # Matplotlib's CSS rule for every element would apply to the whole page, and its group ids would
    # be the same in both charts.
    body = re.sub('<g id="[^"]*"', "<g", body)
    body = body.replace("*{stroke-linejoin", ".chart *{stroke-linejoin", 1)
    return Markup(
        f'<svg class="chart" role="img" aria-label="{title}" viewBox="{box}" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )
