"""Blocks of square images: sums, correlation, and the alignment that follows from it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Num
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy import ndimage

# Height and width of the blocks in pixels, and the correlation of a block that is the same.
BLOCK, SAME_BLOCK = 8, 0.5
# A crop moves the border by this part of the size at most.
MOST_SHIFT = 0.045
# Standard deviation, in pixels, of the Gaussian that removes low frequencies.
LOW_PASS = 3.0


@dataclass(frozen=True)
class Correlation:
    """For each block of an image its best match in another, (n, n) each.

    Attributes:
      best: the largest normalised cross-correlation, -1..1.
      rows: the shift in rows at which it is found.
      columns: the same in columns.
      first: the block's contrast (root mean square) in the first image.
      second: the same in the second, at shift 0.
    """

    best: Float[np.ndarray, "n n"]
    rows: Float[np.ndarray, "n n"]
    columns: Float[np.ndarray, "n n"]
    first: Float[np.ndarray, "n n"]
    second: Float[np.ndarray, "n n"]

    @classmethod
    def of(
        cls,
        first: Float[np.ndarray, "size size"],
        second: Float[np.ndarray, "size size"],
        block: int,
        most: int,
    ) -> "Correlation":
        """Searches shifts of -most..most pixels."""
        size = first.shape[0]
        padded = np.pad(second, most, mode="reflect")
        energy = sums(first * first, block)
        best = np.full(energy.shape, -1.0)
        rows, columns = np.zeros_like(best), np.zeros_like(best)
        for row in range(-most, most + 1):
            for column in range(-most, most + 1):
                top, left = most + row, most + column
                moved = padded[top : top + size, left : left + size]
                norm = np.sqrt(np.maximum(energy * sums(moved * moved, block), 1e-6))
                # Among equal matches the smallest shift wins.
                value = sums(first * moved, block) / norm - 1e-4 * (row**2 + column**2)
                better = value > best
                best[better], rows[better], columns[better] = value[better], row, column
        contrast = [np.sqrt(sums(image * image, block)) / block for image in (first, second)]
        return cls(best, rows, columns, *contrast)


def align(
    first: Float[np.ndarray, "size size"], second: Float[np.ndarray, "size size"]
) -> list[Float[np.ndarray, " size"]]:
    """Finds the shift and scale of both axes that fit the second image to the first.

    Returns:
      The rows of the second image that are rows 0, 1, ... of the first, and the same for columns.
    """
    size = first.shape[0]
    block = 16 if size >= 64 else 8
    most = max(2, round(size * MOST_SHIFT))
    found = Correlation.of(high_pass(first), high_pass(second), block, most)
    centres = (np.arange(found.best.shape[0]) + 0.5) * block - size / 2
    weight = np.minimum(found.first, found.second) * np.maximum(found.best, 0) ** 2 + 1e-9
    pixels = np.arange(size) + 0.5 - size / 2
    grid = []
    for shifts, axis in ((found.rows, 0), (found.columns, 1)):
        place = np.broadcast_to(np.expand_dims(centres, 1 - axis), shifts.shape)
        offset, slope = _fit_line(place.ravel(), shifts.ravel(), weight.ravel())
        grid.append(np.arange(size) + offset + slope * pixels)
    return grid


def move(
    image: Float[np.ndarray, "n n"], rows: Float[np.ndarray, " n"], columns: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n n"]:
    """Returns the image (n, n) at these rows and columns, interpolated linearly."""
    return ndimage.map_coordinates(image, np.meshgrid(rows, columns, indexing="ij"), order=1)


def count_different_blocks(image: Float[np.ndarray, "n n"], contrast: float) -> int:
    """Counts the blocks that show something of their own.

    A block counts if its contrast is at least this number of grey levels, and if it does not
    correlate, shifted by at most one pixel, with a block that was counted before. Flat forms have
    many blocks with texture, but these are a few edges and corners again and again.
    """
    size = image.shape[0]
    windows = sliding_window_view(high_pass(image), (BLOCK, BLOCK))
    first, last = BLOCK, size - 2 * BLOCK + 1
    shifts = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
    shifted = np.stack(
        [windows[first + r : last + r : BLOCK, first + c : last + c : BLOCK] for r, c in shifts]
    ).reshape(len(shifts), -1, BLOCK * BLOCK)
    norms = np.linalg.norm(shifted, axis=2)
    textured = norms[shifts.index((0, 0))] >= contrast * BLOCK
    shifted = shifted[:, textured] / np.maximum(norms[:, textured, None], 1e-6)
    blocks = shifted[shifts.index((0, 0))]
    alike = np.einsum("ip,sjp->sij", blocks, shifted).max(axis=0) > SAME_BLOCK
    alike |= alike.T
    np.fill_diagonal(alike, True)
    count, left = 0, np.ones(len(blocks), bool)
    while left.any():
        left &= ~alike[left.argmax()]
        count += 1
    return count


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


def high_pass(image: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """Removes low frequencies."""
    return image - ndimage.gaussian_filter(image, LOW_PASS)


def sums(values: Num[np.ndarray, "n n"], block: int) -> Num[np.ndarray, "blocks blocks"]:
    """Sums each block of an image (n, n); pixels that fill no block are left out."""
    count = values.shape[0] // block
    whole = values[: count * block, : count * block]
    return whole.reshape(count, block, count, block).sum(axis=(1, 3))


def resize(image: Image.Image, size: int) -> Float32[np.ndarray, "{size} {size}"]:
    """Resizes to a square, float32."""
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS), np.float32)
