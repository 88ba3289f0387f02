"""Checks the LR images of a set against their originals."""

import numpy as np
from jaxtyping import UInt8

from subpixel.image import rgb_to_luma
from subpixel.sr._support.errors import InputError
from subpixel.sr.data.images import ImageSource

# Two images are compared as grids of at most this many cells in height and width, of some 8
# LR pixels at least: the "unknown" LR images of DIV2K are shifted by a few pixels.
CELLS = 16
# Measured on Set5, Set14, B100, General100 and T91 at x2 and x4: an image's own LR image has
# a distance of 0.03 at most by bicubic, 0.06 by the Gaussian, 0.34 with noise of 20 levels, 0.27
# after JPEG of quality 20; another image's, of the same size, 0.65 or more (6,402 pairs).
LIMIT = 0.5


def check_lr(
    original: ImageSource,
    image: ImageSource,
    hr: UInt8[np.ndarray, "hr_h hr_w 3"],
    scale: int,
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "{scale}*h {scale}*w 3"]]:
    """Loads an LR image and crops it and its original to the area that both show.

    MATLAB's `imresize` makes ceil(n / r) pixels of n. The LR image of an original that was not
    cropped first can therefore have a row and a column for an incomplete block; they are dropped.

    Raises:
      InputError: naming both, if the sizes do not fit, or they are two images.
    """
    lr = image.load()
    height, width = (size // scale for size in hr.shape[:2])
    wanted = [{size // scale, -(-size // scale)} for size in hr.shape[:2]]
    if not all(size in fits for size, fits in zip(lr.shape[:2], wanted, strict=True)):
        raise InputError(
            f"{image.source} has {lr.shape[1]}x{lr.shape[0]} pixels, but x{scale} of "
            f"{original.source}, which has {hr.shape[1]}x{hr.shape[0]}, has {width}x{height}: "
            "one of them is of another image, was cropped, was enlarged already, as in versions 1 "
            "and 2 of RealSR, or belongs to another scale"
        )
    lr, hr = lr[:height, :width], hr[: height * scale, : width * scale]
    difference = distance(lr, hr)
    if difference > LIMIT:
        raise InputError(
            f"{image.source} is not the LR image of {original.source}: averaged over "
            f"{CELLS}x{CELLS} cells they differ by {difference:.2f} of the image's contrast, and "
            f"{LIMIT} is allowed. One of them is another image, or rotated, as by EXIF"
        )
    return lr, hr


def distance(lr: UInt8[np.ndarray, "h w 3"], hr: UInt8[np.ndarray, "hr_h hr_w 3"]) -> float:
    """Returns how much an LR image differs from an HR image.

    Both lumas are averaged over the cells of a grid. The distance is the root mean square of the
    difference, divided by the standard deviation of the HR luma: about 1.4 for unrelated images.
    """
    first, second = _grid(lr, lr.shape), _grid(hr, lr.shape)
    return float(np.sqrt(((first - second) ** 2).mean()) / max(second.std(), 1))


def _grid(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Averages luma over cells whose edges are whole pixels of an image of the given shape."""
    values = image
    for axis, size in enumerate(shape[:2]):
        cells = min(size, max(4, min(CELLS, size // 8)))
        edges = np.arange(cells + 1) * size // cells * (image.shape[axis] // size)
        counts = np.expand_dims(np.diff(edges), (1, 2) if axis == 0 else (0, 2))
        values = np.add.reduceat(values, edges[:-1], axis=axis, dtype=np.float64) / counts
    return rgb_to_luma(values)
