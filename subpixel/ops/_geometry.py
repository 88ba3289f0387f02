"""Where each number of a transposed convolution goes: sizes, paddings and index tables.

Along one axis, with stride s, dilation d and a padding of `low` before the first zero-inserted
pixel, input pixel i meets tap t of the kernel in output pixel::

    q = s * i + low - d * t

Everything else is bookkeeping over this line. Writing ``q - low = s*P - b`` with a phase b in
0..s-1 shows that, without dilation, only the taps ``t = b, b + s, b + 2*s, ...`` reach q: at most
``ceil(k / s)`` of them whatever the padding. That is the polyphase decomposition.
"""

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jax import lax


class Axis(NamedTuple):
    """One spatial axis of a transposed convolution.

    Attributes:
      size: pixels of the input.
      taps: of the kernel, k.
      stride: s, at least 1.
      dilation: d, at least 1.
      low: padding before the first pixel of the zero-inserted input; may be negative.
      high: padding after its last pixel; may be negative.
    """

    size: int
    taps: int
    stride: int
    dilation: int
    low: int
    high: int

    @property
    def extent(self) -> int:
        """The pixels that the dilated kernel spans."""
        return self.dilation * (self.taps - 1) + 1

    @property
    def out(self) -> int:
        """Pixels of the output."""
        stuffed = self.stride * (self.size - 1) + 1 if self.size else 0
        return stuffed + self.low + self.high - self.extent + 1

    def outputs(self) -> np.ndarray:
        """Returns q for each (i, t), shape (size, taps); `out` where it falls outside."""
        i = self.stride * np.arange(self.size)[:, None]
        q = i + self.low - self.dilation * np.arange(self.taps)
        return np.where((q >= 0) & (q < self.out), q, self.out)

    def sources(self) -> np.ndarray:
        """Returns the pairs that sum to each output, ``i * taps + t``, shape (m, out).

        The m rows are as many as the output pixel with most pairs has; where a pixel has fewer,
        the entry is ``size * taps``.
        """
        nowhere = self.size * self.taps
        q = self.outputs()
        pairs = np.flatnonzero(q != self.out)
        targets = q.ravel()[pairs]
        order = np.argsort(targets, kind="stable")
        pairs, targets = pairs[order], targets[order]
        rank = np.arange(len(targets)) - np.searchsorted(targets, targets)
        table = np.full((rank.max(initial=-1) + 1, self.out), nowhere)
        table[rank, targets] = pairs
        return table


def resolve_padding(
    padding: str | Sequence[tuple[int, int]],
    sizes: Sequence[int],
    extents: Sequence[int],
    strides: Sequence[int],
    *,
    consistent: bool,
) -> tuple[tuple[int, int], ...]:
    """Returns (low, high) around the zero-inserted input, for each axis.

    Args:
      padding: by name or in pairs, as `jax.lax.conv_transpose` takes it; names in any case.
      sizes: of the input.
      extents: of the dilated kernel.
      strides: of each axis.
      consistent: whether pairs mean the padding of the forward convolution, as in PyTorch.

    Raises:
      ValueError: if the name is unknown, or the pairs are not one for each axis.
    """
    if isinstance(padding, str):
        name = padding.upper()
        if name in ("SAME", "VALID"):
            return tuple(_named(name, k, s) for k, s in zip(extents, strides, strict=True))
        if name == "SAME_LOWER" and set(strides) <= {1}:
            return tuple(lax.padtype_to_pads(sizes, extents, strides, name))
        raise ValueError(
            f'padding must be "SAME", "VALID" or a (low, high) pair for each axis; got {padding!r}'
        )
    try:
        pairs = tuple((operator.index(low), operator.index(high)) for low, high in padding)
    except (TypeError, ValueError):
        raise ValueError(
            f"padding must be a (low, high) pair of whole numbers for each axis; got {padding!r}"
        ) from None
    if len(pairs) != len(extents):
        raise ValueError(
            f"padding has {len(pairs)} pairs, {pairs}, but there are {len(extents)} spatial axes: "
            "give one (low, high) pair for each"
        )
    if consistent:
        return tuple((k - 1 - a, k - 1 - b) for k, (a, b) in zip(extents, pairs, strict=True))
    return pairs


def _named(name: str, k: int, s: int) -> tuple[int, int]:
    """TensorFlow's and Keras' transposed "SAME" (s * n pixels from n) and "VALID"."""
    if name == "VALID":
        return k - 1, s - 1 + max(k - s, 0)
    low = k - 1 if s > k - 1 else -(-(k + s - 2) // 2)
    return low, k + s - 2 - low


def for_each_axis(value: Any, n: int) -> Any:
    """Repeats a number n times; leaves a sequence as it is."""
    return (value,) * n if isinstance(value, int | np.integer) else value


def whole_numbers(name: str, values: Sequence[int], n: int, *, least: int = 1) -> tuple[int, ...]:
    """Returns what is given for each of n axes as integers.

    Raises:
      TypeError: if it is not a sequence of whole numbers.
      ValueError: if there are not n of them, or one is below `least`.
    """
    try:
        whole = tuple(operator.index(v) for v in values)
    except TypeError:
        raise TypeError(
            f"{name} must be a whole number for each spatial axis; got {values!r}"
        ) from None
    if len(whole) != n:
        raise ValueError(
            f"{name} has {len(whole)} numbers, {whole}, but there are {n} spatial axes"
        )
    if min(whole, default=least) < least:
        raise ValueError(f"{name} must be at least {least} on every axis; got {whole}")
    return whole
