"""The interchangeable upsamplers of the networks. To add one, or change one, begin here."""

from collections.abc import Sequence
from typing import Any, Literal

import jax
from flax import nnx
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from subpixel.initializers import icnr
from subpixel.kernels import Layout, validate_layout
from subpixel.nnx import ConvTranspose, SubpixelConv, ZeroInsertConv
from subpixel.ops.conv import upsampling_padding

Upsampler = SubpixelConv | ConvTranspose | ZeroInsertConv
UpsamplerInit = Literal["icnr", "converted", "independent"]

# Separates the random stream of the upsampler's kernel from those of the layers before it.
_STREAM = 1


def make_upsampler(
    name: Layout,
    in_features: int,
    out_features: int,
    kernel_size: Sequence[int],
    scale: Sequence[int],
    *,
    dtype: Dtype | None = None,
    kernel_init: Initializer | None = None,
    rngs: nnx.Rngs,
) -> Upsampler:
    """Makes the bare linear upsampling (..., s, in) -> (..., r*s, out), without a bias.

    Args:
      name: its layout.
      in_features: channels of the input.
      out_features: channels of the output.
      kernel_size: of each spatial axis, in low-resolution pixels whatever the layout.
      scale: r of each spatial axis.
      dtype: in which it computes; by default as its input and kernel are.
      kernel_init: initializer in that layout; by default ICNR over LeCun's normal.
      rngs: random streams.

    Raises:
      ValueError: if the name is unknown.
    """
    validate_layout(name)
    init = kernel_init or icnr(nnx.initializers.lecun_normal(), scale, layout=name)
    options: Any = {"use_bias": False, "dtype": dtype, "kernel_init": init, "rngs": rngs}
    if name == "subpixel":
        return SubpixelConv(in_features, out_features, kernel_size, scale, **options)
    sizes = tuple(k * r for k, r in zip(kernel_size, scale, strict=True))
    if name == "zero_insert":
        return ZeroInsertConv(in_features, out_features, sizes, scale, **options)
    # XLA's own, so that a comparison shows what a transposed convolution costs in JAX.
    options |= {"padding": upsampling_padding(sizes, scale, "SAME"), "method": "native"}
    return ConvTranspose(in_features, out_features, sizes, tuple(scale), **options)


def draw_kernel(seed: int, shape: Sequence[int], dtype: Any) -> Float[Array, "*taps in out"]:
    """Draws a kernel by LeCun's normal, whose fan-in is that of the shape: Flax's default."""
    key = jax.random.fold_in(jax.random.key(seed), _STREAM)
    return nnx.initializers.lecun_normal()(key, tuple(shape), dtype)
