"""How a network does on held-out pictures while it trains."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from flax import nnx

from subpixel.data.patches import Pair
from subpixel.image import psnr, rgb_to_luma
from subpixel.image.arrays import to_uint8
from subpixel.training.state import Params
from subpixel.upscaling import forward

# Held-out pictures are cropped to at most this many low-resolution pixels, and to one size, so
# that one compilation measures them all.
VALIDATION_SIZE = 96


def validation_batch(pairs: Sequence[Pair]) -> Pair:
    """Crops the middle of each picture, all to one size, and stacks them."""
    scale = pairs[0][1].shape[0] // pairs[0][0].shape[0]
    height, width = (
        min(VALIDATION_SIZE, *(low.shape[axis] for low, _ in pairs)) for axis in (0, 1)
    )
    lows, highs = [], []
    for low, high in pairs:
        y, x = (low.shape[0] - height) // 2, (low.shape[1] - width) // 2
        lows.append(low[y : y + height, x : x + width])
        highs.append(high[y * scale : (y + height) * scale, x * scale : (x + width) * scale])
    return np.stack(lows), np.stack(highs)


def validate(graph: nnx.GraphDef[Any], params: Params, held_out: Pair) -> tuple[float, np.ndarray]:
    """Measures a network on the held-out crops.

    Returns:
      The mean PSNR of luma in dB, rounded to 8 bits and shaved by the scale; and the first crop
      enlarged by nearest neighbour, by the network, and as it was: side by side, uint8 (h, 3w, c).
    """
    low, high = held_out
    scale = high.shape[1] // low.shape[1]
    output = to_uint8(np.asarray(forward(graph, params, low / np.float32(255))) * 255)
    nearest = low[0].repeat(scale, axis=0).repeat(scale, axis=1)
    sample = np.concatenate([nearest, output[0], high[0]], axis=1)
    if output.shape[-1] == 3:
        output, high = rgb_to_luma(output), rgb_to_luma(high)
    return float(psnr(output, high, shave=scale).mean()), sample
