"""Another name for `subpixel.nnx`."""

from subpixel.nnx import (
    ConvTranspose,
    PhaseBias,
    PixelShuffle,
    SubpixelConv,
    ZeroInsertConv,
    swap_conv_transpose,
)

__all__ = [
    "ConvTranspose",
    "PhaseBias",
    "PixelShuffle",
    "SubpixelConv",
    "ZeroInsertConv",
    "swap_conv_transpose",
]
