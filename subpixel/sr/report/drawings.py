"""Charts of the report: the validation PSNR against steps and against time."""

import io
import re
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from subpixel.sr.report.text import duration, fixed

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
        return f"{fixed(self.psnr[-1], 2)} dB after {steps} steps in {seconds}"


@dataclass(frozen=True)
class Charts:
    """Charts with one legend; `clipped` says whether the first records lie below the axis."""

    curves: tuple[Curve, ...]
    svg: Markup
    clipped: bool


def line_styles(upsamplers: Collection[str]) -> dict[str, LineStyle]:
    """Returns the line of each upsampler."""
    alone = (LineStyle(_STYLES[1].colour, 2.5),)
    return dict(zip(upsamplers, alone if len(upsamplers) == 1 else _STYLES, strict=False))


def draw_charts(
    history: Sequence[Mapping[str, Any]], styles: Mapping[str, LineStyle]
) -> Charts | None:
    """Draws PSNR against steps and against time, or returns None without a record.

    Args:
      history: records with "step", "upsampler", "seconds" and "validation_psnr".
      styles: line of each upsampler.
    """
    records: dict[str, list[tuple[float, float, float]]] = {}
    for record in history:
        point = (record["step"], record["seconds"], record["validation_psnr"])
        records.setdefault(record["upsampler"], []).append(point)
    if not records:
        return None
    curves = tuple(
        Curve(name, styles[name], *zip(*sorted(points), strict=True))
        for name, points in records.items()
    )
    values = [value for curve in curves for value in curve.psnr]
    # The first records can be many dB lower than the last ones. The axis therefore covers at most
    # six times the distance from the highest record to the median.
    top, lowest = max(values), min(values)
    bottom = max(lowest, top - max(6 * (top - statistics.median(values)), 0.05))
    margin = 0.06 * (top - bottom) or 0.5
    longest = max(curve.seconds[-1] for curve in curves)
    divisor, unit = (60.0, "minutes") if longest >= 300 else (1.0, "seconds")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "charts", "font.size": 10}):
        figure = Figure(figsize=(11.2, 3.5), layout="constrained")
        by_step, by_time = figure.subplots(1, 2)
        _plot(by_step, [(c.steps, c) for c in curves], "training steps")
        seconds = [(tuple(s / divisor for s in c.seconds), c) for c in curves]
        _plot(by_time, seconds, f"{unit} of training")
        for axes in (by_step, by_time):
            axes.set_ylim(bottom - margin, top + margin)
        svg = _inline(figure, "validation PSNR against steps and time")
    return Charts(curves, svg, lowest < bottom - margin)


def _plot(axes: Axes, lines: Sequence[tuple[Sequence[float], Curve]], label: str) -> None:
    for order, (x, curve) in enumerate(lines):
        style = curve.style
        common = {"color": style.colour, "zorder": 3 + order}
        (line,) = axes.plot(x, curve.psnr, linewidth=style.width, **common)
        line.set_solid_capstyle("round")
        if style.dash:
            line.set_linestyle((0, style.dash))
        axes.plot(x[-1:], curve.psnr[-1:], "o", markersize=1.4 * style.width + 1.5, **common)
    axes.set_xlim(left=0)
    axes.set_xlabel(label, color=_INK)
    axes.set_ylabel("validation PSNR, dB", color=_INK)
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.grid(color=_FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=_INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_INK)


def _inline(figure: Figure, title: str) -> Markup:
    """Returns the figure as an inline SVG element; `title` must not contain a user's text."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    head, body = svg[svg.index("<svg") :].split(">", 1)
    box = head[head.index("viewBox=") :].split('"')[1]
    # Matplotlib's CSS rule for every element would apply to the whole page.
    body = re.sub('<g id="[^"]*"', "<g", body)
    body = body.replace("*{stroke-linejoin", ".chart *{stroke-linejoin", 1)
    return Markup(
        f'<svg class="chart" role="img" aria-label="{title}" viewBox="{box}" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )
