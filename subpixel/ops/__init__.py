"""Pure JAX functions on channels-last arrays: convolutions that upsample, and pixel shuffle."""

from subpixel.ops import _rules as _rules
from subpixel.ops._plain import plain
from subpixel.ops.conv import subpixel_conv, zero_insert_conv
from subpixel.ops.conv_transpose import conv_transpose
from subpixel.ops.pixel_shuffle import pixel_shuffle, pixel_unshuffle
from subpixel.ops.torch_conv_transpose import torch_conv_transpose

__all__ = [
    "conv_transpose",
    "pixel_shuffle",
    "pixel_unshuffle",
    "plain",
    "subpixel_conv",
    "torch_conv_transpose",
    "zero_insert_conv",
]
