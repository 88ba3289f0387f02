"""`subpixel.nnx.ConvTranspose`, and a function that replaces Flax's own layers in a model by it."""

from collections.abc import Mapping, MutableSequence, Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn import dtypes
from flax.nnx.nn.linear import canonicalize_padding
from flax.typing import Dtype, Initializer, PaddingLike, PrecisionLike, PromoteDtypeFn
from jax.typing import ArrayLike
from jaxtyping import Array, Num

from subpixel._choices import validate_choice
from subpixel._compat import supported_by_flax
from subpixel._flax import masked, per_axis, upsample, validate_groups
from subpixel.ops.conv_transpose import Method

_kernel_init = nnx.initializers.lecun_normal()
_bias_init = nnx.initializers.zeros_init()


class ConvTranspose(nnx.ConvTranspose):
    """`flax.nnx.ConvTranspose`, several times faster, and with groups.

    This is a subclass with the constructor, parameters, initial values, state and results of the
    original. Only the import changes, and old checkpoints can be loaded.

    Args:
      in_features: number of input channels.
      out_features: number of output channels.
      kernel_size: size of the kernel for each spatial axis; one number means one axis.
      strides: stride for each axis, or one number for all (default: 1).
      padding: "SAME", "VALID", "CIRCULAR", a number, or (low, high) pairs, as in Flax.
      kernel_dilation: distance between the kernel's taps, for each axis or one number for all.
      use_bias: whether to add a bias for each output channel.
      mask: array of the kernel's shape that multiplies the kernel.
      dtype: type of the computation (default: promoted from input and parameters).
      param_dtype: type of the parameters.
      precision: as in `subpixel.conv_transpose`.
      kernel_init: initializer of the kernel (k1, ..., kd, in / groups, out).
      bias_init: initializer of the bias (out,).
      transpose_kernel: whether the kernel is reversed and shaped (k1, ..., kd, out / groups, in).
      promote_dtype: promotes ``(inputs, kernel, bias)`` to `dtype`.
      preferred_element_type: as in `subpixel.conv_transpose`.
      feature_group_count: number of groups of channels; each group has its own kernel.
      method: as in `subpixel.conv_transpose`.
      rngs: random streams.
      kernel_metadata: metadata of the kernel's variable.
      bias_metadata: metadata of the bias's variable.

    Raises:
      ValueError: if the groups do not divide the channels, or the method is unknown.

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
        validate_choice("method", method, Method)
        validate_groups(feature_group_count, in_features, out_features)
        newer = {"kernel_metadata": kernel_metadata}
        supported = supported_by_flax(newer)
        super().__init__(
            # Flax's constructor derives the kernel's shape from these: the channels of one group.
            in_features if transpose_kernel else in_features // feature_group_count,
            out_features // feature_group_count if transpose_kernel else out_features,
            kernel_size,
            strides,
            padding=padding,
            kernel_dilation=kernel_dilation,
            use_bias=False,
            mask=mask,
            dtype=dtype,
            param_dtype=param_dtype,
            precision=precision,
            kernel_init=kernel_init,
            bias_init=bias_init,
            transpose_kernel=transpose_kernel,
            promote_dtype=promote_dtype,
            rngs=rngs,
            **supported,
        )
        if kernel_metadata and not supported:
            self.kernel = nnx.Param(self.kernel[...], **kernel_metadata)
        if use_bias:
            bias = bias_init(rngs.params(), (out_features,), param_dtype)
            self.bias = nnx.Param(bias, **bias_metadata)
        self.use_bias = use_bias
        self.in_features = in_features
        self.out_features = out_features
        self.preferred_element_type = preferred_element_type
        self.feature_group_count = feature_group_count
        self.method: Method = method

    def __call__(
        self, inputs: Num[ArrayLike, "*batch_and_space in"]
    ) -> Num[Array, "*batch_and_upsampled out"]:
        """(..., s1, ..., sd, in) -> (..., q1, ..., qd, out), with any batch axes, or none."""
        ndim = len(self.kernel_size)
        kernel = masked(self.kernel[...], self.mask)
        bias = None if self.bias is None else self.bias[...]
        operands = (jnp.asarray(inputs), kernel, bias)
        x, kernel, bias = self.promote_dtype(operands, dtype=self.dtype)
        return upsample(
            x,
            kernel,
            bias,
            strides=per_axis("strides", self.strides, ndim),
            padding=canonicalize_padding(self.padding, ndim),
            dilation=per_axis("kernel_dilation", self.kernel_dilation, ndim),
            transpose_kernel=self.transpose_kernel,
            precision=self.precision,
            preferred_element_type=self.preferred_element_type,
            groups=self.feature_group_count,
            method=self.method,
        )


def swap_conv_transpose(model: nnx.Module, *, method: Method = "auto") -> dict[str, ConvTranspose]:
    """Replaces every `flax.nnx.ConvTranspose` inside a model by this package's layer.

    The new layers share the variables of the old ones, so an optimizer made before the call can
    still be used. Instances of subclasses, which may compute something else, are not replaced. If
    `model` is itself a `flax.nnx.ConvTranspose`, nothing can be replaced inside it: its new layer
    is returned under the path ``""``.

    Args:
      model: a module with transposed convolutions at any depth.
      method: as in `subpixel.conv_transpose`.

    Returns:
      The new layers by their path in the model, such as ``"decoder.0.up"``.

    Raises:
      ValueError: if the method is unknown.

    Example:
      >>> layer = nnx.ConvTranspose(8, 4, (4, 4), (2, 2), rngs=nnx.Rngs(0))
      >>> list(swap_conv_transpose(nnx.Sequential(layer, nnx.relu)))
      ['layers.0']
    """
    validate_choice("method", method, Method)
    nodes = list(nnx.iter_graph(model))
    swapped: dict[str, ConvTranspose] = {}
    new: dict[int, ConvTranspose] = {}
    for path, node in nodes:
        if type(node) is nnx.ConvTranspose:
            new[id(node)] = swapped[".".join(map(str, path))] = _from_flax(node, method)
    for _, node in nodes:
        _replace_children(node, new)
    return swapped


def _from_flax(layer: nnx.ConvTranspose, method: Method) -> ConvTranspose:
    """Returns a layer of this package with the variables and attributes of a layer of Flax."""
    ours = ConvTranspose(
        layer.in_features,
        layer.out_features,
        layer.kernel_size,
        transpose_kernel=layer.transpose_kernel,
        use_bias=False,
        mask=layer.mask,
        kernel_init=nnx.initializers.zeros_init(),
        method=method,
        rngs=nnx.Rngs(0),
    )
    for name, value in vars(layer).items():
        if not name.startswith("_") and name != "mask":
            setattr(ours, name, value)
    return ours


def _replace_children(node: Any, new: Mapping[int, ConvTranspose]) -> None:
    """Replaces the layers with the given ids among the direct children of a container."""
    if isinstance(node, MutableSequence):
        for index, child in enumerate(node):
            if id(child) in new:
                node[index] = new[id(child)]
    elif isinstance(node, dict):
        for key, child in list(node.items()):
            if id(child) in new:
                node[key] = new[id(child)]
    elif isinstance(node, nnx.Module):
        for name, child in list(vars(node).items()):
            if id(child) in new:
                setattr(node, name, new[id(child)])
            elif isinstance(child, tuple) and any(id(c) in new for c in child):
                setattr(node, name, tuple(new.get(id(c), c) for c in child))
