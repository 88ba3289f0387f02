"""Learned upsampling in JAX: one linear map, three layouts, several times faster.

A transposed convolution, a convolution over the zero-inserted image, and a low-resolution
convolution with a pixel shuffle are the same function (arXiv 1609.07009). This package has all
three, with exact conversions between them.
"""

from subpixel import image, initializers, kernels, layers, linen, nnx, ops
from subpixel.ops import (
    conv_transpose,
    pixel_shuffle,
    pixel_unshuffle,
    subpixel_conv,
    torch_conv_transpose,
    zero_insert_conv,
)

__version__ = "0.1.0"

__all__ = [
    "conv_transpose",
    "image",
    "initializers",
    "kernels",
    "layers",
    "linen",
    "nnx",
    "ops",
    "pixel_shuffle",
    "pixel_unshuffle",
    "subpixel_conv",
    "torch_conv_transpose",
    "zero_insert_conv",
]
