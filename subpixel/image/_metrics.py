"""PSNR and SSIM with the conventions of super-resolution."""

import math
from functools import reduce
from operator import add
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float, Real

from subpixel.image._arrays import (
    Array,
    ImageArray,
    RealScalar,
    as_float,
    is_integer,
    namespace,
    real_scalar,
    validate_image,
    whole_number,
)


def psnr(
    image: Real[ImageArray, "*batch h w c"],
    reference: Real[np.ndarray, "*batch h w c"] | Real[Array, "*batch h w c"],
    *,
    shave: int = 0,
    peak: RealScalar = 255.0,
) -> Float[np.ndarray, "*batch"] | Float[Array, "*batch"] | np.float64:
    """Returns the peak signal-to-noise ratio, 10 log10(peak**2 / mean squared error).

    NumPy arrays are compared in float64. If an argument is a JAX array, the comparison is JAX's: in
    float32, or in float64 where x64 is enabled.

    Args:
      image: (..., h, w, c), of any integer or floating-point type.
      reference: the same shape.
      shave: number of pixels removed from every side.
      peak: largest possible value, a positive number.

    Returns:
      dB, shape (...): for one image a float from NumPy, an array without axes from JAX. Infinity
      where the two are identical.

    Raises:
      ValueError: if the shapes differ, no pixel is left after shaving, `shave` is negative, or
        `peak` is not positive and finite.
      TypeError: if an image or `peak` is complex or bool, or `shave` is not a whole number.

    Example:
      >>> import numpy as np
      >>> reference = np.zeros((8, 8, 1), np.uint8)
      >>> round(float(psnr(reference + np.uint8(1), reference)), 2)
      48.13
    """
    peak = real_scalar("peak", peak)
    image, reference, xp = _pair(image, reference, shave, peak)
    peak, unit = _units(peak, image, xp)
    error = xp.mean((_difference(image, reference, xp) * unit) ** 2, axis=(-3, -2, -1))
    # NumPy warns about a division by zero, so identical images are replaced before the division.
    identical = error == 0
    ratio = peak**2 / xp.where(identical, 1.0, error)
    return _result(xp.where(identical, xp.inf, 10 * xp.log10(ratio)), xp)


def ssim(
    image: Real[ImageArray, "*batch h w c"],
    reference: Real[np.ndarray, "*batch h w c"] | Real[Array, "*batch h w c"],
    *,
    shave: int = 0,
    peak: RealScalar = 255.0,
) -> Float[np.ndarray, "*batch"] | Float[Array, "*batch"] | np.float64:
    """Returns the structural similarity with an 11x11 Gaussian window, sigma 1.5, 'valid'.

    The library and the precision are those of `psnr`. Variances are sums of squared differences
    from the mean of their window, so a large common offset costs no digits.

    Args:
      image: (..., h, w, c), of any integer or floating-point type; each channel is measured
        separately.
      reference: the same shape.
      shave: number of pixels removed from every side first.
      peak: largest possible value, a positive number.

    Returns:
      The mean over pixels and channels, shape (...): for one image a float from NumPy, an array
      without axes from JAX.

    Raises:
      ValueError: if the shapes differ, fewer than 11x11 pixels are left after shaving, `shave` is
        negative, or `peak` is not positive and finite.
      TypeError: if an image or `peak` is complex or bool, or `shave` is not a whole number.

    Example:
      >>> import numpy as np
      >>> image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
      >>> float(ssim(image, image))
      1.0

    Reference: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", 2004; K1 = 0.01, K2 = 0.03.
    """
    peak = real_scalar("peak", peak)
    image, reference, xp = _pair(image, reference, shave, peak)
    if min(image.shape[-3:-1]) < _WINDOW.size:
        raise ValueError(
            f"SSIM needs at least {_WINDOW.size} pixels in height and width after shaving; "
            f"got the shape {image.shape}"
        )
    peak, unit = _units(peak, image, xp)
    # With s = x + y and d = x - y: 2 x y = (s**2 - d**2) / 2 and x**2 + y**2 = (s**2 + d**2) / 2.
    x, y = _real(image, xp) * unit, _real(reference, xp) * unit
    x0, y0 = (xp.mean(image, axis=(-3, -2), keepdims=True) for image in (x, y))
    x, y = x - x0, y - y0
    (s, variance_s), (d, variance_d) = _mean_and_variance(x + y), _mean_and_variance(x - y)
    s, d = (s + (x0 + y0)) ** 2, (d + (x0 - y0)) ** 2
    c1, c2 = 2 * (0.01 * peak) ** 2, 2 * (0.03 * peak) ** 2
    similarity = ((s - d + c1) * (variance_s - variance_d + c2)) / (
        (s + d + c1) * (variance_s + variance_d + c2)
    )
    return _result(xp.mean(similarity, axis=(-3, -2, -1)), xp)


