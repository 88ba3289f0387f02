"""Flax NNX layers: thin modules over the functions of `subpixel`.

Signatures follow Flax: sizes first, options by keyword, `rngs` last.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn.dtypes import promote_dtype
from flax.typing import Dtype, Initializer, PrecisionLike
from jax.typing import ArrayLike
from jaxtyping import Array, Num, Shaped

from subpixel._compat import no_parameter
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

_kernel_init = nnx.initializers.lecun_normal()
_bias_init = nnx.initializers.zeros_init()


class PixelShuffle(nnx.Module):
    """Rearranges channels into space: `subpixel.pixel_shuffle` as a layer.

    Args:
      scale: r, one number for every axis between the first and the last, or one for each.
      order: "dcr" (TensorFlow) or "crd" (PyTorch).

    Raises:
      ValueError: if the scale is less than 2, or the order is unknown.
      TypeError: if the scale is not a whole number.

    Example:
      >>> PixelShuffle(2)(jnp.array([[[0, 1], [2, 3]]]))[0, :, 0]
      Array([0, 1, 2, 3], dtype=int32)
    """

    def __init__(self, scale: Scale, *, order: Order = "dcr"):
        validate_order(order)
        self.scale = hashable_scale(scale)
        self.order: Order = order

    def __call__(
        self, x: Shaped[ArrayLike, "*batch_and_space phases_of_c"]
    ) -> Shaped[Array, "*batch_and_upsampled c"]:
        """(..., s1, ..., sd, r**d * c) -> (..., r*s1, ..., r*sd, c)."""
        return pixel_shuffle(x, self.scale, order=self.order)


class PhaseBias(nnx.Module):
    """Adds a bias that repeats with the scale: one number for each phase and channel.

    It has the effect of a bias of the convolution before a pixel shuffle, but is added after the
    shuffle, so it can be used with every layout. With a scale of 1 it is an ordinary bias.

    Args:
      features: number of input channels, c.
      scale: r for each of the d spatial axes.
      param_dtype: type of the parameter.
      bias_init: initializer of the parameter, shape (r**d * c,) in the order "dcr".
      rngs: random streams.

    Raises:
      ValueError: if a scale is less than 1; in a call, if the input's channels or sizes do not fit.
      TypeError: if the scale is not a sequence of whole numbers.

    Example:
      >>> from flax import nnx
      >>> PhaseBias(3, (2, 2), rngs=nnx.Rngs(0))(jnp.ones((1, 4, 4, 3))).shape
      (1, 4, 4, 3)
    """

    def __init__(
        self,
        features: int,
        scale: Sequence[int],
        *,
        param_dtype: Dtype = jnp.float32,
        bias_init: Initializer = _bias_init,
        rngs: nnx.Rngs,
    ):
        self.scale = whole_numbers("scale", scale, None, repeat=False)
        shape = (math.prod(self.scale) * features,)
        self.bias = nnx.Param(bias_init(rngs.params(), shape, param_dtype))

    def __call__(self, x: Num[Array, "*shape c"]) -> Num[Array, "*shape c"]:
        """(..., r*s1, ..., r*sd, c) -> the same shape."""
        ndim, phases = len(self.scale), math.prod(self.scale)
        features = self.bias.shape[0] // phases
        if x.shape[-1:] != (features,):
            raise ValueError(
                f"a bias for {features} channels does not fit an input of shape {x.shape}: its "
                "last axis must have as many"
            )
        sizes = x.shape[-ndim - 1 : -1]
        if any(size % r for size, r in zip(sizes, self.scale, strict=True)):
            raise ValueError(
                f"a bias for each phase of a scale of {self.scale} does not fit a spatial shape of "
                f"{sizes}: every size must be a multiple of its scale"
            )
        tile = self.bias[...].reshape(*self.scale, -1).astype(x.dtype)
        repeats = (size // r for size, r in zip(sizes, self.scale, strict=True))
        bias = jnp.tile(tile, (*repeats, 1))
        return x + bias.reshape((1,) * (x.ndim - bias.ndim) + bias.shape)


class _Upsampling(nnx.Module):
    """Parameters of an upsampling layer with an ordinary convolution, and their promotion."""

    _has_phases = False

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: int | Sequence[int],
        scale: Scale,
        *,
        padding: Padding = "SAME",
        use_bias: bool = True,
        dtype: Dtype | None = None,
        param_dtype: Dtype = jnp.float32,
        precision: PrecisionLike = None,
        kernel_init: Initializer = _kernel_init,
        bias_init: Initializer = _bias_init,
        rngs: nnx.Rngs,
    ):
        sizes = whole_numbers("kernel_size", kernel_size, None)
        self.kernel_size = sizes[0] if is_single(kernel_size) else sizes
        self.scale = scale_per_axis(scale, len(sizes))
        self.padding = hashable_padding(padding, len(sizes))
        self.dtype = dtype
        self.precision = as_tuples(precision)
        outputs = out_features * (math.prod(self.scale) if self._has_phases else 1)
        kernel_shape = (*sizes, in_features, outputs)
        self.kernel = nnx.Param(kernel_init(rngs.params(), kernel_shape, param_dtype))
        self.bias: nnx.Param | None
        if use_bias:
            self.bias = nnx.Param(bias_init(rngs.params(), (outputs,), param_dtype))
        else:
            self.bias = no_parameter()

    def _promote(self, x: ArrayLike) -> tuple[jax.Array, jax.Array, jax.Array | None]:
        validate_axes(self.kernel_size, jnp.shape(x))
        bias = None if self.bias is None else self.bias[...]
        return promote_dtype((jnp.asarray(x), self.kernel[...], bias), dtype=self.dtype)


class SubpixelConv(_Upsampling):
    """A convolution at low resolution and a pixel shuffle: the fast layout.

    Args:
      in_features: number of input channels.
      out_features: number of output channels.
      kernel_size: k for each spatial axis, in low-resolution pixels; one number means one
        axis, and then images are refused.
      scale: r, one number or one for each spatial axis.
      padding: "SAME", "VALID" or (low, high) pairs, in low-resolution pixels.
      order: order of the channels before the shuffle, as in `subpixel.pixel_shuffle`.
      use_bias: whether to add a bias for each phase, r**d * out_features numbers.
      dtype: type of the computation (default: promoted from input and parameters).
      param_dtype: type of the parameters.
      precision: as in `jax.lax.conv_general_dilated`.
      kernel_init: initializer of the kernel (k1, ..., kd, in, r**d * out);
        `subpixel.initializers.icnr` avoids an initial checkerboard pattern.
      bias_init: initializer of the bias (r**d * out,).
      rngs: random streams.

    Raises:
      ValueError: if the scale is less than 2, an argument does not fit the axes, or the order is
        unknown; in a call, if the input's channels do not fit, or `kernel_size` is one number and
        the input has more than three axes.
      TypeError: if a size or the scale is not a whole number.

    Example:
      >>> from flax import nnx
      >>> layer = SubpixelConv(32, 1, (3, 3), 3, rngs=nnx.Rngs(0))
      >>> layer(jnp.ones((1, 17, 17, 32))).shape
      (1, 51, 51, 1)
    """

    _has_phases = True

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: int | Sequence[int],
        scale: Scale,
        *,
        padding: Padding = "SAME",
        order: Order = "dcr",
        use_bias: bool = True,
        dtype: Dtype | None = None,
        param_dtype: Dtype = jnp.float32,
        precision: PrecisionLike = None,
        kernel_init: Initializer = _kernel_init,
        bias_init: Initializer = _bias_init,
        rngs: nnx.Rngs,
    ):
        validate_order(order)
        self.order: Order = order
        super().__init__(
            in_features,
            out_features,
            kernel_size,
            scale,
            padding=padding,
            use_bias=use_bias,
            dtype=dtype,
            param_dtype=param_dtype,
            precision=precision,
            kernel_init=kernel_init,
            bias_init=bias_init,
            rngs=rngs,
        )

    def __call__(
        self, x: Num[ArrayLike, "*batch_and_space in"]
    ) -> Num[Array, "*batch_and_upsampled out"]:
        """(..., s1, ..., sd, in) -> (..., r*s1, ..., r*sd, out)."""
        inputs, kernel, bias = self._promote(x)
        return subpixel_conv(
            inputs,
            kernel,
            self.scale,
            bias=bias,
            padding=self.padding,
            order=self.order,
            precision=self.precision,
        )


class ZeroInsertConv(_Upsampling):
    """A convolution over the zero-inserted image: the slow layout.

    Args:
      in_features: number of input channels.
      out_features: number of output channels.
      kernel_size: size for each spatial axis, in high-resolution pixels; one number means one
        axis, and then images are refused. With "SAME" it must be a multiple of the scale.
      scale: r, one number or one for each spatial axis.
      padding: "SAME", "VALID" or (low, high) pairs, as in `subpixel.zero_insert_conv`.
      use_bias: whether to add a bias for each output channel.
      dtype: type of the computation (default: promoted from input and parameters).
      param_dtype: type of the parameters.
      precision: as in `jax.lax.conv_general_dilated`.
      kernel_init: initializer of the kernel (k1, ..., kd, in, out).
      bias_init: initializer of the bias (out,).
      rngs: random streams.

    Raises:
      ValueError: if the scale is less than 2 or an argument does not fit the axes; in a call, if
        the input's channels do not fit, or `kernel_size` is one number and the input has more than
        three axes.
      TypeError: if a size or the scale is not a whole number.

    Example:
      >>> from flax import nnx
      >>> layer = ZeroInsertConv(32, 1, (9, 9), 3, rngs=nnx.Rngs(0))
      >>> layer(jnp.ones((1, 17, 17, 32))).shape
      (1, 51, 51, 1)
    """

    def __call__(
        self, x: Num[ArrayLike, "*batch_and_space in"]
    ) -> Num[Array, "*batch_and_upsampled out"]:
        """(..., s1, ..., sd, in) -> (..., r*s1, ..., r*sd, out)."""
        inputs, kernel, bias = self._promote(x)
        y = zero_insert_conv(
            inputs, kernel, self.scale, padding=self.padding, precision=self.precision
        )
        return add_bias(y, bias)
