"""Drawings of the trained upsampling kernel: the HR kernel and its phases, the LR kernels.

Reference: Shi et al., "Is the deconvolution layer the same as a convolutional layer?",
arXiv 1609.07009. Its figures colour the taps of each phase alike.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from subpixel.kernels import convert
from subpixel.ops.pixel_shuffle import split_phases

_FEATURES = 8
_GAP = 0.7  # between phases, in taps


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
