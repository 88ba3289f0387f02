"""Batches of aligned LR and HR patches, as a resumable iterator."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Self

import grain
import numpy as np
from jaxtyping import UInt8

from subpixel.sr.data.config import DataConfig, Sampling

# LR and HR of one image, or of several of one size.
PixelPair = tuple[UInt8[np.ndarray, "*n h w c"], UInt8[np.ndarray, "*n hr_h hr_w c"]]
# LR and HR of images of several sizes.
PixelPairs = list[tuple[UInt8[np.ndarray, "_ _ c"], UInt8[np.ndarray, "_ _ c"]]]
# The keys are "lr" and "hr", whose heights and widths differ.
Batch = dict[str, UInt8[np.ndarray, "n _ _ c"]]


@dataclass
class PatchCutter:
    """Cuts batches of patches from random positions.

    A whole batch is cut at once, since Grain has a constant cost for each element.

    Attributes:
      pairs: uint8 arrays (h, w, c) and (r*h, r*w, c), none smaller than a patch.
      scale: r.
      patch_size: in LR pixels.
      batch_size: patches in a batch.
      augment: whether each patch is flipped and rotated at random, in one of eight ways.
      sampling: "positions" draws all positions in all images alike, so a large image gives more
        patches than a small one; "images" draws an image, then a position in it.
      rows: which patches of each batch are cut (default: all). A patch does not depend on this
        choice, so several processes can cut their own rows.
    """

    pairs: Sequence[PixelPair]
    _: KW_ONLY
    scale: int
    patch_size: int
    batch_size: int
    augment: bool
    sampling: Sampling = "positions"
    rows: slice = field(default_factory=lambda: slice(None))

    def __post_init__(self):
        shapes, p = [lr.shape for lr, _ in self.pairs], self.patch_size
        self.places = [(height - p + 1, width - p + 1) for height, width, _ in shapes]
        self.channels = shapes[0][2]
        self.counts = np.array([rows * columns for rows, columns in self.places])
        self.ends = np.cumsum(self.counts)

    @classmethod
    def from_config(
        cls,
        pairs: Sequence[PixelPair],
        scale: int,
        data: DataConfig,
        rows: slice = slice(None),
    ) -> Self:
        """Returns what cuts the batches of a training."""
        return cls(
            pairs,
            scale=scale,
            patch_size=data.patch_size,
            batch_size=data.batch_size,
            augment=data.augment,
            sampling=data.sampling,
            rows=rows,
        )

    def __call__(self, step: int, rng: np.random.Generator) -> Batch:
        """Returns {"lr": uint8 (n, p, p, c), "hr": uint8 (n, r*p, r*p, c)}."""
        images, places = self._draw(rng)
        symmetries = rng.integers(8, size=len(places)) if self.augment else np.zeros_like(places)
        drawn = (part[self.rows].tolist() for part in (images, places, symmetries))
        chosen = list(zip(*drawn, strict=True))
        small, large = self.patch_size, self.patch_size * self.scale
        lr = np.empty((len(chosen), small, small, self.channels), np.uint8)
        hr = np.empty((len(chosen), large, large, self.channels), np.uint8)
        for row, (index, place, symmetry) in enumerate(chosen):
            y, x = divmod(place, self.places[index][1])
            image = self.pairs[index]
            lr[row] = _flip_and_rotate(_crop(image[0], y, x, small), symmetry)
            patch = _crop(image[1], y * self.scale, x * self.scale, large)
            hr[row] = _flip_and_rotate(patch, symmetry)
        return {"lr": lr, "hr": hr}

    def _draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        if self.sampling == "images":
            images = rng.integers(len(self.counts), size=self.batch_size)
            return images, rng.integers(self.counts[images])
        draws = rng.integers(self.ends[-1], size=self.batch_size)
        images = np.searchsorted(self.ends, draws, side="right")
        return images, self.ends[images] - 1 - draws


def _crop(image: np.ndarray, y: int, x: int, size: int) -> np.ndarray:
    return image[y : y + size, x : x + size]


def _flip_and_rotate(image: np.ndarray, symmetry: int) -> np.ndarray:
    """Applies one of the eight symmetries of the square: from 4 on a flip, then rotations."""
    if symmetry >= 4:
        image = image[:, ::-1]
    # Equals `np.rot90`, whose argument checks take ten times as long.
    match symmetry % 4:
        case 1:
            return image[:, ::-1].swapaxes(0, 1)
        case 2:
            return image[::-1, ::-1]
        case 3:
            return image.swapaxes(0, 1)[:, ::-1]
    return image


def batches(cutter: PatchCutter, *, steps: int, seed: int) -> grain.DatasetIterator:
    """Returns an iterator over the batches of a run.

    Batch i depends only on the seed and i. The iterator's state, JSON, restores its position.
    """
    dataset = grain.MapDataset.range(steps).seed(seed).random_map(cutter)
    # Images are in memory, and cutting a batch takes well under a millisecond: one thread ahead of
    # the training step is enough, and leaves the cores to the step.
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=8)
    return iter(dataset.to_iter_dataset(options))
