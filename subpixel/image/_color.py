"""ITU-R BT.601 luma and chroma in studio range, as MATLAB's `rgb2ycbcr` computes them.

Y lies in 16..235 and Cb, Cr in 16..240 for R, G, B in 0..255. The matrix is that of BT.601 with
MATLAB's digits, which published PSNR values are based on.
"""

from typing import Literal

import numpy as np
from jaxtyping import Real

from subpixel._choices import validate_choice
from subpixel.image._arrays import ImageArray, as_float, namespace, to_uint8, validate_image

LumaRange = Literal["studio", "full"]

_FROM_RGB = (
    np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
    / 255
)
_OFFSET = np.array([16.0, 128.0, 128.0])
_TO_RGB = np.linalg.inv(_FROM_RGB)
_FULL_RANGE = np.array([[0.299, 0.587, 0.114]])


def rgb_to_luma(
    rgb: Real[ImageArray, "*batch h w 3"], luma_range: LumaRange = "studio"
) -> Real[ImageArray, "*batch h w 1"]:
    """Returns Y of an RGB image.

    Args:
      rgb: (..., h, w, 3) in 0..255, of any integer or floating-point type. A uint8 image gives a
        uint8 result, rounded as in MATLAB.
      luma_range: "studio", 16..235, as in MATLAB; or "full", 0..255, as in JPEG files and in
        Pillow's mode L. Errors are 255 / 219 times as large in "full": 1.32 dB of PSNR.

    Returns:
      (..., h, w, 1).

    Raises:
      ValueError: if there are not three channels, or the range is unknown.
      TypeError: if the image is complex or bool.

    Example:
      >>> import numpy as np
      >>> rgb_to_luma(np.array([[[255, 255, 255], [255, 0, 0]]], np.uint8))[0, :, 0].tolist()
      [235, 81]
    """
    validate_choice("luma_range", luma_range, LumaRange)
    if luma_range == "full":
        return _transform(rgb, _FULL_RANGE, np.zeros(1))
    return _transform(rgb, _FROM_RGB[:1], _OFFSET[:1])


def rgb_to_ycbcr(rgb: Real[ImageArray, "*batch h w 3"]) -> Real[ImageArray, "*batch h w 3"]:
    """Returns Y, Cb and Cr of an RGB image.

    Args:
      rgb: (..., h, w, 3) in 0..255, of any integer or floating-point type. A uint8 image gives a
        uint8 result, rounded as in MATLAB.

    Returns:
      (..., h, w, 3), Y in 16..235, Cb and Cr in 16..240.

    Raises:
      ValueError: if there are not three channels.
      TypeError: if the image is complex or bool.
    """
    return _transform(rgb, _FROM_RGB, _OFFSET)


def ycbcr_to_rgb(ycbcr: Real[ImageArray, "*batch h w 3"]) -> Real[ImageArray, "*batch h w 3"]:
    """Inverts `rgb_to_ycbcr`; a uint8 image gives a uint8 result, clipped and rounded.

    Args:
      ycbcr: (..., h, w, 3), of any integer or floating-point type.

    Returns:
      (..., h, w, 3) in 0..255; a float image is not clipped.

    Raises:
      ValueError: if there are not three channels.
      TypeError: if the image is complex or bool.
    """
    return _transform(ycbcr, _TO_RGB, -_TO_RGB @ _OFFSET)


def _transform(image, matrix: np.ndarray, offset: np.ndarray):
    validate_image(image)
    if image.shape[-1] != 3:
        raise ValueError(
            f"a colour image has three channels; got the shape {image.shape}: repeat a "
            "grey image three times"
        )
    xp = namespace(image)
    values = as_float(image)
    weights = xp.asarray(matrix.T, dtype=values.dtype)
    constant = xp.asarray(offset.reshape((1,) * (image.ndim - 1) + (-1,)), dtype=values.dtype)
    # JAX's default precision on accelerators is too low for 8 bits.
    precise = {"precision": "highest"} if xp is not np else {}
    result = xp.matmul(values, weights, **precise) + constant
    return to_uint8(result) if image.dtype == np.uint8 else result
