"""Flax NNX layers for learned upsampling.

Signatures follow Flax: sizes first, options by keyword, `rngs` last.
"""

from subpixel.nnx._conv_transpose import ConvTranspose, swap_conv_transpose
from subpixel.nnx._upsampling import PhaseBias, PixelShuffle, SubpixelConv, ZeroInsertConv

__all__ = [
    "ConvTranspose",
    "PhaseBias",
    "PixelShuffle",
    "SubpixelConv",
    "ZeroInsertConv",
    "swap_conv_transpose",
]
