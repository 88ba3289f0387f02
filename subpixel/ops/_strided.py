"""The three results of `subpixel.ops._primitive` as parts of one strided convolution.

Let C be the convolution of the output with the reversed kernel, with the strides of the transposed
convolution as its own. Then the transposed convolution is C's input gradient, the gradient of the
input is C itself, and the gradient of the kernel is C's kernel gradient. None of the three has an
inserted zero or a column in memory where a library has these three passes, as cuDNN does.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from subpixel._compat import unknown
from subpixel.ops._geometry import Axis
from subpixel.ops._native import (
    Result,
    clamped,
    join_channels,
    native_output,
    resize,
    result_of,
)


def strided_result(
    a,
    b,
    *,
    result: Result,
    axes: tuple[Axis, ...],
    precision,
    preferred_element_type=None,
    keep_reversal: bool,
) -> jax.Array:
    """Computes the result.

    `keep_reversal` is that of `native_output`, for XLA's GPU compiler.
    """
    if result == "kernel":
        return _kernel_gradient(a, b, axes, precision)
    output = functools.partial(native_output, keep_reversal=keep_reversal and result == "output")
    return result_of(output, a, b, result, axes, precision, preferred_element_type)


def _kernel_gradient(x: jax.Array, y: jax.Array, axes: tuple[Axis, ...], precision) -> jax.Array:
    """(n, s..., g, i), (n, q..., g, o) -> (k..., g, i, o)."""
    n, last, groups = len(axes), len(axes) + 1, x.shape[-2]
    pads = [clamped(axis) for axis in axes]
    for number, (axis, (low, high)) in enumerate(zip(axes, pads, strict=True), start=1):
        y = resize(y, number, low - axis.low, high - axis.high)

    def strided(w: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            join_channels(y),
            w,
            window_strides=[axis.stride for axis in axes],
            padding=[
                (axis.extent - 1 - low, axis.extent - 1 - high)
                for axis, (low, high) in zip(axes, pads, strict=True)
            ],
            rhs_dilation=[axis.dilation for axis in axes],
            dimension_numbers=lax.ConvDimensionNumbers(
                (0, last, *range(1, last)), (last, n, *range(n)), (0, last, *range(1, last))
            ),
            feature_group_count=groups,
            precision=precision,
        )

    shape = (*(axis.taps for axis in axes), y.shape[-1], groups * x.shape[-1])
    (w,) = jax.linear_transpose(strided, unknown(shape, x))(join_channels(x))
    w = jnp.flip(w, range(n)).reshape(*shape[:-1], groups, x.shape[-1])
    return jnp.moveaxis(w, n, -1)
