"""The three layouts of learned upsampling, as functions on channels-last arrays.

`subpixel.kernels` converts a kernel from one to another.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike

from subpixel.ops.conv_transpose import conv_transpose
from subpixel.ops.pixel_shuffle import Order, Scale, pixel_shuffle, scale_per_axis

__all__ = [
    "conv_transpose",
    "insert_zeros",
    "subpixel_conv",
    "zero_insert_conv",
    "zero_insert_padding",
]

Padding = str | Sequence[tuple[int, int]]

_DIMENSION_NUMBERS = {
    1: ("NHC", "HIO", "NHC"),
    2: ("NHWC", "HWIO", "NHWC"),
    3: ("NHWDC", "HWDIO", "NHWDC"),
}


def zero_insert_padding(kernel_size: int, scale: int) -> tuple[int, int]:
    """Returns the padding of the image with zeros *between* its pixels that keeps it aligned.

    With it, a kernel of `kernel_size` taps, a multiple of the scale, gives ``scale * n`` pixels
    from n, and the same ones as its sub-pixel kernel does with "SAME". It is also the padding to
    give to `jax.lax.conv_transpose`; where ``kernel_size / scale`` is odd, that is its own "SAME".

    Raises:
      ValueError: if the kernel is not a multiple of the scale.
    """
    if kernel_size % scale:
        raise ValueError(
            f'padding "SAME" needs a kernel size that is a multiple of the scale; got a size of '
            f"{kernel_size} and a scale of {scale}: give the padding as (low, high) pairs instead"
        )
    low = scale * ((kernel_size // scale - 1) // 2) + scale - 1
    return low, kernel_size + scale - 2 - low


def subpixel_conv(
    x: jax.Array,
    kernel: jax.Array,
    scale: Scale,
    *,
    bias: jax.Array | None = None,
    padding: Padding = "SAME",
    order: Order = "dcr",
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> jax.Array:
    """Upsamples by a convolution at low resolution and a pixel shuffle.

    The fast layout: no multiplication by an inserted zero.

    Args:
      x: shape (..., s1, ..., sd, in), with any number of batch axes.
      kernel: shape (k1, ..., kd, in, r**d * out).
      scale: r, one number or one for each spatial axis.
      bias: shape (r**d * out,), added before the shuffle: one number for each phase.
      padding: "SAME", "VALID" or a (low, high) pair for each axis, in low-resolution pixels.
      order: of the channels before the shuffle, as in `pixel_shuffle`.
      precision: as in `jax.lax.conv_general_dilated`.
      preferred_element_type: as in `jax.lax.conv_general_dilated`.

    Returns:
      Shape (..., r*s1, ..., r*sd, out) with "SAME".

    Raises:
      ValueError: if ranks, channels or padding do not fit, or r**d does not divide the kernel's
        outputs.
      TypeError: if the scale is not a whole number.

    Example:
      >>> import jax.numpy as jnp
      >>> subpixel_conv(jnp.ones((1, 5, 5, 32)), jnp.ones((3, 3, 32, 9)), 3).shape
      (1, 15, 15, 1)

    Reference: Shi et al., arXiv 1609.05158, section 2.2.
    """
    ndim = validate_operands(x, kernel)
    scales = scale_per_axis(scale, ndim)
    validate_padding(padding, ndim)
    convolve = _convolve_by_columns if _gains_from_columns(x, kernel) else _convolve
    low = convolve(x, kernel, padding, precision, preferred_element_type)
    if bias is not None:
        low = low + bias
    return pixel_shuffle(low, scales, order=order)


def insert_zeros(x: jax.Array, scale: Scale) -> jax.Array:
    """Puts r - 1 zeros after every pixel of each spatial axis.

    Args:
      x: shape (batch, s1, ..., sd, c).
      scale: r, one number or one for each spatial axis.

    Returns:
      Shape (batch, r*s1, ..., r*sd, c), zero but at the multiples of r.
    """
    scales = scale_per_axis(scale, x.ndim - 2)
    # Not `lax.pad` with interior padding: XLA would fold it into the convolution that follows.
    sizes = (s * r for s, r in zip(x.shape[1:-1], scales, strict=True))
    zeros = jnp.zeros((x.shape[0], *sizes, x.shape[-1]), x.dtype)
    return zeros.at[(slice(None), *(slice(None, None, r) for r in scales))].set(x)


def zero_insert_conv(
    x: jax.Array,
    kernel: jax.Array,
    scale: Scale,
    *,
    padding: Padding = "SAME",
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> jax.Array:
    """Upsamples by an ordinary convolution over the image with zeros between its pixels.

    The slow layout, as it is drawn in textbooks: most of its products are with a zero.

    Args:
      x: shape (..., s1, ..., sd, in), with any number of batch axes.
      kernel: shape (k1, ..., kd, in, out).
      scale: r, one number or one for each spatial axis.
      padding: "SAME", which needs a kernel size that is a multiple of the scale and is aligned
        with the sub-pixel layout; "VALID"; or a (low, high) pair for each axis. All count
        pixels of the image with zeros between its pixels, none after the last.
      precision: as in `jax.lax.conv_general_dilated`.
      preferred_element_type: as in `jax.lax.conv_general_dilated`.

    Returns:
      Shape (..., r*s1, ..., r*sd, out) with "SAME".

    Raises:
      ValueError: if ranks, channels or padding do not fit, or "SAME" is asked of another kernel
        size.
      TypeError: if the scale is not a whole number.

    Example:
      >>> import jax.numpy as jnp
      >>> zero_insert_conv(jnp.ones((1, 5, 5, 32)), jnp.ones((9, 9, 32, 1)), 3).shape
      (1, 15, 15, 1)

    Reference: Shi et al., arXiv 1609.07009, figure 4.
    """
    ndim = validate_operands(x, kernel)
    scales = scale_per_axis(scale, ndim)
    validate_padding(padding, ndim)
    sizes = kernel.shape[:ndim]
    pairs = upsampling_padding(sizes, scales, padding) if isinstance(padding, str) else padding
    batch = x.shape[: x.ndim - ndim - 1]
    stuffed = insert_zeros(x.reshape(-1, *x.shape[x.ndim - ndim - 1 :]), scales)
    stuffed = stuffed.reshape(*batch, *stuffed.shape[1:])
    # `insert_zeros` leaves r - 1 zeros after the last pixel, which take the place of padding.
    pairs = [(low, high - r + 1) for (low, high), r in zip(pairs, scales, strict=True)]
    return _convolve(stuffed, kernel, pairs, precision, preferred_element_type)


def upsampling_padding(
    kernel_size: Sequence[int], scales: Sequence[int], padding: str
) -> tuple[tuple[int, int], ...]:
    """Returns the pairs that a padding by name stands for in `zero_insert_conv`.

    Raises:
      ValueError: if the name is unknown, or a kernel size does not fit "SAME".
    """
    name = padding.upper()
    if name == "VALID":
        return ((0, 0),) * len(scales)
    if name == "SAME":
        sizes = zip(kernel_size, scales, strict=True)
        return tuple(zero_insert_padding(size, r) for size, r in sizes)
    raise ValueError(f'padding must be "SAME", "VALID" or (low, high) pairs; got {padding!r}')


def validate_padding(padding: Padding, ndim: int) -> None:
    """Raises ValueError unless the padding is "SAME", "VALID" or a pair for each spatial axis."""
    named = isinstance(padding, str) and padding.upper() in ("SAME", "VALID")
    if not named and np.shape(padding) != (ndim, 2):
        raise ValueError(
            f'padding must be "SAME", "VALID" or a (low, high) pair for each of {ndim} spatial '
            f"axes; got {padding!r}"
        )


def validate_operands(x: jax.Array, kernel: jax.Array) -> int:
    """Returns the number of spatial axes of a channels-last convolution of x with the kernel.

    Raises:
      ValueError: if they are not 1 to 3, or the channels of the two differ.
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


