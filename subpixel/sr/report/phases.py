"""The trained upsampling kernel, drawn in both layouts: high resolution, and its phases.

Reference: Shi et al., "Is the deconvolution layer the same as a convolutional layer?",
arXiv 1609.07009, whose scores colour the taps in this way.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from subpixel.kernels import convert
from subpixel.ops.pixel_shuffle import split_phases

_FEATURES = 8
_GAP = 0.7  # between phases, in taps


@dataclass(frozen=True)
class Tap:
    """A square of side 1 at (x, y); `level` is its grey, 0 to 100, where 50 is a weight of zero."""

    x: float
    y: float
    level: int
    phase: int


@dataclass(frozen=True)
class Phase:
    """The low-resolution kernel of output pixel (row, column), drawn with its corner at (x, y)."""

    row: int
    column: int
    x: float
    y: float
    taps: tuple[Tap, ...]


@dataclass(frozen=True)
class Feature:
    """What one input feature contributes to one output channel."""

    title: str
    norm: float
    taps: tuple[Tap, ...]
    phases: tuple[Phase, ...]


@dataclass(frozen=True)
class KernelFigure:
    """The kernel's strongest features; sizes are in taps.

    Attributes:
      taps: k, of a low-resolution kernel.
      scale: r.
      colours: of the phases.
      features: strongest first.
      total: how many pairs of feature and output channel there are.
      phase_extent: side of the drawing of the phases.
    """

    taps: int
    scale: int
    colours: tuple[str, ...]
    features: tuple[Feature, ...]
    total: int
    phase_extent: float


def draw_kernel(kernel: np.ndarray, scale: int) -> KernelFigure:
    """Arranges the kernel of zero insertion for the page.

    Args:
      kernel: shape (k*r, k*r, in, out).
      scale: r.

    Raises:
      ValueError: if the kernel is not of that shape.
    """
    kernel = np.asarray(kernel, np.float32)
    if kernel.ndim != 4 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(
            "the report draws the kernel of zero insertion, (k*r, k*r, in, out); "
            f"got the shape {kernel.shape}"
        )
    size, _, inputs, outputs = kernel.shape
    low = convert(jnp.asarray(kernel), scale, "zero_insert", "subpixel")
    phases = np.asarray(split_phases(low, (scale, scale), "dcr"))
    taps = size // scale
    numbering = jnp.broadcast_to(jnp.arange(scale**2), (taps, taps, 1, scale**2))
    phase_of = np.asarray(convert(numbering, scale, "subpixel", "zero_insert"))[..., 0, 0]
    norms = np.sqrt(np.square(np.nan_to_num(kernel)).sum(axis=(0, 1)))
    strongest = np.argsort(-norms, axis=None, kind="stable")[:_FEATURES]
    features = []
    for feature, channel in zip(*np.unravel_index(strongest, norms.shape), strict=True):
        high = kernel[..., feature, channel]
        largest = float(np.abs(np.nan_to_num(high)).max()) or 1.0
        features.append(
            Feature(
                f"feature {feature}" + (f" to channel {channel}" if outputs > 1 else ""),
                float(norms[feature, channel]),
                _taps(high / largest, phase_of),
                _phases(phases[:, :, feature, :, :, channel] / largest),
            )
        )
    extent = scale * taps + (scale - 1) * _GAP
    colours = tuple(_colour(index, scale**2) for index in range(scale**2))
    return KernelFigure(taps, scale, colours, tuple(features), inputs * outputs, extent)


def _taps(weights: np.ndarray, phase_of: np.ndarray, x: float = 0, y: float = 0) -> tuple[Tap, ...]:
    """Lists the taps of a kernel of weights in -1..1 whose corner lies at (x, y)."""
    levels = np.rint(50 + 50 * np.clip(np.nan_to_num(weights), -1, 1)).astype(int)
    return tuple(
        Tap(round(x + column, 2), round(y + row, 2), int(levels[row, column]), int(phase))
        for (row, column), phase in np.ndenumerate(phase_of)
    )


def _phases(phases: np.ndarray) -> tuple[Phase, ...]:
    """Places the low-resolution kernels, (k, k, r, r), as their output pixels lie."""
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
    """Returns a hue for each phase; neighbours differ in lightness too."""
    return f"oklch({(0.58, 0.72)[index % 2]} 0.17 {round(25 + 360 * index / count)})"
