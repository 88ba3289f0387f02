"""The transposed convolution: a faster `jax.lax.conv_transpose`, with groups.

On a CPU, XLA computes the gradient of the kernel as a convolution whose kernel is as large as the
image. In three dimensions it computes the output as a convolution over the zero-inserted input.
This module computes each of them as a matrix product and a rearrangement: see
`subpixel.ops._primitive`.
"""

import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Num

from subpixel._choices import validate_choice
from subpixel._compat import explicit_sharding, reshape, resolve_precision
from subpixel.ops._axes import Padding, partition, whole_numbers
from subpixel.ops._compute import compute
from subpixel.ops._geometry import Axis, resolve_padding
from subpixel.ops._methods import Method
from subpixel.ops._native import native_output
from subpixel.ops._plain import is_plain
from subpixel.ops._primitive import contract

# XLA's own convolution computes integer, complex and 8-bit types.
_FLOATS = ("float64", "float32", "bfloat16", "float16")


def conv_transpose(
    lhs: Num[ArrayLike, "*input"],
    rhs: Num[ArrayLike, "*kernel"],
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
) -> Num[Array, "*output"]:
    """Transposed convolution: `jax.lax.conv_transpose`, several times faster, with groups.

    Results, gradients of every order and behaviour under JAX's transformations are those of
    `jax.lax.conv_transpose`, so this function can replace it without other changes.

    Args:
      lhs: shape (n, s1, ..., sd, in), or as `dimension_numbers` says.
      rhs: the kernel, shape (k1, ..., kd, in / groups, out); with `transpose_kernel`
        (k1, ..., kd, out / groups, in).
      strides: stride for each spatial axis.
      padding: "SAME" (s * n pixels from n) or "VALID", both as in TensorFlow and Keras, or a
        (low, high) pair for each axis, which may be negative. As in JAX, another name, such as
        "valid" in lower case, is the padding of an ordinary convolution and needs strides of 1.
      rhs_dilation: distance between the kernel's taps for each axis (default: 1).
      dimension_numbers: as in `jax.lax.conv_general_dilated` (default: channels last).
      transpose_kernel: whether the kernel is that of PyTorch, TensorFlow and Keras: spatially
        reversed, with its channels swapped.
      precision: as in `jax.lax.conv_general_dilated`.
      preferred_element_type: type of the accumulation and the result, not narrower than the
        operands' type.
      use_consistent_padding: whether pairs are the padding of the forward convolution, as in
        PyTorch, instead of the padding of the zero-inserted input.
      feature_group_count: number of groups of channels; each group has its own kernel.
      method: "im2col" for a matrix product and a rearrangement; "polyphase" for one convolution of
        stride 1 and a pixel shuffle; "strided" for the parts of one strided convolution, which are
        single calls of cuDNN; "native" for JAX's own convolution; "auto" for the best of them on
        the platform that the program is compiled for: the fastest as measured on a CPU, by the
        compiled programs on CUDA and TPU (tables in `subpixel.ops._methods`), "native" elsewhere.

    Returns:
      Shape (n, q1, ..., qd, out), or as `dimension_numbers` says.

    Raises:
      ValueError: if ranks, channels, groups, strides, dilations or padding do not fit together, or
        the output of an input that is not empty would be empty.
      TypeError: if the operands' types differ, or `preferred_element_type` is narrower.

    Example:
      >>> import jax.numpy as jnp
      >>> conv_transpose(jnp.ones((1, 5, 5, 32)), jnp.ones((4, 4, 32, 8)), (2, 2), "SAME").shape
      (1, 10, 10, 8)

    Reference: Shi et al., "Is the deconvolution layer the same as a convolutional layer?",
    arXiv 1609.07009.
    """
    validate_choice("method", method, Method)
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
    x = reshape(x, (*x.shape[:-1], groups, x.shape[-1] // groups), (*partition(x)[:-1], None, None))
    w = _split_groups(w, groups, transposed=transpose_kernel)
    y = _dispatch(x, w, axes, precision, preferred_element_type, method)
    y = reshape(y, (*y.shape[:-2], y.shape[-2] * y.shape[-1]), (*partition(y)[:-2], None))
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
    split = reshape(
        w, (*w.shape[:-1], groups, w.shape[-1] // groups), (*partition(w)[:-1], None, None)
    )
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
    strides = whole_numbers("strides", strides, n, repeat=False)
    dilations = (
        (1,) * n if dilation is None else whole_numbers("rhs_dilation", dilation, n, repeat=False)
    )
    if 0 in taps:
        raise ValueError(f"a kernel of {taps} taps is empty: every size must be at least 1")
    extents = [d * (k - 1) + 1 for k, d in zip(taps, dilations, strict=True)]
    pairs = resolve_padding(padding, sizes, extents, strides, consistent=consistent)
    each = zip(sizes, taps, strides, dilations, *zip(*pairs, strict=True), strict=True)
    axes = tuple(Axis(*numbers) for numbers in each) if n else ()
    # The output of a symbolic size, as in an export, is known only where it is called.
    if any(isinstance(axis.size, int) and axis.size and axis.out < 1 for axis in axes):
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

    if not _is_served(x, w) or method == "native":
        return native(x, w)
    dtype = x.dtype
    if preferred_element_type is not None:
        dtype = jax.eval_shape(native, x, w).dtype  # JAX's own check of the type
    if not is_plain():
        return contract(
            x, w, result="output", axes=axes, dtype=dtype, precision=precision, method=method
        )
    return compute(
        x,
        w,
        result="output",
        axes=axes,
        dtype=dtype,
        precision=resolve_precision(precision),
        method=method,
        platform=None,
    )


def _is_served(x: jax.Array, w: jax.Array) -> bool:
    """Returns whether the primitive computes these: real types, known sizes, no explicit mesh."""
    if x.dtype.name not in _FLOATS:
        return False
    if not all(isinstance(size, int) for size in (*x.shape, *w.shape)):
        return False
    return explicit_sharding(x) is None and explicit_sharding(w) is None
