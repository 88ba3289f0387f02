"""How `subpixel.ops._primitive` computes: matrix products, and columns folded and unfolded.

Unfolding lays an image out as one column of numbers for each tap; folding sums the columns back
into an image. Columns take k / s times the memory of the image, on each axis. What the three
results are is said in `subpixel.ops._primitive`, and the layouts too.
"""

import functools
import math
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from subpixel.ops._geometry import Axis

Result = Literal["output", "input", "kernel"]


def result_shape(a, b, result: Result, axes: tuple[Axis, ...]) -> tuple[int, ...]:
    """Returns the shape of what `contract` returns."""
    if result == "output":
        return (a.shape[0], *(axis.out for axis in axes), a.shape[-2], b.shape[-1])
    if result == "input":
        return (a.shape[0], *(axis.size for axis in axes), a.shape[-2], b.shape[-2])
    return (*(axis.taps for axis in axes), a.shape[-2], a.shape[-1], b.shape[-1])


def evaluate(a, b, *, result, axes, dtype, precision, method, platform) -> jax.Array:
    """Does what `subpixel.ops._primitive.contract` says, in terms of JAX's own operations."""
    shape = result_shape(a, b, result, axes)
    if 0 in (*a.shape, *b.shape, *shape):
        return jnp.zeros(shape, dtype)
    common = jnp.promote_types(a.dtype, b.dtype)
    a, b = a.astype(common), b.astype(common)
    if method == "auto" and (platform != "cpu" or _favours_native(a, b, result, axes)):
        return _native(a, b, result, axes, shape, precision).astype(dtype)
    # Sums of half-precision numbers are kept in float32 and rounded once.
    wide = jnp.promote_types(jnp.promote_types(common, dtype), jnp.float32)
    return _by_columns(a, b, result, axes, precision, wide).astype(dtype)


def _by_columns(a, b, result: Result, axes: tuple[Axis, ...], precision, dtype) -> jax.Array:
    matmul = functools.partial(_matmul, precision=precision, dtype=dtype)
    n, taps, groups = len(axes), tuple(axis.taps for axis in axes), a.shape[-2]
    if result == "output":
        # (g, i, t * o)
        weights = b.reshape(-1, *b.shape[n:]).transpose(1, 2, 0, 3).reshape(groups, a.shape[-1], -1)
        product = matmul(_rows(a), weights).swapaxes(0, 1)
        product = product.reshape(*a.shape[:-2], groups, *taps, b.shape[-1])
        return _fold(jnp.moveaxis(product, n + 1, -2), axes)
    if result == "input":
        # (g, t * o, i)
        weights = b.reshape(-1, *b.shape[n:]).transpose(1, 0, 3, 2).reshape(groups, -1, b.shape[-2])
        product = matmul(_columns(a, axes), weights).swapaxes(0, 1)
    else:
        product = matmul(_rows(a).swapaxes(1, 2), _columns(b, axes))
        product = product.reshape(*product.shape[:2], -1, b.shape[-1]).transpose(2, 0, 1, 3)
    return product.reshape(result_shape(a, b, result, axes))


def _favours_native(a, b, result: Result, axes: tuple[Axis, ...]) -> bool:
    """Whether XLA's own convolution was measured to be faster on a CPU.

    Its two gradients together never were: ours share their columns. Nor was its output in three
    dimensions, in float64 or with groups, where it is from three to two hundred times slower. The
    rest, float32 over 4 x 32 x 32 x 32 on a machine with other work, jaxlib 0.10.2 on an AMD EPYC,
    in processor time of native over ours:

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
    # XLA reads beyond its arrays under some negative paddings.
    if b.shape[-1] < 3 or min((min(axis.low, axis.high) for axis in axes), default=0) < 0:
        return False
    overlap = math.prod(axis.taps for axis in axes) / math.prod(axis.stride for axis in axes)
    return overlap > 9 or all(axis.stride == 1 for axis in axes)


def _matmul(a: jax.Array, b: jax.Array, precision, dtype) -> jax.Array:
    """(g, m, k), (g, k, n) -> (g, m, n)."""
    product = functools.partial(jnp.matmul, precision=precision, preferred_element_type=dtype)
    # XLA's CPU compiler lays a product without a batch out better than one with a batch of one.
    return product(a[0], b[0])[None] if a.shape[0] == 1 else product(a, b)


def _rows(x: jax.Array) -> jax.Array:
    """(n, s..., g, i) -> (g, n * s, i)."""
    return x.reshape(-1, *x.shape[-2:]).swapaxes(0, 1)


def _columns(y: jax.Array, axes: tuple[Axis, ...]) -> jax.Array:
    """(n, q..., g, o) -> (g, n * s, t * o)."""
    taps = math.prod(axis.taps for axis in axes)
    columns = _unfold(y, axes).reshape(-1, taps, *y.shape[-2:])
    return columns.transpose(2, 0, 1, 3).reshape(y.shape[-2], -1, taps * y.shape[-1])


def _unfold(y: jax.Array, axes: tuple[Axis, ...]) -> jax.Array:
    """(n, q..., g, o) -> (n, s..., k..., g, o), zero where a tap falls outside."""
    for number, axis in enumerate(axes):
        index = axis.outputs()
        # (n, s1.., q, .., k1.., g, o): the taps join those of the axes already done.
        y = _take(y, index, 1 + number, filled=bool((index == axis.out).any()))
        y = jnp.moveaxis(y, 2 + number, len(axes) + 1 + number)
    return y


def _fold(columns: jax.Array, axes: tuple[Axis, ...]) -> jax.Array:
    """(n, s..., k..., g, o) -> (n, q..., g, o), the transpose of `_unfold`."""
    n = len(axes)
    # The last axis first: its pixels lie closest together, and XLA compiles it twice as fast.
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
    # A gather, not slices that are stacked: XLA compiles it ten times faster, and runs it five
    # times faster, than a concatenation of strided slices.
    mode = "fill" if filled else "clip"
    return jnp.take(x, index, axis=axis, mode=mode, fill_value=0 if filled else None)


def _native(a, b, result: Result, axes: tuple[Axis, ...], shape, precision) -> jax.Array:
    """The same by XLA's convolution over the dilated input, and by its transposes."""
    third = jax.ShapeDtypeStruct(shape, a.dtype)
    convolve = functools.partial(native_output, axes=axes, precision=precision)
    if result == "output":
        return convolve(a, b)
    if result == "input":
        return jax.linear_transpose(lambda x: convolve(x, b), third)(a)[0]
    return jax.linear_transpose(lambda w: convolve(a, w), third)(b)[0]


def native_output(
    x, w, *, axes: tuple[Axis, ...], precision=None, preferred_element_type=None
) -> jax.Array:
    """XLA's own transposed convolution, (n, s..., g, i), (k..., g, i, o) -> (n, q..., g, o)."""
    *batch, groups, features = x.shape
    kernel = jnp.moveaxis(w, -3, -2)
    n = len(axes)
    last = n + 1
    y = lax.conv_general_dilated(
        x.reshape(*batch, groups * features),
        kernel.reshape(*kernel.shape[:-2], -1),
        window_strides=(1,) * n,
        padding=[(axis.low, axis.high) for axis in axes],
        lhs_dilation=[axis.stride for axis in axes],
        rhs_dilation=[axis.dilation for axis in axes],
        dimension_numbers=lax.ConvDimensionNumbers(
            (0, last, *range(1, last)), (last, n, *range(n)), (0, last, *range(1, last))
        ),
        feature_group_count=groups,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    return y.reshape(*y.shape[:-1], groups, -1)
