"""Flax Linen modules: the counterparts of `subpixel.nnx`, with the same parameters.

The number of input channels comes from the input, as in Linen, and options are fields.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from flax.typing import Dtype, Initializer, PrecisionLike
from jax.typing import ArrayLike
from jaxtyping import Array, Num, Shaped

from subpixel._flax import as_tuples, validate_axes
from subpixel.ops._axes import Padding, add_bias, is_single, whole_numbers
from subpixel.ops.conv import hashable_padding, subpixel_conv, zero_insert_conv
from subpixel.ops.pixel_shuffle import (
    Order,
    Scale,
    hashable_scale,
    pixel_shuffle,
    scale_per_axis,
    validate_order,
)


class PixelShuffle(nn.Module):
    """Rearranges channels into space: `subpixel.pixel_shuffle` as a layer.

    Attributes:
      scale: r, one number for every axis between the first and the last, or one for each.
      order: "dcr" (TensorFlow) or "crd" (PyTorch).

    Raises:
      ValueError: if the scale is less than 2, or the order is unknown.
      TypeError: if the scale is not a whole number.

    Example:
      >>> PixelShuffle(2).apply({}, jnp.array([[[0, 1], [2, 3]]]))[0, :, 0]
      Array([0, 1, 2, 3], dtype=int32)
    """

    scale: Scale
    order: Order = "dcr"

    def __post_init__(self):
        validate_order(self.order)
        self.scale = hashable_scale(self.scale)
        super().__post_init__()

    def __call__(
        self, x: Shaped[ArrayLike, "*batch_and_space phases_of_c"]
    ) -> Shaped[Array, "*batch_and_upsampled c"]:
        """(..., s1, ..., sd, r**d * c) -> (..., r*s1, ..., r*sd, c)."""
        return pixel_shuffle(x, self.scale, order=self.order)


class _Upsampling(nn.Module):
    """Parameters of an upsampling layer with an ordinary convolution, and their promotion."""

    features: int
    kernel_size: int | Sequence[int]
    scale: Scale
    padding: Padding = "SAME"
    use_bias: bool = True
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32
    precision: PrecisionLike = None
    kernel_init: Initializer = nn.initializers.lecun_normal()
    bias_init: Initializer = nn.initializers.zeros_init()

    def __post_init__(self):
        sizes = whole_numbers("kernel_size", self.kernel_size, None)
        self.kernel_size = sizes[0] if is_single(self.kernel_size) else sizes
        self.scale = hashable_scale(self.scale)
        self.padding = hashable_padding(self.padding, len(sizes))
        self.precision = as_tuples(self.precision)
        super().__post_init__()

    def _scales_and_operands(
        self, x: ArrayLike, *, phases: bool
    ) -> tuple[tuple[int, ...], jax.Array, jax.Array, jax.Array | None]:
        """Returns the scale of each axis, and the promoted input, kernel and bias."""
        inputs = jnp.asarray(x)
        sizes = whole_numbers("kernel_size", self.kernel_size, None)
        scales = scale_per_axis(self.scale, len(sizes))
        validate_axes(self.kernel_size, inputs.shape)
        outputs = self.features * (math.prod(scales) if phases else 1)
        kernel_shape = (*sizes, inputs.shape[-1], outputs)
        kernel = self.param("kernel", self.kernel_init, kernel_shape, self.param_dtype)
        bias = None
        if self.use_bias:
            bias = self.param("bias", self.bias_init, (outputs,), self.param_dtype)
        inputs, kernel, bias = promote_dtype(inputs, kernel, bias, dtype=self.dtype)
        return scales, inputs, kernel, bias


class SubpixelConv(_Upsampling):
    """A convolution at low resolution and a pixel shuffle: the fast layout.

    Attributes:
      features: number of output channels.
      kernel_size: k for each spatial axis, in low-resolution pixels; one number means one
        axis, and then images are refused.
      scale: r, one number or one for each spatial axis.
      padding: "SAME", "VALID" or (low, high) pairs, in low-resolution pixels.
      use_bias: whether to add a bias for each phase, r**d * features numbers.
      dtype: type of the computation (default: promoted from input and parameters).
      param_dtype: type of the parameters.
      precision: as in `jax.lax.conv_general_dilated`.
      kernel_init: initializer of the kernel (k1, ..., kd, in, r**d * features);
        `subpixel.initializers.icnr` avoids an initial checkerboard pattern.
      bias_init: initializer of the bias (r**d * features,).
      order: order of the channels before the shuffle, as in `subpixel.pixel_shuffle`.

    Raises:
      ValueError: if the scale is less than 2, an argument does not fit the axes, or the order is
        unknown; in a call, if the input's channels do not fit, or `kernel_size` is one number and
        the input has more than three axes.
      TypeError: if a size or the scale is not a whole number.

    Example:
      >>> layer = SubpixelConv(features=1, kernel_size=(3, 3), scale=3)
      >>> y, variables = layer.init_with_output(jax.random.key(0), jnp.ones((1, 17, 17, 32)))
      >>> y.shape, variables["params"]["kernel"].shape
      ((1, 51, 51, 1), (3, 3, 32, 9))
    """

    order: Order = "dcr"

    def __post_init__(self):
        validate_order(self.order)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, x: Num[ArrayLike, "*batch_and_space in"]
    ) -> Num[Array, "*batch_and_upsampled features"]:
        """(..., s1, ..., sd, in) -> (..., r*s1, ..., r*sd, features)."""
        scales, x, kernel, bias = self._scales_and_operands(x, phases=True)
        return subpixel_conv(
            x,
            kernel,
            scales,
            bias=bias,
            padding=self.padding,
            order=self.order,
            precision=self.precision,
        )


class ZeroInsertConv(_Upsampling):
    """A convolution over the zero-inserted image: the slow layout.

    Attributes:
      features: number of output channels.
      kernel_size: size for each spatial axis, in high-resolution pixels; one number means one
        axis, and then images are refused. With "SAME" it must be a multiple of the scale.
      scale: r, one number or one for each spatial axis.
      padding: "SAME", "VALID" or (low, high) pairs, as in `subpixel.zero_insert_conv`.
      use_bias: whether to add a bias for each output channel.
      dtype: type of the computation (default: promoted from input and parameters).
      param_dtype: type of the parameters.
      precision: as in `jax.lax.conv_general_dilated`.
      kernel_init: initializer of the kernel (k1, ..., kd, in, features).
      bias_init: initializer of the bias (features,).

    Raises:
      ValueError: if the scale is less than 2 or an argument does not fit the axes; in a call, if
        the input's channels do not fit, or `kernel_size` is one number and the input has more than
        three axes.
      TypeError: if a size or the scale is not a whole number.

    Example:
      >>> layer = ZeroInsertConv(features=1, kernel_size=(9, 9), scale=3)
      >>> y, variables = layer.init_with_output(jax.random.key(0), jnp.ones((1, 17, 17, 32)))
      >>> y.shape, variables["params"]["kernel"].shape
      ((1, 51, 51, 1), (9, 9, 32, 1))
    """

    @nn.compact
    def __call__(
        self, x: Num[ArrayLike, "*batch_and_space in"]
    ) -> Num[Array, "*batch_and_upsampled features"]:
        """(..., s1, ..., sd, in) -> (..., r*s1, ..., r*sd, features)."""
        scales, x, kernel, bias = self._scales_and_operands(x, phases=False)
        y = zero_insert_conv(x, kernel, scales, padding=self.padding, precision=self.precision)
        return add_bias(y, bias)
