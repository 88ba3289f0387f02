"""The three results of `subpixel.ops._primitive` by XLA's own convolution."""

import functools
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from subpixel._compat import reshape, unknown, zeros
from subpixel.ops._axes import partition
from subpixel.ops._geometry import Axis

Result = Literal["output", "input", "kernel"]


def result_shape(a, b, result: Result, axes: tuple[Axis, ...]) -> tuple[int, ...]:
    """Returns the shape of the result of `contract`."""
    if result == "output":
        return (a.shape[0], *(axis.out for axis in axes), a.shape[-2], b.shape[-1])
    if result == "input":
        return (a.shape[0], *(axis.size for axis in axes), a.shape[-2], b.shape[-2])
    return (*(axis.taps for axis in axes), a.shape[-2], a.shape[-1], b.shape[-1])


def native_result(
    a, b, *, result: Result, axes: tuple[Axis, ...], precision, preferred_element_type=None
) -> jax.Array:
    """Computes the result with XLA's convolution over the dilated input, or a transpose of it."""
    return result_of(native_output, a, b, result, axes, precision, preferred_element_type)


def result_of(
    output: Callable[..., jax.Array],
    a,
    b,
    result: Result,
    axes: tuple[Axis, ...],
    precision,
    preferred_element_type,
) -> jax.Array:
    """Computes a result from a function of the output, as the function or a transpose of it.

    `preferred_element_type` is that of the output. A gradient has the type of its operands.
    """
    if result == "output":
        return output(
            a, b, axes=axes, precision=precision, preferred_element_type=preferred_element_type
        )
    third = unknown(result_shape(a, b, result, axes), a)
    convolve = functools.partial(output, axes=axes, precision=precision)
    if result == "input":
        return jax.linear_transpose(lambda x: convolve(x, b), third)(a)[0]
    return jax.linear_transpose(lambda w: convolve(a, w), third)(b)[0]


def native_output(
    x,
    w,
    *,
    axes: tuple[Axis, ...],
    precision=None,
    preferred_element_type=None,
    keep_reversal: bool = False,
) -> jax.Array:
    """XLA's own transposed convolution, (n, s..., g, i), (k..., g, i, o) -> (n, q..., g, o).

    XLA's CPU compiler reads outside its arrays where a float32 convolution has a negative padding.
    A gradient has one where the padding of the forward convolution reaches beyond the kernel's
    extent. So the padding is clamped to 0..extent - 1, and the output is padded or cropped instead.
    Symbolic sizes keep their padding, because a symbolic size cannot be cropped.

    `keep_reversal` reverses the kernel twice. XLA's GPU compiler recognises the input gradient of a
    strided convolution by a reversed kernel (`conv_rewriter.cc`), and otherwise writes the
    zero-inserted image into memory. Without a barrier XLA would cancel the two reversals.
    """
    groups, n, last = x.shape[-2], len(axes), len(axes) + 1
    kernel = join_channels(jnp.moveaxis(w, -3, -2))
    if keep_reversal and any(axis.taps > 1 for axis in axes):
        kernel = lax.rev(lax.optimization_barrier(lax.rev(kernel, range(n))), range(n))
    y = lax.conv_general_dilated(
        join_channels(x),
        kernel,
        window_strides=(1,) * n,
        padding=[clamped(axis) for axis in axes],
        lhs_dilation=[axis.stride for axis in axes],
        rhs_dilation=[axis.dilation for axis in axes],
        dimension_numbers=lax.ConvDimensionNumbers(
            (0, last, *range(1, last)), (last, n, *range(n)), (0, last, *range(1, last))
        ),
        feature_group_count=groups,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    for number, axis in enumerate(axes, start=1):
        low, high = clamped(axis)
        y = resize(y, number, axis.low - low, axis.high - high)
    return reshape(y, (*y.shape[:-1], groups, w.shape[-1]), (*partition(y)[:-1], None, None))


def join_channels(x: jax.Array) -> jax.Array:
    """(..., g, i) -> (..., g * i)."""
    return reshape(x, (*x.shape[:-2], x.shape[-2] * x.shape[-1]), (*partition(x)[:-2], None))


def clamped(axis: Axis) -> tuple[int, int]:
    """Returns the padding of the axis, at least 0 and less than the kernel's extent."""
    if not isinstance(axis.size, int):
        return axis.low, axis.high
    low, high = (min(max(p, 0), axis.extent - 1) for p in (axis.low, axis.high))
    return low, high


def resize(y: jax.Array, axis: int, before: int, after: int) -> jax.Array:
    """Adds zeros before and after, or removes as many pixels where a number is negative."""
    # XLA merges `lax.pad` into the convolution, whose padding is then negative again.
    shape = list(y.shape)
    parts = [y]
    for count, index in ((before, 0), (after, 1)):
        if count > 0:
            shape[axis] = count
            parts.insert(index and len(parts), zeros(tuple(shape), y))
    if len(parts) > 1:
        y = lax.concatenate(parts, axis)
    if min(before, after) < 0:
        y = lax.slice_in_dim(y, max(-before, 0), y.shape[axis] - max(-after, 0), axis=axis)
    return y
