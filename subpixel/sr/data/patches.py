"""Batches of aligned LR and HR patches, as a resumable iterator."""

from collections.abc import Sequence

import grain
import numpy as np
from jaxtyping import UInt8

# LR and HR of one image, or of several of one size.
Pair = tuple[UInt8[np.ndarray, "*n h w c"], UInt8[np.ndarray, "*n hr_h hr_w c"]]
# The keys are "lr" and "hr", whose heights and widths differ.
Batch = dict[str, UInt8[np.ndarray, "n _ _ c"]]
ALL = slice(None)


class PatchCutter:
    """Cuts batches of patches, drawn uniformly over all positions in all images.

    A large image contributes more patches than a small one. A whole batch is cut at once, since
    Grain has a constant cost for each element.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        scale: int,
        patch_size: int,
        batch_size: int,
        augment: bool,
        rows: slice = ALL,
    ):
        """Computes the number of positions in each image.

        Args:
          pairs: uint8 arrays (h, w, c) and (r*h, r*w, c), none smaller than a patch.
          scale: r.
          patch_size: height and width of a patch, in LR pixels.
          batch_size: patches in a batch.
          augment: whether each patch is flipped and rotated at random, in one of eight ways.
          rows: which patches of each batch are cut (default: all). A patch does not depend on this
            choice, so several processes can cut their own rows.
        """
        self.pairs = pairs
        self.scale = scale
        self.patch_size = patch_size
        self.batch_size = batch_size
        self.augment = augment
        self.rows = rows
        # Pairs on disk give their shapes without being read.
        shapes = getattr(pairs, "lr_shapes", None) or [lr.shape for lr, _ in pairs]
        self.places = [
            (height - patch_size + 1, width - patch_size + 1) for height, width, _ in shapes
        ]
        self.channels = shapes[0][2]
        self.ends = np.cumsum([rows * columns for rows, columns in self.places])

    def __call__(self, step: int, rng: np.random.Generator) -> Batch:
        """Returns {"lr": uint8 (n, p, p, c), "hr": uint8 (n, r*p, r*p, c)}."""
        draws = rng.integers(self.ends[-1], size=self.batch_size)
        symmetries = rng.integers(8, size=self.batch_size) if self.augment else np.zeros_like(draws)
        chosen = list(zip(draws[self.rows].tolist(), symmetries[self.rows].tolist(), strict=True))
        small, large = self.patch_size, self.patch_size * self.scale
        lr = np.empty((len(chosen), small, small, self.channels), np.uint8)
        hr = np.empty((len(chosen), large, large, self.channels), np.uint8)
        for row, (draw, symmetry) in enumerate(chosen):
            index = int(np.searchsorted(self.ends, draw, side="right"))
            y, x = divmod(int(self.ends[index]) - 1 - draw, self.places[index][1])
            image = self.pairs[index]
            lr[row] = _flip_and_rotate(_crop(image[0], y, x, small), symmetry)
            patch = _crop(image[1], y * self.scale, x * self.scale, large)
            hr[row] = _flip_and_rotate(patch, symmetry)
        return {"lr": lr, "hr": hr}


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
