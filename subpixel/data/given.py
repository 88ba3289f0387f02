"""Checks low resolution that a set comes with against its original."""

import numpy as np

from subpixel.data.pictures import Picture
from subpixel.errors import InputError
from subpixel.image import rgb_to_luma

# Two pictures are compared as grids of at most this many cells in height and width, of some 8
# low-resolution pixels at least: DIV2K's "unknown" low resolution is shifted by a few.
CELLS = 16
# Measured on Set5, Set14, B100, General100 and T91 at x2 and x4: a picture's own low resolution has
# a distance of 0.03 at most by bicubic, 0.06 by the Gaussian, 0.34 with noise of 20 levels, 0.27
# after JPEG of quality 20; another picture's, of the same size, 0.65 or more (6,402 pairs).
LIMIT = 0.5


def check_low(
    picture: Picture, low: np.ndarray, high: np.ndarray, scale: int
) -> tuple[np.ndarray, np.ndarray]:
    """Crops a picture's given low resolution and its original to what both show.

    MATLAB's `imresize` makes ceil(n / r) pixels of n. Low resolution of an original that was not
    cropped first can thus have a row and a column that show less than a block: they are dropped.

    Args:
      picture: whose they are.
      low: uint8 (h, w, 3).
      high: uint8 (H, W, 3).
      scale: r.

    Returns:
      uint8 (H // r, W // r, 3) and (H // r * r, W // r * r, 3).

    Raises:
      InputError: naming both, if the sizes do not fit, or they are two pictures.
    """
    height, width = (size // scale for size in high.shape[:2])
    wanted = [{size // scale, -(-size // scale)} for size in high.shape[:2]]
    if not all(size in fits for size, fits in zip(low.shape[:2], wanted, strict=True)):
        raise InputError(
            f"{picture.low_source} has {low.shape[1]}x{low.shape[0]} pixels, but x{scale} of "
            f"{picture.source}, which has {high.shape[1]}x{high.shape[0]}, has {width}x{height}: "
            "one of them is of another picture, was cropped, or belongs to another scale"
        )
    low, high = low[:height, :width], high[: height * scale, : width * scale]
    difference = distance(low, high)
    if difference > LIMIT:
        raise InputError(
            f"{picture.low_source} is not the low resolution of {picture.source}: averaged over "
            f"{CELLS}x{CELLS} cells they differ by {difference:.2f} of the picture's contrast, and "
            f"{LIMIT} is allowed. One of them is another picture, or turned"
        )
    return low, high


def distance(low: np.ndarray, high: np.ndarray) -> float:
    """Returns how much two RGB pictures differ, of which one is a whole number of times larger.

    It is the root mean square of the difference of their lumas, averaged over the cells of a grid,
    by the larger one's deviation from its mean: about 1.4 for two unrelated pictures.
    """
    first, second = _grid(low, low.shape), _grid(high, low.shape)
    return float(np.sqrt(((first - second) ** 2).mean()) / max(second.std(), 1))


def _grid(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Averages luma over cells whose edges are whole pixels of a picture of the given shape."""
    values = image
    for axis, size in enumerate(shape[:2]):
        cells = min(size, max(4, min(CELLS, size // 8)))
        edges = np.arange(cells + 1) * size // cells * (image.shape[axis] // size)
        counts = np.expand_dims(np.diff(edges), (1, 2) if axis == 0 else (0, 2))
        values = np.add.reduceat(values, edges[:-1], axis=axis, dtype=np.float64) / counts
    return rgb_to_luma(values)
