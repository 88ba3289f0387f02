"""Compares the pixels of two images whose perceptual hashes are similar.

Both lumas are resized to squares of the same size and aligned, since a crop shifts and scales them.
The means of their blocks must then agree up to brightness and contrast, and the high frequencies of
the blocks must correlate. Two scans of a head have the same outline, but differ in their blocks.

Shift, scale, brightness and contrast make any two flat discs equal: the images have no more content
than the comparison has free parameters. The content is the number of different blocks with texture
(`subpixel.sr.data.blocks.count_different_blocks`): of 128x128 pixels, flat graphics have 24 or
fewer, line drawings 29, photographs 53 in the median and 13 at least. Images of fewer than 32 must
also agree in all channels with one gain, one offset (none if they are grey) and a crop of 3.6% at
most. The largest difference of a block mean is then 14 levels or less for the copies below, and 26
for a contrast of 1.3 that clips.

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
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import Image

from subpixel.sr.data.blocks import (
    BLOCK,
    SAME_BLOCK,
    Correlation,
    align,
    count_different_blocks,
    high_pass,
    move,
    resize,
    sums,
)

# The largest difference of a block's mean, as a part of the standard deviation of all means, which
# counts as FAINT grey levels at least.
MOST_MEAN, FAINT = 0.4, 25.0
# Images with fewer different blocks are compared without the freedom that more content allows: ...
ENOUGH_BLOCKS = 32
# ... the part of the size by which a crop moves the border, and the difference of a block's mean.
MOST_CROP, MOST_LEVELS = 0.036, 24.0
# The largest difference between the channels of a grey image, in levels; JPEG adds some.
GREY = 12.0
_LUMA = (0.299, 0.587, 0.114)
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
    """An image, resized to a square.

    Attributes:
      luma: its luma, of 256x256 pixels at most.
      channels: red, green and blue, of 128x128 pixels at most.
    """

    luma: Float32[np.ndarray, "n n"]
    channels: Float32[np.ndarray, "3 m m"]

    @classmethod
    def of(cls, image: UInt8[np.ndarray, "h w 3"]) -> "Square":
        """Makes it from RGB, uint8 (h, w, 3)."""
        size, whole = max(4 * BLOCK, min(_FINEST, *image.shape[:2])), Image.fromarray(image)
        channels = [resize(channel, min(size, _COARSE.size)) for channel in whole.split()]
        return cls(resize(whole.convert("L"), size), np.stack(channels))

    @property
    def size(self) -> int:
        """Height and width."""
        return self.luma.shape[0]

    @cached_property
    def different_blocks(self) -> int:
        """How many blocks show something of their own."""
        size = min(_COARSE.size, self.size) // BLOCK * BLOCK
        return count_different_blocks(self.resized(size), _COARSE.both)

    def resized(self, size: int) -> Float32[np.ndarray, "{size} {size}"]:
        """Returns the luma at another size."""
        return resize(Image.fromarray(self.luma), size)


def same_image(one: Square, other: Square, position: int) -> bool:
    """Returns whether two images differ only in size, quality, colour and a light crop.

    Args:
      one: an image.
      other: another.
      position: which of the eight flips and rotations of `other` resembles `one`, an index of
        `positions`.
    """
    known = min(one.different_blocks, other.different_blocks)
    return (known >= ENOUGH_BLOCKS or _same_colours(one, other, position)) and all(
        _agrees(one, other, position, look) for look in (_COARSE, _FINE)
    )


def positions(image: Shaped[np.ndarray, "n n"]) -> list[Shaped[np.ndarray, "n n"]]:
    """Returns a square array in the eight positions that flips and rotations give."""
    return [np.rot90(side, count) for side in (image, image[:, ::-1]) for count in range(4)]


def _agrees(one: Square, other: Square, position: int, look: _Look) -> bool:
    size = min(look.size, one.size, other.size) // BLOCK * BLOCK
    if look is _FINE and size < look.size:
        return True
    first, second = one.resized(size), positions(other.resized(size))[position]
    second = move(second, *align(first, second))
    found = Correlation.of(high_pass(first), high_pass(second), BLOCK, most=1)
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
    one, other = (sums(image, BLOCK)[1:-1, 1:-1].ravel() / BLOCK**2 for image in (first, second))
    basis = np.stack([np.ones_like(other), other], axis=1)
    fitted = basis @ np.linalg.lstsq(basis, one)[0]
    return bool(np.abs(one - fitted).max() <= MOST_MEAN * max(one.std(), FAINT))


def _same_colours(one: Square, other: Square, position: int) -> bool:
    """Returns whether two images of little content agree in all channels after a small crop.

    All channels share one gain, and one offset if there are colours. With so few differences
    between blocks, an offset for grey images or a larger crop would make any two equal.
    """
    size = min(_COARSE.size, one.size, other.size) // BLOCK * BLOCK
    first, second = one.resized(size), positions(other.resized(size))[position]
    grid = align(first, second)
    if max(np.abs(axis - np.arange(size)).max() for axis in grid) > MOST_CROP * size:
        return False
    means = []
    for square, place, axes in ((one, 0, None), (other, position, grid)):
        channels = [resize(Image.fromarray(c), size) for c in square.channels]
        channels = [positions(channel)[place] for channel in channels]
        moved = channels if axes is None else [move(channel, *axes) for channel in channels]
        means.append(np.stack([sums(c, BLOCK)[1:-1, 1:-1].ravel() / BLOCK**2 for c in moved]))
    grey = any(np.ptp(colours, axis=0).max() < GREY for colours in means)
    x, y = (np.tensordot(_LUMA, m, 1) if grey else m.ravel() for m in means)
    basis = np.stack([y] if grey else [y, np.ones_like(y)], axis=1)
    fit = np.linalg.lstsq(basis, x)[0]
    # In the levels of the image of higher contrast, so that a small gain hides no difference.
    error = np.abs(x - basis @ fit).max() / min(1.0, max(float(fit[0]), 1e-6))
    return bool(error <= MOST_LEVELS)
