"""Every upsampling function and layer, each with a reference from JAX's own functions.

A line in `CASES` adds a function or layer to all tests of `test_modes`.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

import subpixel
from subpixel import equinox, linen
from subpixel import nnx as layers
from subpixel.ops.conv import insert_zeros

NUMBERS = ("NHWC", "HWIO", "NHWC")


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


class Case(NamedTuple):
    """A function of an image (n, h, w, 8) and a kernel, and its reference from JAX."""

    ours: Callable
    reference: Callable
    kernel: tuple[int, ...] = (4, 4, 8, 3)


def depth_to_space(x, _):
    n, h, w, c = x.shape
    y = x.reshape(n, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(n, 2 * h, 2 * w, c // 4)


def space_to_depth(x, _):
    n, h, w, c = x.shape
    y = x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(n, h // 2, w // 2, 4 * c)


def lax_transposed(x, w):
    return lax.conv_transpose(x, w, (2, 2), "SAME")


def lax_subpixel(x, w):
    y = lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NUMBERS)
    return depth_to_space(y, None)


def lax_zero_insert(x, w):
    pads = [(1, 3), (1, 3)]
    return lax.conv_general_dilated(x, w, (1, 1), pads, (2, 2), dimension_numbers=NUMBERS)


def nnx_layer(layer_type, *sizes, **options):
    def apply(x, kernel):
        features = kernel.shape[-1] // (4 if layer_type is layers.SubpixelConv else 1)
        layer = layer_type(
            8,
            features,
            kernel.shape[:2],
            *sizes,
            rngs=nnx.Rngs(0),
            param_dtype=kernel.dtype,
            # The kernel is replaced, and drawing it takes longer than all else.
            kernel_init=nnx.initializers.zeros,
            **options,
        )
        graph, state = nnx.split(layer)
        state = nnx.to_pure_dict(state)
        state["kernel"] = kernel
        return nnx.merge(graph, state)(x)

    return apply


def linen_layer(layer_type, *sizes, **options):
    def apply(x, kernel):
        features = kernel.shape[-1] // (4 if layer_type is linen.SubpixelConv else 1)
        module = layer_type(features, kernel.shape[:2], *sizes, **options)
        outputs = kernel.shape[-1]
        return module.apply(
            {"params": {"kernel": kernel, "bias": np.zeros(outputs, kernel.dtype)}}, x
        )

    return apply


def equinox_layer(**options):
    """An Equinox layer over a batch; the function reads fields, so any object with them serves."""

    def apply(x, kernel):
        fields = {"bias": None, "stride": (2, 2), "padding": ((1, 1), (1, 1)), "groups": 1}
        fields |= {"output_padding": (0, 0), "dilation": (1, 1), "padding_mode": "ZEROS"}
        layer = SimpleNamespace(weight=kernel.transpose(3, 2, 0, 1), **fields)
        y = jax.vmap(lambda x: equinox.conv_transpose(layer, x, **options))(x.transpose(0, 3, 1, 2))
        return y.transpose(0, 2, 3, 1)

    return apply


def torch_function(x, kernel):
    weight = jnp.flip(kernel, (0, 1)).transpose(2, 3, 0, 1)
    return subpixel.torch_conv_transpose(x, weight, None, 2, 1)


def zeros_between(x, _):
    zero = lax.full_like(x, 0, shape=())
    return lax.pad(x, zero, [(0, 0, 0), (0, 1, 1), (0, 1, 1), (0, 0, 0)])


def shuffle_layer(module):
    return lambda x, _: module(x)


def transposed(strides: int = 2, **options):
    return lambda x, w: subpixel.conv_transpose(x, w, (strides, strides), "SAME", **options)


SUBPIXEL = (3, 3, 8, 12)
CASES = {
    "conv_transpose": Case(transposed(), lax_transposed),
    "conv_transpose, im2col": Case(transposed(method="im2col"), lax_transposed),
    "conv_transpose, polyphase": Case(transposed(method="polyphase"), lax_transposed),
    "conv_transpose, strided": Case(transposed(method="strided"), lax_transposed),
    "conv_transpose, native": Case(transposed(method="native"), lax_transposed),
    "subpixel_conv": Case(lambda x, w: subpixel.subpixel_conv(x, w, 2), lax_subpixel, SUBPIXEL),
    "subpixel_conv, few outputs": Case(
        lambda x, w: subpixel.subpixel_conv(x, w, 2, bias=jnp.zeros(4, x.dtype)),
        lax_subpixel,
        (3, 3, 8, 4),
    ),
    "zero_insert_conv": Case(lambda x, w: subpixel.zero_insert_conv(x, w, 2), lax_zero_insert),
    "pixel_shuffle": Case(lambda x, _: subpixel.pixel_shuffle(x, 2), depth_to_space),
    "pixel_unshuffle": Case(lambda x, _: subpixel.pixel_unshuffle(x, 2), space_to_depth),
    "insert_zeros": Case(lambda x, _: insert_zeros(x, 2), zeros_between),
    "torch_conv_transpose": Case(torch_function, lax_transposed),
    "equinox.conv_transpose": Case(equinox_layer(), lax_transposed),
    "equinox.conv_transpose, im2col": Case(equinox_layer(method="im2col"), lax_transposed),
    "nnx.PixelShuffle": Case(shuffle_layer(layers.PixelShuffle(2)), depth_to_space),
    "linen.PixelShuffle": Case(lambda x, _: linen.PixelShuffle(2).apply({}, x), depth_to_space),
    "nnx.ConvTranspose": Case(nnx_layer(layers.ConvTranspose, 2), lax_transposed),
    "nnx.SubpixelConv": Case(nnx_layer(layers.SubpixelConv, 2), lax_subpixel, SUBPIXEL),
    "nnx.ZeroInsertConv": Case(nnx_layer(layers.ZeroInsertConv, 2), lax_zero_insert),
    "linen.ConvTranspose": Case(linen_layer(linen.ConvTranspose, (2, 2)), lax_transposed),
    "linen.SubpixelConv": Case(linen_layer(linen.SubpixelConv, 2), lax_subpixel, SUBPIXEL),
    "linen.ZeroInsertConv": Case(linen_layer(linen.ZeroInsertConv, 2), lax_zero_insert),
}
LAYERS = tuple(name for name in CASES if name.startswith(("nnx.", "linen.", "equinox.")))
