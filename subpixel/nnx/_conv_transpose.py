"""`subpixel.nnx.ConvTranspose`, and a function that replaces Flax's own layers in a model by it."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn import dtypes
from flax.typing import Dtype, Initializer, PaddingLike, PrecisionLike, PromoteDtypeFn
from jax.typing import ArrayLike
from jaxtyping import Array, Num

from subpixel._choices import validate_choice
from subpixel._compat import NNX_NODE, supported_by_flax
from subpixel._flax import as_tuples, masked, upsample, validate_groups
from subpixel.ops.conv_transpose import Method

# Given as lists, these would make a graphdef that cannot be hashed.
_STATIC = ("strides", "padding", "kernel_dilation", "precision")

_kernel_init = nnx.initializers.lecun_normal()
_bias_init = nnx.initializers.zeros_init()


class ConvTranspose(nnx.ConvTranspose):
    """`flax.nnx.ConvTranspose`, several times faster, and with groups.

    This is a subclass with the constructor, parameters, initial values, state and results of the
    original. Only the import changes, and old checkpoints can be loaded.

    Args:
      in_features: number of input channels.
      out_features: number of output channels.
      kernel_size: size of the kernel for each spatial axis. One number means one axis, as in Flax:
        an image's height is then a batch axis.
      strides: stride for each axis, or one number for all (default: 1).
      padding: "SAME", "VALID", "CIRCULAR", a number, or (low, high) pairs, as in Flax. If the
        kernel's size is an even multiple of the stride, "SAME" is not that of `SubpixelConv`:
        see `subpixel.kernels.same_padding`.
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
      ValueError: if the groups do not divide the channels, or the method is unknown; in a call, if
        the input's channels, the mask or the padding do not fit.

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
            as_tuples(kernel_size),
            as_tuples(strides),
            padding=as_tuples(padding),
            kernel_dilation=as_tuples(kernel_dilation),
            use_bias=False,
            mask=mask,
            dtype=dtype,
            param_dtype=param_dtype,
            precision=as_tuples(precision),
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
        kernel = masked(self.kernel[...], self.mask)
        bias = None if self.bias is None else self.bias[...]
        operands = (jnp.asarray(inputs), kernel, bias)
        x, kernel, bias = self.promote_dtype(operands, dtype=self.dtype)
        return upsample(
            x,
            kernel,
            bias,
            strides=self.strides,
            padding=self.padding,
            dilation=self.kernel_dilation,
            transpose_kernel=self.transpose_kernel,
            precision=self.precision,
            preferred_element_type=self.preferred_element_type,
            groups=self.feature_group_count,
            method=self.method,
        )


def swap_conv_transpose(model: nnx.Module, *, method: Method = "auto") -> dict[str, ConvTranspose]:
    """Replaces every `flax.nnx.ConvTranspose` inside a model by this package's layer.

    The new layers share the variables of the old ones, so an optimizer made before the call can
    still be used. Modules, lists and dictionaries are changed in place; a tuple, a named tuple or
    another immutable pytree inside them is replaced by one of its own type, so paths in the state
    stay. Instances of subclasses, which may compute something else, are not replaced, nor is a
    layer that Flax itself does not see, such as one in a set.

    Args:
      model: a module with transposed convolutions at any depth, or a list or dictionary of modules.
        For a `flax.nnx.ConvTranspose` itself nothing can be replaced inside it: its new layer is
        returned under the path ``""``.
      method: as in `subpixel.conv_transpose`.

    Returns:
      The new layers by their path in the model, such as ``"decoder.0.up"``; a layer that has
      several paths, by the first.

    Raises:
      ValueError: if the method is unknown.
      TypeError: if the model itself is a tuple or another object that cannot be changed in place.

    Example:
      >>> layer = nnx.ConvTranspose(8, 4, (4, 4), (2, 2), rngs=nnx.Rngs(0))
      >>> list(swap_conv_transpose(nnx.Sequential(layer, nnx.relu)))
      ['layers.0']
    """
    validate_choice("method", method, Method)
    if not (isinstance(model, NNX_NODE) or type(model) in _MUTABLE):
        raise TypeError(
            f"the model must be a module, a list or a dictionary; got {type(model).__name__}, "
            "which cannot be changed in place: put it into a list"
        )
    swapped: dict[str, ConvTranspose] = {}
    # The replacement of each visited object, and the object, so that no other gets its id.
    visited: dict[int, tuple[Any, Any]] = {}

    def replaced(node: Any, path: tuple[str, ...]) -> Any:
        if id(node) not in visited:
            visited[id(node)] = node, replacement(node, path)
        return visited[id(node)][1]

    def replacement(node: Any, path: tuple[str, ...]) -> Any:
        if type(node) is nnx.ConvTranspose:
            new = swapped[".".join(path)] = _from_flax(node, method)
            return new
        if isinstance(node, nnx.Variable):
            return node
        if isinstance(node, NNX_NODE) or type(node) in _MUTABLE:
            visited[id(node)] = node, node  # before its children, which may hold it
            for key, child in _children(node):
                new = replaced(child, (*path, str(key)))
                if new is not child:
                    _set_child(node, key, new)
            return node
        return _rebuilt(node, path, replaced)

    replaced(model, ())
    return swapped


_MUTABLE = (list, dict, OrderedDict, defaultdict)


def _children(node: Any) -> list[tuple[Any, Any]]:
    """Returns the keys and values of a list, a dictionary or a module."""
    if type(node) is list:
        return list(enumerate(node))
    return list((node if type(node) in _MUTABLE else vars(node)).items())


def _set_child(node: Any, key: Any, child: Any) -> None:
    if type(node) in _MUTABLE:
        node[key] = child
    else:
        setattr(node, key, child)


def _rebuilt(node: Any, path: tuple[str, ...], replaced: Callable) -> Any:
    """Returns a pytree with replaced children; the pytree itself if none is replaced."""
    parts, structure = jax.tree_util.tree_flatten_with_path(node, is_leaf=lambda x: x is not node)
    if any(child is node for _, child in parts):
        return node  # a leaf
    name = partial(jax.tree_util.keystr, simple=True, separator=".")
    children = [replaced(child, (*path, name(keys))) for keys, child in parts]
    if all(new is old for new, (_, old) in zip(children, parts, strict=True)):
        return node
    return structure.unflatten(children)


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
            setattr(ours, name, as_tuples(value) if name in _STATIC else value)
    return ours
