"""Two of the three upsampling layouts, as functions on channels-last arrays.

`subpixel.conv_transpose` is the third. `subpixel.kernels` converts kernels between the layouts.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Num, Shaped

from subpixel._compat import reshape
from subpixel.ops._axes import (
    Padding,
    add_bias,
    padding_pairs,
    partition,
    whole_numbers,
    with_one_batch_axis,
)
from subpixel.ops._geometry import Axis
from subpixel.ops._native import native_output
from subpixel.ops.conv_transpose import conv_transpose
from subpixel.ops.pixel_shuffle import Order, Scale, pixel_shuffle, scale_per_axis, validate_order

__all__ = [
    "conv_transpose",
    "insert_zeros",
    "subpixel_conv",
    "zero_insert_conv",
    "zero_insert_padding",
]


def zero_insert_padding(kernel_size: int, scale: int) -> tuple[int, int]:
    """Returns the (low, high) padding that "SAME" means for the zero-inserted image.

    With this padding a kernel of `kernel_size` taps gives ``scale * n`` pixels from n, with the
    same values as its sub-pixel kernel with "SAME". `subpixel.kernels.same_padding` has the pairs
    of all axes.

    Raises:
      ValueError: if the kernel size is not a multiple of the scale, or one of them is less than 1.
      TypeError: if one of them is not a whole number.
    """
    (kernel_size,) = whole_numbers("kernel_size", kernel_size, 1)
    (scale,) = whole_numbers("scale", scale, 1)
    if kernel_size % scale:
        raise ValueError(
            f'padding "SAME" needs a kernel size that is a multiple of the scale; got a size of '
            f"{kernel_size} and a scale of {scale}: give the padding as (low, high) pairs instead"
        )
    low = scale * ((kernel_size // scale - 1) // 2) + scale - 1
    return low, kernel_size + scale - 2 - low


def subpixel_conv(
    x: Num[ArrayLike, "*batch_and_space in"],
    kernel: Num[ArrayLike, "*taps in phases_of_out"],
    scale: Scale,
    *,
    bias: Num[ArrayLike, " phases_of_out"] | None = None,
    padding: Padding = "SAME",
    order: Order = "dcr",
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Num[Array, "*batch_and_upsampled out"]:
    """Upsamples with a convolution at low resolution and a pixel shuffle.

    This is the fast layout: it does not multiply by inserted zeros.

    Args:
      x: shape (..., s1, ..., sd, in), with any number of batch axes.
      kernel: shape (k1, ..., kd, in, r**d * out).
      scale: r, one number or one for each spatial axis.
      bias: shape (r**d * out,): one number for each phase, added before the shuffle.
      padding: "SAME", "VALID" or a (low, high) pair for each axis, in low-resolution pixels.
      order: order of the channels before the shuffle, as in `pixel_shuffle`.
      precision: as in `jax.lax.conv_general_dilated`.
      preferred_element_type: as in `jax.lax.conv_general_dilated`.

    Returns:
      Shape (..., r*s1, ..., r*sd, out) with "SAME".

    Raises:
      ValueError: if ranks, channels, bias or padding do not fit, or r**d does not divide the
        kernel's outputs.
      TypeError: if the scale is not a whole number.

    Example:
      >>> import jax.numpy as jnp
      >>> subpixel_conv(jnp.ones((1, 5, 5, 32)), jnp.ones((3, 3, 32, 9)), 3).shape
      (1, 15, 15, 1)

    Reference: Shi et al., arXiv 1609.05158, section 2.2.
    """
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    ndim = validate_operands(x, kernel)
    scales = scale_per_axis(scale, ndim)
    validate_order(order)
    pairs = _plain_padding(padding, kernel.shape[:ndim])

    def convolve(x: jax.Array) -> jax.Array:
        if not _gains_from_im2col(x, kernel):
            return _native_convolution(x, kernel, pairs, precision, preferred_element_type)
        return conv_transpose(
            x,
            kernel,
            (1,) * ndim,
            pairs,
            precision=precision,
            preferred_element_type=preferred_element_type,
        )

    phases = add_bias(with_one_batch_axis(convolve, x, ndim), bias)
    return pixel_shuffle(phases, scales, order=order)


def insert_zeros(
    x: Shaped[ArrayLike, "n *space c"], scale: Scale
) -> Shaped[Array, "n *upsampled c"]:
    """Inserts r - 1 zeros after every pixel along each spatial axis.

    Args:
      x: shape (batch, s1, ..., sd, c).
      scale: r, one number or one for each spatial axis.

    Returns:
      Shape (batch, r*s1, ..., r*sd, c), zero except at multiples of r.

    Raises:
      ValueError: if the scale is less than 2, or there is not one for each axis.
      TypeError: if the scale is not a whole number.
    """
    x = jnp.asarray(x)
    ndim = x.ndim - 2
    scales = scale_per_axis(scale, ndim)
    # XLA merges `lax.pad` with interior padding into the next convolution, so it is not used here.
    pixels = jnp.expand_dims(x, range(2, 2 * ndim + 1, 2))
    widths = [(0, 0, 0), *(w for r in scales for w in ((0, 0, 0), (0, r - 1, 0))), (0, 0, 0)]
    # The transfer is explicit, because `jax.transfer_guard("disallow")` forbids that of a constant.
    zero = jax.device_put(np.zeros((), x.dtype))
    padded = lax.pad(pixels, zero, widths)
    sizes = (s * r for s, r in zip(x.shape[1:-1], scales, strict=True))
    return reshape(padded, (x.shape[0], *sizes, x.shape[-1]), partition(x))


def zero_insert_conv(
    x: Num[ArrayLike, "*batch_and_space in"],
    kernel: Num[ArrayLike, "*taps in out"],
    scale: Scale,
    *,
    padding: Padding = "SAME",
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Num[Array, "*batch_and_upsampled out"]:
    """Upsamples with an ordinary convolution over the zero-inserted image.

    This is the slow layout that textbooks draw: most of its products have a zero as a factor.

    Args:
      x: shape (..., s1, ..., sd, in), with any number of batch axes.
      kernel: shape (k1, ..., kd, in, out).
      scale: r, one number or one for each spatial axis.
      padding: "SAME", "VALID" or a (low, high) pair for each axis, in pixels of the
        zero-inserted image, which has no zeros after its last pixel. "SAME" gives the values of
        the sub-pixel layout and needs a kernel size that is a multiple of the scale.
      precision: as in `jax.lax.conv_general_dilated`.
      preferred_element_type: as in `jax.lax.conv_general_dilated`.

    Returns:
      Shape (..., r*s1, ..., r*sd, out) with "SAME".

    Raises:
      ValueError: if ranks, channels or padding do not fit, or the padding is "SAME" and the
        kernel size is not a multiple of the scale.
      TypeError: if the scale is not a whole number.

    Example:
      >>> import jax.numpy as jnp
      >>> zero_insert_conv(jnp.ones((1, 5, 5, 32)), jnp.ones((9, 9, 32, 1)), 3).shape
      (1, 15, 15, 1)

    Reference: Shi et al., arXiv 1609.07009, figure 4.
    """
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    ndim = validate_operands(x, kernel)
    scales = scale_per_axis(scale, ndim)
    padding = hashable_padding(padding, ndim)
    sizes = kernel.shape[:ndim]
    pairs = upsampling_padding(sizes, scales, padding) if isinstance(padding, str) else padding
    # `insert_zeros` leaves r - 1 zeros after the last pixel, which replace as much padding.
    pairs = tuple((low, high - r + 1) for (low, high), r in zip(pairs, scales, strict=True))
    return with_one_batch_axis(
        lambda x: _native_convolution(
            insert_zeros(x, scales), kernel, pairs, precision, preferred_element_type
        ),
        x,
        ndim,
    )


def upsampling_padding(
    kernel_size: Sequence[int], scales: Sequence[int], padding: str
) -> tuple[tuple[int, int], ...]:
    """Returns the (low, high) pairs that a padding name means in `zero_insert_conv`.

    Raises:
      ValueError: if the name is unknown, or a kernel size does not fit "SAME".
    """
    name = hashable_padding(padding, len(scales))
    if name == "VALID":
        return ((0, 0),) * len(scales)
    sizes = zip(kernel_size, scales, strict=True)
    return tuple(zero_insert_padding(size, r) for size, r in sizes)


def hashable_padding(padding: Padding, ndim: int) -> str | tuple[tuple[int, int], ...]:
    """Returns a padding as its name, in capitals, or as a tuple of a pair for each spatial axis.

    Raises:
      ValueError: unless the padding is "SAME", "VALID" or a pair for each spatial axis.
    """
    return padding_pairs(padding.upper() if isinstance(padding, str) else padding, ndim)


def _plain_padding(padding: Padding, taps: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Returns the (low, high) pairs of an ordinary convolution with strides of 1."""
    pairs = hashable_padding(padding, len(taps))
    if not isinstance(pairs, str):
        return pairs
    return tuple((0, 0) if pairs == "VALID" else ((k - 1) // 2, k // 2) for k in taps)


def validate_operands(x: jax.Array, kernel: jax.Array) -> int:
    """Returns the number of spatial axes of a channels-last convolution of x with the kernel.

    Raises:
      ValueError: if there are not 1 to 3 spatial axes, or x and the kernel differ in channels.
    """
    ndim = kernel.ndim - 2
    if not 1 <= ndim <= 3 or x.ndim < ndim + 1:
        raise ValueError(
            f"an input of shape {x.shape} cannot be convolved with a kernel of shape "
            f"{kernel.shape}: the kernel must be (k1, ..., kd, in, out) with d = 1, 2 or 3, and "
            "the input (..., s1, ..., sd, in)"
        )
    if x.shape[-1] != kernel.shape[-2]:
        raise ValueError(
            f"the input has {x.shape[-1]} channels and the kernel takes {kernel.shape[-2]} "
            f"(shapes {x.shape} and {kernel.shape}): they must be equal"
        )
    return ndim


def _gains_from_im2col(x: jax.Array, kernel: jax.Array) -> bool:
    """Returns whether im2col gives faster gradients than XLA for a convolution of stride 1.

    The two gradients share the im2col matrix of the outputs, so there must be few outputs. The
    table has XLA's time over ours, for forward and both gradients, with 3x3 kernels and patches of
    4 x 17x17 and 2 x 32x32 (two cores of an AMD EPYC, jaxlib 0.10.2):

    ======  =====  =====  ======  ======  ======  ======  ======  =======
    in, out 32, 4  32, 9  64, 12  56, 9   32, 27  64, 64  32, 48  64, 256
    4 x 17  2.47   1.69   4.46    2.00    0.66    0.79    0.65    0.72
    2 x 32  4.09   2.11   3.39    4.10    0.67    0.74    1.50    0.99
    ======  =====  =====  ======  ======  ======  ======  ======  =======
    """
    # Symbolic sizes, as in an export, have no index tables.
    known = all(isinstance(size, int) for size in x.shape)
    return known and kernel.ndim == 4 and 3 * kernel.shape[-1] <= kernel.shape[-2]


def _native_convolution(
    x: jax.Array,
    kernel: jax.Array,
    padding: tuple[tuple[int, int], ...],
    precision: lax.PrecisionLike,
    preferred_element_type: DTypeLike | None,
) -> jax.Array:
    axes = tuple(
        Axis(size, taps, 1, 1, low, high)
        for size, taps, (low, high) in zip(x.shape[1:-1], kernel.shape[:-2], padding, strict=True)
    )
    y = native_output(
        jnp.expand_dims(x, -2),
        jnp.expand_dims(kernel, -3),
        axes=axes,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    return jnp.squeeze(y, -2)
