"""PSNR, consistency with the input, and time of the ways to enlarge to a size."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from subpixel.image import imresize, modcrop, psnr, rgb_to_luma
from subpixel.sr.data.pairs import Pair
from subpixel.sr.photo.engine import ModelFamily, find_models
from subpixel.sr.photo.strips import Strips, enlarge, resize


@dataclass(frozen=True)
class Way:
    """A way to enlarge to a size.

    Attributes:
      name: for the table.
      models: the models that enlarge.
      stages: scales, one after the other; a result that is too large is shrunk by bicubic.
    """

    name: str
    models: ModelFamily
    stages: tuple[int, ...]


@dataclass(frozen=True)
class Cost:
    """Quality and time of a way on a set of images.

    Attributes:
      psnr: mean over the images, of 8-bit luma with the scale shaved off, in dB.
      returning: share of the values of the input that the result, shrunk by bicubic, equals.
      seconds: for one megapixel of input, compilation left out.
    """

    psnr: float
    returning: float
    seconds: float


def ways_to(scale: int, model: str) -> list[Way]:
    """Returns bicubic, and the ways of a model to a scale: direct, consistent, and by others."""
    bicubic = find_models("bicubic")
    network, consistent = find_models(model), find_models(model, consistent=True)
    ways = [Way("bicubic", bicubic, (scale,))]
    if scale in network.scales:
        ways += [
            Way(f"x{scale}", network, (scale,)),
            Way(f"x{scale}, consistent", consistent, (scale,)),
        ]
    ways += [Way(f"x{r}, shrunk", network, (r,)) for r in network.scales if r > scale]
    for first in network.scales:
        for second in network.scales:
            if first * second == scale:
                ways.append(Way(f"x{first}, then x{second}", network, (first, second)))
    return ways


def measure_way(way: Way, images: Sequence[Pair], scale: int) -> Cost:
    """Shrinks images by MATLAB's bicubic, enlarges them again and compares."""
    scores, returning, seconds, pixels = [], [], 0.0, 0
    for image in images:
        hr = modcrop(image.hr.load(), scale)
        lr = imresize(hr, 1 / scale)
        # The first call compiles.
        _enlarge(way, lr, hr.shape[:2])
        began = time.perf_counter()
        result = _enlarge(way, lr, hr.shape[:2])
        seconds += time.perf_counter() - began
        pixels += lr.shape[0] * lr.shape[1]
        scores.append(float(psnr(rgb_to_luma(result), rgb_to_luma(hr), shave=scale)))
        returning.append(float((imresize(result, 1 / scale) == lr).mean()))
    return Cost(float(np.mean(scores)), float(np.mean(returning)), seconds / pixels * 1e6)


def _enlarge(way: Way, lr: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width, channels = lr.shape
    image = Strips(height, width, channels, iter([lr / np.float32(255)]))
    for scale in way.stages:
        image = enlarge(image, way.models.of_scale(scale))
    values = np.concatenate(list(resize(image, *size).rows))
    return (values.clip(0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
