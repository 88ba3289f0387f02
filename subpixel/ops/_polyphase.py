"""Transposed convolution as one convolution of stride 1 and a pixel shuffle.

Write an output pixel as ``q = s*P + low - b`` with a phase b in 0..s-1, as in
`subpixel.ops._geometry`. The s phases of one P are the outputs of a convolution over the pixels
``P, P + 1, ..., P + ceil(k/s) - 1`` of the input, whose kernel has s**d times as many channels.
Each output pixel is written once, and no im2col matrix is stored. A kernel whose size is not a
multiple of the stride is padded with zeros, which adds multiplications.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from subpixel.ops._geometry import Axis
from subpixel.ops._native import Result, native_output, result_of


class Grid(NamedTuple):
    """The positions P of one axis.

    Attributes:
      first: the smallest P of the output.
      size: number of positions.
      taps: number of taps of each phase, ceil(k / s).
    """

    first: int
    size: int
    taps: int


def grid(axis: Axis) -> Grid:
    """Returns the positions that a non-empty output needs.

    Example:
      >>> grid(Axis(size=16, taps=4, stride=2, dilation=1, low=2, high=2))
      Grid(first=-1, size=17, taps=2)
    """
    first = -(axis.low // axis.stride)
    last = -((axis.low - axis.out + 1) // axis.stride)
    return Grid(first, last - first + 1, -(-axis.extent // axis.stride))


def product_ratio(axes: tuple[Axis, ...]) -> float:
    """Returns the number of multiplications of this method, divided by that of im2col.

    Example:
      >>> product_ratio((Axis(size=32, taps=5, stride=2, dilation=1, low=3, high=2),))
      1.2
    """
    grids = [grid(axis) for axis in axes]
    done = math.prod(g.size * g.taps * axis.stride for g, axis in zip(grids, axes, strict=True))
    return done / math.prod(axis.size * axis.taps for axis in axes)


def polyphase_result(
    a, b, *, result: Result, axes: tuple[Axis, ...], precision, preferred_element_type=None
) -> jax.Array:
    """Computes the result as a convolution and a pixel shuffle, or as a transpose of them."""
    return result_of(polyphase_output, a, b, result, axes, precision, preferred_element_type)


def polyphase_output(
    x, w, *, axes: tuple[Axis, ...], precision=None, preferred_element_type=None
) -> jax.Array:
    """(n, s..., g, i), (k..., g, i, o) -> (n, q..., g, o), with XLA's convolution."""
    grids = [grid(axis) for axis in axes]
    plain = tuple(
        Axis(axis.size, g.taps, 1, 1, -g.first, g.size - axis.size + g.taps - 1 + g.first)
        for axis, g in zip(axes, grids, strict=True)
    )
    phases = native_output(
        x,
        _phase_kernel(w, axes, grids),
        axes=plain,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    return _shuffle(phases, axes, grids)


def _phase_kernel(w: jax.Array, axes: tuple[Axis, ...], grids: list[Grid]) -> jax.Array:
    """(k..., g, i, o) -> (ceil(k/s)..., g, i, s * ... * o), the last phase first."""
    n = len(axes)
    zero = jnp.zeros((), w.dtype)
    # A dilated kernel is a larger one with zeros between its taps.
    widths = [
        (0, g.taps * axis.stride - axis.extent, axis.dilation - 1)
        for axis, g in zip(axes, grids, strict=True)
    ]
    w = jax.lax.pad(w, zero, [*widths, (0, 0, 0), (0, 0, 0), (0, 0, 0)])
    split = [size for axis, g in zip(axes, grids, strict=True) for size in (g.taps, axis.stride)]
    w = jnp.flip(w.reshape(*split, *w.shape[n:]), range(1, 2 * n, 2))
    order = (*range(0, 2 * n, 2), 2 * n, 2 * n + 1, *range(1, 2 * n, 2), 2 * n + 2)
    w = w.transpose(order)
    return w.reshape(*w.shape[: n + 2], -1)


def _shuffle(phases: jax.Array, axes: tuple[Axis, ...], grids: list[Grid]) -> jax.Array:
    """(n, P..., g, s * ... * o) -> (n, q..., g, o)."""
    n = len(axes)
    strides = [axis.stride for axis in axes]
    y = phases.reshape(*phases.shape[: n + 2], *strides, -1)
    pairs = [position for number in range(n) for position in (1 + number, n + 2 + number)]
    y = y.transpose(0, *pairs, n + 1, 2 * n + 2)
    full = [g.size * axis.stride for axis, g in zip(axes, grids, strict=True)]
    y = y.reshape(y.shape[0], *full, *y.shape[-2:])
    for number, (axis, g) in enumerate(zip(axes, grids, strict=True), start=1):
        # The first pixel of the grid is the last phase of its first position.
        before = axis.stride - 1 - axis.low - axis.stride * g.first
        y = jax.lax.slice_in_dim(y, before, before + axis.out, axis=number)
    return y
