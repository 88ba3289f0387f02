"""Scores of a network on held-out images during training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from flax import nnx
from jaxtyping import UInt8

from subpixel.image import psnr, rgb_to_luma, to_uint8
from subpixel.sr.data.patches import PixelPair
from subpixel.sr.inference.upscaler import forward
from subpixel.sr.models.base import Params

# Held-out images are cropped to at most this many LR pixels per axis, all to one size, so that one
# compilation measures them all.
VALIDATION_SIZE = 96


def validation_batch(pairs: Sequence[PixelPair]) -> PixelPair:
    """Crops the centre of each image, all to one size, and stacks the crops."""
    scale = pairs[0][1].shape[0] // pairs[0][0].shape[0]
    height, width = (min(VALIDATION_SIZE, *(lr.shape[axis] for lr, _ in pairs)) for axis in (0, 1))
    lrs, hrs = [], []
    for lr, hr in pairs:
        y, x = (lr.shape[0] - height) // 2, (lr.shape[1] - width) // 2
        lrs.append(lr[y : y + height, x : x + width])
        hrs.append(hr[y * scale : (y + height) * scale, x * scale : (x + width) * scale])
    return np.stack(lrs), np.stack(hrs)


def validate(
    graph: nnx.GraphDef[Any], params: Params, held_out: PixelPair
) -> tuple[float, UInt8[np.ndarray, "hr_h 3*hr_w c"]]:
    """Measures a network on the held-out crops.

    Returns:
      The mean PSNR in dB of 8-bit luma, shaved by the scale; and a sample image, uint8 (h, 3w, c):
      the first crop by nearest neighbour, by the network, and the original, side by side.
    """
    lr, hr = held_out
    scale = hr.shape[1] // lr.shape[1]
    output = to_uint8(np.asarray(forward(graph, params, lr / np.float32(255))) * 255)
    nearest = lr[0].repeat(scale, axis=0).repeat(scale, axis=1)
    sample = np.concatenate([nearest, output[0], hr[0]], axis=1)
    if output.shape[-1] == 3:
        output, hr = rgb_to_luma(output), rgb_to_luma(hr)
    return float(psnr(output, hr, shave=scale).mean()), sample