_WINDOW = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
_WINDOW /= _WINDOW.sum()
_TAPS = [float(weight) for weight in _WINDOW]


def _mean_and_variance(image) -> tuple[Any, Any]:
    """Returns the mean and the variance of each window.

    The variance is the mean of its columns' variances and the variance of the columns' means. Each
    is centred first: E[x**2] - E[x]**2 loses the digits of a small variance beside a large mean.
    """
    columns = _blur(image, -3)
    mean = _blur(columns, -2)
    within = _centred_squares(image, columns, -3)
    return mean, _blur(within, -2) + _centred_squares(columns, mean, -2)


def _centred_squares(image, mean, axis: int):
    """Returns the weighted mean of (image - mean)**2 along an axis of the windows."""
    parts = zip(_TAPS, _shifted(image, axis), strict=True)
    return reduce(add, (w * (part - mean) ** 2 for w, part in parts))


def _blur(image, axis: int):
    return reduce(add, (w * part for w, part in zip(_TAPS, _shifted(image, axis), strict=True)))


def _shifted(image, axis: int):
    kept = image.shape[axis] - _WINDOW.size + 1
    after = (slice(None),) * (-axis - 1)
    return (image[(..., slice(i, i + kept), *after)] for i in range(_WINDOW.size))


def _pair(image, reference, shave: int, peak) -> tuple[Any, Any, ModuleType]:
    """Returns both images in one library, shaved, and the library."""
    validate_image(image)
    validate_image(reference)
    if image.shape != reference.shape:
        raise ValueError(
            f"an image and its reference must have the same shape; got {image.shape} and "
            f"{reference.shape}"
        )
    shave = whole_number("shave", shave, least=0)
    height, width = image.shape[-3:-1]
    if min(height, width) <= 2 * shave:
        raise ValueError(
            f"nothing of {width}x{height} pixels is left after shaving {shave} from every side: "
            "give a larger image or a smaller shave"
        )
    kept = (..., slice(shave, height - shave), slice(shave, width - shave), slice(None))
    xp = namespace(image, reference, peak)
    return _joined(image, xp)[kept], _joined(reference, xp)[kept], xp


def _joined(image, xp: ModuleType):
    """Returns an image as an array of the library; integers that do not fit become floats."""
    joined = xp.asarray(image)
    return joined if joined.dtype == image.dtype else xp.asarray(as_float(image))


def _real(image, xp: ModuleType):
    return image.astype(np.float64) if xp is np else as_float(image)


def _difference(image, reference, xp: ModuleType):
    """Returns image - reference, or its magnitude, without loss for any two equal types."""
    dtype = image.dtype
    if dtype == reference.dtype and is_integer(dtype) and dtype.itemsize >= 4:
        # float32 cannot hold such numbers, but it can hold their differences.
        magnitude = xp.maximum(image, reference) - xp.minimum(image, reference)
        return _real(magnitude.astype(f"uint{8 * dtype.itemsize}"), xp)
    return _real(image, xp) - _real(reference, xp)


def _units(peak, image, xp: ModuleType) -> tuple[Any, Any]:
    """Returns the peak in units in which it is about 1, and the factor that converts to them.

    The factor is a power of 2, so no digit changes, and no square of a value up to the peak
    overflows or vanishes.
    """
    dtype = np.dtype(np.float64) if xp is np else as_float(image).dtype
    limit = np.finfo(dtype).maxexp - 8
    if isinstance(peak, float):
        exponent = math.frexp(peak)[1]
        unit = math.ldexp(1.0, -min(max(exponent, -limit), limit))
    else:
        peak = peak.astype(dtype)
        exponent = xp.frexp(peak)[1]
        unit = xp.ldexp(xp.ones((), dtype), -xp.clip(exponent, -limit, limit))
    return peak * unit, unit


def _result(scores, xp: ModuleType):
    return np.float64(scores) if xp is np else scores
