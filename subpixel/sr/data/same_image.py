"""Compares the pixels of two images whose perceptual hashes are similar.

Both lumas are resized to squares of the same size and aligned, since a crop shifts and scales them.
The means of their blocks must then agree up to brightness and contrast, and the high frequencies of
the blocks must correlate. Two scans of a head have the same outline, but differ in their blocks.

Three properties were measured. On images of Set5, Set14 and B100, copies are JPEG of quality 10, a
quarter of the size, 3% cropped from each side, and noise of 20 grey levels; the block means were
measured with crops of 2% at most.

==============================================  ===============  ==================================
property                                        copies           unrelated, of similar hash
==============================================  ===============  ==================================
correlating blocks, 128x128                     0.85 or more     0.77 or less; texts 0.91
correlating blocks of strong contrast, 256x256  0.99 or more     0.94 or less (filled forms)
largest difference of a block mean, in          0.21 or less     0.72 or more (icons)
standard deviations
==============================================  ===============  ==================================
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import Image
from scipy import ndimage

# Height and width of the blocks in pixels, and the correlation of a block that is the same.
BLOCK, SAME_BLOCK = 8, 0.5
# A crop moves the border by this part of the size at most.
MOST_SHIFT = 0.045
# Standard deviation, in pixels, of the Gaussian that removes low frequencies.
LOW_PASS = 3.0
# The largest difference of a block's mean, as a part of the standard deviation of all means, which
# counts as FAINT grey levels at least.
MOST_MEAN, FAINT = 0.4, 25.0
_FINEST = 256


@dataclass(frozen=True)
class _Look:
    """One comparison.

    Attributes:
      size: height and width of the squares.
      both: a block counts if both images have this contrast in it, in grey levels, ...
      either: ... or if one of them has this contrast.
      share: the share of these blocks that must correlate.
      least: how many blocks must count.
      few: the answer where fewer count.
    """

    size: int
    both: float
    either: float
    share: float
    least: int
    few: bool


# Images without texture count as the same only if their pixels are equal.
_COARSE = _Look(size=128, both=1.5, either=10, share=0.8, least=12, few=False)
_FINE = _Look(size=256, both=10, either=40, share=0.95, least=32, few=True)


@dataclass(frozen=True)
class Square:
    """The luma of an image, resized to a square of at most 256x256 pixels, float32."""

    luma: Float32[np.ndarray, "n n"]

    @classmethod
    def of(cls, image: UInt8[np.ndarray, "h w 3"]) -> "Square":
        """Makes it from RGB, uint8 (h, w, 3)."""
        size = max(4 * BLOCK, min(_FINEST, *image.shape[:2]))
        return cls(_resize(Image.fromarray(image).convert("L"), size))

    @property
    def size(self) -> int:
        """Height and width."""
        return self.luma.shape[0]

    def resized(self, size: int) -> Float32[np.ndarray, "{size} {size}"]:
        """Returns the luma at another size."""
        return _resize(Image.fromarray(self.luma), size)


def same_image(one: Square, other: Square, position: int) -> bool:
    """Returns whether two images differ only in size, quality, colour and a light crop.

    Args:
      one: an image.
      other: another.
      position: which of the eight flips and rotations of `other` resembles `one`, an index of
        `positions`.
    """
    return all(_agrees(one, other, position, look) for look in (_COARSE, _FINE))


def positions(image: Shaped[np.ndarray, "n n"]) -> list[Shaped[np.ndarray, "n n"]]:
    """Returns a square array in the eight positions that flips and rotations give."""
    return [np.rot90(side, count) for side in (image, image[:, ::-1]) for count in range(4)]


def _agrees(one: Square, other: Square, position: int, look: _Look) -> bool:
    size = min(look.size, one.size, other.size) // BLOCK * BLOCK
    if look is _FINE and size < look.size:
        return True
    first, second = one.resized(size), positions(other.resized(size))[position]
    second = _align(first, second)
    found = _Correlation.of(_high_pass(first), _high_pass(second), BLOCK, most=1)
    # A crop removes the content of blocks at the border.
    best, mine, its = (values[1:-1, 1:-1] for values in (found.best, found.first, found.second))
    if not _same_means(first, second):
        return False
    counts = (np.minimum(mine, its) > look.both) | (np.maximum(mine, its) > look.either)
    if counts.sum() < look.least:
        return look.few
    return bool((best[counts] > SAME_BLOCK).mean() >= look.share)


def _same_means(first: np.ndarray, second: np.ndarray) -> bool:
    """Returns whether the means of all inner blocks agree, up to brightness and contrast."""
    one, other = (_sums(image, BLOCK)[1:-1, 1:-1].ravel() / BLOCK**2 for image in (first, second))
    basis = np.stack([np.ones_like(other), other], axis=1)
    fitted = basis @ np.linalg.lstsq(basis, one)[0]
    return bool(np.abs(one - fitted).max() <= MOST_MEAN * max(one.std(), FAINT))


@dataclass(frozen=True)
class _Correlation:
    """For each block of an image its best match in another, (n, n) each.

    Attributes:
      best: the largest normalised cross-correlation, -1..1.
      rows: the shift in rows at which it is found.
      columns: the same in columns.
      first: the block's contrast (root mean square) in the first image.
      second: the same in the second, at shift 0.
    """

    best: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, first: np.ndarray, second: np.ndarray, block: int, most: int) -> "_Correlation":
        """Searches shifts of -most..most pixels."""
        size = first.shape[0]
        padded = np.pad(second, most, mode="reflect")
        energy = _sums(first * first, block)
        best = np.full(energy.shape, -1.0)
        rows, columns = np.zeros_like(best), np.zeros_like(best)
        for row in range(-most, most + 1):
            for column in range(-most, most + 1):
                top, left = most + row, most + column
                moved = padded[top : top + size, left : left + size]
                norm = np.sqrt(np.maximum(energy * _sums(moved * moved, block), 1e-6))
                # Among equal matches the smallest shift wins.
                value = _sums(first * moved, block) / norm - 1e-4 * (row**2 + column**2)
                better = value > best
                best[better], rows[better], columns[better] = value[better], row, column
        contrast = [np.sqrt(_sums(image * image, block)) / block for image in (first, second)]
        return cls(best, rows, columns, *contrast)


def _align(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Shifts and scales the second image along both axes so that it fits the first."""
    size = first.shape[0]
    block = 16 if size >= 64 else 8
    most = max(2, round(size * MOST_SHIFT))
    found = _Correlation.of(_high_pass(first), _high_pass(second), block, most)
    centres = (np.arange(found.best.shape[0]) + 0.5) * block - size / 2
    weight = np.minimum(found.first, found.second) * np.maximum(found.best, 0) ** 2 + 1e-9
    pixels = np.arange(size) + 0.5 - size / 2
    grid = []
    for shifts, axis in ((found.rows, 0), (found.columns, 1)):
        place = np.broadcast_to(np.expand_dims(centres, 1 - axis), shifts.shape)
        offset, slope = _fit_line(place.ravel(), shifts.ravel(), weight.ravel())
        grid.append(np.arange(size) + offset + slope * pixels)
    return ndimage.map_coordinates(second, np.meshgrid(*grid, indexing="ij"), order=1)


def _fit_line(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Fits y = a + b x by least squares, four times reweighted against outliers."""
    basis = np.stack([np.ones_like(x), x], axis=1)
    weight = weight / weight.sum()
    solution = np.zeros(2)
    for _ in range(4):
        weighted = basis * weight[:, None]
        solution = np.linalg.solve(weighted.T @ basis + 1e-6 * np.eye(2), weighted.T @ y)
        weight = weight / (1 + (y - basis @ solution) ** 2)
    return float(solution[0]), float(solution[1])


def _high_pass(image: np.ndarray) -> np.ndarray:
    return image - ndimage.gaussian_filter(image, LOW_PASS)


def _sums(values: np.ndarray, block: int) -> np.ndarray:
    count = values.shape[0] // block
    whole = values[: count * block, : count * block]
    return whole.reshape(count, block, count, block).sum(axis=(1, 3))


def _resize(image: Image.Image, size: int) -> np.ndarray:
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS), np.float32)
