"""Transposed convolution as a matrix product with im2col or col2im.

im2col copies the pixels under each kernel tap into a column of a matrix. col2im is its transpose:
it adds the columns back into an image. Along each axis the matrix takes k / s times the memory of
the image. `subpixel.ops._primitive` defines the three results and the array layouts.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subpixel._compat import not_constant_folded
from subpixel.ops._geometry import Axis
from subpixel.ops._native import Result, result_shape

# Entries of an index table that is a constant of the program, 64 KiB.
MAX_CONSTANT = 2**14


def im2col_result(
    a, b, result: Result, axes: tuple[Axis, ...], precision, dtype, mark: Callable
) -> jax.Array:
    """Computes the result; `mark` stops XLA from fusing other operations into a rearrangement.

    XLA's CPU compiler repeats the elementwise operations before a gather for each element that the
    gather copies, so a cotangent that depends on the output is computed k / s times along each
    axis. `jax.lax.optimization_barrier` does not prevent this.
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
        # (n, s1.., q, .., k1.., g, o): the new axis of taps follows those of earlier axes.
        index, past_end = _table(axis.outputs, axis.size * axis.taps, axis.out)
        y = _take(y, index, 1 + number, filled=past_end.any())
        y = jnp.moveaxis(y, 2 + number, len(axes) + 1 + number)
    return y


def _col2im(columns: jax.Array, axes: tuple[Axis, ...]) -> jax.Array:
    """(n, s..., k..., g, o) -> (n, q..., g, o), the transpose of `_im2col`."""
    n = len(axes)
    # The loop starts with the last axis, whose pixels are adjacent: XLA compiles it twice as fast.
    for number, axis in reversed(list(enumerate(axes))):
        space = 1 + number
        columns = jnp.moveaxis(columns, space + n, space + 1)
        shape = columns.shape
        columns = columns.reshape(*shape[:space], axis.size * axis.taps, *shape[space + 2 :])
        rows = zip(*_table(axis.sources, columns.shape[space], columns.shape[space]), strict=True)
        parts = [_take(columns, row, space, filled=past_end) for row, past_end in rows]
        columns = functools.reduce(jnp.add, parts)
    return columns


def _table(make: Callable, entries: int, end: int) -> tuple[Any, np.ndarray]:
    """Returns an index table, and for each row whether it has an index past the end.

    A small table is a constant of the program, a large one is computed there.

    XLA fuses the arithmetic of a computed table into the gathers, and in three dimensions LLVM then
    took more than ten minutes. Only long signals have large tables: the columns of large images in
    two and three dimensions exceed the memory that a choice may need.
    """
    table = make(np)
    return table if entries <= MAX_CONSTANT else make(jnp), (table == end).any(-1)


def _take(x: jax.Array, index, axis: int, *, filled: Any) -> jax.Array:
    """Gathers along an axis; an index past the end gives a zero."""
    # XLA compiles a gather ten times faster than a concatenation of strided slices, and runs it
    # five times faster.
    mode = "fill" if filled else "clip"
    fill_value = 0 if filled else None
    return jnp.take(not_constant_folded(x), index, axis=axis, mode=mode, fill_value=fill_value)
