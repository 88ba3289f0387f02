"""The JAX primitive under `subpixel.conv_transpose`: three contractions that are one family.

A transposed convolution relates an input x, a kernel w and a cotangent y of the output through the
number ``sum y[q] * x[i] * w[t]`` over all ``q = s*i + low - d*t``. The derivative with respect to
one of the three is a function of the other two, linear in each:

========  ==========  =====================================================
result    from        meaning
========  ==========  =====================================================
"output"  x and w     the transposed convolution
"input"   y and w     the gradient of the input: a strided convolution of y
"kernel"  x and y     the gradient of the kernel
========  ==========  =====================================================

The transpose of each of the three is another of the three, so one primitive gives derivatives of
every order in forward and reverse mode. Each is one matrix product and a rearrangement by fixed
indices (im2col of y, or col2im), and none multiplies by an inserted zero.

The arrays have an axis of groups: x (n, s..., g, i), w (k..., g, i, o), y (n, q..., g, o).
`subpixel.ops._rules` adds the rules for JAX's other transformations.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.typing import DTypeLike

from subpixel._compat import (
    mark_varying,
    resolve_precision,
    varying_axes,
)
from subpixel.ops._compute import compute
from subpixel.ops._geometry import Axis
from subpixel.ops._methods import Method, operands
from subpixel.ops._native import Result, result_shape

primitive = Primitive("subpixel_conv_transpose")

# The position of an array's axes of groups and channels, and that of its batch.
_LETTERS = {
    "input": {"n": 0, "g": -2, "i": -1},
    "output": {"n": 0, "g": -2, "o": -1},
    "kernel": {"g": -3, "i": -2, "o": -1},
}


def contract(
    a: jax.Array,
    b: jax.Array,
    *,
    result: Result,
    axes: tuple[Axis, ...],
    dtype: DTypeLike,
    precision: lax.PrecisionLike = None,
    method: Method = "auto",
) -> jax.Array:
    """Contracts two of (input, output, kernel), in this order, to the third.

    Args:
      a: the first operand; the module's table and array layouts say which.
      b: the second operand.
      result: which of the three to return.
      axes: geometry of each spatial axis.
      dtype: type of the result.
      precision: precision of the matrix product, as in `jax.lax.dot_general`.
      method: as in `subpixel.conv_transpose`.
    """
    varying = [varying_axes(v) for v in (a, b)]
    # In shard_map, a replicated kernel meets a sharded input. The mark makes the transposition
    # sum the kernel's gradient over the devices, as it does for JAX's own operations.
    a, b = (
        mark_varying(v, tuple(sorted((varying[0] | varying[1]) - own)))
        if (varying[0] | varying[1]) - own
        else v
        for v, own in zip((a, b), varying, strict=True)
    )
    return primitive.bind(
        a,
        b,
        result=result,
        axes=axes,
        dtype=jnp.dtype(dtype),
        # It is resolved here, because at lowering a context of `jax.default_matmul_precision` may
        # have ended.
        precision=resolve_precision(precision),
        method=method,
    )


def _abstract(a, b, *, result, axes, dtype, **_):
    return a.update(shape=result_shape(a, b, result, axes), dtype=dtype, weak_type=False)


@functools.partial(
    jax.jit, static_argnames=("result", "axes", "dtype", "precision", "method"), inline=True
)
def _compiled(a, b, **params):
    return primitive.bind(a, b, **params)


def _eager(a, b, **params):
    if jax.config.jax_disable_jit:  # pyright: ignore[reportAttributeAccessIssue]
        return compute(a, b, **params, platform=jax.default_backend())
    return _compiled(a, b, **params)


def _transpose(number: int, cotangent, a, b, *, result, dtype, **params):
    """Returns the gradient of operand `number`: the contraction to that operand."""
    del dtype
    names = operands(result)
    operand = (a, b)[number]
    known = {result: cotangent, names[1 - number]: (a, b)[1 - number]}
    first, second = operands(names[number])
    return contract(
        known[first],
        known[second],
        result=names[number],
        dtype=operand.aval.dtype,
        **params,
    )


def _batch(arrays, dims, *, result, **params):
    """Merges the mapped axis into an axis that one operand and the result have: batch or channels.

    If both operands are mapped, every example becomes a group.
    """
    names = operands(result)
    mapped = [dim is not None for dim in dims]
    if all(mapped):
        letter = "g"
    else:
        operand = names[mapped.index(True)]
        (letter,) = (set(_LETTERS[operand]) & set(_LETTERS[result])) - {"g"}
    count, length = 0, 0
    merged = []
    for name, array, dim in zip(names, arrays, dims, strict=True):
        if dim is not None:
            position = _LETTERS[name][letter] % (array.ndim - 1)
            array = jnp.moveaxis(array, dim, position)
            count, length = array.shape[position : position + 2]
            shape = (*array.shape[:position], count * length, *array.shape[position + 2 :])
            array = array.reshape(shape)
        merged.append(array)
    out = contract(*merged, result=result, **params)
    position = _LETTERS[result][letter] % out.ndim
    return (
        out.reshape(*out.shape[:position], count, length, *out.shape[position + 1 :]),
        position,
    )


def _lowering(platform: str | None):
    return mlir.lower_fun(functools.partial(compute, platform=platform), multiple_results=False)


primitive.def_abstract_eval(_abstract)
primitive.def_impl(_eager)
ad.defbilinear(primitive, functools.partial(_transpose, 0), functools.partial(_transpose, 1))
batching.primitive_batchers[primitive] = _batch
mlir.register_lowering(primitive, _lowering(None))
for _platform in ("cpu", "cuda", "tpu"):
    mlir.register_lowering(primitive, _lowering(_platform), platform=_platform)
