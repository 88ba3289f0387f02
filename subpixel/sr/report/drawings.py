"""Drawings of the report: charts of the validation PSNR, and the trained kernel in both layouts.

The kernel is drawn after Shi et al., "Is the deconvolution layer the same as a convolutional
layer?", arXiv 1609.07009, whose figures colour the taps of each phase alike.
"""

import io
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from subpixel.kernels import convert
from subpixel.ops.pixel_shuffle import split_phases
from subpixel.sr.report.text import decibels, duration, finite, fixed

_INK, _FAINT = "#3d3d3a", "#e4e2dc"
_FEATURES = 8
_GAP = 0.7  # between phases, in taps


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


@dataclass(frozen=True)
class Tap:
    """A square of side 1 at (x, y) with a grey `level` of 0 to 100; 50 is a weight of zero."""

    x: float
    y: float
    level: int
    phase: int


@dataclass(frozen=True)
class Phase:
    """The LR kernel of output pixel (row, column), with its corner at (x, y)."""

    row: int
    column: int
    x: float
    y: float
    taps: tuple[Tap, ...]


@dataclass(frozen=True)
class Feature:
    """The kernel from one input feature to one output channel."""

    title: str
    norm: float
    taps: tuple[Tap, ...]
    phases: tuple[Phase, ...]


@dataclass(frozen=True)
class KernelFigure:
    """The kernel's strongest features; sizes are in taps.

    Attributes:
      taps: k, the size of an LR kernel.
      scale: r.
      colours: colour of each phase.
      features: features in descending order of their norm.
      total: number of pairs of feature and output channel.
      phase_extent: side of the square that the phases cover.
    """

    taps: int
    scale: int
    colours: tuple[str, ...]
    features: tuple[Feature, ...]
    total: int
    phase_extent: float


def draw_kernel(kernel: Float[np.ndarray, "size size in out"], scale: int) -> KernelFigure:
    """Returns the drawing of a kernel in the layout of zero insertion.

    Args:
      kernel: kernel of shape (k*r, k*r, in, out).
      scale: r.

    Raises:
      ValueError: if the kernel has another shape.
    """
    kernel = np.asarray(kernel, np.float32)
    if kernel.ndim != 4 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(
            "the report draws the kernel of zero insertion, (k*r, k*r, in, out); "
            f"got the shape {kernel.shape}"
        )
    size, _, inputs, outputs = kernel.shape
    subpixel_kernel = convert(jnp.asarray(kernel), scale, "zero_insert", "subpixel")
    phases = np.asarray(split_phases(subpixel_kernel, (scale, scale), "dcr"))
    taps = size // scale
    numbering = jnp.broadcast_to(jnp.arange(scale**2), (taps, taps, 1, scale**2))
    phase_of = np.asarray(convert(numbering, scale, "subpixel", "zero_insert"))[..., 0, 0]
    norms = np.sqrt(np.square(np.nan_to_num(kernel)).sum(axis=(0, 1)))
    strongest = np.argsort(-norms, axis=None, kind="stable")[:_FEATURES]
    features = []
    for feature, channel in zip(*np.unravel_index(strongest, norms.shape), strict=True):
        hr_kernel = kernel[..., feature, channel]
        largest = float(np.abs(np.nan_to_num(hr_kernel)).max()) or 1.0
        features.append(
            Feature(
                f"feature {feature}" + (f" to channel {channel}" if outputs > 1 else ""),
                float(norms[feature, channel]),
                _taps(hr_kernel / largest, phase_of),
                _phases(phases[:, :, feature, :, :, channel] / largest),
            )
        )
    extent = scale * taps + (scale - 1) * _GAP
    colours = tuple(_colour(index, scale**2) for index in range(scale**2))
    return KernelFigure(taps, scale, colours, tuple(features), inputs * outputs, extent)


def _taps(weights: np.ndarray, phase_of: np.ndarray, x: float = 0, y: float = 0) -> tuple[Tap, ...]:
    """Returns the taps of a kernel with weights in -1..1 and its corner at (x, y)."""
    levels = np.rint(50 + 50 * np.clip(np.nan_to_num(weights), -1, 1)).astype(int)
    return tuple(
        Tap(round(x + column, 2), round(y + row, 2), int(levels[row, column]), int(phase))
        for (row, column), phase in np.ndenumerate(phase_of)
    )


def _phases(phases: np.ndarray) -> tuple[Phase, ...]:
    """Places the LR kernels, (k, k, r, r), in the order of their output pixels."""
    taps, _, scale, _ = phases.shape
    pitch = taps + _GAP
    return tuple(
        Phase(row, column, x, y, _taps(phases[:, :, row, column], own, x, y))
        for row in range(scale)
        for column in range(scale)
        for x, y in [(round(column * pitch, 2), round(row * pitch, 2))]
        for own in [np.full((taps, taps), row * scale + column)]
    )


def _colour(index: int, count: int) -> str:
    """Returns the colour of a phase; neighbours differ in hue and in lightness."""
    return f"oklch({(0.58, 0.72)[index % 2]} 0.17 {round(25 + 360 * index / count)})"
