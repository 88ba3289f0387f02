"""Image functions as super-resolution measures them: MATLAB's `imresize`, BT.601 luma, PSNR, SSIM.

All take channels-last arrays, (..., h, w, c), of NumPy or of JAX, and answer in the same library.
"""

from subpixel.image._color import rgb_to_luma, rgb_to_ycbcr, ycbcr_to_rgb
from subpixel.image._metrics import psnr, ssim
from subpixel.image._resize import imresize, modcrop

__all__ = ["imresize", "modcrop", "psnr", "rgb_to_luma", "rgb_to_ycbcr", "ssim", "ycbcr_to_rgb"]
