"""Transposed convolution as a matrix product with im2col or col2im, and XLA's own.

im2col copies the pixels under each kernel tap into a column of a matrix. col2im is its transpose:
it adds the columns back into an image. Along each axis the matrix takes k / s times the memory of
the image. `subpixel.ops._primitive` defines the three results and the array layouts.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from subpixel._compat import not_inlined, reshape, unfolded, zeros
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


def compute(a, b, *, result, axes, dtype, precision, method, platform) -> jax.Array:
    """Computes `subpixel.ops._primitive.contract` with JAX's own operations."""
    shape = result_shape(a, b, result, axes)
    if 0 in (*a.shape, *b.shape, *shape):
        return lax.full(shape, 0, dtype)
    common = widest(a.dtype, b.dtype)
    a, b = a.astype(common), b.astype(common)
    if method == "auto" and (platform != "cpu" or _favours_native(a, b, result, axes)):
        result = native_result(a, b, result=result, axes=axes, precision=precision)
        return result.astype(dtype)
    # Sums of half-precision numbers are accumulated in float32 and rounded once.
    accumulator = widest(common, dtype, jnp.float32)
    # Without overlap, im2col copies each element once, and a fused operation costs nothing.
    overlap = any(axis.taps > axis.stride for axis in axes)
    mark = not_inlined if platform == "cpu" and overlap else lambda y: y
    return _by_im2col(a, b, result, axes, precision, accumulator, mark).astype(dtype)


def widest(*dtypes: Any) -> Any:
    """Returns the type of a sum of floating-point types, also where JAX promotes strictly."""
    with jax.numpy_dtype_promotion("standard"):
        return functools.reduce(jnp.promote_types, dtypes)


def _by_im2col(
    a, b, result: Result, axes: tuple[Axis, ...], precision, dtype, mark: Callable
) -> jax.Array:
    """Computes the result; `mark` stops XLA from fusing other operations into a rearrangement.

    XLA's CPU compiler computes the elementwise operations before a gather anew for each element
    that the gather copies, so a cotangent that depends on the output is computed k / s times along
    each axis. `jax.lax.optimization_barrier` does not stop it.
    """
    matmul = functools.partial(_matmul, precision=precision, dtype=dtype)
    n, groups = len(axes), a.shape[-2]
    if result == "output":
        # (g, i, t * o)
        weights = b.reshape(-1, *b.shape[n:]).transpose(1, 2, 0, 3).reshape(groups, a.shape[-1], -1)
        return mark(_image(matmul(_rows(a), weights), a.shape[0], axes))
    if result == "input":
        # (g, t * o, i)
        weights = b.reshape(-1, *b.shape[n:]).transpose(1, 0, 3, 2).reshape(groups, -1, b.shape[-2])
        product = matmul(mark(_patches(a, axes)), weights).swapaxes(0, 1)
    else:
        product = matmul(_rows(a).swapaxes(1, 2), mark(_patches(b, axes)))
        product = product.reshape(*product.shape[:2], -1, b.shape[-1]).transpose(2, 0, 1, 3)
    return product.reshape(result_shape(a, b, result, axes))


def _favours_native(a, b, result: Result, axes: tuple[Axis, ...]) -> bool:
    """Returns whether XLA's own convolution was measured to be faster on a CPU.

    XLA's two gradients together were never faster, because ours share the im2col matrix. XLA's
    output was never faster in three dimensions, in float64 or with groups, where it is 3 to 200
    times slower. The table has the other cases as processor time of XLA's over ours, in float32,
    for an input of 4 x 32 x 32 x 32 (jaxlib 0.10.2, AMD EPYC, a machine with other work):

    ========================  =======  ======  ======  ======  =======  =======  =======
    taps, stride              4x4, 2   5x5, 2  7x7, 2  9x9, 2  10x10,3  5x5, 1   3x3, 1
    taps over strides         4        6.25    12.25   20.25   11.1     25       9
    1 output channel          1.98     1.08    1.67    1.67    1.60     1.56     1.11
    16 output channels        1.5      1.69    1.05    0.58    0.49     0.58     0.87
    64 (4x4: 128) channels    1.11     0.90    0.73    0.75    0.76
    ========================  =======  ======  ======  ======  =======  =======  =======
    """
    if result != "output" or len(axes) > 2 or a.dtype != jnp.float32 or a.shape[-2] > 1:
        return False
    if b.shape[-1] < 3 or not all(axis.is_plain for axis in axes):
        return False
    overlap = math.prod(axis.taps for axis in axes) / math.prod(axis.stride for axis in axes)
    return overlap > 9 or all(axis.stride == 1 for axis in axes)


def _matmul(a: jax.Array, b: jax.Array, precision, dtype) -> jax.Array:
    """(g, m, k), (g, k, n) -> (g, m, n)."""
    product = functools.partial(jnp.matmul, precision=precision, preferred_element_type=dtype)
    # XLA's CPU compiler chooses a better layout without a batch than with a batch of one.
    return product(a[0], b[0])[None] if a.shape[0] == 1 else product(a, b)


def _rows(x: jax.Array) -> jax.Array:
    """(n, s..., g, i) -> (g, n * s, i)."""
    return x.reshape(-1, *x.shape[-2:]).swapaxes(0, 1)


