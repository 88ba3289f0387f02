"""The parts of a transposed-convolution layer that Flax NNX and Flax Linen share."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.nnx.nn.linear import canonicalize_padding
from flax.typing import PaddingLike, PrecisionLike
from jax import lax
from jax.typing import DTypeLike

from subpixel._compat import reshape
from subpixel.ops._axes import (
    add_bias,
    is_single,
    partition,
    whole_numbers,
    with_one_batch_axis,
)
from subpixel.ops.conv_transpose import Method, conv_transpose


def as_tuples(value: Any) -> Any:
    """Returns lists and arrays of numbers, at any depth, as tuples, which can be hashed."""
    if isinstance(value, np.ndarray | jax.Array):
        value = value.tolist()
    return tuple(map(as_tuples, value)) if isinstance(value, list | tuple) else value


def validate_axes(kernel_size: int | Sequence[int], shape: tuple[int, ...]) -> None:
    """Raises ValueError for an image if the kernel size is one number, which means one axis."""
    if is_single(kernel_size) and len(shape) > 3:
        raise ValueError(
            f"a kernel_size of {kernel_size} is one number, which means one spatial axis; got an "
            f"input of shape {shape}: give ({kernel_size}, {kernel_size}) for images, or "
            f"({kernel_size},) for one axis behind several batch axes"
        )


def validate_groups(groups: int, in_features: int, out_features: int) -> None:
    """Raises ValueError if the groups do not divide the input or output channels."""
    if groups < 1 or in_features % groups or out_features % groups:
        raise ValueError(
            f"feature_group_count must be at least 1 and divide in_features and out_features; got "
            f"{groups} for {in_features} and {out_features}"
        )


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
    strides: int | Sequence[int] | None,
    padding: PaddingLike,
    dilation: int | Sequence[int] | None,
    transpose_kernel: bool,
    precision: PrecisionLike,
    preferred_element_type: DTypeLike | None,
    groups: int,
    method: Method,
) -> jax.Array:
    """Applies a transposed convolution, with circular padding if asked, and adds the bias.

    Args:
      inputs: shape (..., s1, ..., sd, in), with any number of batch axes, or none.
      kernel: shape (k1, ..., kd, in / groups, out), or transposed.
      bias: shape (out,), or None.
      strides: stride for each axis, or one number for all; None is 1, as in Flax.
      padding: as in Flax.
      dilation: dilation of the kernel, given as the strides.
      transpose_kernel: as in `subpixel.conv_transpose`.
      precision: as in `subpixel.conv_transpose`.
      preferred_element_type: as in `subpixel.conv_transpose`.
      groups: number of groups of channels.
      method: as in `subpixel.conv_transpose`.

    Returns:
      Shape (..., q1, ..., qd, out).
    """
    ndim = kernel.ndim - 2
    strides = whole_numbers("strides", 1 if strides is None else strides, ndim)
    dilation = whole_numbers("kernel_dilation", 1 if dilation is None else dilation, ndim)
    padding = canonicalize_padding(padding, ndim)
    circular = padding == "CIRCULAR"

    def convolve(x: jax.Array) -> jax.Array:
        y = conv_transpose(
            x,
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
            for axis, stride in enumerate(strides, start=1):
                y = wrap(y, axis, x.shape[axis] * stride, late=transpose_kernel)
        return y

    return add_bias(with_one_batch_axis(convolve, inputs, ndim), bias)


def wrap(y: jax.Array, axis: int, period: int, *, late: bool) -> jax.Array:
    """Sums the pixels whose distance is a multiple of the period: circular padding.

    The result starts at the first pixel of the input. If the number of missing pixels is odd, the
    odd one is added before the image, as Flax does for kernels of even size, or after it if `late`,
    as the transpose of Flax's circular convolution needs.
    """
    if not period:
        return lax.slice_in_dim(y, 0, 0, axis=axis)
    missing = -(y.shape[axis] - period) % (2 * period)
    before = missing // 2 if late else (missing + 1) // 2
    widths = [(0, 0)] * y.ndim
    widths[axis] = (before, missing - before)
    padded = jnp.pad(y, widths)
    count = padded.shape[axis] // period
    spec = partition(y)
    return reshape(
        padded,
        (*y.shape[:axis], count, period, *y.shape[axis + 1 :]),
        (*spec[:axis], None, *spec[axis:]),
    ).sum(axis=axis)
