"""The method of each result of `subpixel.ops._primitive`, and the choice of the fastest one."""

import functools
import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from subpixel._compat import not_inlined
from subpixel.ops._geometry import Axis
from subpixel.ops._im2col import im2col_result
from subpixel.ops._native import Result, native_result, result_shape
from subpixel.ops._polyphase import grid, polyphase_result, product_ratio
from subpixel.ops._strided import strided_result

Method = Literal["auto", "im2col", "polyphase", "strided", "native"]


def compute(
    a,
    b,
    *,
    result: Result,
    axes: tuple[Axis, ...],
    dtype,
    precision,
    method: Method,
    platform: str | None,
) -> jax.Array:
    """Computes `subpixel.ops._primitive.contract` with JAX's own operations."""
    shape = result_shape(a, b, result, axes)
    if 0 in (*a.shape, *b.shape, *shape):
        return lax.full(shape, 0, dtype)
    common = widest(a.dtype, b.dtype)
    a, b = a.astype(common), b.astype(common)
    if method == "auto":
        method = fastest_method(a, b, result, axes) if platform == "cpu" else "native"
    if method != "im2col":
        computations = {"native": native_result, "polyphase": polyphase_result}
        computation = computations.get(method) or functools.partial(
            strided_result, keep_reversal=platform == "cuda"
        )
        # A result that is wider than its operands is also accumulated so.
        wide = None if widest(common, dtype) == common else dtype
        y = computation(
            a, b, result=result, axes=axes, precision=precision, preferred_element_type=wide
        )
        return y.astype(dtype)
    # Sums of half-precision numbers are accumulated in float32 and rounded once.
    accumulator = widest(common, dtype, jnp.float32)
    # Without overlap, im2col copies each element once, and a fused operation costs nothing.
    overlap = any(axis.taps > axis.stride for axis in axes)
    mark = not_inlined if platform == "cpu" and overlap else lambda y: y
    return im2col_result(a, b, result, axes, precision, accumulator, mark).astype(dtype)


def widest(*dtypes: Any) -> Any:
    """Returns the type of a sum of floating-point types, also where JAX promotes strictly."""
    with jax.numpy_dtype_promotion("standard"):
        return functools.reduce(jnp.promote_types, dtypes)


def fastest_method(a, b, result: Result, axes: tuple[Axis, ...]) -> Method:
    """Returns the method that was measured to be the fastest on a CPU.

    The gradients always use im2col. XLA's gradient of the kernel is 3 to 200 times slower. XLA's
    gradient of the input alone is up to 2.6 times as fast, but it saves nothing if the gradient of
    the kernel is needed too, because both gradients then share one im2col matrix. XLA's output is
    slower in three dimensions, in float64 and with groups. The table has the processor time of the
    output in ms by im2col / XLA's convolution / polyphase, "SAME", float32, for an input of
    4 x 32 x 32 with 32 or 128 channels (jaxlib 0.10.2, Intel Xeon with AVX-512, a machine with
    other work, minimum of 8 rounds). The product ratio is that of `product_ratio`:

    ============  =============  ==================  ===================  =====================
    taps, stride  product ratio  32 to 1 channels    32 to 16             128 to 64
    2x2, 2        1.00           0.15 / 0.16 / 0.22  0.52 / 0.90 / 0.59   4.5 / 5.4 / 4.7
    3x3, 2        1.89           0.33 / 0.27 / 0.67  1.13 / 1.39 / 1.31   8.8 / 10.2 / 12.7
    4x4, 2        1.06           0.27 / 0.41 / 0.59  2.74 / 3.48 / 2.13   18.7 / 19.2 / 13.4
    5x5, 2        1.44           0.44 / 0.54 / 0.31  3.83 / 4.84 / 1.86   25.2 / 26.6 / 23.8
    6x6, 2        1.00           0.44 / 0.53 / 0.28  4.50 / 7.66 / 2.18   48.9 / 49.7 / 24.1
    7x7, 2        1.39           0.86 / 0.86 / 1.19  7.69 / 9.84 / 4.44   101 / 70 / 46
    9x9, 2        1.23           1.05 / 1.28 / 0.53  32.5 / 16.1 / 4.3
    3x3, 3        1.00           0.20 / 0.35 / 0.23  1.33 / 2.26 / 1.25   11.7 / 14.2 / 11.8
    9x9, 3        1.00           0.90 / 1.15 / 0.64  10.6 / 16.7 / 4.6
    10x10, 3      1.53           1.69 / 1.63 / 2.86  37.7 / 20.6 / 7.6
    3x3, 1        1.00           0.22 / 0.24 / 0.18  1.19 / 0.60 / 0.51   8.9 / 6.1 / 5.9
    ============  =============  ==================  ===================  =====================

    With one output channel, polyphase is slower where its result has to be cropped. With 32 or more
    its unused products count: 5x5, 2 with 64 to 32 channels takes 7.5 / 8.0 / 8.3, and on an AMD
    EPYC 12.1 / 15.4 / 13.1, where XLA's convolution uses two threads and polyphase's one. Where the
    kernel is larger than the output, as in a vocoder, the rearrangement of the kernel takes as much
    time as the method saves.
    ``python benchmarks/conv_transpose.py --method METHOD`` measures one method.
    """
    if result != "output" or len(axes) > 2 or a.dtype != jnp.float32 or a.shape[-2] > 1:
        return "im2col"
    overlap = math.prod(axis.taps for axis in axes) / math.prod(axis.stride for axis in axes)
    is_plain = all(axis.is_plain for axis in axes)
    has_channels = b.shape[-1] >= 3
    if all(axis.stride == 1 for axis in axes):  # polyphase is XLA's convolution
        return "native" if has_channels and is_plain else "im2col"
    is_small = math.prod(b.shape) <= math.prod(result_shape(a, b, result, axes))
    many_products = 1.4 if b.shape[-1] >= 32 and overlap <= 9 else 1.6
    if overlap > 1 and is_small and product_ratio(axes) < many_products:
        cropped = any(grid(axis).size > axis.size for axis in axes)
        if has_channels or not cropped:
            return "polyphase"
    return "native" if overlap > 9 and has_channels and is_plain else "im2col"
