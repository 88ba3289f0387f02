"""What a transposed-convolution layer of Flax does around the convolution, for either API."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax.typing import PrecisionLike
from jax.typing import DTypeLike

from subpixel.ops.conv_transpose import Method, conv_transpose


def per_axis(value: Any, ndim: int) -> tuple[int, ...]:
    """Repeats a stride or a dilation for each axis as Flax does; None is 1."""
    if value is None:
        value = 1
    return (value,) * ndim if isinstance(value, int) else tuple(value)


def kernel_shape(
    kernel_size: tuple[int, ...],
    in_features: int,
    out_features: int,
    groups: int,
    *,
    transposed: bool,
) -> tuple[int, ...]:
    """Returns the shape of the parameter: Flax's, with groups.

    Raises:
      ValueError: if the groups do not divide the channels on either side.
    """
    if groups < 1 or in_features % groups or out_features % groups:
        raise ValueError(
            f"feature_group_count must be at least 1 and divide in_features and out_features; got "
            f"{groups} for {in_features} and {out_features}"
        )
    if transposed:
        return (*kernel_size, out_features // groups, in_features)
    return (*kernel_size, in_features // groups, out_features)


def masked(kernel: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Multiplies the kernel by a mask of its shape.

    Raises:
      ValueError: if the shapes differ.
    """
    if mask is None:
        return kernel
    if mask.shape != kernel.shape:
        raise ValueError(
            f"the mask must have the kernel's shape; got {mask.shape} for a kernel of "
            f"{kernel.shape}"
        )
    return kernel * mask


def upsample(
    inputs: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    *,
    strides: tuple[int, ...],
    padding: Any,
    dilation: tuple[int, ...],
    transpose_kernel: bool,
    precision: PrecisionLike,
    preferred_element_type: DTypeLike | None,
    groups: int,
    method: Method,
) -> jax.Array:
    """Convolves, wraps around if the padding is "CIRCULAR", and adds the bias.

    Args:
      inputs: shape (..., s1, ..., sd, in), with any number of batch axes, or none.
      kernel: shape (k1, ..., kd, in / groups, out), or transposed.
      bias: shape (out,), or None.
      strides: of each axis.
      padding: as `flax.linen.linear.canonicalize_padding` returns it.
      dilation: of the kernel, for each axis.
      transpose_kernel: as in `subpixel.conv_transpose`, and so the rest.
      precision: of the convolution.
      preferred_element_type: of the convolution.
      groups: of channels.
      method: of the convolution.

    Returns:
      Shape (..., q1, ..., qd, out).
    """
    ndim = len(strides)
    batch = inputs.shape[: inputs.ndim - ndim - 1]
    circular = padding == "CIRCULAR"
    y = conv_transpose(
        inputs.reshape(math.prod(batch), *inputs.shape[len(batch) :]),
        kernel,
        strides,
        "VALID" if circular else padding,
        rhs_dilation=dilation,
        transpose_kernel=transpose_kernel,
        precision=precision,
        preferred_element_type=preferred_element_type,
        feature_group_count=groups,
        method=method,
    )
    if circular:
        sizes = inputs.shape[len(batch) : -1]
        periods = [size * s for size, s in zip(sizes, strides, strict=True)]
        for axis, period in enumerate(periods, start=1):
            y = _wrap(y, axis, period, late=transpose_kernel)
    if bias is not None:
        y = y + bias.reshape((1,) * (y.ndim - 1) + (-1,))
    return y.reshape(*batch, *y.shape[1:])


def _wrap(y: jax.Array, axis: int, period: int, *, late: bool) -> jax.Array:
    """Sums what lies a whole number of periods apart, the input's first pixel staying first.

    An odd pixel of padding goes before, as Flax has it for kernels of even size, or after, if
    `late`, as for the transpose of its circular convolution.
    """
    missing = -(y.shape[axis] - period) % (2 * period)
    before = missing // 2 if late else (missing + 1) // 2
    widths = [(0, 0)] * y.ndim
    widths[axis] = (before, missing - before)
    padded = jnp.pad(y, widths)
    return padded.reshape(*y.shape[:axis], -1, period, *y.shape[axis + 1 :]).sum(axis=axis)
