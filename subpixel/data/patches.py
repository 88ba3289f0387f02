"""Cuts batches of aligned patches, reproducibly and resumably."""

from collections.abc import Sequence

import grain
import numpy as np

Pair = tuple[np.ndarray, np.ndarray]
Batch = dict[str, np.ndarray]


class PatchCutter:
    """Cuts a whole batch of patches, uniformly over every place that a patch can have.

    A large picture is thus drawn from more often than a small one. All of a batch is cut at once,
    since Grain's cost is per element.
    """

    def __init__(
        self, pairs: Sequence[Pair], *, scale: int, patch_size: int, batch_size: int, augment: bool
    ):
        """Prepares to cut.

        Args:
          pairs: uint8 arrays (h, w, c) and (r*h, r*w, c), none smaller than a patch.
          scale: r.
          patch_size: height and width of a patch, in low-resolution pixels.
          batch_size: patches in a batch.
          augment: whether each patch is flipped and turned at random, eight ways.
        """
        self.pairs = pairs
        self.scale = scale
        self.patch_size = patch_size
        self.batch_size = batch_size
        self.augment = augment
        # Pairs that lie on disk say their shapes without being read.
        shapes = getattr(pairs, "low_shapes", None) or [low.shape for low, _ in pairs]
        self.places = [
            (height - patch_size + 1, width - patch_size + 1) for height, width, _ in shapes
        ]
        self.ends = np.cumsum([rows * columns for rows, columns in self.places])

    def __call__(self, step: int, rng: np.random.Generator) -> Batch:
        """Returns {"low": uint8 (n, p, p, c), "high": uint8 (n, r*p, r*p, c)}."""
        draws = rng.integers(self.ends[-1], size=self.batch_size)
        turns = rng.integers(8, size=self.batch_size) if self.augment else np.zeros_like(draws)
        low, high = zip(*map(self._cut, draws, turns), strict=True)
        return {"low": np.stack(low), "high": np.stack(high)}

    def _cut(self, draw: int, turn: int) -> Pair:
        index = int(np.searchsorted(self.ends, draw, side="right"))
        columns = self.places[index][1]
        y, x = divmod(int(self.ends[index] - 1 - draw), columns)
        low, high = self.pairs[index]
        return (
            _turn(_crop(low, y, x, self.patch_size), turn),
            _turn(_crop(high, y * self.scale, x * self.scale, self.patch_size * self.scale), turn),
        )


def _crop(image: np.ndarray, y: int, x: int, size: int) -> np.ndarray:
    return image[y : y + size, x : x + size]


def _turn(image: np.ndarray, turn: int) -> np.ndarray:
    """Applies one of the eight symmetries of the square."""
    if turn >= 4:
        image = image[:, ::-1]
    return np.rot90(image, turn % 4)


def batches(cutter: PatchCutter, *, steps: int, seed: int) -> grain.DatasetIterator:
    """Returns an iterator over the batches of a run.

    Batch i depends on the seed and i alone; the iterator's state, JSON, restores its place.
    """
    dataset = grain.MapDataset.range(steps).seed(seed).random_map(cutter)
    # Pictures are in memory and a batch is cut in well under a millisecond: one thread ahead of the
    # training step is enough, and leaves the cores to it.
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=8)
    return iter(dataset.to_iter_dataset(options))
