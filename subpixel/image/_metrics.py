"""PSNR and SSIM with the conventions of super-resolution."""

from functools import reduce
from operator import add

import numpy as np
from jaxtyping import Float, Num

from subpixel.image._arrays import ImageArray, as_float, namespace, validate_image


def psnr(
    image: Num[ImageArray, "*batch h w c"],
    reference: Num[ImageArray, "*batch h w c"],
    *,
    shave: int = 0,
    peak: float = 255.0,
) -> Float[ImageArray, "*batch"]:
    """Returns the peak signal-to-noise ratio, 10 log10(peak**2 / mean squared error).

    Args:
      image: (..., h, w, c).
      reference: the same shape.
      shave: number of pixels removed from every side.
      peak: largest possible value.

    Returns:
      dB, shape (...); infinity where the two are identical.

    Raises:
      ValueError: if the shapes differ, or no pixel is left after shaving.
    """
    image, reference = _pair(image, reference, shave)
    xp = namespace(image)
    error = xp.mean((image - reference) ** 2, axis=(-3, -2, -1))
    # NumPy warns about a division by zero, so identical images are replaced before the division.
    identical = error == 0
    ratio = peak**2 / xp.where(identical, 1.0, error)
    return xp.where(identical, xp.inf, 10 * xp.log10(ratio))


def ssim(
    image: Num[ImageArray, "*batch h w c"],
    reference: Num[ImageArray, "*batch h w c"],
    *,
    shave: int = 0,
    peak: float = 255.0,
) -> Float[ImageArray, "*batch"] | np.floating:
    """Returns the structural similarity with an 11x11 Gaussian window, sigma 1.5, 'valid'.

    Args:
      image: (..., h, w, c); each channel is measured separately.
      reference: the same shape.
      shave: number of pixels removed from every side first.
      peak: largest possible value.

    Returns:
      The mean over pixels and channels, shape (...).

    Raises:
      ValueError: if the shapes differ, or fewer than 11x11 pixels are left after shaving.

    Reference: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", 2004; K1 = 0.01, K2 = 0.03.
    """
    image, reference = _pair(image, reference, shave)
    if min(image.shape[-3:-1]) < _WINDOW.size:
        raise ValueError(
            f"SSIM needs at least {_WINDOW.size} pixels in height and width after shaving; "
            f"got the shape {image.shape}"
        )
    xp = namespace(image)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean, mean_reference = _blur(image), _blur(reference)
    variance = _blur(image * image) - mean**2
    variance_reference = _blur(reference * reference) - mean_reference**2
    covariance = _blur(image * reference) - mean * mean_reference
    similarity = ((2 * mean * mean_reference + c1) * (2 * covariance + c2)) / (
        (mean**2 + mean_reference**2 + c1) * (variance + variance_reference + c2)
    )
    return xp.mean(similarity, axis=(-3, -2, -1))


_WINDOW = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
_WINDOW /= _WINDOW.sum()


def _blur(image):
    """Convolves rows and columns with the window; only fully covered pixels are kept."""
    rows, columns = (size - _WINDOW.size + 1 for size in image.shape[-3:-1])
    taps = [float(weight) for weight in _WINDOW]
    image = reduce(add, (w * image[..., i : i + rows, :, :] for i, w in enumerate(taps)))
    return reduce(add, (w * image[..., :, i : i + columns, :] for i, w in enumerate(taps)))


def _pair(image, reference, shave: int):
    if image.shape != reference.shape:
        raise ValueError(
            f"an image and its reference must have the same shape; got {image.shape} and "
            f"{reference.shape}"
        )
    validate_image(image)
    height, width = image.shape[-3:-1]
    if min(height, width) <= 2 * shave:
        raise ValueError(
            f"nothing of {width}x{height} pixels is left after shaving {shave} from every side: "
            "give a larger image or a smaller shave"
        )
    kept = (..., slice(shave, height - shave), slice(shave, width - shave), slice(None))
    return as_float(image[kept]), as_float(reference[kept])