def _gains_from_columns(x: jax.Array, kernel: jax.Array) -> bool:
    """Whether the gradients of the transposed convolution by 1, a plain one, are the faster.

    They share their columns of outputs, so there must be few of those. Forward and both gradients,
    XLA's time over ours, 3x3 kernels, patches of 4 x 17x17 and 2 x 32x32 on two cores of an AMD
    EPYC, jaxlib 0.10.2:

    ======  =====  =====  ======  ======  ======  ======  ======  =======
    in, out 32, 4  32, 9  64, 12  56, 9   32, 27  64, 64  32, 48  64, 256
    4 x 17  2.47   1.69   4.46    2.00    0.66    0.79    0.65    0.72
    2 x 32  4.09   2.11   3.39    4.10    0.67    0.74    1.50    0.99
    ======  =====  =====  ======  ======  ======  ======  ======  =======
    """
    # Symbolic sizes, as in an export, have no columns.
    known = all(isinstance(size, int) for size in x.shape)
    return known and kernel.ndim == 4 and 3 * kernel.shape[-1] <= kernel.shape[-2]


def _convolve_by_columns(
    x: jax.Array,
    kernel: jax.Array,
    padding: Padding,
    precision: lax.PrecisionLike,
    preferred_element_type: DTypeLike | None,
) -> jax.Array:
    flat, strides = x.reshape(-1, *x.shape[-3:]), (1, 1)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[-3:-1], kernel.shape[:2], strides, padding)
    y = conv_transpose(
        flat,
        kernel,
        strides,
        padding,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    return y.reshape(*x.shape[:-3], *y.shape[1:])


def _convolve(
    x: jax.Array,
    kernel: jax.Array,
    padding: Padding,
    precision: lax.PrecisionLike,
    preferred_element_type: DTypeLike | None,
) -> jax.Array:
    ndim = kernel.ndim - 2
    batch = x.shape[: x.ndim - ndim - 1]
    y = lax.conv_general_dilated(
        x.reshape(-1, *x.shape[x.ndim - ndim - 1 :]),
        kernel,
        window_strides=(1,) * ndim,
        padding=padding,
        dimension_numbers=_DIMENSION_NUMBERS[ndim],
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    return y.reshape(*batch, *y.shape[1:])
