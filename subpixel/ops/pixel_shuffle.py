"""Pixel shuffle: r**d low-resolution channels become one channel at r times the resolution.

This file is the only place that knows what the two channel orders are.
"""

import math
import operator
from collections.abc import Sequence
from typing import Literal, get_args

import jax

Scale = int | Sequence[int]
Order = Literal["dcr", "crd"]


def scale_per_axis(scale: Scale, ndim: int) -> tuple[int, ...]:
    """Returns the scale of each of `ndim` spatial axes, validated.

    Raises:
      TypeError: if a scale is not a whole number.
      ValueError: if it is not at least 2, or has the wrong length.
    """
    scales = (scale,) * ndim if not isinstance(scale, Sequence) else tuple(scale)
    # A string is a sequence too: its letters, not their number, are what is wrong with it.
    if len(scales) != ndim and not isinstance(scale, str):
        raise ValueError(
            f"scale has {len(scales)} entries, {scales}, but there are {ndim} spatial axes: "
            "give one whole number for all of them or one for each"
        )
    try:
        whole = tuple(operator.index(s) for s in scales)
    except TypeError:
        raise TypeError(
            f"scale must be a whole number, or one for each spatial axis; got {scale!r}"
        ) from None
    if min(whole, default=1) < 1 or math.prod(whole) < 2:
        raise ValueError(f"scale must be at least 2; got {scale!r}")
    return whole


def validate_order(order: str) -> None:
    """Raises ValueError if `order` is not the name of a channel order."""
    if order not in get_args(Order):
        raise ValueError(
            f'order must be "dcr" (TensorFlow, phase-major) or "crd" (PyTorch, channel-major); '
            f"got {order!r}"
        )


def channels_per_phase(channels: int, scales: tuple[int, ...]) -> int:
    """Returns `channels` divided by the number of phases, r**d.

    Raises:
      ValueError: if the phases do not divide the channels.
    """
    phases = math.prod(scales)
    if channels % phases:
        raise ValueError(
            f"{channels} channels cannot be shuffled by a scale of {scales}: "
            f"the number of channels must be a multiple of {phases}"
        )
    return channels // phases


def split_phases(x: jax.Array, scales: tuple[int, ...], order: Order) -> jax.Array:
    """Splits the last axis, (..., r**d * c) -> (..., r1, ..., rd, c)."""
    validate_order(order)
    channels = channels_per_phase(x.shape[-1], scales)
    if order == "dcr":
        return x.reshape(*x.shape[:-1], *scales, channels)
    split = x.reshape(*x.shape[:-1], channels, *scales)
    batch = range(x.ndim - 1)
    return split.transpose(*batch, *range(x.ndim, split.ndim), x.ndim - 1)


def join_phases(x: jax.Array, ndim: int, order: Order) -> jax.Array:
    """Joins the last axes, (..., r1, ..., rd, c) -> (..., r**d * c): undoes `split_phases`."""
    validate_order(order)
    first = x.ndim - 1 - ndim
    if order == "crd":
        x = x.transpose(*range(first), x.ndim - 1, *range(first, x.ndim - 1))
    return x.reshape(*x.shape[:first], -1)


def _spatial_scales(x: jax.Array, scale: Scale) -> tuple[int, ...]:
    ndim = len(scale) if isinstance(scale, Sequence) else x.ndim - 2
    if not 1 <= ndim <= min(3, x.ndim - 1):
        raise ValueError(
            f"an input of shape {x.shape} and a scale of {scale!r} leave {ndim} spatial axes: "
            "between the batch and the channels there must be 1, 2 or 3; give the scale as a "
            "sequence, such as (2, 2), where the number of batch axes is not one"
        )
    return scale_per_axis(scale, ndim)


def pixel_shuffle(x: jax.Array, scale: Scale, *, order: Order = "dcr") -> jax.Array:
    """Rearranges channels into space: output pixel ``r*q + b`` is phase ``b`` of pixel ``q``.

    Also known as depth-to-space, or the merging of the phases of a polyphase filter.

    Args:
      x: shape (..., s1, ..., sd, r**d * c), d = 1, 2 or 3.
      scale: r. A single number applies to every axis between the first, the batch, and the last;
        a sequence of d numbers, which may differ, allows any number of batch axes.
      order: "dcr", where channel ``phase * c + i`` holds a phase of output channel ``i`` (depth,
        column, row: TensorFlow, ONNX's default, dm_pix), or "crd", where it is channel
        ``i * r**d + phase`` (PyTorch). Phases count in row-major order.

    Returns:
      Shape (..., r*s1, ..., r*sd, c).

    Raises:
      ValueError: if r**d does not divide the channels, or the shapes leave no spatial axis.
      TypeError: if the scale is not a whole number.

    Example:
      >>> import jax.numpy as jnp
      >>> pixel_shuffle(jnp.array([[[0, 1], [2, 3]]]), 2)[0, :, 0]
      Array([0, 1, 2, 3], dtype=int32)

    Reference: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
    Sub-Pixel Convolutional Neural Network", arXiv 1609.05158, equation 4.
    """
    scales = _spatial_scales(x, scale)
    ndim = len(scales)
    phases = split_phases(x, scales, order)
    batch = x.ndim - 1 - ndim
    interleaved = [axis for i in range(ndim) for axis in (batch + i, batch + ndim + i)]
    space = phases.transpose(*range(batch), *interleaved, phases.ndim - 1)
    sizes = (s * r for s, r in zip(x.shape[batch:-1], scales, strict=True))
    return space.reshape(*x.shape[:batch], *sizes, phases.shape[-1])


def pixel_unshuffle(x: jax.Array, scale: Scale, *, order: Order = "dcr") -> jax.Array:
    """Rearranges space into channels: the inverse of `pixel_shuffle`, or space-to-depth.

    Args:
      x: shape (..., r*s1, ..., r*sd, c), d = 1, 2 or 3.
      scale: r, as in `pixel_shuffle`.
      order: of the channels that come out, as in `pixel_shuffle`.

    Returns:
      Shape (..., s1, ..., sd, r**d * c).

    Raises:
      ValueError: if the scale does not divide every spatial size, or the shapes leave no
        spatial axis.
      TypeError: if the scale is not a whole number.

    Example:
      >>> import jax.numpy as jnp
      >>> pixel_unshuffle(jnp.arange(4).reshape(1, 4, 1), 2)[0]
      Array([[0, 1],
             [2, 3]], dtype=int32)
    """
    scales = _spatial_scales(x, scale)
    ndim = len(scales)
    batch = x.ndim - 1 - ndim
    sizes = x.shape[batch:-1]
    if any(size % r for size, r in zip(sizes, scales, strict=True)):
        raise ValueError(
            f"a spatial shape of {sizes} cannot be unshuffled by a scale of {scales}: "
            "crop or pad every size to a multiple of its scale"
        )
    pairs = [n for size, r in zip(sizes, scales, strict=True) for n in (size // r, r)]
    split = x.reshape(*x.shape[:batch], *pairs, x.shape[-1])
    low = range(batch, batch + 2 * ndim, 2)
    phase = range(batch + 1, batch + 2 * ndim, 2)
    return join_phases(split.transpose(*range(batch), *low, *phase, split.ndim - 1), ndim, order)
