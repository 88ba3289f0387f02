"""Computes the results of `subpixel.ops._primitive` with JAX's own operations, by a method."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from subpixel._compat import not_inlined, whole_along
from subpixel.ops._geometry import Axis
from subpixel.ops._im2col import im2col_result
from subpixel.ops._methods import Method, choose, operands
from subpixel.ops._native import Result, native_result, result_shape
from subpixel.ops._polyphase import polyphase_result
from subpixel.ops._strided import strided_result


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
    """Computes `subpixel.ops._primitive.contract`.

    Args:
      a: the first operand.
      b: the second operand.
      result: the result to compute.
      axes: geometry of each spatial axis.
      dtype: type of the result.
      precision: as from `subpixel._compat.resolve_precision`.
      method: as in `subpixel.conv_transpose`.
      platform: JAX's name of the platform that the program is for, or None.
    """
    shape = result_shape(a, b, result, axes)
    if 0 in (*a.shape, *b.shape, *shape):
        return lax.full(shape, 0, dtype)
    common = widest(a.dtype, b.dtype)
    # A kernel has no axis before its spatial ones, an image that of the batch.
    first = [int(name != "kernel") for name in operands(result)]
    a, b = (
        whole_along(v.astype(common), range(start, start + len(axes)))
        for v, start in zip((a, b), first, strict=True)
    )
    if method == "auto":
        method = choose(a, b, result, axes, platform)
    if method == "im2col":
        # Sums of half-precision numbers are accumulated in float32 and rounded once.
        accumulator = widest(common, dtype, jnp.float32)
        # Without overlap, im2col copies each element once, and a fused operation costs nothing.
        overlap = any(axis.taps > axis.stride for axis in axes)
        mark = not_inlined if platform == "cpu" and overlap else lambda y: y
        return im2col_result(a, b, result, axes, precision, accumulator, mark).astype(dtype)
    computation = {
        "native": native_result,
        "polyphase": polyphase_result,
        "strided": functools.partial(strided_result, keep_reversal=platform == "cuda"),
    }[method]
    # A result that is wider than its operands is also accumulated so.
    wide = None if widest(common, dtype) == common else dtype
    y = computation(
        a, b, result=result, axes=axes, precision=precision, preferred_element_type=wide
    )
    return y.astype(dtype)


def widest(*dtypes: Any) -> Any:
    """Returns the type of a sum of floating-point types, also where JAX promotes strictly."""
    with jax.numpy_dtype_promotion("standard"):
        return functools.reduce(jnp.promote_types, dtypes)
