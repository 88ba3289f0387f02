"""Checkerboard energy: the strength of a pattern with the period of the upsampling in an image.

An upsampling by r computes each of the r**2 phases of its output with a separate kernel. If the
phases respond differently to the same input, the output holds a pattern of period r, the
checkerboard (Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016; Aitken et al.,
arXiv 1707.02937). A network has none if all phases respond to a constant input with the same value
(Sugawara et al., arXiv 1806.02658), which `flat_energy` measures.
"""

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Real

from subpixel.sr.inference.upscaler import forward
from subpixel.sr.models.base import Network

# Grey levels of the constant images: from black to white of studio-range luma.
FLAT_LEVELS = (16, 71, 126, 180, 235)
# Size of a tile in periods.
TILE = 8


def checkerboard_energy(image: Real[ArrayLike, "h w"], scale: int, tile: int = TILE) -> float:
    """Returns the mean squared amplitude of the pattern of period r in an image.

    A moving average over one period is subtracted, which removes every linear ramp and no pattern
    of that period. The image is then cut into square tiles. In each tile the mean of each of the
    r**2 phases is taken; their variance is the tile's energy. The pattern may differ from tile to
    tile. White noise of variance s**2 gives about s**2 / tile**2.

    Args:
      image: (h, w), for instance luma in 0..255.
      scale: r, the period in both directions, at least 2.
      tile: height and width of a tile, in periods.

    Returns:
      The mean energy of the tiles, in squared units of the image.

    Raises:
      ValueError: if the image does not have two axes or holds no tile, or the scale is below 2.

    Example:
      >>> rows, columns = np.indices((64, 64))
      >>> checkerboard_energy(100 + rows + 3.0 * (-1) ** (rows + columns), 2)
      9.0
    """
    values = np.asarray(image, np.float64)
    if values.ndim != 2:
        raise ValueError(f"image must be (h, w); got the shape {values.shape}")
    if scale < 2:
        raise ValueError(f"scale must be at least 2; got {scale}")
    residual = values - _average(_average(values, scale, 0), scale, 1)
    margin, size = scale // 2, tile * scale
    inner = residual[margin : values.shape[0] - margin, margin : values.shape[1] - margin]
    rows, columns = (length // size for length in inner.shape)
    if min(rows, columns) < 1:
        raise ValueError(
            f"image must hold one tile of {size} pixels and a margin of {margin}; got the shape "
            f"{values.shape}"
        )
    cut = inner[: rows * size, : columns * size].reshape(rows, tile, scale, columns, tile, scale)
    phases = cut.mean(axis=(1, 4))
    return float(phases.var(axis=(1, 3)).mean())


def _average(values: np.ndarray, scale: int, axis: int) -> np.ndarray:
    """Returns the symmetric moving average over one period, with the edge repeated.

    For an even period the window is one pixel longer, and its two ends count half.
    """
    margin = scale // 2
    weights = np.ones(2 * margin + 1)
    if scale % 2 == 0:
        weights[[0, -1]] = 0.5
    pad = [(margin, margin) if i == axis else (0, 0) for i in range(values.ndim)]
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(values, pad, mode="edge"), len(weights), axis=axis
    )
    return windows @ (weights / scale)


def flat_energy(network: Network) -> float:
    """Returns the checkerboard energy of a network's output for constant images.

    Args:
      network: the network; all channels of its input get the same value.

    Returns:
      The variance over the r**2 phases, in squared grey levels of 0..255, as the mean over five
      grey levels and the channels. It is zero if and only if no phase differs at these levels.
    """
    size = 2 * network.radius + 1
    levels = np.array(FLAT_LEVELS, np.float32) / 255
    flat = np.ones((len(levels), size, size, network.channels), np.float32)
    graph, params = nnx.split(network)
    lr = jnp.asarray(flat * levels[:, None, None, None])
    output = np.asarray(forward(graph, nnx.to_pure_dict(params), lr), np.float64)
    start, stop = network.radius * network.scale, (network.radius + 1) * network.scale
    # The centre pixel's phases, which no border reaches.
    phases = output[:, start:stop, start:stop] * 255
    return float(phases.var(axis=(1, 2)).mean())
