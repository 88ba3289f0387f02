"""Image functions with the conventions of super-resolution: MATLAB's `imresize`, luma, PSNR, SSIM.

All functions take channels-last arrays, (..., h, w, c), of NumPy or JAX, of any integer or
floating-point type, and return arrays of the same library. They refuse complex and bool images.
"""

from subpixel.image._arrays import ImageArray, to_uint8
from subpixel.image._color import LumaRange, rgb_to_luma, rgb_to_ycbcr, ycbcr_to_rgb
from subpixel.image._metrics import psnr, ssim
from subpixel.image._resize import Border, imresize, modcrop

__all__ = [
    "Border",
    "ImageArray",
    "LumaRange",
    "imresize",
    "modcrop",
    "psnr",
    "rgb_to_luma",
    "rgb_to_ycbcr",
    "ssim",
    "to_uint8",
    "ycbcr_to_rgb",
]
