"""MATLAB's `imresize` with its default, the bicubic kernel."""

import math
from functools import cache, reduce
from operator import add
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Real, Shaped

from subpixel._choices import validate_choice
from subpixel.image._arrays import (
    ImageArray,
    RealScalar,
    as_float,
    namespace,
    real_scalar,
    to_uint8,
    validate_image,
    validate_shape,
    whole_number,
)

Border = Literal["symmetric", "replicate"]


def modcrop(
    image: Shaped[ImageArray, "*batch h w c"], scale: int
) -> Shaped[ImageArray, "*batch cropped_h cropped_w c"]:
    """Crops the right and bottom edges until the scale divides height and width.

    Args:
      image: (..., h, w, c), of any type.
      scale: a whole number, at least 1.

    Returns:
      (..., h - h % scale, w - w % scale, c).

    Raises:
      ValueError: if the image is smaller than the scale, or the scale is less than 1.
      TypeError: if the scale is not a whole number.

    Example:
      >>> import numpy as np
      >>> modcrop(np.zeros((10, 11, 3)), 3).shape
      (9, 9, 3)
    """
    validate_shape(image)
    scale = whole_number("the scale of a crop", scale, least=1)
    height, width = image.shape[-3:-1]
    if min(height, width) < scale:
        raise ValueError(
            f"an image of {width}x{height} pixels is too small for a scale of {scale}: width and "
            "height must be at least the scale"
        )
    return image[..., : height - height % scale, : width - width % scale, :]


def imresize(
    image: Real[ImageArray, "*batch h w c"],
    scale: RealScalar,
    *,
    antialias: bool = True,
    border: Border = "symmetric",
) -> Real[ImageArray, "*batch resized_h resized_w c"]:
    """Resizes as MATLAB's `imresize(image, scale, 'bicubic')`.

    The kernel is Keys' cubic kernel with a = -0.5, widened by 1 / scale when the image shrinks.
    Rows are resized first, then columns. For uint8 the result of each pass is rounded to uint8.

    Args:
      image: (..., h, w, c), of any integer or floating-point type; uint8 in 0..255, others in any
        range.
      scale: scale of both axes, a positive number; 1 / 3 makes an image three times smaller. A
        scale of a narrower type than float64 means a ratio of whole sizes if one rounds to it.
      antialias: whether the kernel is widened when the image shrinks.
      border: values outside the image: "symmetric" mirrors the image and repeats its edge pixel, as
        MATLAB does since about 2014; "replicate" is the edge pixel, as older versions of MATLAB
        have it. Many public low-resolution files were made with the older rule. The results differ
        in the outermost one or two pixels.

    Returns:
      (..., ceil(h * scale), ceil(w * scale), c). uint8, float32 and float64 images keep their
      type; others get the library's default floating-point type.

    Raises:
      ValueError: if the shape is not that of an image, the scale is not positive and finite, or
        the border is unknown.
      TypeError: if the image is complex or bool, or the scale is not one real number, or is traced
        by JAX: the result's shape depends on it.

    Example:
      >>> import numpy as np
      >>> imresize(np.zeros((9, 12, 3), np.uint8), 1 / 3).shape
      (3, 4, 3)

    Reference: Keys, "Cubic convolution interpolation for digital image processing", 1981; the
    conventions are MATLAB's.
    """
    validate_image(image)
    given, scale = scale, real_scalar("the scale of a resize", scale)
    if not isinstance(scale, float):
        raise TypeError(
            f"the scale of a resize must be known before any tracing; got {given!r}: the result's "
            "shape depends on it"
        )
    validate_choice("border", border, Border)
    result = image
    for axis in (image.ndim - 3, image.ndim - 2):
        ratio = _ratio(np.asarray(given), image.shape[axis])
        result = resize_axis(as_float(result), axis, ratio, antialias, border)
        if image.dtype == np.uint8:
            result = to_uint8(result)
    return result


def _ratio(scale: np.ndarray, size: int) -> float:
    """Returns the scale in float64, without the rounding of its own type if a size shows it."""
    ratio = round(size * float(scale)) / size
    return ratio if ratio and np.asarray(ratio).astype(scale.dtype) == scale else float(scale)


def resize_axis(
    image: Float[ImageArray, "..."], axis: int, scale: float, antialias: bool, border: Border
) -> Float[ImageArray, "..."]:
    """Resizes one axis by bicubic, in the type of the image; see `imresize`."""
    return combine(image, axis, *axis_taps(image.shape[axis], scale, antialias, border))


def combine(
    image: Float[ImageArray, "..."],
    axis: int,
    indices: Int[np.ndarray, "outputs taps"],
    weights: Float[np.ndarray, "outputs taps"],
) -> Float[ImageArray, "..."]:
    """Returns weighted sums of the pixels along an axis, in the type of the image."""
    xp = namespace(image)
    shape = [1] * image.ndim
    shape[axis] = -1
    # The taps are added one by one: a single gather would need a copy of the image for each tap.
    return reduce(
        add,
        (
            xp.take(image, xp.asarray(indices[:, tap]), axis=axis)
            * xp.asarray(weights[:, tap].reshape(shape), dtype=image.dtype)
            for tap in range(indices.shape[1])
        ),
    )


@cache
def axis_taps(
    size: int, scale: float, antialias: bool, border: Border, shift: float = 0.0
) -> tuple[Int[np.ndarray, "outputs taps"], Float[np.ndarray, "outputs taps"]]:
    """Returns the source pixels of each output pixel and their weights, both (outputs, taps).

    Samples of the image lie `shift` source pixels to the right of MATLAB's.
    """
    stretch = min(scale, 1.0) if antialias else 1.0
    width = 4 / stretch
    centre = (np.arange(1, math.ceil(size * scale) + 1) / scale) + 0.5 * (1 - 1 / scale) - 1 + shift
    first = np.floor(centre - width / 2).astype(int)
    indices = first[:, None] + np.arange(math.ceil(width) + 2)
    weights = cubic((centre[:, None] - indices) * stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    indices, weights = indices[:, used], weights[:, used]
    if border == "symmetric":
        around = indices % (2 * size)
        indices = np.minimum(around, 2 * size - 1 - around)
    else:
        indices = indices.clip(0, size - 1)
    return indices, weights


def cubic(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Keys' cubic convolution kernel with a = -0.5."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
