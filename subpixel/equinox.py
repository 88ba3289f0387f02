"""The transposed convolution of an Equinox layer, several times faster.

Equinox itself is not imported: the function reads the layer's fields.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num

from subpixel.ops.conv_transpose import Method
from subpixel.ops.conv_transpose import conv_transpose as _conv_transpose

__all__ = ["conv_transpose"]

_FIELDS = ("weight", "bias", "stride", "padding", "output_padding", "dilation", "groups")


def conv_transpose(
    layer: Any,
    x: Num[Array, "in *space"],
    *,
    precision: lax.PrecisionLike = None,
    method: Method = "auto",
) -> Num[Array, "out ..."]:
    """Computes `layer(x)` of an `equinox.nn.ConvTranspose`, with its weight, bias and padding.

    Args:
      layer: an `equinox.nn.ConvTranspose`, or `ConvTranspose1d`, `2d` or `3d`.
      x: shape (in, s1, ..., sd), without a batch axis as in Equinox; `jax.vmap` adds one.
      precision: as in `subpixel.conv_transpose`.
      method: as in `subpixel.conv_transpose`.

    Returns:
      Shape (out, q1, ..., qd), as from the layer.

    Raises:
      TypeError: if the layer lacks a field of a transposed convolution of Equinox.
      ValueError: if the input does not fit the layer, or the padding mode is not supported.

    Example:
      >>> import equinox as eqx
      >>> import jax
      >>> import jax.numpy as jnp
      >>> layer = eqx.nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1, key=jax.random.key(0))
      >>> conv_transpose(layer, jnp.ones((16, 5, 5))).shape
      (8, 10, 10)

    Reference: the documentation of `equinox.nn.ConvTranspose`.
    """
    missing = [name for name in _FIELDS if not hasattr(layer, name)]
    if missing:
        raise TypeError(
            f"the layer must be an equinox.nn.ConvTranspose; got {type(layer).__name__}, which has "
            f"no field {missing[0]!r}"
        )
    ndim = layer.weight.ndim - 2
    if x.ndim != ndim + 1:
        raise ValueError(
            f"the layer takes an input of {ndim + 1} axes, the channels and {ndim} spatial axes; "
            f"got the shape {x.shape}: use jax.vmap for a batch"
        )
    pairs = _padding_pairs(layer)
    mode = getattr(layer, "padding_mode", "ZEROS")
    if mode == "CIRCULAR":
        # Padding of whole strides repeats pixels; the remainder consists of zeros.
        each = list(zip(pairs, layer.stride, strict=True))
        x = jnp.pad(x, [(0, 0), *((a // s, b // s) for (a, b), s in each)], mode="wrap")
        pairs = [(a % s, b % s) for (a, b), s in each]
    elif mode != "ZEROS":
        raise ValueError(
            f"the padding mode must be 'ZEROS' or 'CIRCULAR'; got {mode!r}: call the layer itself"
        )
    axes = "012"[:ndim]
    y = _conv_transpose(
        x[None],
        layer.weight,
        layer.stride,
        pairs,
        rhs_dilation=layer.dilation,
        dimension_numbers=(f"NC{axes}", f"OI{axes}", f"NC{axes}"),
        precision=precision,
        feature_group_count=layer.groups,
        method=method,
    )
    # Indexing with 0 would copy the index to the device in the oldest supported JAX.
    y = jnp.squeeze(y, 0)
    return y if layer.bias is None else y + layer.bias


def _padding_pairs(layer: Any) -> list[tuple[int, int]]:
    """Returns the (low, high) padding of the zero-inserted input for each spatial axis.

    Reference: Dumoulin and Visin, "A guide to convolution arithmetic", arXiv 1603.07285,
    relationship 14.
    """
    pairs = []
    for axis, taps in enumerate(layer.weight.shape[2:]):
        reach = layer.dilation[axis] * (taps - 1)
        extra = layer.output_padding[axis]
        if layer.padding == "VALID":
            low = high = 0
        elif layer.padding in ("SAME", "SAME_LOWER"):
            both = reach - layer.stride[axis] + extra + 1
            extra, both = max(0, -both), max(0, both)
            low = (both + (layer.padding == "SAME_LOWER")) // 2
            high = both - low
        elif isinstance(layer.padding, str):
            raise ValueError(f"padding must be SAME, SAME_LOWER or VALID; got {layer.padding!r}")
        else:
            low, high = layer.padding[axis]
        pairs.append((reach - low, reach - high + extra))
    return pairs
