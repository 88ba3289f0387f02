"""Enlarges and shrinks images strip by strip, so that no stage holds a whole image."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float32, Shaped

from subpixel.image._resize import axis_taps, combine
from subpixel.sr._support.threads import map_in_threads
from subpixel.sr.inference.colour import alpha_radius, enlarge_tile
from subpixel.sr.inference.tiling import TILE_LENGTHS, tiles
from subpixel.sr.photo.engine import Model

# A strip of an enlarged image takes at most about this much memory.
STRIP_BYTES = 64 * 2**20
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Strips:
    """An image in strips of rows, from top to bottom; 0 is black and 1 white.

    Of 2 and 4 channels the last is alpha.
    """

    height: int
    width: int
    channels: int
    rows: Iterator[Float32[np.ndarray, "n w c"]]


def enlarge(lr: Strips, model: Model, advance: Callable[[int], None] | None = None) -> Strips:
    """Returns the image enlarged by a model, equal to the enlargement of the whole image at once.

    The image is consumed; `advance` receives the number of enlarged input pixels.
    """
    r = model.scale
    return Strips(lr.height * r, lr.width * r, lr.channels, _enlarge_rows(lr, model, advance))


def _enlarge_rows(
    lr: Strips, model: Model, advance: Callable[[int], None] | None
) -> Iterator[np.ndarray]:
    r, transparent = model.scale, lr.channels in (2, 4)
    overlap = alpha_radius(model.radius) if transparent else model.radius
    across = list(tiles(lr.width, overlap))
    row_bytes = lr.width * r * r * lr.channels * _FLOAT_BYTES
    buffer = RowBuffer(lr.rows)
    one_tile = partial(enlarge_tile, opaque=model.enlarge, radius=model.radius)
    for y in tiles(lr.height, overlap, _heights(STRIP_BYTES // row_bytes, overlap)):
        rows = buffer.take(y.start, y.stop)
        kept = y.last - y.first
        strip = np.empty((kept * r, lr.width * r, lr.channels), np.float32)
        parts = (rows[:, x.read] for x in across)
        for x, hr in zip(across, map_in_threads(one_tile, parts, model.tiles_at_once), strict=True):
            strip[:, x.written(r)] = hr[y.kept(r), x.kept(r)]
            if advance is not None:
                advance(kept * (x.last - x.first))
        yield strip


def _heights(most: int, overlap: int) -> tuple[int, ...]:
    """Returns the heights of tiles with at most `most` rows; at least the smallest height."""
    possible = [size for size in TILE_LENGTHS if size > 2 * overlap]
    return tuple(size for size in possible if size <= most) or tuple(possible[:1])


def resize(image: Strips, height: int, width: int) -> Strips:
    """Returns the image, which is consumed, in another size, by MATLAB's bicubic."""
    if (height, width) == (image.height, image.width):
        return image
    return Strips(height, width, image.channels, _resize_rows(image, height, width))


def _resize_rows(image: Strips, height: int, width: int) -> Iterator[np.ndarray]:
    indices, weights = _taps_to(image.height, height)
    across = _taps_to(image.width, width)
    # Columns first: the rows that are kept are then as narrow as the result.
    buffer = RowBuffer(combine(strip, 1, *across) for strip in image.rows)
    row_bytes = width * image.channels * _FLOAT_BYTES
    step = max(STRIP_BYTES // (8 * row_bytes), 1)
    for first in range(0, height, step):
        block = indices[first : first + step]
        start, stop = int(block.min()), int(block.max()) + 1
        # Later rows of the result may need rows from the start of this block, but none before it.
        rows = buffer.take(start, stop)
        yield combine(rows, 0, block - start, weights[first : first + step])


def _taps_to(size: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns MATLAB's taps for `imresize(image, [rows columns])`: the scale is target / size."""
    indices, weights = axis_taps(size, target / size, True, "symmetric")
    # Rounding can make target / size * size larger than the target: one output too many.
    return indices[:target], weights[:target].astype(np.float32)


class RowBuffer:
    """The rows of a stream that are still needed."""

    def __init__(self, strips: Iterator[Shaped[np.ndarray, "rows _ c"]]):
        self._strips = strips
        self._kept: list[np.ndarray] = []
        self._first = self._next = 0

    def take(self, start: int, stop: int) -> Shaped[np.ndarray, "rows _ c"]:
        """Returns rows start to stop; rows before `start` are dropped."""
        while self._next < stop:
            strip = next(self._strips)
            self._kept.append(strip)
            self._next += len(strip)
        while self._first + len(self._kept[0]) <= start:
            self._first += len(self._kept.pop(0))
        kept = self._kept[0] if len(self._kept) == 1 else np.concatenate(self._kept)
        return kept[start - self._first : stop - self._first]
