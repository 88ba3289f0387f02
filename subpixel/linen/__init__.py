"""Flax Linen modules: the counterparts of `subpixel.nnx`, with the same parameters.

The number of input channels comes from the input, as in Linen, and options are fields.
"""

from subpixel.linen._conv_transpose import ConvTranspose
from subpixel.linen._upsampling import PixelShuffle, SubpixelConv, ZeroInsertConv

__all__ = ["ConvTranspose", "PixelShuffle", "SubpixelConv", "ZeroInsertConv"]
