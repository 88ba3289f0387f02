"""PyTorch's transposed convolution: the same arguments and weights, on channels-last images."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Num

from subpixel.ops._axes import add_bias, whole_numbers, with_one_batch_axis
from subpixel.ops.conv_transpose import Method, conv_transpose


def torch_conv_transpose(
    x: Num[ArrayLike, "*batch_and_space in"],
    weight: Num[ArrayLike, "in out_of_group *taps"],
    bias: Num[ArrayLike, " out"] | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
    *,
    precision: lax.PrecisionLike = None,
    method: Method = "auto",
) -> Num[Array, "*batch_and_upsampled out"]:
    """PyTorch's `conv_transpose1d`, `2d` or `3d`, with PyTorch's arguments and weights.

    Only the input and the output differ: they are channels-last.

    Args:
      x: shape (..., s1, ..., sd, in), with any number of batch axes.
      weight: shape (in, out / groups, k1, ..., kd), as PyTorch stores it; its rank defines d.
      bias: shape (out,).
      stride: one number or one for each axis, as are padding, output_padding and dilation.
      padding: number of pixels removed from both ends of the output.
      output_padding: number of pixels added to the end of the output; smaller than the stride or
        the dilation.
      groups: number of groups of channels.
      dilation: distance between the kernel's taps.
      precision: as in `conv_transpose`.
      method: as in `conv_transpose`.

    Returns:
      Shape (..., q1, ..., qd, out) with
      ``q = (s - 1) * stride - 2 * padding + dilation * (k - 1) + output_padding + 1``.

    Raises:
      ValueError: if the arguments do not fit together, or the output would be empty.
      TypeError: if a number that must be whole is not, or the operands' types differ.

    Example:
      >>> import jax.numpy as jnp
      >>> weight = jnp.ones((16, 8, 3, 3))
      >>> torch_conv_transpose(
      ...     jnp.ones((2, 5, 5, 16)), weight, stride=2, padding=1, output_padding=1
      ... ).shape
      (2, 10, 10, 8)

    Reference: the documentation of `torch.nn.ConvTranspose2d`.
    """
    x, weight = jnp.asarray(x), jnp.asarray(weight)
    ndim = weight.ndim - 2
    if not 1 <= ndim <= 3 or x.ndim < ndim + 1:
        raise ValueError(
            f"an input of shape {x.shape} and a weight of shape {weight.shape} do not fit: the "
            "weight must be (in, out / groups, k1, ..., kd) with d = 1, 2 or 3, and the input "
            "(..., s1, ..., sd, in)"
        )
    strides = whole_numbers("stride", stride, ndim)
    cuts = whole_numbers("padding", padding, ndim, least=0)
    extras = whole_numbers("output_padding", output_padding, ndim, least=0)
    dilations = whole_numbers("dilation", dilation, ndim)
    if any(e >= max(s, d) for e, s, d in zip(extras, strides, dilations, strict=True)):
        raise ValueError(
            f"output_padding must be smaller than the stride or the dilation; got {extras} with "
            f"strides of {strides} and dilations of {dilations}"
        )
    full = [d * (k - 1) for d, k in zip(dilations, weight.shape[2:], strict=True)]
    kernel = jnp.moveaxis(weight, (0, 1), (-1, -2))
    pairs = [(f - c, f - c + e) for f, c, e in zip(full, cuts, extras, strict=True)]
    y = with_one_batch_axis(
        lambda x: conv_transpose(
            x,
            kernel,
            strides,
            pairs,
            rhs_dilation=dilations,
            transpose_kernel=True,
            precision=precision,
            feature_group_count=groups,
            method=method,
        ),
        x,
        ndim,
    )
    return add_bias(y, bias)
