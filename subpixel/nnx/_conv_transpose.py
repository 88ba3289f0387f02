"""`subpixel.nnx.ConvTranspose`, and the exchange of Flax's own for it inside a model."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn import dtypes
from flax.nnx.nn.linear import canonicalize_padding
from flax.typing import Dtype, Initializer, PaddingLike, PrecisionLike, PromoteDtypeFn

from subpixel._flax import kernel_shape, masked, per_axis, upsample
from subpixel.ops.conv_transpose import Method

_kernel_init = nnx.initializers.lecun_normal()
_bias_init = nnx.initializers.zeros_init()


class ConvTranspose(nnx.ConvTranspose):
    """`flax.nnx.ConvTranspose`, several times faster, and with groups.

    Constructor, parameters, initial values, state and results are those of the original, of which
    this is a subclass: change the import, and old checkpoints load as they are.

    Args:
      in_features: channels of the input.
      out_features: channels of the output.
      kernel_size: of each spatial axis; a number means one axis.
      strides: of each axis, or one number for all; by default 1.
      padding: "SAME", "VALID", "CIRCULAR", a number, or (low, high) pairs, as in Flax.
      kernel_dilation: distance between the kernel's taps, for each axis or for all.
      use_bias: whether to add a bias for each output channel.
      mask: multiplied with the kernel, and of its shape.
      dtype: of the computation; by default promoted from input and parameters.
      param_dtype: of the parameters.
      precision: as in `subpixel.conv_transpose`.
      kernel_init: initializer of the kernel (k1, ..., kd, in / groups, out).
      bias_init: initializer of the bias (out,).
      transpose_kernel: whether the kernel is reversed and shaped (k1, ..., kd, out / groups, in).
      promote_dtype: promotes ``(inputs, kernel, bias)`` to `dtype`.
      preferred_element_type: as in `subpixel.conv_transpose`.
      feature_group_count: groups of channels, each with its own kernel.
      method: as in `subpixel.conv_transpose`.
      rngs: random streams.
      kernel_metadata: of the kernel's variable.
      bias_metadata: of the bias's variable.

    Raises:
      ValueError: if the groups do not divide the channels.

    Example:
      >>> layer = ConvTranspose(3, 4, (4, 4), 2, rngs=nnx.Rngs(0))
      >>> layer(jnp.ones((1, 8, 8, 3))).shape
      (1, 16, 16, 4)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        *,
        padding: PaddingLike = "SAME",
        kernel_dilation: int | Sequence[int] | None = None,
        use_bias: bool = True,
        mask: jax.Array | None = None,
        dtype: Dtype | None = None,
        param_dtype: Dtype = jnp.float32,
        precision: PrecisionLike | None = None,
        kernel_init: Initializer = _kernel_init,
        bias_init: Initializer = _bias_init,
        transpose_kernel: bool = False,
        promote_dtype: PromoteDtypeFn = dtypes.promote_dtype,
        preferred_element_type: Dtype | None = None,
        feature_group_count: int = 1,
        method: Method = "auto",
        rngs: nnx.Rngs,
        kernel_metadata: Mapping[str, Any] = MappingProxyType({}),
        bias_metadata: Mapping[str, Any] = MappingProxyType({}),
    ):
        sizes = (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)
        shape = kernel_shape(
            sizes, in_features, out_features, feature_group_count, transposed=transpose_kernel
        )
        super().__init__(
            in_features,
            out_features,
            kernel_size,
            strides,
            padding=padding,
            kernel_dilation=kernel_dilation,
            use_bias=use_bias,
            mask=mask,
            dtype=dtype,
            param_dtype=param_dtype,
            precision=precision,
            kernel_init=lambda key, _, dtype: kernel_init(key, shape, dtype),
            bias_init=bias_init,
            transpose_kernel=transpose_kernel,
            promote_dtype=promote_dtype,
            preferred_element_type=preferred_element_type,
            rngs=rngs,
            kernel_metadata=kernel_metadata,
            bias_metadata=bias_metadata,
        )
        self.kernel_shape = shape
        self.feature_group_count = feature_group_count
        self.method: Method = method

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(..., s1, ..., sd, in) -> (..., q1, ..., qd, out), with any batch axes, or none."""
        ndim = len(self.kernel_size)
        kernel = masked(self.kernel[...], self.mask)
        bias = None if self.bias is None else self.bias[...]
        inputs, kernel, bias = self.promote_dtype((inputs, kernel, bias), dtype=self.dtype)
        return upsample(
            inputs,
            kernel,
            bias,
            strides=per_axis(self.strides, ndim),
            padding=canonicalize_padding(self.padding, ndim),
            dilation=per_axis(self.kernel_dilation, ndim),
            transpose_kernel=self.transpose_kernel,
            precision=self.precision,
            preferred_element_type=self.preferred_element_type,
            groups=self.feature_group_count,
            method=self.method,
        )


def swap_conv_transpose(model: nnx.Module, *, method: Method = "auto") -> dict[str, ConvTranspose]:
    """Turns every `flax.nnx.ConvTranspose` inside a model into ours, in place.

    The layers stay the same objects with the same variables, so whatever refers to them, such as an
    optimizer made before, still serves. Layers of a subclass, which may compute something else, are
    left alone.

    Args:
      model: a module with transposed convolutions at any depth, or one itself.
      method: as in `subpixel.conv_transpose`.

    Returns:
      The layers that were turned by their path in the model, such as ``"decoder.0.up"``.

    Example:
      >>> layer = nnx.ConvTranspose(8, 4, (4, 4), (2, 2), rngs=nnx.Rngs(0))
      >>> list(swap_conv_transpose(nnx.Sequential(layer, nnx.relu)))
      ['layers.0']
    """
    swapped: dict[str, ConvTranspose] = {}
    for path, module in list(nnx.iter_modules(model)):
        if type(module) is nnx.ConvTranspose:
            module.__class__ = ConvTranspose
            layer = cast(ConvTranspose, module)
            layer.feature_group_count = 1
            layer.method = method
            swapped[".".join(map(str, path))] = layer
    return swapped
