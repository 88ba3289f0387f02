"""One upsampling, three layouts: exact conversions between their kernels and biases.

With a scale of r, low-resolution kernels of k taps and d dimensions, the layouts are

| name | kernel's shape | computed as |
| --- | --- | --- |
| `subpixel` | `(k, ..., in, r**d * out)` | a convolution, then `pixel_shuffle` |
| `zero_insert` | `(k*r, ..., in, out)` | zeros between the pixels, then a convolution |
| `conv_transpose` | `(k*r, ..., in, out)` | `jax.lax.conv_transpose`, stride r |

Per dimension, over the zero-inserted image, output pixel ``r*q + b`` of phase ``b`` uses only
every r-th tap. These taps are the low-resolution kernel of that phase (a polyphase decomposition)::

    zero_insert[r*t + r-1-b] = subpixel[t, phase b]        t in 0..k-1, b in 0..r-1

`jax.lax.conv_transpose` does not reverse its kernel, so its kernel is that of zero insertion. The
kernel of PyTorch, TensorFlow and Keras is the same with every spatial axis reversed and with
(out, in) at the end: `transpose_kernel=True` here, as in JAX.

With "SAME", `subpixel.subpixel_conv` and `subpixel.zero_insert_conv` give the same image for every
k. "SAME" of `conv_transpose` is that of JAX and TensorFlow: if k is odd, the image is the same; if
k is even, it is shifted by ceil(r / 2) pixels towards its end, such as by 1 for a 4x4 kernel with
strides of 2. With the padding `same_padding` it is the same for every k.

Reference: Shi et al., "Is the deconvolution layer the same as a convolutional layer?",
arXiv 1609.07009.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Shaped

from subpixel.ops._axes import whole_numbers
from subpixel.ops.conv import zero_insert_padding
from subpixel.ops.pixel_shuffle import (
    Order,
    Scale,
    join_phases,
    scale_per_axis,
    split_phases,
    validate_order,
)

Layout = Literal["subpixel", "conv_transpose", "zero_insert"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def validate_layout(name: str) -> None:
    """Raises ValueError if `name` is not the name of a layout."""
    if name not in LAYOUTS:
        raise ValueError(f"unknown layout {name!r}: it must be one of {', '.join(LAYOUTS)}")


def convert(
    kernel: Shaped[ArrayLike, "*source_taps source_in source_out"],
    scale: Scale,
    source: Layout,
    target: Layout,
    *,
    order: Order = "dcr",
    transpose_kernel: bool = False,
) -> Shaped[Array, "*target_taps target_in target_out"]:
    """Converts a kernel to another layout: the same linear map, the same numbers in another order.

    With "SAME" the three layouts give the same image, but if k is even, `conv_transpose` needs the
    padding `same_padding` for it.

    Args:
      kernel: of the shape that the table above gives for `source`, of any type that JAX has.
      scale: r, one number or one for each spatial axis.
      source: the layout of `kernel`.
      target: the new layout.
      order: order of the channels of the sub-pixel layout.
      transpose_kernel: whether the kernel of the transposed convolution is the reversed one of
        PyTorch, TensorFlow and Keras, shaped (k*r, ..., out, in).

    Returns:
      The kernel in the layout `target`, of the same type.

    Raises:
      ValueError: if the shape does not fit, or a layout or order is unknown.
      TypeError: if the scale is not a whole number, or JAX would change the kernel's type, as of
        NumPy's float64 and int64 without x64.

    Example:
      >>> import jax.numpy as jnp
      >>> taps = jnp.arange(4).reshape(4, 1, 1)
      >>> convert(taps, 2, "zero_insert", "subpixel")[:, 0]
      Array([[1, 0],
             [3, 2]], dtype=int32)
    """
    validate_layout(source)
    validate_layout(target)
    validate_order(order)
    kernel = _as_jax(kernel)
    if not 3 <= kernel.ndim <= 5:
        raise ValueError(
            f"a kernel has 1 to 3 spatial axes and two of channels; got the shape {kernel.shape}"
        )
    scales = scale_per_axis(scale, kernel.ndim - 2)
    if source == target:
        return kernel
    if source == "conv_transpose" and transpose_kernel:
        kernel = transpose(kernel)
    if source == "subpixel":
        kernel = _merge_phases(kernel, scales, order)
    elif target == "subpixel":
        kernel = _split_phases(kernel, scales, order)
    if target == "conv_transpose" and transpose_kernel:
        kernel = transpose(kernel)
    return kernel


def same_padding(kernel_size: int | Sequence[int], scale: Scale) -> tuple[tuple[int, int], ...]:
    """Returns the padding of `conv_transpose` that equals "SAME" of `subpixel.subpixel_conv`.

    A transposed convolution with a converted kernel, strides of r and this padding gives r*s pixels
    from s, and the same values as the sub-pixel convolution, for every k. `conv_transpose`'s own
    "SAME" is this padding if k is odd.

    Args:
      kernel_size: k*r, the size of the transposed convolution's kernel for each spatial axis; one
        number means one axis.
      scale: r, one number or one for each spatial axis.

    Returns:
      A (low, high) pair for each spatial axis. `subpixel.conv_transpose`, JAX's and the layers
      `ConvTranspose` take it, and so does `subpixel.zero_insert_conv`.

    Raises:
      ValueError: if a size is not a multiple of the scale.
      TypeError: if a size or the scale is not a whole number.

    Example:
      >>> same_padding((4, 4), 2)
      ((1, 3), (1, 3))
    """
    sizes = whole_numbers("kernel_size", kernel_size, None)
    scales = scale_per_axis(scale, len(sizes))
    return tuple(zero_insert_padding(size, r) for size, r in zip(sizes, scales, strict=True))


def transpose(kernel: Shaped[ArrayLike, "*taps a b"]) -> Shaped[Array, "*taps b a"]:
    """Reverses every spatial axis and swaps the channels, (k, ..., a, b) -> (k, ..., b, a).

    This turns the kernel of `jax.lax.conv_transpose` into that of its `transpose_kernel=True`, and
    back.

    Raises:
      TypeError: if JAX would change the kernel's type.

    Example:
      >>> import jax.numpy as jnp
      >>> transpose(jnp.arange(6).reshape(3, 1, 2))[:, :, 0]
      Array([[4, 5],
             [2, 3],
             [0, 1]], dtype=int32)
    """
    kernel = _as_jax(kernel)
    return jnp.flip(kernel, range(kernel.ndim - 2)).swapaxes(-1, -2)


def _as_jax(array: ArrayLike) -> jax.Array:
    """Converts to an array of JAX of the same type.

    Raises:
      TypeError: if JAX would change the type: digits or the upper bits would be lost.
    """
    converted = jnp.asarray(array)
    dtype = getattr(array, "dtype", converted.dtype)
    if converted.dtype != dtype:
        raise TypeError(
            f"an array of {dtype} would become {converted.dtype} in JAX: convert it first, with "
            f'.astype("{converted.dtype}"), or enable x64'
        )
    return converted


def _merge_phases(kernel: jax.Array, scales: tuple[int, ...], order: Order) -> jax.Array:
    """(k1, ..., in, r**d * out) -> (k1*r1, ..., in, out)."""
    ndim = len(scales)
    phases = split_phases(kernel, scales, order)
    phases = jnp.flip(phases, range(ndim + 1, 2 * ndim + 1))
    interleaved = [axis for i in range(ndim) for axis in (i, ndim + 1 + i)]
    taps = phases.transpose(*interleaved, ndim, phases.ndim - 1)
    sizes = (k * r for k, r in zip(kernel.shape, scales, strict=False))
    return taps.reshape(*sizes, kernel.shape[-2], phases.shape[-1])


def _split_phases(kernel: jax.Array, scales: tuple[int, ...], order: Order) -> jax.Array:
    """(k1*r1, ..., in, out) -> (k1, ..., in, r**d * out)."""
    ndim = len(scales)
    sizes = kernel.shape[:ndim]
    if any(size % r for size, r in zip(sizes, scales, strict=True)):
        raise ValueError(
            f"a kernel of {sizes} taps has no sub-pixel kernel at a scale of {scales}: every size "
            "must be a multiple of the scale (append zeros to the kernel's end to make it one)"
        )
    pairs = [n for size, r in zip(sizes, scales, strict=True) for n in (size // r, r)]
    taps = kernel.reshape(*pairs, *kernel.shape[ndim:])
    lr, phase = range(0, 2 * ndim, 2), range(1, 2 * ndim, 2)
    phases = jnp.flip(taps, phase).transpose(*lr, 2 * ndim, *phase, 2 * ndim + 1)
    return join_phases(phases, ndim, order)


def reorder(
    array: Shaped[ArrayLike, "*shape phases_of_out"],
    scale: Scale,
    source: Order,
    target: Order,
    *,
    ndim: int = 2,
) -> Shaped[Array, "*shape phases_of_out"]:
    """Changes the channel order of a sub-pixel kernel, a bias, or the input of a pixel shuffle.

    Args:
      array: shape (..., r**d * out).
      scale: r, one number or one for each spatial axis.
      source: current order of the last axis.
      target: new order.
      ndim: d, the number of spatial axes.

    Returns:
      The same shape, with the last axis reordered.

    Raises:
      ValueError: if r**d does not divide the last axis, or an order is unknown.
      TypeError: if the scale is not a whole number, or JAX would change the array's type.

    Example:
      >>> import jax.numpy as jnp
      >>> reorder(jnp.arange(8), 2, "dcr", "crd")
      Array([0, 2, 4, 6, 1, 3, 5, 7], dtype=int32)
    """
    phases = split_phases(_as_jax(array), scale_per_axis(scale, ndim), source)
    return join_phases(phases, ndim, target)


def bias_to_phases(
    bias: Shaped[ArrayLike, " out"], scale: Scale, *, order: Order = "dcr", ndim: int = 2
) -> Shaped[Array, " phases_of_out"]:
    """Repeats a bias for each phase, (out,) -> (r**d * out,), as the sub-pixel layout needs it.

    Args:
      bias: shape (out,).
      scale: r, one number or one for each spatial axis.
      order: order of the channels of the sub-pixel layout.
      ndim: d, the number of spatial axes.

    Returns:
      Shape (r**d * out,).

    Raises:
      ValueError: if the bias has another number of axes than one, or the order is unknown.
      TypeError: if the scale is not a whole number, or JAX would change the bias's type.
    """
    scales, bias = scale_per_axis(scale, ndim), _as_jax(bias)
    if bias.ndim != 1:
        raise ValueError(f"a bias has one axis, the output channels; got the shape {bias.shape}")
    return join_phases(jnp.broadcast_to(bias, (*scales, bias.shape[-1])), ndim, order)


def bias_from_phases(
    bias: Shaped[ArrayLike, " phases_of_out"], scale: Scale, *, order: Order = "dcr", ndim: int = 2
) -> Shaped[Array, " out"]:
    """Joins a bias that is the same in every phase, (r**d * out,) -> (out,).

    Args:
      bias: shape (r**d * out,).
      scale: r, one number or one for each spatial axis.
      order: order of the channels of the sub-pixel layout.
      ndim: d, the number of spatial axes.

    Returns:
      Shape (out,).

    Raises:
      ValueError: if it differs between phases: then a single bias cannot give the same function.
        The check reads the values, so this function does not work under `jax.jit`.
      TypeError: if the scale is not a whole number, or JAX would change the bias's type.
    """
    phases = split_phases(_as_jax(bias), scale_per_axis(scale, ndim), order)
    shared = phases.reshape(-1, phases.shape[-1])
    if not bool((shared == shared[0]).all()):
        raise ValueError(
            "the bias differs between the phases, so no single bias per output channel gives the "
            "same function: keep it as it is and add it with subpixel.nnx.PhaseBias"
        )
    return shared[0]


def from_torch_conv(weight: Shaped[ArrayLike, "out in *taps"]) -> Shaped[Array, "*taps in out"]:
    """PyTorch's `ConvNd` weight (out, in, k, ...) -> (k, ..., in, out).

    Before a `torch.nn.PixelShuffle` the outputs are in the order "crd": see `reorder`.

    Raises:
      TypeError: if JAX would change the weight's type.
    """
    return jnp.moveaxis(_as_jax(weight), (0, 1), (-1, -2))


def from_torch_conv_transpose(
    weight: Shaped[ArrayLike, "in out *taps"],
) -> Shaped[Array, "*taps in out"]:
    """PyTorch's `ConvTransposeNd` weight (in, out, k, ...) -> (k, ..., in, out), reversed.

    The result is the default kernel of `jax.lax.conv_transpose`.

    Raises:
      TypeError: if JAX would change the weight's type.
    """
    transposed = jnp.moveaxis(_as_jax(weight), (0, 1), (-1, -2))
    return transpose(transposed)
