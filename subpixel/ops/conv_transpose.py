"""The transposed convolution, exact and fast: `jax.lax.conv_transpose` with groups.

On a CPU, XLA computes the gradient of the kernel by a convolution whose window is as large as the
image, and in three dimensions even the result by one over the input with zeros between its pixels.
Here all are a matrix product and a rearrangement: see `subpixel.ops._primitive`.
"""

import operator
from collections.abc import Sequence
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType
from jax.typing import ArrayLike, DTypeLike

from subpixel.ops._geometry import Axis, resolve_padding, whole_numbers
from subpixel.ops._im2col import native_output
from subpixel.ops._primitive import contract

Padding = str | Sequence[tuple[int, int]]
Method = Literal["auto", "subpixel", "native"]

# Integers, complex and 8-bit numbers are left to XLA.
_FLOATS = ("float64", "float32", "bfloat16", "float16")


def conv_transpose(
    lhs: ArrayLike,
    rhs: ArrayLike,
    strides: Sequence[int],
    padding: Padding,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    transpose_kernel: bool = False,
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
    use_consistent_padding: bool = False,
    *,
    feature_group_count: int = 1,
    method: Method = "auto",
) -> jax.Array:
    """Transposed convolution: `jax.lax.conv_transpose`, several times faster, with groups.

    Results, gradients of every order and behaviour under JAX's transformations are those of
    `jax.lax.conv_transpose`, which this replaces as it stands.

    Args:
      lhs: shape (n, s1, ..., sd, in), or as `dimension_numbers` says.
      rhs: the kernel, shape (k1, ..., kd, in / groups, out); with `transpose_kernel`
        (k1, ..., kd, out / groups, in).
      strides: of each spatial axis.
      padding: "SAME" (s * n pixels from n), "VALID", both as in TensorFlow and Keras, or a
        (low, high) pair for each axis, which may be negative.
      rhs_dilation: distance between the kernel's taps on each axis; by default 1.
      dimension_numbers: as in `jax.lax.conv_general_dilated`; by default channels last.
      transpose_kernel: whether the kernel is the painted one of PyTorch, TensorFlow and Keras,
        spatially reversed and with its channels swapped.
      precision: as in `jax.lax.conv_general_dilated`.
      preferred_element_type: of the accumulation and the result, no narrower than the operands'.
      use_consistent_padding: whether pairs mean the padding of the forward convolution, as in
        PyTorch, rather than that around the zero-inserted input.
      feature_group_count: groups of channels that are convolved each with its own kernel.
      method: "subpixel" for the matrix product and rearrangement; "native" for XLA's convolution;
        "auto" for what was measured to be faster on CPU (the table stands in
        `subpixel.ops._im2col`), and "native" elsewhere, where nothing has been measured:
        ``python -m subpixel bench conv-transpose --method subpixel`` measures it there.

    Returns:
      Shape (n, q1, ..., qd, out), or as `dimension_numbers` says.

    Raises:
      ValueError: if ranks, channels, groups, strides, dilations or padding do not fit together, or
        the output would be empty.
      TypeError: if the operands' types differ, or `preferred_element_type` is narrower than they.

    Example:
      >>> import jax.numpy as jnp
      >>> conv_transpose(jnp.ones((1, 5, 5, 32)), jnp.ones((4, 4, 32, 8)), (2, 2), "SAME").shape
      (1, 10, 10, 8)

    Reference: Shi et al., "Is the deconvolution layer the same as a convolutional layer?",
    arXiv 1609.07009.
    """
    if method not in get_args(Method):
        raise ValueError(f'method must be "auto", "subpixel" or "native"; got {method!r}')
    lhs, rhs = jnp.asarray(lhs), jnp.asarray(rhs)
    numbers = _dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    if lhs.dtype != rhs.dtype:
        raise TypeError(
            f"the input is {lhs.dtype} and the kernel {rhs.dtype}: convert one of them, they must "
            "be of the same type"
        )
    (batch, features, *space), (outputs, inputs, *taps), out_spec = numbers
    x = lhs.transpose(batch, *space, features)
    w = rhs.transpose(*taps, inputs, outputs)
    groups = operator.index(feature_group_count)
    _validate_channels(x.shape, w.shape, groups, transpose_kernel)
    axes = _axes(
        x.shape, w.shape, strides, padding, rhs_dilation, consistent=use_consistent_padding
    )
    x = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    w = _split_groups(w, groups, transposed=transpose_kernel)
    y = _dispatch(x, w, axes, precision, preferred_element_type, method)
    y = y.reshape(*y.shape[:-2], y.shape[-2] * y.shape[-1])
    return y.transpose(np.argsort((out_spec[0], *out_spec[2:], out_spec[1])))


