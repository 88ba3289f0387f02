"""Geometry of a transposed convolution: output sizes, paddings and index tables.

Take one axis with stride s, dilation d, and `low` pixels of padding before the first pixel of the
zero-inserted input. Input pixel i and kernel tap t contribute to output pixel::

    q = s * i + low - d * t

All tables below follow from this equation. Write ``q - low = s*P - b`` with a phase b in 0..s-1.
Without dilation, only the taps ``t = b, b + s, b + 2*s, ...`` contribute to q. These are at most
``ceil(k / s)`` taps for any padding: the polyphase decomposition.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jax import lax

from subpixel.ops._axes import Padding, padding_pairs


class Axis(NamedTuple):
    """One spatial axis of a transposed convolution.

    Attributes:
      size: number of input pixels.
      taps: number of kernel taps, k.
      stride: s, at least 1.
      dilation: d, at least 1.
      low: padding before the first pixel of the zero-inserted input; may be negative.
      high: padding after the last pixel of the zero-inserted input; may be negative.
    """

    size: int
    taps: int
    stride: int
    dilation: int
    low: int
    high: int

    @property
    def extent(self) -> int:
        """Number of pixels that the dilated kernel spans."""
        return self.dilation * (self.taps - 1) + 1

    @property
    def out(self) -> int:
        """Number of output pixels; 0 at least if the input is empty, as in JAX."""
        inserted = self.stride * (self.size - 1) + 1 if self.size else 0
        out = inserted + self.low + self.high - self.extent + 1
        return out if self.size else max(out, 0)

    @property
    def is_plain(self) -> bool:
        """Whether the padding lies in the range 0..extent - 1 on both sides.

        Then neither the convolution nor one of its gradients has a negative padding.
        """
        return 0 <= min(self.low, self.high) <= max(self.low, self.high) < self.extent

    def outputs(self, xp: Any = np) -> Any:
        """Returns q for each (i, t), shape (size, taps); `out` marks pixels outside the output.

        `xp` is numpy, or jax.numpy to compute the table in the program.
        """
        i, t = xp.arange(self.size)[:, None], xp.arange(self.taps)
        q = self.stride * i + self.low - self.dilation * t
        return xp.where((q >= 0) & (q < self.out), q, self.out)

    def sources(self, xp: Any = np) -> Any:
        """Returns the pairs (i, t) that contribute to each output pixel, shape (m, out).

        A pair is stored as ``i * taps + t``. m is the largest number of pairs of one output pixel,
        ceil(k / s) without dilation; ``size * taps`` marks a pair that does not exist. The taps of
        a pixel are the solutions t of ``d*t = low - q`` modulo s, in steps of s / gcd(s, d).
        """
        common = math.gcd(self.stride, self.dilation)
        s, d = self.stride // common, self.dilation // common
        j, q = xp.arange(-(-self.taps // s))[:, None], xp.arange(self.out)
        offset = q - self.low
        scaled = offset // common
        t = (-scaled % s) * pow(d, -1, s) % s + s * j
        i = (scaled + d * t) // s
        exists = (offset % common == 0) & (t < self.taps) & (i >= 0) & (i < self.size)
        return xp.where(exists, i * self.taps + t, self.size * self.taps)


def resolve_padding(
    padding: Padding,
    sizes: Sequence[int],
    extents: Sequence[int],
    strides: Sequence[int],
    *,
    consistent: bool,
) -> tuple[tuple[int, int], ...]:
    """Returns the (low, high) padding of the zero-inserted input for each axis.

    JAX computes the padding of a transposed convolution only for the exact names "SAME" and
    "VALID". It takes other names, which include the lower-case ones, as those of an ordinary
    convolution, and allows them only with strides of 1. This function does the same.

    Args:
      padding: a name or (low, high) pairs, as in `jax.lax.conv_transpose`.
      sizes: size of the input for each axis.
      extents: number of pixels that the dilated kernel spans, for each axis.
      strides: stride for each axis.
      consistent: whether pairs are the padding of the forward convolution, as in PyTorch.

    Raises:
      ValueError: if the name is unknown, or there is not one pair for each axis.
    """
    if isinstance(padding, str) and padding in ("SAME", "VALID"):
        return tuple(_named(padding, k, s) for k, s in zip(extents, strides, strict=True))
    if isinstance(padding, str) and padding.upper() in ("SAME", "VALID", "SAME_LOWER"):
        if consistent or set(strides) - {1}:
            raise ValueError(
                f"padding {padding!r} names the padding of an ordinary convolution: it needs "
                f"strides of 1 and no use_consistent_padding; got strides of {tuple(strides)}: "
                'give "SAME" or "VALID", in capitals, or (low, high) pairs'
            )
        return tuple(lax.padtype_to_pads(sizes, extents, strides, padding))
    pairs = padding_pairs(padding, len(extents))
    if consistent:
        return tuple((k - 1 - a, k - 1 - b) for k, (a, b) in zip(extents, pairs, strict=True))
    return pairs


def _named(name: str, k: int, s: int) -> tuple[int, int]:
    """Returns the pair of "SAME" (s * n pixels from n) or "VALID", as TensorFlow and Keras do."""
    if name == "VALID":
        return k - 1, s - 1 + max(k - s, 0)
    low = k - 1 if s > k - 1 else -(-(k + s - 2) // 2)
    return low, k + s - 2 - low
