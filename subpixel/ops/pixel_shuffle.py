"""Pixel shuffle: r**d low-resolution channels become one channel at r times the resolution.

Only this file defines the two channel orders.
"""

import math
from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Shaped

from subpixel._choices import validate_choice
from subpixel._compat import reshape
from subpixel.ops._axes import is_single, partition, whole_numbers

Scale = int | Sequence[int]
Order = Literal["dcr", "crd"]


def scale_per_axis(scale: Scale, ndim: int) -> tuple[int, ...]:
    """Returns the validated scale of each of `ndim` spatial axes.

    Raises:
      TypeError: if a scale is not a whole number.
      ValueError: if the scale is smaller than 2, or there is not one for each axis.
    """
    scales = whole_numbers("scale", scale, ndim, least=None)
    if min(scales, default=1) < 1 or math.prod(scales) < 2:
        raise ValueError(f"scale must be at least 2; got {scale!r}")
    return scales


def hashable_scale(scale: Scale) -> int | tuple[int, ...]:
    """Returns a scale as an int or, if it has one for each axis, as a tuple of ints.

    Raises:
      TypeError: if a scale is not a whole number.
      ValueError: if the scale is smaller than 2.
    """
    if is_single(scale):
        return scale_per_axis(scale, 1)[0]
    numbers = whole_numbers("scale", scale, None, least=None)
    return scale_per_axis(numbers, len(numbers))


def validate_order(order: str) -> None:
    """Raises ValueError if `order` is not the name of a channel order."""
    validate_choice("order", order, Order)


def channels_per_phase(channels: int, scales: tuple[int, ...]) -> int:
    """Returns the number of channels of one phase: `channels` divided by r**d.

    Raises:
      ValueError: if r**d does not divide `channels`.
    """
    phases = math.prod(scales)
    if channels % phases:
        raise ValueError(
            f"{channels} channels cannot be shuffled by a scale of {scales}: "
            f"the number of channels must be a multiple of {phases}"
        )
    return channels // phases


def split_phases(
    x: Shaped[Array, "*lead phases_of_c"], scales: tuple[int, ...], order: Order
) -> Shaped[Array, "*lead_and_phases c"]:
    """Splits the last axis, (..., r**d * c) -> (..., r1, ..., rd, c)."""
    validate_order(order)
    channels = channels_per_phase(x.shape[-1], scales)
    lead = x.ndim - 1
    parts = (*scales, channels) if order == "dcr" else (channels, *scales)
    split = reshape(x, (*x.shape[:-1], *parts), (*partition(x)[:-1], *(None for _ in parts)))
    if order == "dcr":
        return split
    return split.transpose(*range(lead), *range(lead + 1, split.ndim), lead)


def join_phases(
    x: Shaped[Array, "*lead_and_phases c"], ndim: int, order: Order
) -> Shaped[Array, "*lead phases_of_c"]:
    """Joins the last axes, (..., r1, ..., rd, c) -> (..., r**d * c): inverts `split_phases`."""
    validate_order(order)
    lead = x.ndim - 1 - ndim
    if order == "crd":
        x = x.transpose(*range(lead), x.ndim - 1, *range(lead, x.ndim - 1))
    channels = math.prod(x.shape[lead:])
    return reshape(x, (*x.shape[:lead], channels), (*partition(x)[:lead], None))


def _spatial_scales(x: jax.Array, scale: Scale) -> tuple[int, ...]:
    scale = hashable_scale(scale)
    ndim = len(scale) if isinstance(scale, tuple) else x.ndim - 2
    if not 1 <= ndim <= min(3, x.ndim - 1):
        raise ValueError(
            f"an input of shape {x.shape} and a scale of {scale!r} leave {ndim} spatial axes: "
            "there must be 1, 2 or 3 between the batch and the channels; if the number of batch "
            "axes is not one, give the scale as a sequence, such as (2, 2)"
        )
    return scale_per_axis(scale, ndim)


def pixel_shuffle(
    x: Shaped[ArrayLike, "*batch_and_space phases_of_c"], scale: Scale, *, order: Order = "dcr"
) -> Shaped[Array, "*batch_and_upsampled c"]:
    """Rearranges channels into space: output pixel ``r*q + b`` is phase ``b`` of pixel ``q``.

    Other names are depth-to-space and, in signal processing, the interleaving of polyphase
    components.

    Args:
      x: shape (..., s1, ..., sd, r**d * c), d = 1, 2 or 3.
      scale: r. One number is the scale of every axis between the first (the batch) and the last.
        A sequence of d numbers allows different scales, and any number of batch axes.
      order: "dcr" (depth, column, row): channel ``phase * c + i`` holds a phase of output channel
        ``i``, as in TensorFlow, ONNX by default, and dm_pix. "crd": channel ``i * r**d + phase``
        holds it, as in PyTorch. Phases are numbered in row-major order.

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
    x = jnp.asarray(x)
    scales = _spatial_scales(x, scale)
    ndim = len(scales)
    phases = split_phases(x, scales, order)
    batch = x.ndim - 1 - ndim
    interleaved = [axis for i in range(ndim) for axis in (batch + i, batch + ndim + i)]
    space = phases.transpose(*range(batch), *interleaved, phases.ndim - 1)
    sizes = (s * r for s, r in zip(x.shape[batch:-1], scales, strict=True))
    return reshape(space, (*x.shape[:batch], *sizes, phases.shape[-1]), partition(x))


def pixel_unshuffle(
    x: Shaped[ArrayLike, "*batch_and_upsampled c"], scale: Scale, *, order: Order = "dcr"
) -> Shaped[Array, "*batch_and_space phases_of_c"]:
    """Rearranges space into channels (space-to-depth): the inverse of `pixel_shuffle`.

    Args:
      x: shape (..., r*s1, ..., r*sd, c), d = 1, 2 or 3.
      scale: r, as in `pixel_shuffle`.
      order: order of the output's channels, as in `pixel_shuffle`.

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
    x = jnp.asarray(x)
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
    spec = partition(x)
    spec_of_pairs = (entry for name in spec[batch:-1] for entry in (name, None))
    split = reshape(
        x, (*x.shape[:batch], *pairs, x.shape[-1]), (*spec[:batch], *spec_of_pairs, spec[-1])
    )
    lr = range(batch, batch + 2 * ndim, 2)
    phase = range(batch + 1, batch + 2 * ndim, 2)
    return join_phases(split.transpose(*range(batch), *lr, *phase, split.ndim - 1), ndim, order)
