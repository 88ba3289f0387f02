"""Learned upsampling in JAX: one linear map, three spellings, several times faster.

A transposed convolution, a convolution over the zero-inserted image, and a low-resolution
convolution with a pixel shuffle are the same function (arXiv 1609.07009). This package has all
three, with exact conversions between them.
"""

from subpixel import image, initializers, kernels, layers, linen
from subpixel.convolution import conv_transpose, subpixel_conv, zero_insert_conv
from subpixel.shuffle import pixel_shuffle, pixel_unshuffle
from subpixel.transposed import torch_conv_transpose

__version__ = "0.1.0"

__all__ = [
    "conv_transpose",
    "image",
    "initializers",
    "kernels",
    "layers",
    "linen",
    "pixel_shuffle",
    "pixel_unshuffle",
    "subpixel_conv",
    "torch_conv_transpose",
    "zero_insert_conv",
]
