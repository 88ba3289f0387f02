"""The primitive under `subpixel.conv_transpose`: one trilinear form, read three ways.

A transposed convolution pairs an input x, a kernel w and an output's cotangent y to the number
``sum y[q] * x[i] * w[t]`` over all ``q = s*i + low - d*t``. Leaving one of the three out gives the
three operations of training, and each is bilinear in the other two:

========  ==========  =====================================================
result    from        it is
========  ==========  =====================================================
"output"  x and w     the transposed convolution
"input"   y and w     the gradient of its input, a strided convolution of y
"kernel"  x and y     the gradient of its kernel
========  ==========  =====================================================

The family is closed under transposition, so one primitive gives derivatives of every order, in
either direction. Each is one matrix product beside a rearrangement by fixed indices, *unfolding* y
into a column for every tap, or *folding* such columns back by summing the ``ceil(k / s)`` that fall
on one output pixel: no product with an inserted zero, for any geometry.

The primitive's arrays have an axis of groups: x (n, s..., g, i), w (k..., g, i, o),
y (n, q..., g, o).
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.typing import DTypeLike

from subpixel.ops._geometry import Axis
from subpixel.ops._im2col import Result, evaluate, result_shape

Method = Literal["auto", "subpixel"]

_primitive = Primitive("subpixel_conv_transpose")

# The position of an array's axes of groups and channels, and that of its batch.
_LETTERS = {
    "input": {"n": 0, "g": -2, "i": -1},
    "output": {"n": 0, "g": -2, "o": -1},
    "kernel": {"g": -3, "i": -2, "o": -1},
}
_OPERANDS: dict[Result, tuple[Result, Result]] = {
    "output": ("input", "kernel"),
    "input": ("output", "kernel"),
    "kernel": ("input", "output"),
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
      a: the first operand; see the table and the layouts above.
      b: the second.
      result: which of the three to return.
      axes: the geometry of each spatial axis.
      dtype: of the result.
      precision: of the matrix product, as in `jax.lax.dot_general`.
      method: "subpixel", or "auto" to choose what is fastest where it was measured.
    """
    vma = [_varying_axes(v) for v in (a, b)]
    # In shard_map, a replicated kernel meets a sharded input: as every operation of JAX does, say
    # so here, and the transposition sums the kernel's gradient over the devices.
    a, b = (
        lax.pcast(v, tuple(sorted((vma[0] | vma[1]) - own)), to="varying")
        if (vma[0] | vma[1]) - own
        else v
        for v, own in zip((a, b), vma, strict=True)
    )
    return _primitive.bind(
        a, b, result=result, axes=axes, dtype=jnp.dtype(dtype), precision=precision, method=method
    )


def _varying_axes(v: jax.Array) -> frozenset[str]:
    aval = jax.typeof(v)
    kind = getattr(aval, "manual_axis_type", None)  # since JAX 0.10; before, `vma`
    return frozenset(getattr(aval, "vma", ()) if kind is None else kind.varying)


def _abstract(a, b, *, result, axes, dtype, **_):
    return a.update(shape=result_shape(a, b, result, axes), dtype=dtype, weak_type=False)


@functools.partial(
    jax.jit, static_argnames=("result", "axes", "dtype", "precision", "method"), inline=True
)
def _compiled(a, b, **params):
    return _primitive.bind(a, b, **params)


def _eager(a, b, **params):
    if jax.config.jax_disable_jit:  # pyright: ignore[reportAttributeAccessIssue]
        return evaluate(a, b, **params, platform=jax.default_backend())
    return _compiled(a, b, **params)


def _transpose(number: int, cotangent, a, b, *, result, dtype, **params):
    """The gradient of operand `number`: the same form, contracted to that operand."""
    del dtype
    names = _OPERANDS[result]
    operand = (a, b)[number]
    known = {result: cotangent, names[1 - number]: (a, b)[1 - number]}
    first, second = _OPERANDS[names[number]]
    return contract(
        known[first],
        known[second],
        result=names[number],
        dtype=operand.aval.dtype,
        **params,
    )


def _batch(arrays, dims, *, result, **params):
    """Folds a mapped axis into the axis that nothing is summed over and one operand lacks.

    If both operands are mapped, every example is a group.
    """
    names = _OPERANDS[result]
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
    return mlir.lower_fun(functools.partial(evaluate, platform=platform), multiple_results=False)


_primitive.def_abstract_eval(_abstract)
_primitive.def_impl(_eager)
ad.defbilinear(_primitive, functools.partial(_transpose, 0), functools.partial(_transpose, 1))
batching.primitive_batchers[_primitive] = _batch
mlir.register_lowering(_primitive, _lowering(None))
mlir.register_lowering(_primitive, _lowering("cpu"), platform="cpu")
