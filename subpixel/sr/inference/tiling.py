"""Tiles of a few sizes that cover an image of any size, with an overlap that hides their edges.

Every tile lies inside the image. Each of its edges is either an edge of the image, where the
network pads with zeros as it does for the whole image, or so far from the kept pixels that it does
not affect them. The result is therefore that of the whole image at once, with few compilations and
little memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from subpixel.sr._support.threads import processors

# How many tiles are computed at once: one convolution does not keep all processors busy. A layer of
# ESPCN holds 17 MB of a tile, so the number is limited.
TILES_AT_ONCE = min(processors(), 4)

# Heights and widths of tiles, in low-resolution pixels. An axis that is shorter than the first is
# covered by one tile.
TILE_LENGTHS = (16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Tile:
    """A tile along one axis, in LR pixels: start to stop is read, first to last is kept."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def read(self) -> slice:
        """The range to read from the low-resolution image."""
        return slice(self.start, self.stop)

    def kept(self, scale: int) -> slice:
        """The range to keep, within the enlarged tile."""
        return slice((self.first - self.start) * scale, (self.last - self.start) * scale)

    def written(self, scale: int) -> slice:
        """The place of the kept range in the enlarged image."""
        return slice(self.first * scale, self.last * scale)


def tiles(size: int, overlap: int, lengths: Sequence[int] = TILE_LENGTHS) -> Iterator[Tile]:
    """Yields tiles of one of the lengths that cover an axis, that with the least work.

    An output pixel depends on `overlap` low-resolution pixels to each side.
    """
    useful = [length for length in lengths if 2 * overlap < length <= size] or [size]
    length = min(useful, key=lambda length: (_count(size, length, overlap) * length, -length))
    count, first = _count(size, length, overlap), 0
    for i in range(count):
        start = min(i * (length - 2 * overlap), size - length)
        last = size if i == count - 1 else start + length - overlap
        yield Tile(start, start + length, first, last)
        first = last


def _count(size: int, length: int, overlap: int) -> int:
    return 1 if length == size else 1 - (length - size) // (length - 2 * overlap)