def _dimension_numbers(
    lhs: tuple[int, ...], rhs: tuple[int, ...], numbers: Any
) -> lax.ConvDimensionNumbers:
    rank = len(lhs)
    if rank != len(rhs) or rank < 2:
        raise ValueError(
            f"an input of shape {lhs} and a kernel of shape {rhs} do not fit: both must have the "
            "same number of axes, d spatial ones and two more"
        )
    if numbers is not None:
        return lax.conv_dimension_numbers(lhs, rhs, numbers)
    if rank > 5:
        raise ValueError(
            f"an input of shape {lhs} has {rank - 2} spatial axes: give dimension_numbers, there "
            "is no default for more than 3"
        )
    n = rank - 2
    image = (0, n + 1, *range(1, n + 1))
    return lax.ConvDimensionNumbers(image, (n + 1, n, *range(n)), image)


def _validate_channels(
    x: tuple[int, ...], w: tuple[int, ...], groups: int, transposed: bool
) -> None:
    """Takes channels-last shapes."""
    if groups < 1:
        raise ValueError(f"feature_group_count must be at least 1; got {groups}")
    inputs, outputs = w[-2:]
    if transposed:
        inputs, outputs = outputs, inputs * groups
        takes = inputs
        if inputs % groups:
            raise ValueError(
                f"feature_group_count must divide the kernel's inputs; got {groups} for {inputs} "
                f"(kernel of shape {w}, channels last)"
            )
    else:
        takes = inputs * groups
        if outputs % groups:
            raise ValueError(
                f"feature_group_count must divide the kernel's outputs; got {groups} for "
                f"{outputs} (kernel of shape {w}, channels last)"
            )
    if x[-1] != takes:
        grouped = f" in {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"the input has {x[-1]} channels and the kernel takes {takes}{grouped} (shapes {x} "
            f"and {w}, channels last): they must be equal"
        )


def _split_groups(w: jax.Array, groups: int, *, transposed: bool) -> jax.Array:
    """(k..., i, g * o), or transposed (k..., o, g * i), -> (k..., g, i, o)."""
    split = w.reshape(*w.shape[:-1], groups, w.shape[-1] // groups)
    if transposed:
        split = jnp.flip(split, range(w.ndim - 2))
        return jnp.moveaxis(split, -3, -1)
    return split.swapaxes(-3, -2)


def _axes(
    x: tuple[int, ...],
    w: tuple[int, ...],
    strides: Sequence[int],
    padding: Padding,
    dilation: Sequence[int] | None,
    *,
    consistent: bool,
) -> tuple[Axis, ...]:
    """Takes channels-last shapes."""
    sizes, taps = x[1:-1], w[:-2]
    n = len(sizes)
    strides = whole_numbers("strides", strides, n)
    dilations = (1,) * n if dilation is None else whole_numbers("rhs_dilation", dilation, n)
    if 0 in taps:
        raise ValueError(f"a kernel of {taps} taps has none: every size must be at least 1")
    extents = [d * (k - 1) + 1 for k, d in zip(taps, dilations, strict=True)]
    pairs = resolve_padding(padding, sizes, extents, strides, consistent=consistent)
    columns = zip(sizes, taps, strides, dilations, *zip(*pairs, strict=True), strict=True)
    axes = tuple(Axis(*column) for column in columns) if n else ()
    if any(axis.out < 1 for axis in axes):
        raise ValueError(
            f"the output would be empty, {tuple(axis.out for axis in axes)}: an input of {sizes} "
            f"with strides of {strides}, padding {pairs} around the zero-inserted input and a "
            f"kernel that spans {tuple(extents)}; (size - 1) * stride + low + high + 2 must "
            "exceed the span on every axis"
        )
    return axes


def _dispatch(
    x: jax.Array,
    w: jax.Array,
    axes: tuple[Axis, ...],
    precision: lax.PrecisionLike,
    preferred_element_type: DTypeLike | None,
    method: Method,
) -> jax.Array:
    """Takes and returns the layouts of `subpixel.ops._primitive`."""

    def native(x: jax.Array, w: jax.Array) -> jax.Array:
        return native_output(
            x, w, axes=axes, precision=precision, preferred_element_type=preferred_element_type
        )

    if method == "native" or not _is_served(x, w):
        return native(x, w)
    dtype = x.dtype
    if preferred_element_type is not None:
        dtype = jax.eval_shape(native, x, w).dtype  # JAX's own check of the type
    return contract(
        x, w, result="output", axes=axes, dtype=dtype, precision=precision, method=method
    )


def _is_served(x: jax.Array, w: jax.Array) -> bool:
    """Whether the types are real, the sizes known, and the placement left to the compiler."""
    if x.dtype.name not in _FLOATS:
        return False
    if not all(isinstance(size, int) for size in (*x.shape, *w.shape)):
        return False
    kinds = (kind for v in (x, w) for kind in jax.typeof(v).sharding.mesh.axis_types)
    return AxisType.Explicit not in kinds
