"""Computes a network's operations in NumPy with loops, as a reference for every export."""

import loops
import numpy as np

from subpixel.sr.models.operations import (
    Activation,
    AddNearest,
    Centre,
    Convolution,
    Crop,
    PadEdge,
    Upsampling,
)


def run(operations, x: np.ndarray) -> np.ndarray:
    """(n, h, w, c) in float64 -> (n, r*h, r*w, c)."""
    y = x
    for operation in operations:
        match operation:
            case Centre(mean, scale):
                y = (y - mean) * scale
            case Convolution(kernel, bias):
                # A convolution is an upsampling by 1.
                low = [(size - 1) // 2 for size in kernel.shape[:2]]
                y = loops.upsample(y, kernel, (1, 1), low, y.shape[1:3]) + bias
            case Activation("tanh"):
                y = np.tanh(y)
            case Activation("relu"):
                y = np.maximum(y, 0)
            case Activation("prelu", slope):
                y = np.where(y < 0, y * slope, y)
            case Activation("sigmoid"):
                y = 1 / (1 + np.exp(-y))
            case Upsampling(scale, kernel):
                low = [(size - 1) // 2 for size in kernel.shape[:2]]
                y = loops.upsample(y, kernel, (1, 1), low, y.shape[1:3])
                y = y + operation.phase_bias
                y = loops.shuffle(y, (scale, scale), "dcr")
            case PadEdge(pixels):
                y = np.pad(y, [(0, 0), (pixels, pixels), (pixels, pixels), (0, 0)], mode="edge")
            case Crop(pixels):
                y = y[:, pixels:-pixels, pixels:-pixels]
            case AddNearest(scale):
                y = y + x.repeat(scale, axis=1).repeat(scale, axis=2)
            case _:
                raise AssertionError(f"an unknown operation: {operation}")
    return y