@functools.partial(jax.jit, static_argnames="axes")
def _patches(y: jax.Array, axes: tuple[Axis, ...]) -> jax.Array:
    """(n, q..., g, o) -> (g, n * s, t * o)."""
    taps = math.prod(axis.taps for axis in axes)
    patches = _im2col(y, axes).reshape(-1, taps, *y.shape[-2:])
    return patches.transpose(2, 0, 1, 3).reshape(y.shape[-2], -1, taps * y.shape[-1])


@functools.partial(jax.jit, static_argnames=("batch", "axes"))
def _image(product: jax.Array, batch: int, axes: tuple[Axis, ...]) -> jax.Array:
    """(g, n * s, t * o) -> (n, q..., g, o), the transpose of `_patches`."""
    sizes, taps = tuple(axis.size for axis in axes), tuple(axis.taps for axis in axes)
    features = product.shape[-1] // math.prod(taps)
    columns = product.swapaxes(0, 1).reshape(batch, *sizes, product.shape[0], *taps, features)
    return _col2im(jnp.moveaxis(columns, len(axes) + 1, -2), axes)


def _im2col(y: jax.Array, axes: tuple[Axis, ...]) -> jax.Array:
    """(n, q..., g, o) -> (n, s..., k..., g, o), zero where a tap lies outside the image."""
    for number, axis in enumerate(axes):
        index = axis.outputs()
        # (n, s1.., q, .., k1.., g, o): the new axis of taps goes behind those of earlier axes.
        y = _take(y, index, 1 + number, filled=bool((index == axis.out).any()))
        y = jnp.moveaxis(y, 2 + number, len(axes) + 1 + number)
    return y


def _col2im(columns: jax.Array, axes: tuple[Axis, ...]) -> jax.Array:
    """(n, s..., k..., g, o) -> (n, q..., g, o), the transpose of `_im2col`."""
    n = len(axes)
    # The last axis goes first: its pixels are adjacent, and XLA compiles this twice as fast.
    for number, axis in reversed(list(enumerate(axes))):
        space = 1 + number
        columns = jnp.moveaxis(columns, space + n, space + 1)
        shape = columns.shape
        columns = columns.reshape(*shape[:space], axis.size * axis.taps, *shape[space + 2 :])
        parts = [
            _take(columns, row, space, filled=bool((row == axis.size * axis.taps).any()))
            for row in axis.sources()
        ]
        if not parts:
            shape = (*columns.shape[:space], axis.out, *columns.shape[space + 1 :])
            parts = [jnp.zeros(shape, columns.dtype)]
        columns = functools.reduce(jnp.add, parts)
    return columns


def _take(x: jax.Array, index, axis: int, *, filled: bool) -> jax.Array:
    """Gathers along an axis; an index past the end gives a zero."""
    # XLA compiles a gather ten times faster than a concatenation of strided slices, and runs it
    # five times faster.
    mode = "fill" if filled else "clip"
    return jnp.take(unfolded(x), index, axis=axis, mode=mode, fill_value=0 if filled else None)


def native_result(a, b, *, result: Result, axes: tuple[Axis, ...], precision) -> jax.Array:
    """Computes the result with XLA's convolution over the dilated input, or a transpose of it."""
    third = jax.ShapeDtypeStruct(result_shape(a, b, result, axes), a.dtype)
    convolve = functools.partial(native_output, axes=axes, precision=precision)
    if result == "output":
        return convolve(a, b)
    if result == "input":
        return jax.linear_transpose(lambda x: convolve(x, b), third)(a)[0]
    return jax.linear_transpose(lambda w: convolve(a, w), third)(b)[0]


def native_output(
    x, w, *, axes: tuple[Axis, ...], precision=None, preferred_element_type=None
) -> jax.Array:
    """XLA's own transposed convolution, (n, s..., g, i), (k..., g, i, o) -> (n, q..., g, o).

    XLA's CPU compiler reads outside its arrays where a float32 convolution has a negative padding.
    A gradient has one where the padding of the forward convolution reaches beyond the kernel's
    extent. So the padding is clamped to 0..extent - 1, and the output is padded or cropped instead.
    Symbolic sizes keep their padding, because a symbolic size cannot be cropped.
    """
    groups, features = x.shape[-2:]
    n, last = len(axes), len(axes) + 1
    kernel = jnp.moveaxis(w, -3, -2)
    y = lax.conv_general_dilated(
        _join(x, groups * features),
        _join(kernel, groups * kernel.shape[-1]),
        window_strides=(1,) * n,
        padding=[_clamped(axis) for axis in axes],
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
        low, high = _clamped(axis)
        y = _resize(y, number, axis.low - low, axis.high - high)
    return reshape(y, (*y.shape[:-1], groups, w.shape[-1]), (*partition(y)[:-1], None, None))


def _join(x: jax.Array, features: int) -> jax.Array:
    """(..., g, i) -> (..., g * i)."""
    return reshape(x, (*x.shape[:-2], features), (*partition(x)[:-2], None))


def _clamped(axis: Axis) -> tuple[int, int]:
    if not isinstance(axis.size, int):
        return axis.low, axis.high
    low, high = (min(max(p, 0), axis.extent - 1) for p in (axis.low, axis.high))
    return low, high


def _resize(y: jax.Array, axis: int, before: int, after: int) -> jax.Array:
    """Adds zeros before and after, or removes as many pixels where a number is negative."""
    # Not `lax.pad`: XLA merges it into the convolution, which has a negative padding again.
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
