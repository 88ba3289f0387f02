"""Enlarges one tile of an image with any channels: grey, RGB, and either with alpha.

Values are floating point in 0..1, so that 8 and 16 bits take the same path and are rounded once,
at the end.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Shaped

from subpixel.image import imresize, rgb_to_luma, rgb_to_ycbcr, ycbcr_to_rgb
from subpixel.image._arrays import ImageArray, namespace


def enlarge_opaque(
    tile: Float[ImageArray, "h w c"],
    network: Callable[[Float[ImageArray, "h w channels"]], Float[ImageArray, "hr_h hr_w channels"]],
    scale: int,
    channels: int,
) -> Float[ImageArray, "{scale}*h {scale}*w c"]:
    """Enlarges grey or RGB with a network.

    A luma network receives Y in studio range, as in training; Cb and Cr are enlarged by bicubic.
    An RGB network receives a grey image as three equal channels; its result is their mean.

    Tile and result, which is not clipped, have 1 or 3 channels, and the network 1 or 3 of its own.
    """
    xp: Any = namespace(tile)
    grey = tile.shape[-1] == 1
    if channels == 3:
        output = network(xp.concatenate([tile] * 3, axis=-1) if grey else tile)
        return xp.mean(output, axis=-1, keepdims=True) if grey else output
    if grey:
        return (network((tile * 219 + 16) / 255) * 255 - 16) / 219
    levels = tile * 255
    luma = network(rgb_to_luma(levels) / 255) * 255
    chroma = imresize(rgb_to_ycbcr(levels)[..., 1:], scale)
    return ycbcr_to_rgb(xp.concatenate([luma, chroma], axis=-1)) / 255


def rounded(
    values: Float32[np.ndarray, "h w c"], dtype: type[np.integer[Any]]
) -> Shaped[np.ndarray, "h w c"]:
    """Returns values in 0..1 as whole numbers from 0 to the largest of a type.

    Halves are rounded up, as MATLAB's `uint8` and `uint16` do.
    """
    return (values.clip(0, 1) * np.float32(np.iinfo(dtype).max) + np.float32(0.5)).astype(dtype)


def enlarge_tile(
    tile: Float[np.ndarray, "h w c"],
    opaque: Callable[[Float[np.ndarray, "h w _"]], Float[np.ndarray, "hr_h hr_w _"]],
    radius: int,
) -> Float[np.ndarray, "hr_h hr_w c"]:
    """Enlarges a tile of 1 to 4 channels; the last of 2 or 4 is alpha.

    The colours of invisible pixels are replaced by those of their visible neighbours first, so
    that no hidden colour becomes visible at a transparent edge. Alpha is enlarged like a grey
    image and kept within the range of its 3x3 neighbourhood: opaque areas stay opaque, and
    transparent areas stay transparent.

    `opaque` enlarges (h, w, 1) and (h, w, 3); an output pixel of it depends on `radius` pixels to
    each side. The result is clipped to 0..1 where there is alpha.
    """
    channels = tile.shape[-1]
    if channels in (1, 3):
        return opaque(tile)
    colours, alpha = tile[..., :-1], tile[..., -1:]
    enlarged = opaque(spread_colours(colours, alpha, radius + 1)).clip(0, 1)
    return np.concatenate([enlarged, _enlarge_alpha(alpha, opaque)], axis=-1)


def alpha_radius(radius: int) -> int:
    """Returns how many pixels to each side an output pixel with alpha depends on."""
    return 2 * radius + 1


def spread_colours(
    colours: Float[np.ndarray, "h w c"], alpha: Float[np.ndarray, "h w 1"], steps: int
) -> Float[np.ndarray, "h w c"]:
    """Gives invisible pixels the mean colour of their known neighbours, step by step.

    A pixel is visible where alpha is above 0; it stays. Colours spread `steps` pixels far.
    """
    known = alpha > 0
    if known.all() or not known.any():
        return colours
    for _ in range(steps):
        count = _sum_3x3(known.astype(colours.dtype))
        mean = _sum_3x3(colours * known) / np.maximum(count, 1)
        reached = ~known & (count > 0)
        colours, known = np.where(reached, mean, colours), known | reached
    return colours


def _enlarge_alpha(alpha: np.ndarray, opaque: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    enlarged = opaque(alpha)
    scale = enlarged.shape[0] // alpha.shape[0]
    neighbours = _neighbours(alpha, "edge")
    low, high = (
        bound.repeat(scale, axis=0).repeat(scale, axis=1)
        for bound in (neighbours.min(axis=0), neighbours.max(axis=0))
    )
    return enlarged.clip(low, high)


def _sum_3x3(values: np.ndarray) -> np.ndarray:
    return _neighbours(values, "constant").sum(axis=0)


def _neighbours(values: np.ndarray, mode: Any) -> np.ndarray:
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode=mode)
    height, width = values.shape[:2]
    return np.stack([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)])
